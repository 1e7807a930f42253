"""What the training part talks about: harmless topics, each with the words and remarks that belong to it.

``work`` is something somebody made and posted (no article), ``thing`` stands with its article, ``doing`` is
an -ing phrase, ``place`` says where, ``kin`` names those who do it; a ``remark`` or ``question`` is a whole
sentence, and a clean comment as it stands.
"""

from civility.data.starter_material.tables import Record, lines, phrases

GARDENING: Record = {
    "work": phrases("guide to pruning roses|list of hardy shrubs|planting calendar|trick against slugs|seed list"),
    "thing": phrases("the compost heap|the tomato bed|the old pear tree|the water butt|the herb border"),
    "doing": phrases("repotting the ferns|weeding the path|mulching the beds|thinning the carrots"),
    "place": phrases("at the allotment|behind the greenhouse|by the garden gate"),
    "kin": phrases("gardeners"),
    "remark": lines("""
        The beans are up after {n} days of rain.
        We put {n} rows of leeks in {day} and the birds left them alone.
        A little wood ash keeps the snails off the lettuce, at least here.
        My courgettes have taken over half the garden again.
        The frost came early and the dahlias did not like it.
        I moved the rhubarb to the shady side and it is much happier.
    """),
    "question": lines("""
        Has anyone grown garlic in pots?
        When do you cut back lavender?
        Is it too late to sow peas?
        How often do you turn the compost?
    """),
}

FOOTBALL: Record = {
    "work": phrases("match report|list of top scorers|season preview|line-up for {weekday}|table of transfers"),
    "thing": phrases("the second goal|the penalty|the away kit|the back four|the offside rule"),
    "doing": phrases("arguing about offside|watching the replay|counting corners|picking a team"),
    "place": phrases("in the away end|outside the ground|at five-a-side"),
    "kin": phrases("supporters"),
    "remark": lines("""
        We drew {n} matches in a row and still went up.
        The keeper saved us {day}, he was everywhere.
        Their midfield ran all afternoon and deserved the point.
        I have stood on that terrace since I was six years old.
        It rained so hard {day} that the ball stopped dead in the box.
        The young left back has a wonderful first touch.
    """),
    "question": lines("""
        Who takes the corners now?
        Did anyone see the second half?
        Is the cup tie on {weekday}?
        Why do we never score from free kicks?
    """),
}

COOKING: Record = {
    "work": phrases("lasagne recipe|tip about cast iron|list of spices|review of the stockpot|menu for {weekday}"),
    "thing": phrases("the lentil soup|the big saucepan|the lemon sauce|the bread knife|the oven timer"),
    "doing": phrases("peeling potatoes|stirring the risotto|chopping onions|waiting for the dough to rise"),
    "place": phrases("in the kitchen|at the market|by the stove"),
    "kin": phrases("cooks"),
    "remark": lines("""
        I let the stew simmer for {n} hours and it was worth it.
        A pinch of sugar takes the edge off the tomatoes.
        The first pancake always goes to the dog.
        We made dumplings {day} and ate {n} each.
        Salt the water first, then add the pasta.
        My sourdough finally has a decent crust.
    """),
    "question": lines("""
        Can I swap butter for oil here?
        How long does the batter rest?
        What do you serve with it?
        Does it freeze well?
    """),
}

SOFTWARE: Record = {
    "work": phrases("patch for the parser|bug report|pull request|release plan|answer about pointers"),
    "thing": phrases("the build server|the login page|the cache|the test suite|the error message"),
    "doing": phrases("renaming variables|reading stack traces|merging branches|writing unit tests"),
    "place": phrases("in the server room|at the stand-up|outside the office"),
    "kin": phrases("programmers"),
    "remark": lines("""
        The tests pass on my machine and fail on {n} others.
        We rolled the release back {day} and nobody noticed.
        It turned out to be a missing comma in the settings file.
        Version {n} starts twice as fast as the last one.
        I split the big function into {n} small ones.
        The log says the disk was full all along.
    """),
    "question": lines("""
        Which version are you running?
        Could you paste the full traceback?
        Does it happen with an empty file too?
        Should this return a list or a tuple?
    """),
}

TRAINS: Record = {
    "work": phrases("timetable|route map|photo of the night train|history of the branch line|station guide"),
    "thing": phrases("the signal box|the 7.15|the ticket machine|the level crossing|the dining car"),
    "doing": phrases("waiting on platform {n}|photographing engines|changing trains|reading timetables"),
    "place": phrases("on platform {n}|at the station|in the quiet coach"),
    "kin": phrases("passengers"),
    "remark": lines("""
        The 8.40 left on time {day}, which made a change.
        You can see {n} viaducts from the left-hand windows.
        They are repainting the footbridge green again.
        The sleeper is slow but the breakfast is lovely.
        My ticket was checked {n} times before lunch.
        The branch line reopened {day} after the flood.
    """),
    "question": lines("""
        Does the early train stop here?
        Which side has the better view?
        Can I take a bicycle on board?
        When did they close the old depot?
    """),
}

FILMS: Record = {
    "work": phrases("film review|summary of the plot|list of best endings|theory about the ending|ranking"),
    "thing": phrases("the final scene|the car chase|the soundtrack|the sequel|the opening shot"),
    "doing": phrases("sitting through the credits|guessing the ending|queueing for popcorn|rewatching the series"),
    "place": phrases("in the back row|at the cinema|outside the film club"),
    "kin": phrases("film fans"),
    "remark": lines("""
        I have seen it {n} times and the ending still works.
        The middle hour drags but the last reel is marvellous.
        We watched it {day} with the sound too loud.
        The lead actor barely speaks and still carries the story.
        The book is better, as usual, but only just.
        They filmed the harbour scene in one long take.
    """),
    "question": lines("""
        Is the sequel worth the ticket?
        Who wrote the music?
        Did you stay for the credits?
        What was in the suitcase?
    """),
}

MUSIC: Record = {
    "work": phrases("album review|playlist|cover version|set list|lesson on open tunings"),
    "thing": phrases("the bass line|the second verse|the old piano|the drum kit|the chorus"),
    "doing": phrases("tuning the guitar|practising scales|sorting records|humming the bridge"),
    "place": phrases("at the rehearsal room|behind the stage|at the open mic"),
    "kin": phrases("musicians"),
    "remark": lines("""
        The trumpet comes in {n} bars early and it is perfect.
        We rehearsed {day} until the neighbours knocked.
        My strings went flat as soon as the heating came on.
        That song only has {n} chords and I love all of them.
        The choir is looking for tenors again.
        The live version breathes more than the record.
    """),
    "question": lines("""
        What tuning is that in?
        Who plays the fiddle part?
        Is the gig on {weekday} sold out?
        Do you use a metronome?
    """),
}

WIKI: Record = {
    "work": phrases("last edit|article on lighthouses|list of sources|infobox|comment on the talk page"),
    "thing": phrases("the lead section|the second footnote|the disputed paragraph|the archive link|the table"),
    "doing": phrases("reverting edits|checking footnotes|sorting categories|rewording the lead"),
    "place": phrases("on the talk page|in the edit summary|at the next meet-up"),
    "kin": phrases("editors"),
    "remark": lines("""
        I moved the paragraph about the harbour to the history section.
        The claim has had no source for {n} years.
        Two of the links are dead, so I added archived copies {day}.
        The article was split {day} after a long discussion.
        Page {n} of the cited book says the opposite.
        I merged the two stubs and left a redirect.
    """),
    "question": lines("""
        Do we have a source for that date?
        Should this be its own article?
        Why was the image removed?
        Could someone check the second footnote?
    """),
}

CYCLING: Record = {
    "work": phrases("route over the pass|post about gears|review of the saddle|packing list|ride report"),
    "thing": phrases("the back wheel|the steep bit|the chain|the canal path|the rusty bell"),
    "doing": phrases("truing wheels|pumping tyres|climbing in the rain|oiling the chain"),
    "place": phrases("at the bike shed|on the ring road|at the top of the hill"),
    "kin": phrases("cyclists"),
    "remark": lines("""
        I had {n} punctures {day} and only two patches.
        The new lane saves me ten minutes each way.
        We rode along the river and back through the orchards.
        Wider tyres changed everything for me.
        My knees complained for {n} days afterwards.
        The wind turned at noon and blew us home.
    """),
    "question": lines("""
        Which pump fits these valves?
        Is the towpath open again?
        How do you carry a spare tyre?
        Does anyone commute in the winter?
    """),
}

BIRDS: Record = {
    "work": phrases("spring count|photo of the wren|map of nest boxes|note on warblers|owl recording"),
    "thing": phrases("the nest box|the hide|the old feeder|the reed bed|the heron"),
    "doing": phrases("counting finches|filling the feeders|sitting in the hide|sorting blurry photos"),
    "place": phrases("in the hide|by the reed bed|on the sea wall"),
    "kin": phrases("birdwatchers"),
    "remark": lines("""
        There were {n} swallows on the wire this morning.
        The robin sings under the street lamp all night.
        A kestrel hung over the verge for ages {day}.
        I counted {n} goldfinches before the rain came.
        The owl box is taken for the third spring running.
        You hear the cuckoo long before you see it.
    """),
    "question": lines("""
        Is that a chiffchaff?
        What seed do you use?
        Have the swifts come back yet?
        Where is the best hide for ducks?
    """),
}

GAMES: Record = {
    "work": phrases("house rule|review of the expansion|score sheet|strategy guide|ranking of card games"),
    "thing": phrases("the rule book|the blue meeple|the last round|the dice tower|the score track"),
    "doing": phrases("shuffling cards|setting up the board|reading rules aloud|trading sheep for wood"),
    "place": phrases("at game night|across the table|at the club"),
    "kin": phrases("players"),
    "remark": lines("""
        We needed {n} evenings to finish the campaign.
        The box holds {n} tiny wooden ships.
        My daughter beat all of us {day} without reading the rules.
        Two players is fine but four is where it shines.
        I always run out of bricks by the second round.
        The expansion fixes the slow opening.
    """),
    "question": lines("""
        How many can play it?
        Do ties go to the first player?
        Who is hosting {weekday}?
        Does the expansion need the base game?
    """),
}

BOOKS: Record = {
    "work": phrases("reading list|review of the trilogy|essay on the narrator|translation|post about chapter {n}"),
    "thing": phrases("the last chapter|the narrator|the library card|the paperback|the prologue"),
    "doing": phrases("rereading the first part|alphabetising shelves|hunting for first editions|skipping prologues"),
    "place": phrases("in the library|at the book club|by the second-hand stall"),
    "kin": phrases("readers"),
    "remark": lines("""
        I finished it {day} and started again at once.
        Chapter {n} is where the story finds its feet.
        The new translation reads like a different book.
        I found a pressed leaf between the pages.
        Our library has {n} copies and they are all out.
        The villain is the only one who tells the truth.
    """),
    "question": lines("""
        Is there an audio version?
        Which translation should I get?
        Did anyone guess the letter?
        What are you all reading in the bath?
    """),
}

REPAIRS: Record = {
    "work": phrases("wiring sketch|answer on damp walls|tiling video|tool list|post about squeaky floors"),
    "thing": phrases("the kitchen tap|the stair rail|the boiler|the loft hatch|the back door"),
    "doing": phrases("sanding floors|bleeding radiators|patching plaster|hanging doors"),
    "place": phrases("in the garage|at the hardware shop|on the stairs"),
    "kin": phrases("tinkerers"),
    "remark": lines("""
        The leak was only a washer that cost me {n} pence.
        I painted the hall {day} and the cat walked through it.
        Two thin coats beat one thick coat every time.
        It took {n} trips to the shop to get the right screw.
        The old floorboards cleaned up beautifully.
        Always find the pipes before you drill.
    """),
    "question": lines("""
        What drill bit do I need for tiles?
        Is this wall holding anything up?
        How long does the filler take to dry?
        Can you paint over lining paper?
    """),
}

PETS: Record = {
    "work": phrases("puppy diary|photo of the hamster|answer about fleas|feeding chart|post about cat flaps"),
    "thing": phrases("the cat flap|the hamster wheel|the food bowl|the vet bill|the dog basket"),
    "doing": phrases("brushing the cat|walking the dog|cleaning the tank|hiding the treats"),
    "place": phrases("in the dog park|at the vet|by the pond"),
    "kin": phrases("cat people"),
    "remark": lines("""
        Our cat sleeps on the router because it is warm.
        The puppy ate {n} socks and looked proud of it.
        The vet weighed him {day} and he has lost a kilo.
        She brings me a leaf every morning as a present.
        The hamster ran all night again.
        We adopted {n} hens and they already rule the yard.
    """),
    "question": lines("""
        How do you trim a rabbit's claws?
        Does yours bark at the postman too?
        What do you feed an old cat?
        Is a daily walk enough for a beagle?
    """),
}

KNITTING: Record = {
    "work": phrases("sock pattern|cable chart|shawl|review of the wool|tutorial on casting off"),
    "thing": phrases("the left sleeve|the dropped stitch|the cable needle|the yarn shop|the button band"),
    "doing": phrases("winding wool|counting stitches|unpicking rows|blocking the shawl"),
    "place": phrases("at the knitting circle|in the wool shop|on the sofa"),
    "kin": phrases("knitters"),
    "remark": lines("""
        I dropped {n} stitches and only noticed ten rows later.
        The scarf is longer than the person it is for.
        We met {day} and finished {n} hats between us.
        Wool from the mill is scratchy but it lasts.
        The pattern makes sense once you have done it wrong.
        Bamboo needles are quieter on the bus.
    """),
    "question": lines("""
        What size needles did you use?
        Is there a chart for the cables?
        How do you fix a dropped stitch?
        Would cotton work for this?
    """),
}

CAMPING: Record = {
    "work": phrases("kit list|tent review|trip report|map of campsites|post about gas stoves"),
    "thing": phrases("the tent peg|the camp fire|the leaky groundsheet|the lake path|the big rucksack"),
    "doing": phrases("putting up the tent|gathering kindling|drying boots|reading the map upside down"),
    "place": phrases("at the campsite|down by the lake|on the ridge path"),
    "kin": phrases("hikers"),
    "remark": lines("""
        It rained for {n} days and we still want to go back.
        The stars were so bright {day} that nobody slept.
        A fox stole the sausages while we were swimming.
        Bring {n} more pegs than you think you need.
        The hut at the top sells very good soup.
        Our tent is older than the children who slept in it.
    """),
    "question": lines("""
        Is there water near the top?
        Do I need to book in the summer?
        Which stove boils fastest?
        How cold does it get at night?
    """),
}

TOPICS: tuple[Record, ...] = (
    GARDENING,
    FOOTBALL,
    COOKING,
    SOFTWARE,
    TRAINS,
    FILMS,
    MUSIC,
    WIKI,
    CYCLING,
    BIRDS,
    GAMES,
    BOOKS,
    REPAIRS,
    PETS,
    KNITTING,
    CAMPING,
)
