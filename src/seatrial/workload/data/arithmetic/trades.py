"""Problems from workplaces. Each function draws one; both tellings of a story name its quantities in the same order."""

from __future__ import annotations

from seatrial.workload.data.arithmetic.problem import Dice, Problem, dollars, plain, rounded_up, some


def bakery(dice: Dice) -> Problem:
    """Trays of rolls, less what is sold."""
    trays, rolls = dice.whole(6, 15), dice.pick(12, 16, 18, 24)
    baked = trays * rolls
    sold = dice.whole(baked // 2, baked - 9)
    bread = dice.pick("rye rolls", "poppy-seed rolls", "cinnamon buns", "cheese scones")
    text = dice.pick(
        f"Before dawn {dice.name} bakes {trays} trays of {bread}, {rolls} to a tray. By noon {sold} are sold. How "
        "many are left?",
        f"The ovens at {dice.name}'s bakery turn out {trays} trays with {rolls} {bread} on each. Customers buy "
        f"{sold} of them before the rain empties the street. How many {bread} are still on the shelf?",
    )
    return Problem(
        text, (f"{trays} * {rolls} = {baked} baked.", f"{baked} - {sold} = {baked - sold} left."), baked - sold
    )


def kitchen(dice: Dice) -> Problem:
    """A recipe for a few, cooked for many."""
    servings, each = dice.pick(4, 6, 8), dice.pick(35, 45, 60, 75, 110)
    dish, stuff = dice.pick(
        ("lentil soup", "lentils"), ("fish pie", "potatoes"), ("risotto", "rice"), ("crumble", "plums")
    )
    guests = dice.whole(9, 26)
    grams = servings * each
    text = dice.pick(
        f"A recipe for {dish} serves {servings} and calls for {grams} g of {stuff}. {dice.name} is cooking for "
        f"{guests} people. How many grams of {stuff} are needed?",
        f"{dice.name}'s grandmother wrote: for {servings} people, {grams} g of {stuff}. Tonight {guests} people want "
        f"the {dish}. How many grams of {stuff} does that take?",
    )
    steps = (f"{grams} / {servings} = {each} g for one.", f"{each} * {guests} = {each * guests} g for all.")
    return Problem(text, steps, each * guests)


def workshop(dice: Dice) -> Problem:
    """Pieces sawn off a board."""
    length, pieces, piece = dice.whole(240, 480, 20), dice.whole(4, 8), dice.whole(18, 29)
    cut = pieces * piece
    wood = dice.pick("cedar", "beech", "pine", "larch")
    text = dice.pick(
        f"{dice.name} has a {wood} board {length} cm long and saws off {pieces} shelf ends of {piece} cm each. "
        "Ignoring the width of the saw blade, how many centimetres of board remain?",
        f"From a {length} cm length of {wood}, {pieces} rungs for a ladder are cut, {piece} cm apiece. If the saw "
        "wastes nothing, how long is the piece that is left, in centimetres?",
    )
    steps = (f"{pieces} * {piece} = {cut} cm cut off.", f"{length} - {cut} = {length - cut} cm left.")
    return Problem(text, steps, length - cut)


def orchard(dice: Dice) -> Problem:
    """Baskets of fruit, packed into bags."""
    bag, bags = dice.pick(6, 8, 12), dice.pick(20, 25, 30, 35, 36, 40, 45, 48)
    baskets = dice.pick(*(n for n in (5, 6, 8, 9, 10, 12, 15) if bag * bags % n == 0))
    each, total = bag * bags // baskets, bag * bags
    fruit = dice.pick("apples", "pears", "quinces", "plums")
    text = dice.pick(
        f"{dice.name} picks {baskets} baskets of {fruit} with {each} in every basket, then packs them all into bags "
        f"of {bag}. How many bags does that fill?",
        f"A morning in the orchard gives {baskets} baskets, each holding {each} {fruit}. At the gate {dice.other} "
        f"sells them in bags of {bag}. How many bags are there to sell?",
    )
    steps = (f"{baskets} * {each} = {total} {fruit}.", f"{total} / {bag} = {bags} bags.")
    return Problem(text, steps, bags)


def market(dice: Dice) -> Problem:
    """Change from a banknote."""
    amount, price, note = dice.whole(3, 7), dice.price(115, 275), dice.pick(20, 50)
    cost = amount * price
    thing = dice.pick("goat cheeses", "jars of honey", "bunches of tulips", "sourdough loaves")
    text = dice.pick(
        f"At the market {dice.name} buys {amount} {thing} at {dollars(price)} each and pays with a {dollars(note)} "
        "note. How many dollars of change are due?",
        f"{dice.name} puts {amount} {thing} in a basket. They cost {dollars(price)} apiece. Out of {dollars(note)}, "
        "how many dollars come back?",
    )
    steps = (
        f"{amount} * {dollars(price)} = {dollars(cost)}.",
        f"{dollars(note)} - {dollars(cost)} = {dollars(note - cost)}.",
    )
    return Problem(text, steps, note - cost)


def print_shop(dice: Dice) -> Problem:
    """Copies of a booklet on a press of known speed."""
    speed, minutes = dice.pick(20, 24, 30, 40), dice.whole(8, 25)
    pages = dice.pick(*(n for n in (8, 10, 12, 15, 16, 20) if speed * minutes % n == 0))
    total = speed * minutes
    copies = total // pages
    text = dice.pick(
        f"The choir needs {copies} booklets of {pages} pages. {dice.name}'s press prints {speed} pages a minute. How "
        "many minutes does the job take?",
        f"{dice.name} must print {some(copies, 'copy', 'copies')} of a {pages}-page poem on a press that manages "
        f"{speed} pages every minute. For how many minutes will the press run?",
    )
    steps = (f"{copies} * {pages} = {total} pages.", f"{total} / {speed} = {minutes} minutes.")
    return Problem(text, steps, minutes)


def post_office(dice: Dice) -> Problem:
    """A parcel: its box and what is in it."""
    box, amount, each = dice.tenths(3, 9), dice.whole(4, 12), dice.tenths(4, 19)
    inside = amount * each
    thing = dice.pick("dictionaries", "jars of marmalade", "ceramic bowls", "bags of coffee")
    text = dice.pick(
        f"An empty box weighs {plain(box)} kg. {dice.name} packs {amount} {thing} in it, {plain(each)} kg each. What "
        "does the parcel weigh, in kilograms?",
        f"{dice.name} posts a parcel to {dice.other}: a box of {plain(box)} kg with {amount} {thing} inside, every "
        f"one of them {plain(each)} kg. What do the scales show, in kilograms?",
    )
    steps = (
        f"{amount} * {plain(each)} = {plain(inside)} kg.",
        f"{plain(box)} + {plain(inside)} = {plain(box + inside)} kg.",
    )
    return Problem(text, steps, box + inside)


def library(dice: Dice) -> Problem:
    """Books that come back to a shelf."""
    shelf, readers, each = dice.whole(38, 160), dice.whole(4, 14), dice.whole(3, 7)
    back = readers * each
    text = dice.pick(
        f"The travel shelf of the library holds {shelf} books. On Monday {readers} readers bring back {each} travel "
        "books each. How many books are on the shelf now?",
        f"{dice.name} counts {shelf} crime novels on the shelf. Then {readers} members of the book club return "
        f"{each} crime novels apiece. How many crime novels does the shelf hold after that?",
    )
    return Problem(
        text, (f"{readers} * {each} = {back} books.", f"{shelf} + {back} = {shelf + back} books."), shelf + back
    )


def knitting(dice: Dice) -> Problem:
    """Balls of wool for several garments; a started ball counts whole."""
    thing, grams = dice.pick(("scarves", 130), ("hats", 85), ("jumpers", 420), ("pairs of socks", 105))
    amount, ball = dice.whole(3, 8), dice.pick(50, 100)
    total = amount * grams
    balls = -(-total // ball)
    text = dice.pick(
        f"{dice.name} wants to knit {amount} {thing} from the same wool. Each takes {grams} g, and the wool is sold "
        f"in balls of {ball} g. How many balls must {dice.name} buy?",
        f"For the winter fair, {amount} {thing} are to be knitted at {grams} g of wool each. A ball weighs {ball} g, "
        f"and no shop sells part of one. How many balls does {dice.name} need to buy?",
    )
    return Problem(text, (f"{amount} * {grams} = {total} g.", rounded_up(total, ball, "balls")), balls)


def sale(dice: Dice) -> Problem:
    """A share off the price."""
    price, percent = dice.whole(40, 360, 20), dice.pick(10, 15, 20, 25, 30, 40)
    off = price * percent // 100
    thing = dice.pick("a walnut desk lamp", "a pair of hiking boots", "a second-hand accordion", "an enamel kettle set")
    text = dice.pick(
        f"In the window stands {thing} for {dollars(price)}. From Saturday everything is {percent}% off. How many "
        "dollars does it cost then?",
        f"{dice.name} has had an eye on {thing} at {dollars(price)}. Today the shop takes {percent}% off. How many "
        f"dollars will {dice.name} pay?",
    )
    steps = (f"{price} * {percent} / 100 = {off} off.", f"{price} - {off} = {price - off}.")
    return Problem(text, steps, price - off)


def mural(dice: Dice) -> Problem:
    """A wall to paint, around a window."""
    width, height, window = dice.tenths(42, 96), dice.whole(3, 5), dice.tenths(12, 38)
    wall = width * height
    text = dice.pick(
        f"{dice.name} paints a mural on a wall {plain(width)} m wide and {height} m high, around windows of "
        f"{plain(window)} square metres in all. How many square metres are painted?",
        f"A gable wall measures {plain(width)} m by {height} m. Its doors and windows take up {plain(window)} square "
        f"metres, and {dice.name} paints the rest blue. How many square metres turn blue?",
    )
    steps = (
        f"{plain(width)} * {height} = {plain(wall)} square metres of wall.",
        f"{plain(wall)} - {plain(window)} = {plain(wall - window)} square metres.",
    )
    return Problem(text, steps, wall - window)


def beehives(dice: Dice) -> Problem:
    """Honey from several hives, less what the beekeeper keeps."""
    hives, each, kept = dice.whole(5, 16), dice.whole(14, 27), dice.whole(9, 30)
    jars = hives * each
    text = dice.pick(
        f"{dice.name} keeps {hives} beehives. This summer every hive gives {each} jars of honey. {dice.name} keeps "
        f"{kept} jars for the family and sells the others. How many jars are sold?",
        f"There are {hives} hives behind {dice.name}'s house, and each yields {each} jars. After {kept} jars go to "
        "the neighbours, as thanks for their patience, how many jars are left?",
    )
    return Problem(text, (f"{hives} * {each} = {jars} jars.", f"{jars} - {kept} = {jars - kept} jars."), jars - kept)


TRADES = (
    bakery, kitchen, workshop, orchard, market, print_shop, post_office, library, knitting, sale, mural, beehives,
)  # fmt: skip
