"""A candidate's settings: `f32,temperature=0.7` to checked values.

`f32`, `bf16`, `f16`, `int8`, `int4` (or `dtype=…`), `cache=bf16|int8`, `context`, `threads`, `temperature`, `top_p`,
`top_k`, `max_tokens`, `thinking=on|off`, `reasoning_effort`, `seed`. Which of them a candidate takes depends on where
it runs: `LOCAL` here, `SERVED` by a server that the user names, `HOSTED` by its maker.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from seatrial.errors import UnknownName, UsageError

if TYPE_CHECKING:
    from seatrial.catalog.entry import Entry

Setting = str | float | int | bool

LOCAL = frozenset(
    {"dtype", "cache", "context", "threads", "temperature", "top_p", "top_k", "max_tokens", "thinking", "seed"}
)
SERVED = frozenset({"temperature", "top_p", "top_k", "max_tokens", "thinking", "reasoning_effort", "seed"})
HOSTED = frozenset({"temperature", "top_p", "max_tokens", "reasoning_effort", "seed"})

_DTYPES = ("f32", "bf16", "f16", "int8", "int4")
_EFFORTS = ("none", "minimal", "low", "medium", "high")


def parse_settings(
    candidate: str, settings: str, taken: frozenset[str], entry: Entry | None = None
) -> dict[str, Setting]:
    """The settings of `candidate` (its whole text, for messages), of which those in `taken` are allowed.

    Raises UnknownName for a setting that is not known, UsageError for one that the candidate does not take, that is
    given twice, or whose value is not one it can have.
    """
    if not settings and candidate.endswith("@"):
        raise UsageError(f"`{candidate}` ends in `@` and no setting. Write `@f32`, `@temperature=0.7`, or nothing.")
    parsed: dict[str, Setting] = {}
    for part in settings.split(",") if settings else ():
        name, equals, value = part.partition("=")
        if not equals and name in _DTYPES:
            name, value = "dtype", name
        if name not in _PARSERS:
            known = (*_PARSERS, *_DTYPES)
            raise UnknownName("setting", name, known, f"`{candidate}` may set {', '.join(sorted(taken))}.")
        if name in parsed:
            raise UsageError(f"`{candidate}` sets `{name}` twice. Once is enough.")
        _check_taken(candidate, name, taken, entry)
        parsed[name] = _PARSERS[name](f"`{candidate}`: `{name}`", value)
    return parsed


def _check_taken(candidate: str, name: str, taken: frozenset[str], entry: Entry | None) -> None:
    if name not in taken:
        instead = {"thinking": "reasoning_effort", "reasoning_effort": "thinking"}.get(name)
        way_out = f"Use `{instead}`." if instead in taken else "Leave it out."
        where = "runs on this machine" if taken is LOCAL else "runs elsewhere"
        raise UsageError(f"`{candidate}` {where} and takes no `{name}`. {way_out}")
    for fact in entry.unsupported_parameters if entry is not None and taken is HOSTED else ():
        if fact.value == name:
            raise UsageError(f"`{candidate}` takes no `{name}` ({fact.source.title}). Leave it out.")


def _number(low: float, high: float, *, above: bool = False) -> Callable[[str, str], Setting]:
    def parse(where: str, value: str) -> Setting:
        try:
            number = float(value)
        except ValueError:
            number = float("nan")
        if not (low < number if above else low <= number) or number > high:
            bounds = f"above {low:g} and at most {high:g}" if above else f"from {low:g} to {high:g}"
            raise UsageError(f"{where} is `{value}`; it must be a number {bounds}.")
        return number

    return parse


def _whole(low: int, high: int) -> Callable[[str, str], Setting]:
    def parse(where: str, value: str) -> Setting:
        if not re.fullmatch(r"[0-9]{1,12}", value) or not low <= int(value) <= high:
            raise UsageError(f"{where} is `{value}`; it must be a whole number from {low:,} to {high:,}.")
        return int(value)

    return parse


def _choice(values: Mapping[str, Setting]) -> Callable[[str, str], Setting]:
    def parse(where: str, value: str) -> Setting:
        if value not in values:
            raise UsageError(f"{where} is `{value}`; it must be one of {', '.join(values)}.")
        return values[value]

    return parse


_PARSERS: dict[str, Callable[[str, str], Setting]] = {
    "dtype": _choice({name: name for name in _DTYPES}),
    "cache": _choice({name: name for name in ("bf16", "int8")}),
    "context": _whole(16, 1 << 24),
    "threads": _whole(1, 1024),
    "temperature": _number(0.0, 2.0),
    "top_p": _number(0.0, 1.0, above=True),
    "top_k": _whole(1, 1_000_000),
    "max_tokens": _whole(1, 1_000_000),
    "thinking": _choice({"on": True, "off": False}),
    "reasoning_effort": _choice({name: name for name in _EFFORTS}),
    "seed": _whole(0, 2**31 - 1),
}
