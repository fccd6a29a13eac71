"""Evidence as footnotes: every id that the page cites gets a number, in the order in which a reader meets it.

In comes the document; out go `Footnotes`, which turn spans and lists of evidence ids into markup, and the numbered
list that stands at the end of the page. An id that the document cites but does not hold is listed as missing.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from markupsafe import Markup, escape

from seatrial.verdict.document import Document, Evidence, Span
from seatrial.verdict.report.names import Name

_CODE = re.compile(r"`([^`\n]+)`")
_HYPHENATED = re.compile(r"(?<![\w&#;])((?=[\w.-]{0,24}\d)[A-Za-z0-9.]{1,12}(?:-[A-Za-z0-9.]{1,12}){1,3})(?![\w-])")
_SENTENCE_END = re.compile(r"[.!?;:](\s|$)")
_UNSAFE_IN_URL = re.compile(r"[\x00-\x20\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff<>\"'`\\]")


@dataclass(frozen=True, slots=True)
class Footnote:
    """One piece of evidence as listed. `evidence` None: cited, but not in the document. `url` is safe to link."""

    number: int
    id: str
    evidence: Evidence | None
    text: Markup
    url: str | None


class Footnotes:
    """The numbered evidence of one document."""

    def __init__(self, document: Document, names: Mapping[str, Name]) -> None:
        self._names = {name.id: name.text for name in names.values()}
        self._workloads = {workload.name for workload in document.workloads}
        held = {entry.id: entry for entry in document.evidence}
        order = dict.fromkeys([*_cited(document), *held])
        self.listed = [
            Footnote(
                number=number,
                id=evidence_id,
                evidence=(entry := held.get(evidence_id)),
                text=self.text(entry.text) if entry else Markup(),
                url=safe_url(entry.url) if entry else None,
            )
            for number, evidence_id in enumerate(order, 1)
        ]
        self._number = {note.id: note.number for note in self.listed}

    def marks(self, evidence_ids: Iterable[str]) -> Markup:
        """The superscript links to these pieces of evidence; empty for none. Three or more in a row share a link."""
        numbers = sorted({self._number[evidence_id] for evidence_id in evidence_ids})
        if not numbers:
            return Markup()
        return Markup(f'<sup class="fn">{"".join(map(_link, _runs(numbers)))}</sup>')

    def prose(self, spans: Sequence[Span]) -> Markup:
        """Spans as running text with footnotes; what stands on the same evidence in one sentence shares its mark."""
        pieces: list[str] = []
        for place, span in enumerate(spans):
            pieces.append(self.text(span.text))
            if span.evidence and span.evidence != _next_in_sentence(spans[place:]):
                pieces.append(self.marks(span.evidence))
        return Markup("".join(pieces))

    def text(self, text: str) -> Markup:
        """Escaped text. Between backticks, a candidate's id reads as its name, a workload is set off, all else is code.

        Dates and model names are kept from breaking at their hyphens.
        """
        if "`" not in text:
            return _unbroken(text)
        pieces = enumerate(_CODE.split(text))
        return Markup("".join(self._code(piece) if place % 2 else _unbroken(piece) for place, piece in pieces))

    def _code(self, text: str) -> Markup:
        if text in self._names:
            return Markup('<bdi class="name">{}</bdi>').format(_unbroken(self._names[text]))
        if text in self._workloads:
            return Markup("<em>{}</em>").format(text)
        return Markup("<code>{}</code>").format(_unbroken(text))


@functools.lru_cache(maxsize=4_096)
def _unbroken(text: str) -> Markup:
    escaped = escape(text)
    return Markup(_HYPHENATED.sub(_held_together, escaped)) if "-" in text else escaped


def _held_together(found: re.Match[str]) -> str:
    return f'<span class="word-whole">{found[1]}</span>'


def _runs(numbers: Sequence[int]) -> list[tuple[int, int]]:
    """Ascending numbers as runs: `[2, 3, 7, 8, 9]` as `[(2, 2), (3, 3), (7, 9)]`."""
    runs: list[tuple[int, int]] = []
    for number in numbers:
        if runs and number == runs[-1][1] + 1:
            runs[-1] = (runs[-1][0], number)
        else:
            runs.append((number, number))
    return [
        piece
        for first, last in runs
        for piece in ([(first, last)] if last - first >= 2 else [(number, number) for number in range(first, last + 1)])
    ]


def _link(run: tuple[int, int]) -> str:
    first, last = run
    shown, said = (f"{first}", f"{first}") if first == last else (f"{first}–{last}", f"{first} to {last}")
    return f'<a href="#e{first}" aria-label="Evidence {said}">{shown}</a>'


def _next_in_sentence(spans: Sequence[Span]) -> list[str] | None:
    """The evidence that comes next after the first span, unless a sentence ends before it."""
    if _SENTENCE_END.search(spans[0].text):
        return None
    for span in spans[1:]:
        if span.evidence:
            return span.evidence
        if _SENTENCE_END.search(span.text):
            return None
    return None


def safe_url(url: str | None) -> str | None:
    """The URL if a page may link to it: absolute, http or https, nothing in it that could leave the attribute."""
    if not url or _UNSAFE_IN_URL.search(url):
        return None
    try:
        parts = urlsplit(url)
    except ValueError:
        return None
    return url if parts.scheme in ("http", "https") and parts.hostname else None


def _cited(document: Document) -> Iterator[str]:
    """Every evidence id that the page shows, in the order of the page."""
    for spans in (document.verdict.spans, *document.verdict.reasons):
        yield from _of_spans(spans)
    for card in document.candidates:
        for spans in card.notices:
            yield from _of_spans(spans)
    for ballot in document.ballots:
        yield from _of_spans(ballot.spans)
        for criterion in ballot.criteria:
            yield from _of_spans(criterion.finding)
    for row in document.pricing.rows:
        yield from row.evidence
    for break_even in document.pricing.break_even:
        yield from _of_spans(break_even.text)
    for history in document.pricing.price_history.values():
        yield from (point.evidence for point in history if point.evidence)
    for claim in document.claims:
        yield from claim.evidence
    for finding in document.marketing:
        yield from _of_spans(finding.finding)
        yield from finding.evidence
    for score in document.published_scores:
        for spans in score.scores.values():
            yield from _of_spans(spans)
    for card in document.candidates:
        for fact in card.facts:
            yield from _of_spans(fact.values)


def _of_spans(spans: Sequence[Span]) -> Iterator[str]:
    for span in spans:
        yield from span.evidence
