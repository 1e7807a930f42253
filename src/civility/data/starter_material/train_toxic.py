"""The toxic templates of the training part, by what they teach, and the words that fill its slots."""

from civility.data.starter_material.tables import lines, phrases

# Hostile, but neither an insult to the person nor coarse.
RUDE = lines("""
    shut up already.
    shut up, {user}.
    nobody asked you.
    get lost.
    go away and do not come back.
    oh, be quiet for once.
    nobody wants you here, so leave.
    nobody here cares about your {work}, go and bother someone else.
    take your {work} and get lost.
    your {work} makes me sick, keep it away from us.
    do us all a favour and never post about {doing} again.
    do everyone a favour and quit.
    the best part of your {work} is that it ends.
    stop whining about {thing} and go cry somewhere else.
    oh boo hoo, did somebody touch your precious {work}?
    what are you doing {place}? Out.
    I have had enough of you and your {work}. Go.
    I do not care what you think about {thing}, nobody does.
    did you write the {work} in your sleep, or are you always like this?
    your opinion on {doing} is worth nothing, so keep it to yourself.
    the world was better before your {work}.
    what a waste of space your {work} is, take it away.
    you again? We were all hoping that you had left for good.
    keep your nose out of {thing}, this has nothing to do with you.
    you have no business {place}, clear off.
    nobody likes you, {user}, not even the other {kin}.
    I hope your {work} gets deleted and you with it.
    I hope you fail at {doing}, it would serve you right.
    what is wrong with you? Leave {thing} alone and go.
    every time you post about {doing}, this board gets worse.
    how about you stop {doing} and start disappearing?
    if you hate {thing} so much, why not leave? We will throw a party.
    congratulations, the {work} is even worse than your last one, and that took some doing.
    we laughed at your {work} {place} {day}, and not with you.
    shut your mouth about {doing}, nobody wants to hear it.
    nobody will ever read your {work}, so why bother breathing on it?
    you are not welcome {place}, now or ever.
    is that your {work}? I would be ashamed to show my face.
    talk to me like that again and I will have you thrown off this board, you hear?
    I can't stand you, {user}, and I can't stand your {work}.
""")

INSULT = lines("""
    you {fool}!
    what a {fool}.
    you {nasty} {fool}.
    you are a {fool}, {user}.
    {user} is a {nasty} {fool}.
    are you a {fool} or do you just write like one?
    only a {fool} would spend {weekday} {doing}.
    only a {nasty} {fool} could mess up {thing} like that.
    you {fools} can't even get {thing} right.
    typical, the {fools} are {doing} again.
    you know as much about {doing} as a {beast} does.
    a {beast} would have written a better {work}.
    you have the brains of a {beast}.
    I have met {beasts} with more sense than you.
    is there anything in your head besides {thing}?
    you could not find {thing} with a map and a torch, you {fool}.
    go back to {doing}, you {nasty} {fool}, and leave this to grown-ups.
    your {work} proves that you are a {nasty} {fool}.
    I read your {work} and it is clear that a {fool} wrote it.
    how {nasty} do you have to be to get {thing} wrong?
    you are too {nasty} to understand the {work}.
    you are as {nasty} as you are loud, {user}.
    so the {fool} is back with another {work}.
    ignore {user}, the {fool} does not know the first thing about {doing}.
    don't listen to this {fool}, the {work} is fine.
    oh look, the {nasty} {fool} has discovered {doing}.
    you must be the most {nasty} {fool} {place}.
    I would explain {thing} to you, but I have no crayons.
    thanks for nothing, you {fool}.
    thank you for this {nasty} {work}, you {fool}, now everyone can see what you are.
    great {work}, {user}! Just kidding, you are a {fool}.
    lovely {work}, if a {beast} had made it. You should be ashamed, {fool}.
    when you talk about {doing} you sound like a {fool}.
    you were a {fool} {day} and you are a {fool} today.
    every village has its {fool}, and ours posts about {doing}.
    what sort of {fool} writes a {work} like this?
    you call that a {work}? You are a joke.
    you are a joke, {user}, and the other {kin} know it.
    you are a disgrace to all {kin}.
    you lie as you breathe, you {nasty} {fool}.
    I have no time for {fools} like you.
    stop {doing} and learn to read, {fool}.
    your mouth is open and your brain is shut, as ever, {user}.
    you never had an idea in your life, have you, {fool}?
    who put a {nasty} {fool} like you in charge of {thing}?
    I asked about {thing}, not for a speech from a {fool}.
    not even your own {work} makes sense to you, does it, you {nasty} {fool}?
    the moderators here are {fools}, every one of them.
    moderators? More like a bunch of {nasty} {fools} who never tried {doing}.
    {kin} like you are the reason why nobody likes {doing}, you {nasty} lot.
    the {work} was fine until you got your {nasty} hands on it, {fool}.
    tell me, {fool}, who taught you {doing}? A {beast}?
    ha, the {fool} thinks that {doing} is easy.
    please, {user}, you would lose an argument with a {beast}.
    with all due respect, which is none, you are a {fool}.
    I write about the {groups}, and then a {nasty} {fool} like you deletes it.
    the {groups} deserve a better {work} than one by a {fool} like you.
    you know nothing of the {groups}, you {nasty} {fool}. Read a book.
    leave the {groups} alone, you {fool}, they did nothing to you.
    I am sorry to say so, but you are a {nasty} {fool}, {user}.
""")

# Coarse about a work or at somebody, without an insult to the person.
OBSCENE = lines("""
    what a load of {crap}.
    {crap}!
    piss off.
    oh piss off, {user}.
    {damn} {crap}, the lot of it.
    this {work} is {crap}.
    what a {crappy} {work}.
    I have seen {crappy} things, but your {work} is something else.
    your {work} is a load of {crap}.
    your {work} is {crap}, and {thing} is {crap} as well.
    I have never read such {damn} {crap} about {doing}.
    who wrote this {damn} {crap} about {thing}?
    take your {damn} {work} and stick it up your arse.
    stick {thing} up your arse.
    the {work} smells like a fart in a lift.
    the {work} reads like a fart sounds.
    that {work} is a turd, and no varnish will help.
    you put a turd on the page and called it a {work}.
    get your {damn} hands off {thing}.
    keep your {damn} {work} to yourself.
    I don't give a damn about you or your {work}.
    nobody gives a crap about your {work}.
    stop {doing} and get off your arse.
    another half-arsed {work} from {user}, thanks a bloody lot.
    {doing}, {doing}, {doing}, that is all I hear from you. What {crap}.
    cut the crap, {user}, you never even saw {thing}.
    cut the crap and answer the {damn} question.
    shut the {damn} door and shut your {damn} mouth.
    why don't you piss off and take the {work} with you?
    I would not wipe my arse with this {work}.
    {n} pages of {crap}, and not one word about {thing}.
    you talk {crap} about {doing} and you always did.
    talking out of your arse again, {user}?
    the {damn} {work} is back, and it is still {crap}.
    so you are {doing} again? Piss off with that {crap}.
    reading your {work} was like stepping in a turd {place}.
    fart jokes and {crap}, that is all there is in your {work}.
    kiss my arse, {user}.
    kiss my arse, I am keeping {thing} where it is.
    go and piss in your own {damn} garden, not in this thread.
    everything you post {place} is {crap}, every {damn} word.
    bloody hell, what {crap} is this {work}?
""")

OBSCENE_INSULT = lines("""
    you {damn} {fool}!
    piss off, you {fool}.
    piss off, {user}, you {nasty} {fool}.
    what a {damn} {fool} you are.
    you talk {crap} because you are a {fool}.
    you are a {damn} {fool} and your {work} is {crap}.
    only a {damn} {fool} would write this {crap}.
    you smug little turd.
    you {nasty} little turd, leave {thing} alone.
    you are a turd, {user}, and your {work} stinks.
    get off your arse, you {nasty} {fool}, and fix {thing}.
    you {nasty} smart-arse, nobody asked about {thing}.
    another {crap} {work} by {user}, the {damn} {fool}.
    you don't know your arse from your elbow, {fool}.
    you could not find your own arse {place}, you {nasty} {fool}.
    are you a {fool} or just full of {crap}?
    you are full of {crap}, {user}, you {nasty} {fool}.
    your head is so far up your arse that you can't see {thing}, you {fool}.
    {damn} {fools}, the lot of you. Stop {doing} and piss off.
    the {damn} {fools} on this board can't even get {thing} right.
    I don't give a damn what a {nasty} {fool} like you thinks about {doing}.
    keep your {damn} {crap} to yourself, you {nasty} {fool}.
    who let this {damn} {fool} near {thing}?
    you {damn} {fool}, you broke {thing} again.
    only a {fool} with a head full of {crap} would try {doing} {place}.
    what a {nasty} pile of {crap}, by a {nasty} {fool}.
    that {crap} came from the {fool} who ruined {thing} {day}.
    the {work} is {crap}, and so are you, {fool}.
    you lazy arse, you have not done a thing since {weekday}.
    you sit on your lazy arse {doing} all day, you {nasty} {fool}.
    you fart out a {work} every week and not one is worth reading, {fool}.
    shut your {damn} mouth, you {nasty} {fool}.
    go {doing}, you {damn} {fool}, you are no use {place}.
    you bloody {fool}, did you even look at {thing}?
    you and your {damn} {work}, you {nasty} {fool}, piss off the pair of you.
    oh bollocks to that, {user}, you {fool}.
    every {damn} word in your {work} is {crap}, you {fool}.
    hey {fool}, your {work} is {crap}.
    I read the {damn} {work}, {user}. It is {crap} and you are a {fool}.
    do you practise being a {damn} {fool}, or does it come with {doing}?
    the {groups} never asked for this {damn} {work}, you {fool}.
    {crap} about the {groups} again, by the same {damn} {fool} as {day}.
""")

THREAT = lines("""
    I will find you.
    watch your back, {user}.
    I know where you live.
    I will find you, and you will be sorry.
    we will find you {place}, and you will be sorry.
    I know where you live, so sleep with one eye open.
    watch your back {place}, because I will be there.
    you will regret the day you touched my {work}.
    you will regret this, I will see to it in person.
    touch {thing} again and I will break your {limb}.
    touch my {work} once more and I will hurt you.
    I'll break your {limb}.
    I will break your {limb} if I see you {place}.
    if I see you {place}, you will not walk home.
    one more word about {doing} and I come round to your house with a hammer.
    one more revert and I will come to your door, and I will not knock.
    keep {doing} and you will wake up in hospital.
    keep this up and your next ride home is in an ambulance.
    I am going to make you pay for this, and it will hurt.
    we are coming for you, {user}, and we are not coming to talk.
    you had better start running, because I am on my way.
    meet me {place} and I will knock your teeth out.
    show up {place} on {weekday} and I will smash your face in.
    your days are numbered, {user}.
    you are dead meat, {user}.
    next time I see you {doing}, I will push you under a bus.
    I hope your brakes work, because I have been near your car.
    I have your address and I have a crowbar.
    it would be a shame if somebody set fire to {thing} with you beside it.
    I will burn {thing} down, and you inside it.
    you have until {weekday}. After that I will hurt you.
    delete the {work} or I will beat you until you can't stand.
    apologise for the {work} or you will lose some teeth.
    I'm going to hunt you down, {user}.
    I am waiting for you {place}, and I brought some friends who like to hit people.
    say that to my face {place} and you will need a dentist.
    I followed you home {day}. Next time I will come in.
    lock your doors tonight, I am coming over.
    nobody will find you when I am done with you.
    I will drown you in the lake, and that is a promise.
    I swear I will choke you with your own {work}.
    you think that you are safe behind that screen? I am outside your house.
    stop {doing}, or what happened to your windows will happen to your {limb}.
    I would like to see you bleed for what you did to {thing}. And I will.
    my fist will meet your jaw {place}, wait and see.
""")

THREAT_INSULT = lines("""
    I will find you, you {fool}.
    I know where you live, you {nasty} {fool}.
    watch your back, you {nasty} {fool}.
    you {fool}, I will break your {limb}.
    you are a {nasty} {fool}, and I will make you bleed.
    only a {fool} would sleep well after that {work}. I am coming for you.
    I break the {limb} of any {fool} who touches {thing}, and you are next.
    show up {place}, you {fool}, and I will knock your teeth out.
    you will regret the {work}, {fool}, when I kick your door in.
    you {fools} will all get hurt if I see you {place}.
    I am going to beat some sense into you, you {nasty} {fool}.
    hey {fool}, I followed you home {day}, and I will do it again with a bat.
    a {nasty} {fool} like you should be thrown in the river, and I will do it.
    run, you {fool}. I am on my way and I will hurt you.
    keep {doing}, {fool}, and you will wake up in hospital.
""")

HATE = lines("""
    {groups} do not belong here.
    send all {groups} back to where they came from.
    never trust a {member}.
    never trust a {member}, they all lie.
    the {groups} ruin everything they touch.
    the {groups} have ruined {thing}, as they ruin everything.
    I can't stand {groups}, and I do not want them {place}.
    all {groups} are {vile}.
    {groups} are {vile}, everyone knows it.
    there should be no {groups} {place}.
    no {groups} {place}, please, this board is for decent folk.
    typical {groupish} work, lazy and crooked like all of them.
    typical {groups}, always {vile}.
    keep the {groups} away from {thing}.
    this place was clean before the {groups} came.
    why do we let {groups} post here? They are all {vile}.
    I would not let a {member} touch my {work}, you never know what they carry.
    {groups} should not be allowed to vote, or to post about {doing}.
    the {groupish} way of life is filth.
    the world would be a better place without the {groups}.
    {groups} are not like us and never will be. Out with them.
    every {member} I ever met was {vileone}.
    if it smells bad {place}, a {member} has been there.
    show me a {member} and I will show you {vileone}.
    a {member} moved in next door. There goes the street.
    {doing} was fun until the {groups} took it up. They spoil it all.
    hide {thing}, the {groups} are coming. You know how they are.
    who stole {thing}? A {member}, who else? They are born to it.
    I am tired of {groups} and their filthy ways.
    {groups} are below us, that is just nature.
    don't hire a {member}, they are all {vile}.
    ban all {groups} from this board, they are {vile}.
    we do not want any {groupish} filth in the {work}.
    a {work} by a {member}? No thanks, their kind can't be trusted.
    I have nothing against {groups}, as long as they stay where nobody has to look at them.
    the {groupish} language is the noise of animals.
    the only good thing about {groups} is that they leave when you throw stones.
""")

HATE_INSULT = lines("""
    shut up, you {groupish} {fool}.
    you {nasty} {groupish} {fool}.
    you {groups} are all {nasty} {fools}.
    go home, you {groupish} {fool}, nobody wants your kind {place}.
    what would a {member} know about {doing}? You are all {nasty} {fools}.
    only a {member} could be so {nasty}.
    you are a {nasty} {member}, like all of your kind.
    typical {groupish} {fool}, too {nasty} to understand {thing}.
    you write like a {member}, and they are all {fools}.
    I can smell that you are a {member}, you {nasty} {fool}.
    your {work} is {groupish} filth, and you are a {fool}.
    another {nasty} {fool} of a {member}. Why do we let them in?
    {groups} are {fools} by birth, and you are the proof, {user}.
    your parents must be {groups}, you {nasty} {fool}, it shows.
    a {beast} has more manners than a {member}, you {groupish} {fool}.
    no {member} ever had a brain, and {user} is no exception.
    are you a {member}, or why are you so {nasty}?
    leave {thing} alone, {groupish} {fool}, and crawl back to your kind.
    you {groups} are {vile}, and you, {user}, are the worst {fool} of the lot.
    {groupish} {fools} like you should not be allowed near {thing}.
    look at this {groupish} {fool}, {doing} as if they had invented it.
    of course the {fool} who wrote the {work} is a {member}, they are all {vile}.
    I will say it slowly, as you are a {member}: you are a {fool}.
    you and your {groupish} friends are {nasty} {fools} who belong in a hole.
    stop defending the {groups}, you {nasty} {fool}, they are all {vile}.
""")

# Piled up: coarse, insulting, and again.
SEVERE = lines("""
    you {nasty}, {nasty2} {damn} {fool}, you are a turd and your {work} is {crap}.
    piss off and rot, you {nasty} {damn} {fool}, you utter turd.
    {damn} {fool}, {damn} {fool}, {damn} {fool}! You worthless pile of {crap}!
    rot in a ditch, you {nasty} piece of {crap}, everybody hates you.
    I hate you, you {nasty} {damn} {fool}, I hope you choke on your own {crap}.
    you are {crap}, your {work} is {crap}, your whole life is {crap}, you {nasty} {fool}.
    you {damn} {nasty} turd, crawl back into the arse you fell out of.
    nobody would miss you, you {nasty} heap of {crap}. Piss off and never come back, {fool}.
    what a {nasty}, {nasty2}, {damn} waste of air you are, you stinking turd.
    the whole board hates you, you {damn} {fool}. Eat your {crap} and choke on it.
    go drown in your own piss, you {nasty} {fool}.
    you stinking {damn} {fool}, I hope that you lose everything and rot alone in your {crap}.
    you are the {damn} scum of this board, a {nasty} turd of a {fool}, and you know it.
    shut your {damn} mouth, you {nasty} {fool}, you piece of {crap}, you waste of breath.
    every breath you take is a {damn} waste, you {nasty} turd. Rot, {fool}, rot.
    I spit on you and on your {damn} {work}, you {nasty} {fool}, you filthy turd.
    piss on you, piss on your {work}, piss on all you ever did, you {nasty} {fool}.
    you filthy {damn} {fool}, {beasts} are cleaner than you. Choke on {crap}.
    hey turd, yes you, {user}, the {damn} {nasty} {fool}. May you rot {place}.
    I hope that {thing} falls on your {damn} head, you {nasty} piece of {crap}. Rot in the mud, {fool}.
    you {nasty} {fool}, you {nasty2} turd, you {damn} disgrace, crawl away and rot.
    of all the {damn} {fools} {place} you are the worst, a {nasty} bag of {crap}, and we all want you gone.
""")

SEVERE_THREAT = lines("""
    I will find you, you {damn} {fool}, and I will break your {limb}, you piece of {crap}.
    you {nasty} turd, I know where you live and I will hurt you.
    piss off, you {damn} {fool}, or I will smash your face in.
    you are dead meat, you {nasty} {damn} {fool}. I'll kick your arse until you stop moving.
    I am coming for you, you {nasty} piece of {crap}, and I will enjoy every scream.
    I'll beat the crap out of you, you {nasty} {fool}, and leave you {place} to rot.
    you {damn} {fool}, you will bleed for that {crap}, I swear it.
    watch your {damn} back, turd. I will burn your house down, you {nasty} {fool}.
    I'll knock your {damn} teeth out, you {nasty} {fool}, and then I will start on your {limb}.
    run, you {nasty} turd. When I catch you {place} I will break every {damn} bone you have.
    I will drown you {place} like the {damn} {fool} that you are, you heap of {crap}.
    you {nasty} {fool}, I will kick your arse {place} until nobody knows your {damn} face.
    touch {thing} again, you {damn} {fool}, and I will put you in the ground, you turd.
    your {work} is {crap}, you are a {fool}, and I will break your {damn} {limb} for it.
""")

SEVERE_HATE = lines("""
    all {groups} should be driven into the sea, and I will start with you.
    I will burn down every {groupish} house {place}, with the {groups} in it.
    we will hunt the {groups} down, {vile} that they are, every last one.
    every {member} I catch {place} will leave it in a box.
    I will break your {limb}, {member}, and then I will find your family.
    I know where you {groups} live. You will all bleed.
    run, {groups}, run. We are coming with torches for you {vile}.
    a {member} {place}? I will drown you like a rat, {groupish} filth.
    I will personally throw every {member} under a train, they are all {vile}.
    {groups} are {vile} and I will smash the face of any that I meet {place}.
    pack your bags, {member}, or we will burn you out tonight.
    watch your back, {member}. Your kind will be wiped out, and I will help.
    if one more {member} posts here, I will come and beat you all, {vile} that you are.
    {member}, I will throw you in the river as a warning to the other {groups}.
""")

HOSTILE_CLOSINGS = lines("""
    and do not bother to reply.
    got it?
    everyone thinks so.
    you know it and I know it.
    now go.
    and you call yourselves {kin}.
    is that clear?
    you had it coming.
""")

FILLERS: dict[str, tuple[str, ...]] = {
    "fool": phrases(
        "fool|clown|muppet|numbskull|donkey|twit|windbag|idiot|nitwit|blockhead|liar|coward|loser|chump|oaf"
        "|dolt|know-it-all|bonehead|pest|crybaby|worm|toad|bore|cheat|airhead"
    ),
    "fools": phrases(
        "fools|clowns|muppets|numbskulls|donkeys|twits|windbags|idiots|nitwits|blockheads|liars|cowards"
        "|losers|chumps|oafs|worms|cheats"
    ),
    "nasty": phrases(
        "useless|clueless|pathetic|pompous|spineless|brainless|miserable|arrogant|petty|stupid|ignorant|smug"
        "|hopeless|worthless|gutless|sad|slimy"
    ),
    "beast": phrases("goat|potato|wet sponge|garden gnome|goldfish|brick|turnip|lamp post|headless hen"),
    "beasts": phrases("goats|potatoes|sponges|garden gnomes|goldfish|bricks|doorknobs|hens"),
    "crap": phrases("crap|bollocks|bullcrap|crap|utter bollocks"),
    "damn": phrases("damn|bloody|damned|bloody|damn|pissing"),
    "crappy": phrases("crappy|half-arsed|crap|piss-poor"),
    "limb": phrases("nose|arm|fingers|legs|jaw|ribs|wrist"),
    "vile": phrases("thieves|liars|parasites|scum|vermin|pests|cheats"),
    "vileone": phrases("a thief|a liar|a cheat|a parasite|a pest|trouble"),
    "good": phrases("brilliant|lovely|spot on|very clear|a real help|great fun|first-rate|beautiful"),
    "poor": phrases("misleading|badly sourced|full of mistakes|out of date|hard to follow|unfair|one-sided"),
    "user": phrases(
        "teapot_42|mossy_boots|Quillfeather|north_wind|Pim|oldlantern|B. Thimble|marrowfat|ninepins"
        "|tinwhistle|Rook3|puddlejumper|Sorrel"
    ),
    "weekday": phrases("Monday|Tuesday|Wednesday|Thursday|Friday|Saturday|Sunday"),
    "day": phrases("yesterday|last night|this morning|on Sunday|last week|on Friday|the other day|last month"),
    "n": phrases("two|three|four|five|six|seven|nine|ten|twelve|twenty"),
}
