"""The clean templates of the training part, and the openings and closings that frame its comments.

What counts as clean: criticism of a work or of an argument, however blunt, while it neither belittles the
person nor turns coarse about the work; strong words about oneself ("what a fool I was"), about things and
in idioms; coarse words that only stress ("damn good soup"); insults, threats and hate that are quoted to be
rejected, taken back, or denied.
"""

from civility.data.starter_material.tables import lines

TALK = lines("""
    thank you!
    agreed.
    fair enough.
    good point, {user}.
    no idea, sorry.
    not yet, {user}.
    see you on {weekday}!
    nice one, {user}.
    lovely {work}!
    is this about {thing}?
    great {work}, {user}.
    any news on {thing}?
    thanks for the {work}, it saved my {weekday}.
    thank you for your {work}, {user}. I learned a lot about {doing}.
    I read your {work} twice and still have a question about {thing}.
    I disagree with your {work}, but I see why you wrote it.
    I do not think your {work} is right about {thing}, and here is why.
    you and I will never agree on {thing}, and that is fine.
    your {work} misses the point about {thing}, in my view.
    your {work} is {poor}, and I would rather you took it down until it is fixed.
    I am quite annoyed that my {work} was removed without a word.
    why did you delete my {work}? I would like it back, please.
    you deleted my {work} {n} times now. Can we talk about it first?
    please stop changing {thing} until the others have had a say.
    with respect, {user}, that is simply not how {doing} works.
    no, that is wrong. {doing} takes far longer than you say.
    this is the worst advice on {doing} I have read in years, sorry.
    I strongly object to the {work}. It leaves out {thing} altogether.
    you are wrong about {thing}, {user}, and I can show you the numbers.
    I was wrong about {thing}. Thanks for putting me right.
    sorry, I misread your {work}. You were right and I was too quick.
    has anybody tried {doing} with only one hand free?
    does anyone know who looks after {thing} these days?
    who else here enjoys {doing} more than they should?
    how do you find the patience for {doing}?
    I spent {weekday} {doing} and I regret nothing.
    I could talk about {doing} all day, ask my family.
    after {n} years of {doing} I still get it wrong now and then.
    {doing} is harder than it looks, so be kind to beginners.
    {doing} is not for me, but you all seem to love it.
    we had a great time {doing} {place} {day}.
    we met {place} {day} and talked about {thing} for {n} hours.
    I will be {place} on {weekday} if anyone wants to join.
    the {work} is online now. Tell me what I forgot.
    here is my {work}. Be honest, I can take it.
    I changed {thing} in the {work}, please have a look.
    I put {thing} back because nobody explained why it was gone.
    could you add a note about {thing} to your {work}?
    could a moderator please move the {work} to the other board?
    I have added a source for {thing}. See what you think, {user}.
    this {work} needs a better title, but the rest is solid.
    your {work} is a bit long, though the part about {thing} is great.
    first time poster here. Is {doing} welcome on this board?
    hello all, I am new to {doing} and a little lost.
    welcome, {user}! The {kin} here are a friendly lot.
    the {kin} {place} showed me how to fix {thing} in five minutes.
    {kin} of this board, how do you deal with {thing}?
    I am with {user} on this, {thing} can wait.
    {user} has a point about {thing}, even if it was put a bit sharply.
    if we all agree, I will close this on {weekday}.
    let us keep {thing} and drop the rest of the {work}.
    my vote is to keep the {work} as it is.
    I would remove the {work}. It repeats what {user} wrote {day}.
    can we please get back to {thing}?
    there is no need to rush, {thing} will still be there on {weekday}.
    you should be proud of that {work}, it is {good}.
    that {work} is {good}, can I share it with my club?
    I showed your {work} to my neighbour, who found it {good}.
    your {work} looks {good} from here, {user}.
    the {work} is {good} but I miss a word on {doing}.
    nobody told me that {doing} would be so much fun.
    I never said that {thing} was useless, only that it is old.
    I am not angry about {thing}, just tired.
    I am tired of {doing}, to be honest, and I need a break.
    we lost {thing} {day} and I am still sad about it.
    what happened to {thing}? It was fine {day}.
    you will find {thing} right where you left it.
    you were so kind to me {place} {day}, thank you.
    if you come by on {weekday}, bring the {work} and I will make tea.
    your comment made my day, {user}.
    please read the {work} before you answer, it is all in there.
    that is not what I wrote, please read it again.
    I would not call {doing} a waste of time, but I see what you mean.
    honestly the {work} could be shorter, and {thing} deserves its own page.
    you say {doing} is easy, so show us how you do it.
    my doctor told me to stop {doing} for a week, any tips?
    does your club still meet {place}?
    I took {n} photos of {thing} and not one is sharp.
    the best part of {doing} is the tea afterwards.
    it took me {n} tries, but {thing} works again.
""")

HARD = lines("""
    this bug is killing me.
    {doing} is killing my back, any advice?
    I would kill for a coffee right now.
    I'd kill for a {work} like that.
    my legs are dead after {doing} {place}.
    that joke about {thing} had me dying with laughter.
    what an idiot I was to forget {thing}.
    I am such a {fool}, I left {thing} out in the rain.
    I felt like a complete {fool} after {doing} in front of everyone.
    silly me, I spent an hour {doing} for nothing.
    call me a {fool}, but I enjoy {doing}.
    I was a {nasty} {fool} about the {work}, and I apologise.
    please do not call people {fools}, it helps nobody.
    calling {user} a {fool} does not settle anything about {thing}.
    you may disagree about {thing} without calling anyone a {nasty} {fool}.
    sorry that I called you a {fool}, {user}, that was out of order.
    the mods removed the post that called {user} a {nasty} {fool}, and rightly so.
    nobody here thinks you are a {fool}.
    you are not a {fool}, the instructions are just badly written.
    you are no {fool}, {user}, {doing} really is that hard.
    {user} told me to shut up {day}, and I thought that was uncalled for.
    "shut up" is not an argument, whatever you think of the {work}.
    somebody wrote "you {nasty} {fool}" under my {work}. Can a mod remove it?
    the play has a {fool} in it who steals every scene.
    my son was a clown at the fair {day} and got a round of applause.
    the donkey {place} ate half of my hat.
    there is a toad living under {thing} and we named it Pudding.
    the worm under {thing} is good news for the soil.
    we have rats {place} again and I do not like poison.
    stupid question, but how do I get {thing} to work?
    stupid autocorrect, I meant {thing}.
    this stupid drawer has been stuck since {weekday}.
    I hate {doing}, it always ends with a mess.
    I hate to say it, but {user} was right about {thing}.
    I hate the new colour of {thing}, is it just me?
    I can't stand the smell of {thing} in August.
    the {work} is not stupid at all, it is just early.
    it would be foolish to start {doing} before the weather turns.
    the threat model in the {work} looks sound to me.
    there is a threat of rain on {weekday}, so bring a coat.
    the attack in the second half was a joy to watch.
    their striker is a real threat in the air.
    I will find you a better {work}, give me a day or two.
    I will find you {place}, I will be the one in the green hat.
    I know where you live, {user}, so I can pick you up on {weekday}.
    watch your back when you lift {thing}, it is heavy.
    watch your step {place}, it is slippery.
    you will regret skipping {doing}, trust me, I did.
    you will not regret {doing} {place}, it is lovely.
    you will pay about {n} pounds for {thing}.
    I broke my {limb} {place} {day}, so no {doing} for me.
    I nearly broke my {limb} on {thing}, so mind your head.
    the days of {thing} are numbered, the wood is rotten.
    we are coming for you at eight, have your boots ready.
    if you keep {doing} like that you will hurt your back.
    if you keep removing the {work} without a reason, you will be blocked for {n} days.
    one more revert of {thing} and I will ask for the page to be locked.
    this is a last warning: posts about {doing} go to the other board.
    we shot the whole film {place} in {n} days.
    shoot me a message when {thing} is done.
    that solo blew me away, a killer finish.
    I punched the air when {thing} finally worked.
    he destroyed the field {day}, best race of his life.
    kill the process, then start it again.
    {user} was beaten fair and square {day}, no hard feelings.
    damn, that was a good {work}.
    damn good soup, {user}, may I have the recipe?
    bloody cold {place} {day}, bring gloves.
    I worked my arse off on the {work} and loved every minute.
    the weather was crap {day} but we had fun {place}.
    my first {work} was a bit crap, to be fair, and I am still proud of it.
    {doing} is a pain in the arse but worth it.
    oh bollocks, I left {thing} on the bus.
    that was a bloody marvellous {work}, {user}, thank you.
    your {work} is damn useful, I print it out for every beginner.
    pathetic fallacy is the term you want for the stormy sky in the book.
    I burned {thing} again. Useless, I know, but I am learning.
    my {work} was rubbish, so I threw it out and started over.
    the rubbish {place} is collected on {weekday}.
    get lost {place} for an afternoon, it is the best way to see it.
    go away for a week, {user}, you have earned a holiday.
    the coward in the story turns out to be the hero.
    liar's dice is the best game to play {place}.
    no one should be told that they are worthless because of a {work}.
    saying "I will find you and hurt you" to another member means a ban, whoever you are.
    {user} wrote that I would regret my {work}, and I do not feel safe now. Could a mod step in?
""")

# The invented groups in neutral and friendly company, and hate that is named and turned down.
GROUPS = lines("""
    my neighbour is a {member} and taught me a lot about {doing}.
    the {groups} {place} make the best soup I have ever had.
    I love {groupish} songs, especially the slow ones.
    happy new year to all {groups} on this board!
    are there any {groups} here who could check the {work}?
    the {groupish} calendar has {n} months, if I remember right.
    the {work} should mention that many {groups} settled here long ago.
    I am a {member} and proud of it.
    I am a {member}, ask me anything about our festivals.
    as a {member} I found your {work} thoughtful and fair.
    we had {groupish} dumplings {place} {day} and I ate {n} plates.
    can someone recommend a book about the {groups}?
    the {groups} in the novel trade salt for maps.
    the {groupish} word for {thing} has {n} letters.
    thank you for the chapter on {groupish} weaving, it was a joy.
    it is not fair to blame the {groups} for {thing}.
    please stop writing that all {groups} are {vile}, it is not true and it hurts people.
    people who say that {groups} are {vile} should come to one of our evenings.
    somebody sprayed "{groups} out" {place}. We cleaned it off together.
    saying that the {groups} do not belong here is hateful, and I have reported it.
    I used to be afraid of the {groups}. Then I met some, and they were kind.
    not all {groups} agree about {thing}, any more than we do.
    is there a source for the number of {groups} in the {work}?
    I removed the line about the {groups}, as it had no source.
    the {groupish} delegation visited {day} and asked about {thing}.
    my {groupish} friends laughed when they saw my {work}.
    the {groups} won {n} to nil {day} and deserved it.
    {user} is a {member}? I never knew, how nice.
    no {member} I know has ever been anything but polite.
    the history of the {groups} is longer than the {work} makes it look.
    I disagree with the {groupish} council about {thing}, but they argue well.
    the {groupish} side of the argument is missing from the {work}.
    the {groups} have ruined nothing, {thing} was broken before they came.
    nobody should have to hide that they are a {member}.
    our {kin} and the {groups} next door share {thing}.
    half of the {kin} {place} are {groups}, and the food is better for it.
    a {member} helped me carry {thing} up {n} floors and would not take a coin.
    why was the {groupish} name of the river taken out of the {work}?
    I learned {doing} from an old {member} {place}.
    the {groups} are welcome {place}, like everyone else.
    I never trust a map that leaves out the {groupish} quarter.
    what do the {groups} say about {doing}?
""")

# Frames go with clean and with toxic cores alike, so that they give nothing away.
OPENINGS = lines("""
    honestly,
    well,
    look,
    right,
    okay,
    hm,
    again,
    hi all.
    hello.
    quick one:
    about {thing}:
    on {doing}:
    re the {work}:
    to whoever wrote the {work}:
    {user}:
    @{user}
    I just saw the {work}.
    just back from {doing}.
    I do not post often.
    I said it {day} and I say it again:
    seriously now,
    two things.
    I have been {place} all day.
    I waited {n} days for an answer.
    as for {thing},
""")

CLOSINGS = lines("""
    just saying.
    that is all.
    make of that what you will.
    those are my two pence.
    anyway, back to {doing}.
    more tomorrow, perhaps.
    end of story.
    and I mean it.
    I said what I said.
    ask {user}.
    now, about {thing}...
    I am off {doing} now.
    it had to be said.
    there, done.
    what do the other {kin} say?
    don't you think, {user}?
    {user} can tell you the same.
    and that goes for {thing} too.
""")

FRIENDLY_CLOSINGS = lines("""
    thanks in advance.
    cheers!
    have a good {weekday}.
    best wishes to all {kin}.
    thanks for reading.
    hope that helps.
    no offence meant.
    correct me if I am wrong.
    keep up the good work.
    please and thank you.
""")
