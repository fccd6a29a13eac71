"""Facts as a page states them: a text with the sources that say so, each with its date and a link that is safe.

Two ways in: a `Fact` of the catalog, and a span of a document with its evidence.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, TypeVar

from seatrial.catalog.entry import Fact, Source
from seatrial.verdict.document import Evidence, Span
from seatrial.verdict.report.footnotes import safe_url

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class SourceLine:
    """Where something is said. `url` None: nothing that may be linked. `kind` as in evidence."""

    title: str
    url: str | None
    as_of: date | None
    kind: str


@dataclass(frozen=True, slots=True)
class Stated:
    """A value in words, with the remark on it and everybody who says so."""

    text: str
    note: str
    sources: tuple[SourceLine, ...]


def stated(facts: Iterable[Fact[T]], write: Callable[[T], str]) -> tuple[Stated, ...]:
    """Each different statement once, in order of trust, with all of its sources."""
    found: dict[tuple[str, str], dict[SourceLine, None]] = {}
    for fact in facts:
        found.setdefault((write(fact.value), fact.note), {})[source_line(fact.source)] = None
    return tuple(Stated(text, note, tuple(sources)) for (text, note), sources in found.items())


def source_line(source: Source) -> SourceLine:
    """A source of the catalog."""
    return SourceLine(source.title, safe_url(source.url), source.as_of, source.kind)


def evidence_lines(spans: Sequence[Span], evidence: Mapping[str, Evidence]) -> tuple[SourceLine, ...]:
    """The sources on which a sentence stands, each once; an id that is not in `evidence` is left out."""
    held = [evidence[who] for span in spans for who in span.evidence if who in evidence]
    return tuple(dict.fromkeys(SourceLine(e.source, safe_url(e.url), e.as_of, e.kind) for e in held))


def source_data(source: SourceLine) -> dict[str, Any]:
    """What a JSON twin says of a source."""
    return {
        "title": source.title,
        "url": source.url,
        "as_of": None if source.as_of is None else source.as_of.isoformat(),
        "kind": source.kind,
    }
