"""The items on which candidates differ, cut to what a page can hold; `verdict.json` has them all and whole.

At most `PER_WORKLOAD` items of a workload, long texts clamped, and all of them together within `BUDGET_BYTES` of
markup, workloads taking turns so that none crowds out another; pictures are bounded by themselves.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import Any

from markupsafe import escape

from seatrial.verdict.document import AnswerShown, Document, ItemDifference
from seatrial.verdict.report.names import Name, name_of, shortened
from seatrial.verdict.report.pictures import PictureView, bounded, view_pictures
from seatrial.verdict.report.plots.plot import in_workload_order, workload_title

PER_WORKLOAD = 60
CLAMPS = ((700, 400), (320, 180))
"""Characters of an input and of an answer; the second pair where the first would crowd items out."""
PREVIEW_CHARS = 130
BUDGET_BYTES = 320_000
MARKUP_BYTES = 330


@dataclass(frozen=True, slots=True)
class Clamped:
    """A text and how many of its characters were left out. `is_code` is how it is set: JSON and the like as code."""

    text: str
    num_left_out: int

    @property
    def is_code(self) -> bool:
        """Whether the text looks like data rather than prose."""
        return self.text.lstrip()[:1] in ("{", "[", "<")


@dataclass(frozen=True, slots=True)
class Answer:
    """A candidate's answer. `mark` is `right`, `partly`, `wrong` or `failed`; `text` None: it gave none."""

    name: str
    slot: int
    mark: str
    score: str
    text: Clamped | None
    failure: str


@dataclass(frozen=True, slots=True)
class Item:
    """One item for people to read. `num_more_pictures` it has beside those shown."""

    id: str
    cluster: str
    preview: str
    input: Clamped
    expected: Clamped
    answers: list[Answer]
    pictures: list[PictureView]
    num_more_pictures: int

    @property
    def num_pictures(self) -> int:
        """How many it asks about."""
        return len(self.pictures) + self.num_more_pictures


@dataclass(frozen=True, slots=True)
class ItemGroup:
    """A workload's items; `num_left_out` are only in `verdict.json`."""

    title: str
    items: list[Item]
    num_left_out: int


def view_items(document: Document, names: Mapping[str, Name]) -> list[ItemGroup]:
    """The items by workload, in the document's order."""
    by_workload: dict[str, list[ItemDifference]] = {}
    for item in bounded(document.item_differences):
        by_workload.setdefault(item.workload, []).append(item)
    for clamp in CLAMPS:
        shown, is_whole = _within_budget(by_workload, names, *clamp)
        if is_whole:
            break
    return [
        ItemGroup(
            title=workload_title(workload, document.workloads),
            items=shown[workload],
            num_left_out=len(by_workload[workload]) - len(shown[workload]),
        )
        for workload in in_workload_order(by_workload, document.workloads)
        if workload is not None
    ]


def _within_budget(
    by_workload: Mapping[str, list[ItemDifference]], names: Mapping[str, Name], input_chars: int, answer_chars: int
) -> tuple[dict[str, list[Item]], bool]:
    """The items that fit, workloads taking turns, and whether none had to go for want of room."""
    shown: dict[str, list[Item]] = {workload: [] for workload in by_workload}
    left_bytes = BUDGET_BYTES
    for turn in zip_longest(*(items[:PER_WORKLOAD] for items in by_workload.values())):
        views = [(item.workload, _item(item, names, input_chars, answer_chars)) for item in turn if item is not None]
        left_bytes -= sum(_size(view) for _, view in views)
        if left_bytes < 0:
            return shown, False
        for workload, view in views:
            shown[workload].append(view)
    return shown, True


def _item(item: ItemDifference, names: Mapping[str, Name], input_chars: int, answer_chars: int) -> Item:
    preview = shortened(" ".join(item.input[: 2 * PREVIEW_CHARS].split()), PREVIEW_CHARS)
    return Item(
        id=item.item,
        cluster=item.cluster or "",
        preview=preview or shortened(", ".join(picture.name for picture in item.pictures), PREVIEW_CHARS),
        input=_clamped(item.input, input_chars),
        expected=_clamped(_as_text(item.expected), answer_chars),
        answers=[_answer(answer, names, answer_chars) for answer in item.answers],
        pictures=view_pictures(item.pictures, item.input),
        num_more_pictures=item.num_more_pictures,
    )


def _answer(answer: AnswerShown, names: Mapping[str, Name], answer_chars: int) -> Answer:
    mark = "failed" if answer.failure else "right" if answer.score >= 1 else "wrong" if answer.score <= 0 else "partly"
    return Answer(
        name=name_of(names, answer.candidate),
        slot=names[answer.candidate].slot if answer.candidate in names else 0,
        mark=mark,
        score=f"{answer.score:.2f}"
        if mark == "partly"
        else {"right": "right", "wrong": "wrong", "failed": "failed"}[mark],
        text=None if answer.text is None else _clamped(answer.text, answer_chars),
        failure=shortened(answer.failure, answer_chars),
    )


def _as_text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, indent=2, default=str)


def _clamped(text: str, limit: int) -> Clamped:
    return Clamped(text, 0) if len(text) <= limit else Clamped(text[:limit], len(text) - limit)


def _size(item: Item) -> int:
    texts: Sequence[str] = [
        item.preview,
        *(text for picture in item.pictures for text in (picture.alt, picture.about, picture.note)),
        item.input.text,
        item.expected.text,
        *(part for answer in item.answers for part in (answer.text.text if answer.text else "", answer.failure)),
    ]
    return MARKUP_BYTES * (1 + len(item.answers) + len(item.pictures)) + sum(
        len(str(escape(text)).encode("utf-8", "replace")) for text in texts
    )
