"""How everything on this site comes about: kinds of evidence, statistics, the panel's rubrics, the decision, votes.

The rubrics are read from the files that the panel votes by; the statistics are explained in `methods`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from seatrial.site.pages.frame import Frame
from seatrial.site.pages.json_ld import terms_ld
from seatrial.site.pages.methods import METHODS, Method
from seatrial.verdict.dossier import KEYS
from seatrial.verdict.rubric import Criterion, Rubric, load_rubrics

PATH = "/methodology"
_COMPARISONS = {"<": "below", "<=": "at most", ">": "above", ">=": "at least", "==": "", "!=": "not"}


@dataclass(frozen=True, slots=True)
class Asked:
    """A line of a rubric. `looks_at` is the figure or fact compared, `passes` what it must be, in words."""

    name: str
    question: str
    looks_at: str
    passes: str
    weight: float
    veto: bool

    @property
    def weighs(self) -> str:
        """`1.5`."""
        return f"{self.weight:g}"


@dataclass(frozen=True, slots=True)
class Reviewer:
    """A rubric as the page prints it. `bar` and `quorum` are percentages as text."""

    id: str
    title: str
    creed: str
    bar: str
    quorum: str
    criteria: tuple[Asked, ...]


@dataclass(frozen=True, slots=True)
class MethodologyPage:
    """Statistics and rubrics; what the template says besides changes with the code it speaks of."""

    TEMPLATE: ClassVar[str] = "methodology.html.jinja"

    frame: Frame
    methods: tuple[Method, ...]
    reviewers: tuple[Reviewer, ...]
    rubrics: tuple[Rubric, ...]

    def data(self) -> dict[str, Any]:
        """The page's twin."""
        return {
            "methods": [
                {
                    "anchor": method.anchor,
                    "name": method.name,
                    "used_for": method.used_for,
                    "how": list(method.how),
                    "example": method.example,
                    "source": method.source,
                    "code": method.code,
                }
                for method in self.methods
            ],
            "rubrics": [_rubric_data(rubric) for rubric in self.rubrics],
        }


def methodology_page() -> MethodologyPage:
    """The page. Raises `InputError` where a rubric's file is spoilt."""
    rubrics = load_rubrics()
    title = "How figures, verdicts and votes come about"
    return MethodologyPage(
        frame=Frame(
            title=title,
            description="Every statistic on this site explained, with examples and sources, and the rubrics by which "
            "the panel votes, line by line.",
            path=PATH,
            json_ld=terms_ld(title, [(each.name, each.used_for, each.anchor) for each in METHODS]),
        ),
        methods=METHODS,
        reviewers=tuple(_reviewer(rubric) for rubric in rubrics),
        rubrics=rubrics,
    )


def _reviewer(rubric: Rubric) -> Reviewer:
    return Reviewer(
        id=rubric.id,
        title=rubric.title[:1].upper() + rubric.title[1:],
        creed=rubric.creed,
        bar=f"{100 * rubric.bar:g}%",
        quorum=f"{100 * rubric.quorum:g}%",
        criteria=tuple(
            Asked(
                name=criterion.name,
                question=criterion.question,
                looks_at=KEYS[criterion.key].meaning,
                passes=_passes(criterion),
                weight=criterion.weight,
                veto=criterion.veto,
            )
            for criterion in rubric.criteria
        ),
    )


def _passes(criterion: Criterion) -> str:
    """`at most 5.0 s`, `yes`."""
    if isinstance(criterion.threshold, bool):
        return "yes" if criterion.threshold is (criterion.comparison == "==") else "no"
    return f"{_COMPARISONS[criterion.comparison]} {criterion.said_threshold()}".strip()


def _rubric_data(rubric: Rubric) -> dict[str, Any]:
    return {
        "id": rubric.id,
        "title": rubric.title,
        "creed": rubric.creed,
        "bar": rubric.bar,
        "quorum": rubric.quorum,
        "criteria": [
            {
                "name": criterion.name,
                "question": criterion.question,
                "key": criterion.key,
                "comparison": criterion.comparison,
                "threshold": criterion.threshold,
                "weight": criterion.weight,
                "veto": criterion.veto,
            }
            for criterion in rubric.criteria
        ],
    }
