"""The form that makes any pair: two models are picked, their comparison is shown.

It sends `a` and `b` to `/compare`, which answers with the comparison's own address.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from seatrial.site.library import Library
from seatrial.site.pages.frame import Frame
from seatrial.site.pages.lines import CATEGORIES, ComparisonLine, by_name, comparison_line
from seatrial.site.pages.suggesting import suggested

NUM_SUGGESTED = 12


@dataclass(frozen=True, slots=True)
class Choice:
    """A model that can be picked."""

    id: str
    name: str
    maker: str


@dataclass(frozen=True, slots=True)
class PickPage:
    """`first` and `second` are ids that stand picked already, "" for none; `problem` says what was wrong with them.

    `choices` are the models by category.
    """

    TEMPLATE: ClassVar[str] = "pairs.html.jinja"

    frame: Frame
    choices: tuple[tuple[str, tuple[Choice, ...]], ...]
    first: str
    second: str
    problem: str
    suggested: tuple[ComparisonLine, ...]

    def data(self) -> dict[str, Any]:
        """The page's twin."""
        return {
            "models": [choice.id for _, choices in self.choices for choice in choices],
            "problem": self.problem or None,
            "suggested": [line.data() for line in self.suggested],
        }


def pick_page(library: Library, first: str = "", second: str = "", problem: str = "") -> PickPage:
    """The form. Ids that the catalog lacks stand as not picked; with a `problem` the page is not for search engines."""
    entries = library.catalog.entries
    return PickPage(
        frame=Frame(
            title="Compare any two models",
            description="Pick two models and read which one to ship: facts, prices, published scores, checked claims "
            "and a panel's verdict, each with its source.",
            path="/compare",
            is_indexed=not problem,
        ),
        choices=model_choices(library),
        first=first if first in entries else "",
        second=second if second in entries else "",
        problem=problem,
        suggested=tuple(comparison_line(listing) for listing in suggested(library, NUM_SUGGESTED)),
    )


def model_choices(library: Library) -> tuple[tuple[str, tuple[Choice, ...]], ...]:
    """Category titles, each with its models by name."""
    entries = library.catalog.entries.values()
    groups = (
        (title, tuple(Choice(e.id, e.name, e.maker) for e in by_name(entries) if e.category == name))
        for name, title in CATEGORIES.items()
    )
    return tuple((title, choices) for title, choices in groups if choices)
