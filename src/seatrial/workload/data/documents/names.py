"""Shops, people, places and goods that do not exist, and how dates and amounts are written."""

from __future__ import annotations

import random
from datetime import date, timedelta
from typing import NamedTuple


class Shop(NamedTuple):
    """A shop and what it sells: articles with a usual price in hundredths."""

    name: str
    goods: tuple[tuple[str, int], ...]


_GROCERIES = (
    ("Oat bread", 320), ("Brown eggs", 285), ("Apple juice", 240), ("Goat cheese", 565), ("Red lentils", 195),
    ("Pear jam", 345), ("Rye crackers", 260), ("Olive oil", 899), ("Black tea", 415), ("Plums", 375), ("Leeks", 180),
    ("Buttermilk", 155),
)  # fmt: skip
_CAFE = (
    ("Flat white", 340), ("Pot of tea", 290), ("Cheese toastie", 620), ("Lemon tart", 450), ("Soup of the day", 580),
    ("Ginger beer", 310), ("Scone", 275), ("Granola bowl", 710), ("Hot cocoa", 365), ("Fig roll", 195),
)  # fmt: skip
_HARDWARE = (
    ("Wood screws", 425), ("Wall plugs", 299), ("Sandpaper", 349), ("Paint roller", 780), ("Claw hammer", 1650),
    ("Door hinge", 540), ("Tape measure", 899), ("Masking tape", 365), ("Spirit level", 1425), ("Drill bit", 610),
)  # fmt: skip
_STATIONERY = (
    ("Ring binder", 390), ("Fountain pen", 2350), ("Blotting paper", 275), ("Envelopes", 450), ("Desk diary", 1599),
    ("Pencil case", 825), ("Wax seal", 640), ("Graph paper", 520), ("Rubber stamp", 1180), ("Index cards", 310),
)  # fmt: skip
_GARDEN = (
    ("Tulip bulbs", 699), ("Hand trowel", 1120), ("Potting soil", 845), ("Watering can", 1875), ("Bean seeds", 255),
    ("Garden twine", 365), ("Clay pot", 530), ("Plant labels", 299), ("Fern", 1290), ("Bird feeder", 1599),
)  # fmt: skip

SHOPS = (
    Shop("Harrow Lane Grocer", _GROCERIES),
    Shop("Old Mill Dairy", _GROCERIES),
    Shop("Saltmarsh Stores", _GROCERIES),
    Shop("The Copper Kettle", _CAFE),
    Shop("Lantern Street Cafe", _CAFE),
    Shop("Cloud & Crumb", _CAFE),
    Shop("Northgate Hardware", _HARDWARE),
    Shop("Pell & Daughters", _HARDWARE),
    Shop("Quill & Nib", _STATIONERY),
    Shop("Blackwood Paper Co.", _STATIONERY),
    Shop("Fenwick Garden Centre", _GARDEN),
    Shop("Root & Branch", _GARDEN),
)
STREETS = ("Harrow Lane", "Mill Road", "Quay Street", "North Parade", "Lantern Street", "Chapel Hill", "Ropewalk")
TOWNS = ("Skerrywick", "Tangmoor", "Eastholm", "Marlow Ferry", "Penbrae", "Great Osset", "Dunmere")
PEOPLE = ("Ada", "Bram", "Cleo", "Dorian", "Esme", "Felix", "Greta", "Hugo", "Ines", "Jonas", "Kirsty", "Leif")
SURNAMES = ("Aird", "Bellamy", "Corrigan", "Dunmore", "Eklund", "Farrow", "Galbraith", "Hask", "Ibarra", "Jessop")
FIRMS = (
    "Brightwater Pumps", "Kestrel Freight", "Alder & Moss", "Tidewater Marine", "Hobbs Cycle Works", "Lumen Optics",
    "Greystone Joinery", "Vale Print House", "Sixpenny Studios", "Orrin Textiles", "Cobalt Glass", "Stannard Tools",
    "Fairlead Ropes", "Wren Acoustics", "Maple & Thread", "Ironbark Timber",
)  # fmt: skip
SERVICES = (
    ("Hull survey", 34_000), ("Pump overhaul", 21_550), ("Sail repair", 12_825), ("Crane hire", 48_000),
    ("Site visit", 9_500), ("Design draft", 27_500), ("Copper pipe", 1_845), ("Oak board", 3_260),
    ("Rope, 20 m", 2_790), ("Brass cleat", 1_425), ("LED panel", 7_480), ("Cable drum", 11_290),
    ("Proof print", 4_650), ("Glass pane", 5_385), ("Bearing set", 8_640), ("Varnish, 5 l", 6_120),
)  # fmt: skip
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def some_day(dice: random.Random) -> date:
    """A day of 2024, 2025 or 2026."""
    return date(2024, 1, 1) + timedelta(days=dice.randrange(3 * 365))


def written_day(day: date, form: int) -> str:
    """A day in one of five forms."""
    month = _MONTHS[day.month - 1]
    return (
        day.isoformat(),
        f"{day.day:02}/{day.month:02}/{day.year}",
        f"{day.day} {month} {day.year}",
        f"{month} {day.day}, {day.year}",
        f"{day.day:02}.{day.month:02}.{day.year}",
    )[form % 5]


def amount(cents: int) -> str:
    """Hundredths as an amount: 1,234.50."""
    return f"{cents // 100:,}.{cents % 100:02}"


def near(cents: int, dice: random.Random) -> int:
    """A price around a usual one, in steps of five hundredths."""
    return max(5, round(cents * dice.uniform(0.8, 1.25) / 5) * 5)
