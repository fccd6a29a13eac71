"""Judging blind: two answers to one item without their names, then what was hidden, then the next.

Pages of one reader's own, never cached. What the form carries is a token; names stand on the page only after the vote.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from seatrial.site.library import Comparison
from seatrial.site.pages.comparison import pictures_path
from seatrial.site.pages.frame import Frame
from seatrial.site.votes.blind import Pair, Reveal
from seatrial.site.votes.opinion import MIN_VOTERS
from seatrial.stats.estimate import Estimate, NotEnough
from seatrial.verdict.document import AnswerShown, Document
from seatrial.verdict.report.figures import interval, percent
from seatrial.verdict.report.names import listed, name_candidates
from seatrial.verdict.report.pictures import PictureView, view_pictures
from seatrial.verdict.report.plots.plot import workload_title

if TYPE_CHECKING:
    from seatrial.stats.pairwise import Ranking


@dataclass(frozen=True, slots=True)
class Question:
    """What the reader judges, and the pictures that it is about. `token` goes through the form."""

    workload: str
    task: str
    input: str
    left: str
    right: str
    token: str
    pictures: list[PictureView]


@dataclass(frozen=True, slots=True)
class Shown:
    """An answer with its name. `score` is the scorer's, as text; `is_preferred`: the reader chose it."""

    candidate: str
    name: str
    text: str
    score: str
    is_preferred: bool


@dataclass(frozen=True, slots=True)
class Rank:
    """A candidate's place by blind votes. `win_rate` is its chance against an average one."""

    name: str
    place: str
    win_rate: str
    interval: str
    num_outcomes: int


@dataclass(frozen=True, slots=True)
class Ranks:
    """The ranking, or in `lacking` why there is none."""

    lines: tuple[Rank, ...]
    lacking: str


@dataclass(frozen=True, slots=True)
class BlindPage:
    """`question` None: the reader has judged everything there is. `num_done` of `num_pairs` are judged.

    Items' pictures are under the path `pictures`.
    """

    TEMPLATE: ClassVar[str] = "blind.html.jinja"

    frame: Frame
    title: str
    num_candidates: int
    comparison_path: str
    question: Question | None
    pictures: str
    num_done: int
    num_pairs: int
    ranks: Ranks | None

    def data(self) -> dict[str, Any]:
        """The page's twin, with the token that a vote has to carry."""
        asked = self.question
        return {
            "num_done": self.num_done,
            "num_pairs": self.num_pairs,
            "question": None
            if asked is None
            else {
                "workload": asked.workload,
                "input": asked.input,
                "pictures": [self.pictures + each.file for each in asked.pictures if each.file],
                "left": asked.left,
                "right": asked.right,
                "token": asked.token,
            },
        }


@dataclass(frozen=True, slots=True)
class RevealPage:
    """What was hidden, with what the item expects. Items' pictures are under the path `pictures`."""

    TEMPLATE: ClassVar[str] = "blind_reveal.html.jinja"

    frame: Frame
    title: str
    comparison_path: str
    pictures: str
    workload: str
    input: str
    shown: list[PictureView]
    expected: str
    left: Shown
    right: Shown
    num_left: int
    ranks: Ranks | None

    @property
    def is_tie(self) -> bool:
        """The reader saw no difference."""
        return not (self.left.is_preferred or self.right.is_preferred)

    def data(self) -> dict[str, Any]:
        """The page's twin."""
        sides = {"left": self.left, "right": self.right}
        return {
            side: {"candidate": shown.candidate, "text": shown.text, "is_preferred": shown.is_preferred}
            for side, shown in sides.items()
        } | {"expected": self.expected, "num_left": self.num_left}


def blind_page(
    comparison: Comparison,
    pair: Pair | None,
    token: str = "",
    *,
    num_done: int = 0,
    num_pairs: int = 0,
    ranks: Ranks | None = None,
) -> BlindPage:
    """The next pair to judge, or that there is none; `ranks` are shown only then, so as not to sway anybody."""
    return BlindPage(
        frame=_frame(comparison, "Which answer is better?"),
        title=_title(comparison.document),
        num_candidates=len(comparison.document.candidates),
        comparison_path=comparison.path,
        pictures=pictures_path(comparison),
        question=None if pair is None else _question(comparison.document, pair, token),
        num_done=num_done,
        num_pairs=num_pairs,
        ranks=ranks if pair is None else None,
    )


def reveal_page(
    comparison: Comparison, pair: Pair, reveal: Reveal, *, num_left: int = 0, ranks: Ranks | None = None
) -> RevealPage:
    """What was behind a pair, after the vote; `num_left` pairs are still to judge."""
    document = comparison.document
    return RevealPage(
        frame=_frame(comparison, "What was hidden"),
        title=_title(document),
        comparison_path=comparison.path,
        pictures=pictures_path(comparison),
        workload=workload_title(pair.workload, document.workloads),
        input=pair.input,
        shown=view_pictures(pair.pictures, pair.input),
        expected=_expected(reveal.expected),
        left=_shown(reveal.left, document, reveal.preferred),
        right=_shown(reveal.right, document, reveal.preferred),
        num_left=num_left,
        ranks=ranks,
    )


def view_ranks(ranking: Ranking | NotEnough, document: Document) -> Ranks:
    """The standings of a run's candidates as the page shows them."""
    if isinstance(ranking, NotEnough):
        if ranking.needed == MIN_VOTERS:
            return Ranks((), f"{ranking.n} of the {MIN_VOTERS} readers that a ranking needs have judged so far.")
        return Ranks((), "There is not enough data for a ranking yet.")
    names = {candidate: name.text for candidate, name in name_candidates(document.candidates).items()}
    return Ranks(
        tuple(
            Rank(
                name=names.get(each.name, each.name),
                place=_place(each.best_rank, each.worst_rank),
                win_rate=percent(each.win_rate.value),
                interval=_interval(each.win_rate),
                num_outcomes=each.num_outcomes,
            )
            for each in ranking.standings
        ),
        "",
    )


def _frame(comparison: Comparison, title: str) -> Frame:
    return Frame(
        title=title,
        description="Two answers to one item, names hidden until you have chosen.",
        path=f"/blind/{comparison.slug}",
        is_indexed=False,
    )


def _title(document: Document) -> str:
    return listed([name.text for name in name_candidates(document.candidates).values()])


def _question(document: Document, pair: Pair, token: str) -> Question:
    left, right = pair.texts
    task = next((each.description for each in document.workloads if each.name == pair.workload), "")
    return Question(
        workload=workload_title(pair.workload, document.workloads),
        task=task,
        input=pair.input,
        left=left,
        right=right,
        token=token,
        pictures=view_pictures(pair.pictures, pair.input),
    )


def _shown(answer: AnswerShown, document: Document, preferred: str | None) -> Shown:
    names = name_candidates(document.candidates)
    name = names[answer.candidate].text if answer.candidate in names else answer.candidate
    return Shown(answer.candidate, name, answer.text or "", percent(answer.score), answer.candidate == preferred)


def _expected(value: Any) -> str:
    if isinstance(value, str):
        return value
    return "" if value is None else json.dumps(value, ensure_ascii=False, indent=2, default=str)


def _place(best: int, worst: int) -> str:
    """`1`, `1–3`."""
    return f"{best}" if best == worst else f"{best}–{worst}"


def _interval(estimate: Estimate) -> str:
    return interval(estimate.low, estimate.high, "fraction")
