"""Problems from the road, the water and the weekend. Each function draws one, as in `trades`."""

from __future__ import annotations

from seatrial.workload.data.arithmetic.problem import Dice, Problem, dollars, plain, rounded_up, some


def harbour(dice: Dice) -> Problem:
    """A tide that rises."""
    low, hourly, hours = dice.tenths(11, 34), dice.tenths(4, 12), dice.whole(2, 5)
    rise = hourly * hours
    text = dice.pick(
        f"At low tide the water at Skerry Pier is {plain(low)} m deep. It then rises {plain(hourly)} m an hour. How "
        f"deep is it, in metres, after {hours} hours?",
        f"{dice.name} anchors in {plain(low)} m of water at low tide. The tide comes in by {plain(hourly)} m every "
        f"hour. How many metres of water are under the boat {hours} hours later?",
    )
    steps = (
        f"{plain(hourly)} * {hours} = {plain(rise)} m of rise.",
        f"{plain(low)} + {plain(rise)} = {plain(low + rise)} m.",
    )
    return Problem(text, steps, low + rise)


def railway(dice: Dice) -> Problem:
    """A steady stretch, then the rest of the way."""
    speed, hours, rest = dice.whole(60, 140, 10), dice.whole(2, 6), dice.whole(15, 95)
    stretch = speed * hours
    text = dice.pick(
        f"A night train runs at {speed} km/h for {hours} hours, takes on the mail, and covers another {rest} km "
        "before dawn. How many kilometres has it come?",
        f"{dice.name} rides the express for {hours} hours at {speed} km/h and then a branch line for {rest} km. How "
        "long is the whole journey in kilometres?",
    )
    return Problem(
        text, (f"{speed} * {hours} = {stretch} km.", f"{stretch} + {rest} = {stretch + rest} km."), stretch + rest
    )


def museum(dice: Dice) -> Problem:
    """Coaches for a school trip; the last need not be full."""
    pupils, teachers, seats = dice.whole(74, 210), dice.whole(5, 14), dice.pick(28, 32, 45, 48)
    people = pupils + teachers
    coaches = -(-people // seats)
    text = dice.pick(
        f"For the trip to the maritime museum {pupils} pupils and {teachers} teachers have signed up. A coach seats "
        f"{seats}. How many coaches must the school hire so that everyone has a seat?",
        f"{dice.name} organises an outing for {pupils} pupils with {teachers} teachers. If each coach takes {seats} "
        "people, what is the smallest number of coaches that will do?",
    )
    return Problem(
        text,
        (f"{pupils} + {teachers} = {people} people.", rounded_up(people, seats, "coaches")),
        coaches,
    )


def cinema(dice: Dice) -> Problem:
    """Tickets for a group, with a voucher."""
    friends, price, voucher = dice.whole(4, 11), dice.price(650, 1150), dice.whole(5, 18)
    full = friends * price
    text = dice.pick(
        f"A party of {friends} goes to the late show. Tickets are {dollars(price)} each, and {dice.name} has a "
        f"voucher for {dollars(voucher)} off the whole bill. How many dollars do they pay together?",
        f"{dice.name} books {friends} seats at the open-air cinema for {dollars(price)} a seat and hands over a gift "
        f"card worth {dollars(voucher)}. How many dollars are still to pay?",
    )
    steps = (
        f"{friends} * {dollars(price)} = {dollars(full)}.",
        f"{dollars(full)} - {dollars(voucher)} = {dollars(full - voucher)}.",
    )
    return Problem(text, steps, full - voucher)


def track(dice: Dice) -> Problem:
    """Laps, morning after morning."""
    laps, metres, mornings = dice.whole(3, 9), dice.pick(200, 250, 300, 400), dice.whole(3, 12)
    daily = laps * metres
    text = dice.pick(
        f"Every morning {dice.name} runs {some(laps, 'lap')} of a {metres} m track. How many metres is that in "
        f"{mornings} mornings?",
        f"{dice.name} and {dice.other} train together: {laps} laps a day on a track of {metres} m. After {mornings} "
        "days of this, how many metres has each of them run?",
    )
    return Problem(
        text,
        (f"{laps} * {metres} = {daily} m a day.", f"{daily} * {mornings} = {daily * mornings} m."),
        daily * mornings,
    )


def allotment(dice: Dice) -> Problem:
    """Seedlings shared out over beds."""
    beds, each, given = dice.whole(4, 9), dice.whole(8, 19), dice.whole(7, 24)
    planted = beds * each
    raised = planted + given
    plant = dice.pick("tomato", "leek", "cabbage", "pepper")
    text = dice.pick(
        f"{dice.name} has raised {raised} {plant} seedlings, gives {given} of them to {dice.other}, and plants the "
        f"others in {beds} beds, the same number in each. How many go in a bed?",
        f"Of {raised} {plant} seedlings the slugs eat {given}. {dice.name} spreads the survivors evenly over {beds} "
        "beds. How many seedlings are in every bed?",
    )
    return Problem(
        text, (f"{raised} - {given} = {planted} seedlings.", f"{planted} / {beds} = {each} in each bed."), each
    )


def lighthouse(dice: Dice) -> Problem:
    """Flashes in a while; a minute has sixty seconds."""
    seconds, minutes = dice.pick(4, 5, 6, 10, 12, 15), dice.whole(7, 40)
    total = minutes * 60
    text = dice.pick(
        f"The lighthouse on Gannet Rock flashes once every {seconds} seconds. How many times does it flash in "
        f"{minutes} minutes?",
        f"Unable to sleep, {dice.name} watches a beacon that blinks once every {seconds} seconds, and keeps watching "
        f"for {minutes} minutes. How many blinks is that?",
    )
    return Problem(
        text,
        (f"{minutes} * 60 = {total} seconds.", f"{total} / {seconds} = {total // seconds} times."),
        total // seconds,
    )


def savings(dice: Dice) -> Problem:
    """Weeks until something can be bought."""
    weekly, weeks, saved = dice.pick(8, 12, 15, 18, 25), dice.whole(6, 24), dice.whole(20, 130, 5)
    missing = weekly * weeks
    goal = saved + missing
    thing = dice.pick("a second-hand cello", "a folding kayak", "a telescope", "a sewing machine")
    text = dice.pick(
        f"{dice.name} wants {thing} that costs {dollars(goal)} and has {dollars(saved)} already. Putting aside "
        f"{dollars(weekly)} a week, how many weeks will it take?",
        f"The price of {thing} is {dollars(goal)}. In {dice.name}'s jar there are {dollars(saved)}, and "
        f"{dollars(weekly)} go in every week. After how many weeks is there enough?",
    )
    steps = (
        f"{dollars(goal)} - {dollars(saved)} = {dollars(missing)} to go.",
        f"{missing} / {weekly} = {weeks} weeks.",
    )
    return Problem(text, steps, weeks)


def band(dice: Dice) -> Problem:
    """A fee shared after the costs."""
    members, share, van = dice.whole(3, 7), dice.price(4550, 12550), dice.whole(60, 145, 5)
    left = members * share
    fee = left + van
    text = dice.pick(
        f"A band earns {dollars(fee)} at a festival and pays {dollars(van)} for the van. The {members} members share "
        "what is left equally. How many dollars does each one get?",
        f"For one night's playing, {dice.name}'s band is paid {dollars(fee)}. Fuel and ferry come to {dollars(van)}; "
        f"the rest is split evenly among the {members} musicians. How many dollars are in each share?",
    )
    steps = (
        f"{dollars(fee)} - {dollars(van)} = {dollars(left)}.",
        f"{dollars(left)} / {members} = {dollars(share)} each.",
    )
    return Problem(text, steps, share)


def aquarium(dice: Dice) -> Problem:
    """A tank that fills and leaks at once."""
    inflow, leak, minutes = dice.whole(22, 48), dice.whole(3, 15), dice.whole(6, 25)
    gain = inflow - leak
    text = dice.pick(
        f"A pump fills the empty seal pool with {inflow} litres a minute while a cracked pipe loses {leak} litres a "
        f"minute. How many litres are in the pool after {minutes} minutes?",
        f"{dice.name} opens the tap of an empty aquarium: {inflow} litres flow in every minute, and {leak} litres a "
        f"minute seep out below. How many litres does it hold {minutes} minutes later?",
    )
    return Problem(
        text,
        (f"{inflow} - {leak} = {gain} litres a minute.", f"{gain} * {minutes} = {gain * minutes} litres."),
        gain * minutes,
    )


def birds(dice: Dice) -> Problem:
    """The mean of three counts."""
    mean = dice.whole(40, 130)
    first, second = mean + dice.whole(-17, 17), mean + dice.whole(-17, 17)
    third, total = 3 * mean - first - second, 3 * mean
    bird = dice.pick("puffins", "oystercatchers", "grey herons", "swifts")
    text = dice.pick(
        f"{dice.name} counts {bird} on three evenings: {first}, {second} and {third}. What is the average number per "
        "evening?",
        f"The warden's notebook lists {first} {bird} on Friday, {second} on Saturday and {third} on Sunday. How many "
        "were seen per day on average?",
    )
    return Problem(text, (f"{first} + {second} + {third} = {total}.", f"{total} / 3 = {mean} on average."), mean)


def picnic(dice: Dice) -> Problem:
    """One part syrup, several parts water."""
    water, syrup = dice.whole(3, 9), dice.whole(120, 450, 10)
    parts = water + 1
    total = parts * syrup
    fruit = dice.pick("elderflower", "blackcurrant", "rhubarb", "lemon")
    text = dice.pick(
        f"{dice.name} mixes 1 part of {fruit} syrup with {water} parts of water and needs {total} ml of the drink "
        "for a picnic. How many millilitres of syrup does that take?",
        f"The label of the {fruit} syrup says: 1 part syrup, {water} parts water. To make {total} ml in all, how "
        f"many millilitres of syrup should {dice.name} pour?",
    )
    return Problem(text, (f"1 + {water} = {parts} parts.", f"{total} / {parts} = {syrup} ml."), syrup)


OUTINGS = (
    harbour, railway, museum, cinema, track, allotment, lighthouse, savings, band, aquarium, birds, picnic,
)  # fmt: skip
