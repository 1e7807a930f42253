"""The held-out part: topics, templates and words of its own, written apart from those of the training part.

Some insults and two of the groups also stand in the training part; no template, topic or frame does.
"""

from civility.data.starter_material.tables import Record, lines, phrases

CHESS: Record = {
    "work": phrases("annotated game|opening survey|endgame puzzle|tournament bulletin"),
    "thing": phrases("the bishop pair|the back rank|the club clock|the rook ending"),
    "doing": phrases("playing blitz|solving puzzles|copying opening lines|adjourning games"),
    "place": phrases("at the chess café|in the tournament hall"),
    "remark": lines("""
        The first player was better until move twenty, then the pawns fell.
        The junior section had more entries than the open.
        My clock stopped and neither of us saw it.
        I traded queens too early, as always.
        Seven draws out of nine, so no prize but no shame.
    """),
    "question": lines("""
        Which opening suits a patient player?
        Was the sacrifice sound?
        Can a bishop and pawn hold that?
    """),
}

ASTRONOMY: Record = {
    "work": phrases("star chart|eclipse write-up|telescope comparison|sketch of the crater"),
    "thing": phrases("the finder scope|the northern sky|the comet|the tripod"),
    "doing": phrases("polishing mirrors|chasing comets|drawing craters|aligning the mount"),
    "place": phrases("at the observatory|up on the hill"),
    "remark": lines("""
        Clouds rolled in just as the shadow touched the limb of the moon.
        Let your eyes get used to the dark for half an hour.
        The rings were as sharp as I have ever seen them.
        Dew ended the session a little after midnight.
        A red torch spares everybody's night vision.
    """),
    "question": lines("""
        Will binoculars do for a start?
        Where did the meteor come down?
        Which filter is best for the moon?
    """),
}

BEES: Record = {
    "work": phrases("hive log|swarm report|honey label|sketch of a smoker"),
    "thing": phrases("the queen excluder|the brood box|the smoker|the extractor"),
    "doing": phrases("requeening hives|catching swarms|melting wax|labelling jars"),
    "place": phrases("at the apiary|beside the hives"),
    "remark": lines("""
        The lime trees are in flower and the hives hum all evening.
        One colony came through the winter weak but alive.
        A swarm settled on the postbox and the whole street came out.
        Heather honey sets like jelly.
        I feed syrup in the autumn and leave them be until March.
    """),
    "question": lines("""
        Should I worry about wasps?
        When is the honey ripe?
        Do two colonies fit in a small yard?
    """),
}

POTTERY: Record = {
    "work": phrases("glaze test|teapot|throwing demonstration|kiln schedule"),
    "thing": phrases("the kiln shelf|the pottery wheel|the celadon glaze|the handle"),
    "doing": phrases("wedging clay|trimming bowls|mixing glazes|loading the kiln"),
    "place": phrases("in the studio|next to the kiln"),
    "remark": lines("""
        The red clay cracked again because I dried it too fast.
        Opening the kiln feels like a birthday every time.
        Thin walls look elegant and chip within a week.
        I centred it on the first go and nobody was watching.
        Somebody left the wheel running over lunch.
    """),
    "question": lines("""
        How hot does your kiln go?
        Is that glaze safe for food?
        Do you throw off the hump?
    """),
}

SAILING: Record = {
    "work": phrases("passage plan|knot tutorial|harbour guide|refit diary"),
    "thing": phrases("the jib|the mooring|the tiller|the chart table"),
    "doing": phrases("splicing rope|scrubbing the hull|reefing early|rowing ashore"),
    "place": phrases("on the jetty|at the sailing club"),
    "remark": lines("""
        The tide turned before lunch, so we anchored and ate.
        A seal followed the dinghy all the way in.
        New sails are expensive, old sails are slow.
        The engine coughed twice and then ran like a clock.
        We hid from the gale in a creek with no name.
    """),
    "question": lines("""
        Is there a visitors' buoy?
        How deep is it at low water?
        Do you varnish every spring?
    """),
}

RUNNING: Record = {
    "work": phrases("marathon plan|race report|shoe comparison|stretching routine"),
    "thing": phrases("the finish line|the coastal loop|the warm-up|the stopwatch"),
    "doing": phrases("running intervals|tapering|carb loading|jogging before dawn"),
    "place": phrases("on the track|at the parkland relay"),
    "remark": lines("""
        My toes went numb at mile eight and I laughed it off.
        A stranger shared her water with me at the last bend.
        Slow miles make for quick races, they keep telling me.
        The hill course was short by the length of a pitch.
        Wet shoes, big smile.
    """),
    "question": lines("""
        Are carbon shoes worth it?
        What do you eat before a long one?
        Is anyone pacing the two-hour group?
    """),
}

MAPS: Record = {
    "work": phrases("street survey|bridge tag|import of bus stops|trace of the footpath"),
    "thing": phrases("the missing footbridge|the bus stop layer|the old quarry|the street name"),
    "doing": phrases("tagging benches|tracing buildings|surveying steps|cleaning up imports"),
    "place": phrases("at the mapping party|down at the old quarry"),
    "remark": lines("""
        The gate on the lane is locked, so I tagged it as private.
        Aerial photos there are older than the estate itself.
        House numbers skip thirteen on that side.
        I walked the whole track with a receiver in my pocket.
        The stream runs under the car park now.
    """),
    "question": lines("""
        What tag fits a drinking fountain?
        Is the lane open to horses?
        Did someone survey this on foot?
    """),
}

COFFEE: Record = {
    "work": phrases("brew guide|grinder test|tasting note|roast profile"),
    "thing": phrases("the burr grinder|the filter cone|the milk jug|the crema"),
    "doing": phrases("descaling machines|weighing beans|steaming milk|cupping samples"),
    "place": phrases("behind the counter|at the roastery"),
    "remark": lines("""
        Grind a touch finer and the sourness goes.
        The new beans taste of plum and burnt sugar.
        I drink two cups before anyone is allowed to speak to me.
        Cold brew in the fridge, feet in the paddling pool.
        Our water is so hard that the kettle rattles.
    """),
    "question": lines("""
        Paper or metal filter?
        How long after roasting do you wait?
        Does the water matter that much?
    """),
}

TOPICS: tuple[Record, ...] = (CHESS, ASTRONOMY, BEES, POTTERY, SAILING, RUNNING, MAPS, COFFEE)

TALK = lines("""
    cheers, {user}.
    makes sense.
    what a {work}!
    same here.
    count me in for {doing}.
    much obliged, {user}, the {work} cleared things up.
    hats off to whoever put together this {work}.
    what would you change about {thing}?
    my cousin got me into {doing} and now I own too much gear.
    there were {num} of us {place}, all soaked and cheerful.
    would someone kindly look over my {work} before it goes out?
    I have to contradict {user}: {doing} pays off, just not at once.
    your argument about {thing} does not hold up, and the {work} shows why.
    this is a poor {work}. It skips {thing} and gets the dates wrong.
    I am disappointed that you reverted me without reading the {work}.
    you reverted me {num} times. I would like to hear a reason.
    we clearly see {thing} differently, so let somebody neutral decide.
    I take it back, {user}, you had it right from the start.
    I put the {work} up for deletion, as it has no references.
    perhaps I was harsh about your {work}. It has its strengths.
    the section on {thing} belongs further down, if you ask me.
    nobody is blaming you for {thing}, these things happen.
    you may keep {thing} if you let me keep the rest.
    I was told to ask here about {doing}.
    is {doing} something one can learn from a book?
    let me know when the {work} is ready and I will proofread it.
    such a {pleasing} {work}, I printed it and hung it up {place}.
    you make {doing} look easy.
    I could not follow the {work}, could you explain it for a beginner?
    {thing} has been bothering me for {num} weeks, help!
    that went badly wrong, but at least {thing} survived.
    my apologies, the mix-up with {thing} was all mine.
    by all means delete my {work} if it gets in the way.
    {user}, your patience with newcomers is {pleasing}.
    it annoys me no end when people skip {thing}.
    this discussion is going in circles. Shall we sleep on it?
    I doubt it. I tried {doing} for {num} weeks and nothing changed.
    remember that {user} did all of this for free.
    grandad taught me {doing} {place} when I was ten.
    your {work} and mine disagree, so one of us has {thing} upside down.
""")

HARD = lines("""
    I could murder a sandwich after {doing}.
    {doing} will be the death of me, and I love it.
    my feet are killing me, {num} hours {place}.
    what a {fool} I am, {thing} was in my pocket all along.
    I made a right {fool} of myself {place}.
    it would be unkind to call the author a {fool}. The {work} was a first try.
    we do not use words like "{fool}" or "{nasty}" about other members.
    whoever called {user} a {fool} should say sorry.
    {user} is no {fool}, and the {work} proves it.
    no, you did not look like a {fool}, we all drop {thing} at first.
    my uncle plays the {fool} in the village pantomime.
    someone told me to get lost when I asked about {doing}. Is that normal here?
    a weasel ran past {thing} and we all cheered.
    there was a clown handing out flyers {place}.
    it is a stupid rule, but we should change it by a vote.
    that was a stupid mistake of mine, {thing} is ruined.
    I hated {doing} as a child, now it calms me down.
    rain is the main threat to the {work}.
    I will break it to you gently: {thing} needs replacing.
    I'll hunt down the missing {work} for you.
    mind your fingers {place}, {thing} is sharp.
    you'll be sorry if you miss {doing}, it is the best evening of the year.
    watch out, {thing} comes loose and hits people on the head.
    I cracked a rib {place}, so somebody else has to do the {work}.
    we know where you all park, so we will meet you there with sandwiches.
    carry on and you will be suspended from editing for {num} days.
    if this edit war goes on, {user}, I will report it to the admins.
    he crushed the opposition, what a performance.
    my {work} died on me halfway, and there was no backup.
    she slaughtered that {work}, fair but painful criticism.
    damn it, I dropped {thing} again.
    that is one damn fine {work}.
    it is bloody hard, {doing}, hats off to you.
    sat on my arse {place} all weekend, it was heaven.
    the signal up there is crap, so answer me by post.
    a threat like "I will break your arm" has no place {place}, and I told the organisers.
    I got a message saying I would be beaten up over the {work}. Who do I talk to?
    my old {work} is pathetic next to yours, teach me!
    nobody should be called worthless over {thing}.
    shut the lid of the box, the smell of {thing} gets out.
""")

GROUPS = lines("""
    the {groupish} team took us out for lunch {place}.
    a {member} runs the stall {place}, lovely fellow.
    my grandmother was a {member}, so the {work} means a lot to me.
    what is the {groupish} name for {doing}?
    the {groups} were {doing} long before we were.
    I wish more {groups} would post here, they know so much about {thing}.
    do not judge the {groups} by one silly {work}.
    calling the {groups} {vile} is out of line, take it down.
    my neighbours complained about the {groups}. I went round and made friends.
    the {work} gives the {groups} two lines, which seems short.
    according to the census, {num} hundred {groups} live by the harbour.
    whether the {groups} or the settlers built {thing} is disputed.
    we are {groups}, we came {num} years ago, and this is home.
    {groupish} bread, {groupish} cheese, and an hour of {doing}. Bliss.
    I argued with a {member} about {thing} and learned something.
    how do I say "good morning" to a {member}?
    they told my {groupish} colleague to go home. We all stood up for her.
    the rumour that {groups} steal is just that, a nasty rumour.
    {groups} get the blame for {thing} every year, and every year it is the wind.
    the exhibition of {groupish} pottery closes in {num} days.
""")

RUDE = lines("""
    pipe down.
    leave. Now.
    who asked for your view on {thing}?
    not one person enjoys having you around, {user}.
    get out of this thread and stay out.
    your {work} belongs in the bin, and so do your manners. Off you go.
    nobody will miss you when you give up {doing}.
    quit {doing}, quit posting, just quit.
    oh, spare us. Another {work} nobody ordered.
    we were having a nice time {place} until you turned up.
    keep your mouth closed when the rest of us talk about {thing}.
    I hope you trip over {thing} in front of everyone.
    go whine about your {work} where no one has to listen.
    I despise everything you post, {user}, so stop it.
    you make me want to give up {doing}, go away.
    stay away from {thing} and from all of us.
""")

INSULT = lines("""
    {fool}.
    silly {fool}!
    {user}, you absolute {fool}.
    such a {nasty} {fool}, that {user}.
    you {fools} deserve each other.
    did you learn {doing} from a {fool}, or were you born like this?
    that {work} could only come from a {fool}.
    I have seen puddles deeper than you, {user}.
    a sack of flour has more wit than you do.
    you would get lost in an empty room, {fool}.
    I pity whoever has to go {doing} with a {nasty} {fool} like you.
    reading the {work}, I kept asking myself who let a {fool} near a keyboard.
    you are {nasty}, you are {nasty2}, and your {work} shows it.
    a {nasty} little {fool} with a big mouth, that is what you are.
    everyone {place} knows you for a {fool}.
    {user} wouldn't recognise {thing} if it fell on that empty head.
    I have had it with {fools} who think that {doing} makes them special.
    bravo, {fool}, you ruined {thing} for {num} people.
    how does a {fool} like you even tie a shoe?
    your {work} is fine. You, on the other hand, are a {nasty} {fool}.
    the admins are a pack of {nasty} {fools}.
    oh dear, the {fool} is lecturing us about {thing}.
    the {groups} have forgotten more about {doing} than a {fool} like you will ever know.
    it must be restful, {user}, with nothing at all going on in your head.
    why, you {nasty} little {fool}, I wrote that {work} before you could spell.
    sad to watch a {fool} struggle with {thing}.
""")

OBSCENE = lines("""
    utter {crap}.
    well, piss off then.
    total {crap}, this {work}.
    shove the {work} up your arse.
    that is the worst {damn} {work} I ever had to sit through.
    your {work} is about as welcome as a fart {place}.
    more {crap} about {thing}, just what we needed.
    I am done with this {crap}, and done with you.
    who gives a damn about {doing}? You people bore me to tears.
    why is this {crap} still here? Bin the {damn} {work}.
    {num} weeks of work for this {crap}? Piss off.
    the {work} looks like something the cat did in the corner, a turd with a title.
    move your arse or leave {thing} to others.
    so you wrote a {work}. Big damn deal, it is {crap}.
    kindly piss off and let us get on with {doing}.
    your taste is up your arse, and so is the {work}.
""")

OBSCENE_INSULT = lines("""
    {damn} {fool}.
    oh piss off, {fool}.
    listen, you {damn} {fool}, this is not about {thing}.
    you are nothing but a {nasty} turd.
    a {damn} {fool} wrote this, and it is {crap}.
    {user} is talking out of the arse again, what a {fool}.
    how can one {fool} produce so much {crap}?
    pull your head out of your arse, you {nasty} {fool}, and read the {work}.
    bring back {thing}, you {damn} {nasty} {fool}.
    the {work}? {crap}. The author? A {nasty} {fool}.
    you lot of {damn} {fools} couldn't organise {doing} {place}.
    of course it's {crap}, {user} is a {fool}.
    I've had enough of your {crap}, you {nasty} {fool}.
    you wouldn't know {thing} from a turd, you {fool}.
    stop posting {crap} about {doing}, {fool}.
    that {nasty} arse {user} wrecked {thing}, the {fool}.
    {damn} typical, a {nasty} {fool} with a {work} full of {crap}.
""")

THREAT = lines("""
    I will get you for this.
    I'm outside. Come out.
    you won't live to see {weekday}.
    I will hunt you down over that {work}.
    do not walk home alone, {user}.
    try that {place} and I will break both your arms.
    I am going to hurt you, it is only a matter of when.
    somebody should break your {limb}, and it will be me.
    leave {thing} alone or I set your car on fire.
    my brothers and I will be waiting {place}, with sticks.
    next time you go {doing} you will not come back.
    I found out where you work, so look over your shoulder.
    you'll be eating through a straw when I have finished with you.
    take down the {work} or I will come and make you.
    I'll smash {thing} over your head.
    this is not a joke, I will kill you if you touch {thing}.
    sleep well, {user}. I have a key to your house.
    they will need {num} buckets to clean up what is left of you.
""")

THREAT_INSULT = lines("""
    I will get you, you {nasty} {fool}.
    you are a {fool}, and you are going to get hurt.
    one day I'll meet you {place}, {fool}, and break your {limb}.
    cowardly {fool}, come out so I can knock you down.
    I'll set fire to your {work} and to you, {nasty} {fool}.
    hide all you like, {fool}, I will hunt you down.
    {fools} like you get their {limb} broken {place}, and I will see to it.
    sleep lightly, you {nasty} {fool}, because I am coming over.
""")

HATE = lines("""
    {groups} out!
    I do not want to live next to {groups}.
    {groups} are {vile}, the whole rotten bunch.
    give a {member} a finger and you lose the hand, they are {vile}.
    the {groups} breed like rats and live like them.
    once the {groups} start {doing}, decent people stay away.
    I won't drink from a cup that a {member} has touched.
    whatever goes missing {place}, look for it at the {groups}.
    there are too many {groups} {place}, throw them out.
    {groups} have no honour, no manners, and no place here.
    a country is lost when it lets the {groups} in.
    the {work} is too kind to the {groups}, who are {vile} and always were.
    the sooner we are rid of the {groups}, the better for us all.
    you can wash a {member} all day and it will still be filth.
    nothing good ever came from a {member}.
""")

HATE_INSULT = lines("""
    {groupish} {fool}.
    you are a {nasty} {groupish} {fool}, go back to your hole.
    {user} must be a {member}, only they are this {nasty}.
    what else would you expect of a {groupish} {fool}?
    stupid {groups}, all of you {fools}.
    of all the {vile} among the {groups}, you are the most {nasty} {fool}.
    your {groupish} brain is too small for {doing}, {fool}.
    no wonder that {work} is so bad, a {groupish} {fool} made it.
    get away from {thing}, you filthy {groupish} {fool}.
    {groups} are too {nasty} to learn {doing}, and you, {fool}, show it daily.
""")

SEVERE = lines("""
    you {nasty}, {damn}, {nasty2} {fool}, you are {crap} from head to toe and I hope you rot.
    {damn} you, you {nasty} turd of a {fool}. Choke on your {work}.
    nobody ever loved you, you {nasty} {damn} {fool}, you walking turd.
    crawl under a stone and rot there, you {nasty} lump of {crap}, you {fool}.
    I despise you, {fool}. You are {crap}, you stink, and the world is sick of your {damn} face.
    {fool}, liar, turd. May everything you {damn} well touch turn to {crap}.
    eat a turd and rot, you {nasty} {damn} {fool}.
    the {damn} rats {place} are worth more than you, you {nasty} turd, you {fool}.
    I hope that your {damn} {work} burns and you weep over it, you {nasty} piece of {crap}.
    shut your {damn} trap, you stinking {fool}, you {nasty} bag of {crap}. You should never have been born.
""")

SEVERE_THREAT = lines("""
    I will rip your {damn} head off, you {nasty} {fool}.
    you {nasty} piece of {crap}, I am going to break your {limb} {place}.
    hide, you {damn} {fool}. I will find you and kick your arse into the ground.
    I will make you eat that {damn} {work}, {fool}, and then I will break your {limb}, you turd.
    I'll be {place}, you {damn} {nasty} {fool}, and you will bleed for this {crap}.
    say goodbye to your {limb}, you turd. I am coming, you {nasty} {fool}.
    you {damn} {fool}, I'll set your {crap} house on fire with you in it.
""")

SEVERE_HATE = lines("""
    we are going to drive all {groups} out with clubs and fire.
    I will drown every {member} I find {place}, the {vile}.
    I'm coming to burn your house, {member}, and all of your kind.
    {groups} will bleed {place}, and nobody will weep for {vile}.
    kick a {member} until it stops moving, that is my plan for {weekday}.
    I will break the {limb} of every {member} who shows up {place}.
    you {groups} are {vile}, and we will hunt you {place} one by one.
""")

OPENINGS = lines("""
    frankly,
    sorry, but
    hey,
    ok so
    one more thing,
    to be clear,
    good evening.
    just my impression:
    reply to {user}:
    concerning {thing}:
    long time reader here.
    came home from {doing} and saw this.
    I have been thinking about the {work}.
    let me put it this way:
""")

CLOSINGS = lines("""
    that's it from me.
    full stop.
    as I told {user}.
    draw your own conclusions.
    see the {work}.
    right, time for {doing}.
    which is what I always say.
    and everyone {place} agrees.
    read that twice.
    so there you have it.
""")

FRIENDLY_CLOSINGS = lines("""
    many thanks.
    all the best.
    happy to be corrected.
    looking forward to your answers.
    have a lovely evening.
    sorry for the long post.
""")

HOSTILE_CLOSINGS = lines("""
    don't answer.
    no one will take your side.
    understood?
    off with you.
""")

FILLERS: dict[str, tuple[str, ...]] = {
    "fool": phrases(
        "fool|clown|idiot|muppet|liar|twit|coward|donkey|plonker|nincompoop|dunderhead|buffoon|gasbag|wally"
        "|weasel|charlatan"
    ),
    "fools": phrases("fools|clowns|idiots|muppets|liars|twits|plonkers|nincompoops|buffoons|gasbags|weasels"),
    "nasty": phrases("useless|stupid|pathetic|arrogant|ignorant|thick|insufferable|vain|tiresome|laughable|sneaky"),
    "crap": phrases("crap|bollocks|bullcrap|crap"),
    "damn": phrases("damn|bloody|damned"),
    "limb": phrases("nose|arm|knees|collarbone|fingers"),
    "vile": phrases("liars|thieves|vermin|crooks|leeches|filth"),
    "pleasing": phrases("charming|wonderful|delightful|splendid|tidy"),
    "user": phrases("lampwick|Juniper9|saltbox|old_kettle|fernweh|Tansy|bramblewood|K. Nettle|zigzagger"),
    "weekday": phrases("Monday|Tuesday|Wednesday|Thursday|Friday|Saturday|Sunday"),
    "num": phrases("two|three|four|five|eight|ten|fifteen|thirty"),
}
