"""From loosely typed TOML values to rows: one table at a time, so that an error can name the exact key.

A table and the type of row it should be come in; a row comes out, or a `CatalogError` that names file, dotted key,
reason and way out.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from seatrial.errors import CatalogError, nearest_names

S = TypeVar("S", bound=msgspec.Struct)

LONGEST_TEXT = 4_000
LARGEST_COUNT = 10**15

_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")

_BARE_KEY = re.compile(r"[\w\-.\[\]]{1,80}")
_PLAIN_WORDS = {
    "str": "text in quotes",
    "int": "a whole number",
    "float": "a number such as 12.5",
    "bool": "true or false",
    "date": "a date such as 2026-11-22, without a time",
    "object": "a table of keys and values",
    "array": "a list in square brackets",
    "null": "nothing",
    "datetime": "a date with a time",
    "time": "a time of day",
}


@dataclass(frozen=True, slots=True)
class Place:
    """A key in a file: `Place(path, "scores[3]")`; key "" is the file itself."""

    path: Path
    key: str = ""

    def inside(self, name: str) -> Place:
        """The key `name` of the table here: `scores[3]` → `scores[3].value`. An odd name is quoted, as in TOML."""
        if not _BARE_KEY.fullmatch(name):
            name = f'"{ascii(name[:40])[1:-1]}"'
        return Place(self.path, f"{self.key}.{name}" if self.key else name)

    def item(self, index: int) -> Place:
        """An item of the list here, counted from 0: `scores` → `scores[3]`."""
        return Place(self.path, f"{self.key}[{index}]")

    def error(self, reason: str) -> CatalogError:
        """A `CatalogError` at this key."""
        return CatalogError(reason, path=self.path, field=self.key or None)


def read_row(value: object, row: type[S], place: Place, also_allowed: Iterable[str] = ()) -> S:
    """`value` as a `row`. Keys in `also_allowed` are left aside; every other key must be the row's.

    Raises `CatalogError`: not a table, an unknown or missing key, a value of the wrong type, a number that is not
    finite or beyond any unit, a text that is too long or holds control characters.
    """
    if not isinstance(value, dict):
        raise place.error(f"expected {_PLAIN_WORDS['object']}, got {_kind_of(value)}.")
    check_keys(value, {*row.__struct_fields__, *also_allowed}, place)
    own = {key: item for key, item in value.items() if key in row.__struct_fields__}
    try:
        converted = msgspec.convert(own, row)
    except msgspec.ValidationError as error:
        raise _explain(str(error), row, place) from None
    for key, item in own.items():
        _check_value(item, place.inside(key))
    return converted


def check_keys(table: dict[str, Any], known: set[str], place: Place) -> None:
    """Raise `CatalogError` if `table` has a key that is not in `known`; the nearest known ones are offered."""
    for key in table:
        if key not in known:
            nearest = nearest_names(key, known)
            offer = f"did you mean {listed(nearest)}?" if nearest else f"known are {listed(sorted(known)) or 'none'}."
            raise place.inside(key).error(f"unknown key; {offer}")


def listed(names: Iterable[str]) -> str:
    """Names for a message: "`a`, `b`, `c`"."""
    return ", ".join(f"`{name}`" for name in names)


def _explain(message: str, row: type[msgspec.Struct], place: Place) -> CatalogError:
    """msgspec's message in our words: "Expected `float`, got `str` - at `$.value`" → at `….value`, what to write."""
    reason, _, where = message.partition(" - at `$")
    key = re.sub(r"^\.", "", where.rstrip("`"))
    at = place.inside(key) if key else place
    if missing := re.match(r"Object missing required field `(\w+)`", reason):
        required = [field.name for field in msgspec.structs.fields(row) if field.required]
        return at.inside(missing[1]).error(f"is missing. Required here: {listed(required)}.")
    if wrong := re.match(r"Expected `([^`]+)`, got `([^`]+)`", reason):
        expected = " or ".join(_PLAIN_WORDS.get(word.strip(), word.strip()) for word in wrong[1].split("|"))
        return at.error(f"expected {expected}, got {_PLAIN_WORDS.get(wrong[2], wrong[2])}.")
    if choice := re.match(r"Invalid enum value (.+)", reason):
        return at.error(f"{choice[1]} is not one of {_choices(row, key)}.")
    return at.error(f"{reason}.")


def _choices(row: type[msgspec.Struct], key: str) -> str:
    name = re.split(r"[.\[]", key, maxsplit=1)[0]
    kind = next(field.type for field in msgspec.inspect.type_info(row).fields if field.name == name)  # type: ignore[attr-defined]
    while isinstance(kind, msgspec.inspect.ListType):
        kind = kind.item_type
    return listed(str(value) for value in kind.values)


def _check_value(value: object, place: Place) -> None:
    if isinstance(value, float) and not math.isfinite(value):
        raise place.error(f"{value} is not a number that can be compared; leave the key out where nothing is known.")
    if isinstance(value, str) and len(value) > LONGEST_TEXT:
        raise place.error(f"{len(value):,} characters of text; at most {LONGEST_TEXT:,}. Shorten it.")
    if isinstance(value, str) and _CONTROL.search(value):
        raise place.error("holds a control character. Remove it.")
    if isinstance(value, int) and abs(value) > LARGEST_COUNT:
        raise place.error(f"is beyond {LARGEST_COUNT:,}. Is it in the right unit?")


def _kind_of(value: object) -> str:
    names = {dict: "object", list: "array", str: "str", bool: "bool", int: "int", float: "float"}
    return _PLAIN_WORDS.get(names.get(type(value), type(value).__name__), type(value).__name__)
