"""The rules by which a marketing line can be checked, and the terms each takes.

The catalog states rule and terms and refuses what is not here; `verdict.marketing` holds the line against the evidence.
`docs/catalog.md` says what each rule means.
"""

from __future__ import annotations

from typing import Any

import msgspec


class CheaperThan(msgspec.Struct, frozen=True):
    """The list price, input and output, lies `percent` below that of `model` (a catalog id)."""

    model: str
    percent: float


class TtftBelow(msgspec.Struct, frozen=True):
    """The first token comes within `seconds`."""

    seconds: float


class SameApi(msgspec.Struct, frozen=True):
    """Code for the model's siblings runs unchanged, and goes on running."""


class BestScoreAmong(msgspec.Struct, frozen=True):
    """No rival scores higher on any of `benchmarks`, each `[benchmark, variant, setting]` of a score in the entry."""

    benchmarks: list[tuple[str, str, str]]


class MeasuredOnly(msgspec.Struct, frozen=True):
    """No published figure settles it: only a measurement of `what` would."""

    what: str


Terms = CheaperThan | TtftBelow | SameApi | BestScoreAmong | MeasuredOnly

RULES: dict[str, type[Terms]] = {
    "cheaper_than": CheaperThan,
    "ttft_below": TtftBelow,
    "same_api": SameApi,
    "best_score_among": BestScoreAmong,
    "measured_only": MeasuredOnly,
}


def read_terms(check: str, terms: dict[str, Any]) -> Terms:
    """The terms of a claim that the catalog has accepted, typed. `check` is a key of `RULES`."""
    return msgspec.convert(terms, RULES[check])
