"""Search over models and comparisons: plain words, matched in names first and in descriptions last.

A model or comparison is found if every word of the query stands somewhere in it. Nothing is read but the catalog and
the list of comparisons, so that no query costs more than another.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from seatrial.catalog.entry import Entry
from seatrial.errors import nearest_names
from seatrial.site.library import MOST_MODELS, Library
from seatrial.site.listings import Listing
from seatrial.site.pages.frame import Frame
from seatrial.site.pages.lines import CATEGORIES, ComparisonLine, ModelLine, comparison_line, model_line
from seatrial.site.slugs import slug_of
from seatrial.verdict.report.names import listed

LONGEST_QUERY = 100
MOST_WORDS = 8
MOST_MODELS_SHOWN = 20
MOST_COMPARISONS_SHOWN = 20

_WORD = re.compile(r"[^\W_]+(?:\.[^\W_]+)*")
_JOINING = frozenset({"vs", "versus", "or", "and", "against", "compare", "with", "the"})


@dataclass(frozen=True, slots=True)
class PairOffer:
    """A comparison of just the models that the query names."""

    title: str
    path: str


@dataclass(frozen=True, slots=True)
class SearchPage:
    """`query` is what was asked, cut to its longest; `nearest` are names like it where nothing was found."""

    TEMPLATE: ClassVar[str] = "search.html.jinja"

    frame: Frame
    query: str
    models: tuple[ModelLine, ...]
    comparisons: tuple[ComparisonLine, ...]
    offer: PairOffer | None
    nearest: tuple[ModelLine, ...]

    @property
    def found_anything(self) -> bool:
        """Is there a result?"""
        return bool(self.models or self.comparisons or self.offer)

    def data(self) -> dict[str, Any]:
        """The page's twin."""
        return {
            "query": self.query,
            "models": [model.data() for model in self.models],
            "comparisons": [line.data() for line in self.comparisons],
            "compare": None if self.offer is None else self.offer.path,
            "nearest": [model.id for model in self.nearest],
        }


def search_page(library: Library, query: str) -> SearchPage:
    """What the site has on a query; an empty one finds nothing and asks for one."""
    query = " ".join(_printable(query).split())[:LONGEST_QUERY].rstrip()
    words = words_of(query)
    models = _models(library, words)
    comparisons = _comparisons(library, words)
    offer = _offer(library, query)
    found = bool(models or comparisons or offer)
    return SearchPage(
        frame=Frame(
            title=f"Search: {query}" if query else "Search",
            description="Models and comparisons.",
            path="/search",
            is_indexed=False,
        ),
        query=query,
        models=tuple(model_line(entry, library.today()) for entry in models[:MOST_MODELS_SHOWN]),
        comparisons=tuple(comparison_line(listing) for listing in comparisons[:MOST_COMPARISONS_SHOWN]),
        offer=offer,
        nearest=() if found or not words else _nearest(library, query),
    )


def words_of(query: str) -> tuple[str, ...]:
    """The words that are looked for: case and accents' spelling aside, joining words left out, each once."""
    words = dict.fromkeys(_WORD.findall(folded(query)))
    return tuple(word for word in words if word not in _JOINING)[:MOST_WORDS]


def folded(text: str) -> str:
    """The text as it is compared."""
    return unicodedata.normalize("NFKC", text).casefold()


def _models(library: Library, words: Sequence[str]) -> list[Entry]:
    """Models in which every word stands, those where they stand in the name first."""
    if not words:
        return []
    ranked = [
        (rank, entry.name.casefold(), entry)
        for entry in library.catalog.entries.values()
        if (rank := _rank(entry, words)) is not None
    ]
    return [entry for _, _, entry in sorted(ranked, key=lambda found: found[:2])]


def _rank(entry: Entry, words: Sequence[str]) -> int | None:
    """The sum over words of the first place each is found in (0: a name begins with it); None if one is nowhere."""
    names = folded(f"{entry.id} {entry.name} {entry.api_name or ''}")
    starts = set(_WORD.findall(names))
    about = folded(f"{entry.maker} {CATEGORIES[entry.category]} {entry.runs} {' '.join(entry.modalities)}")
    told = folded(f"{entry.tagline} {entry.description}")
    total = 0
    for word in words:
        if any(start.startswith(word) for start in starts):
            continue
        place = next((at for at, text in enumerate((names, about, told), 1) if word in text), None)
        if place is None:
            return None
        total += place
    return total


def _comparisons(library: Library, words: Sequence[str]) -> list[Listing]:
    """Comparisons in whose candidates every word stands, published ones first, as the library lists them."""
    if not words:
        return []
    found = []
    for listing in library.listings():
        names = folded(" ".join(f"{candidate.id} {candidate.name}" for candidate in listing.candidates))
        if all(word in names for word in words):
            found.append(listing)
    return found


def _offer(library: Library, query: str) -> PairOffer | None:
    """The comparison that a query like `smollm3 vs gpt-5 mini` asks for: each side must name one model, and no two the
    same."""
    sides = [side for side in re.split(r"\s+(?:vs\.?|versus|or|against)\s+|,", folded(query)) if side.strip()]
    if not 2 <= len(sides) <= MOST_MODELS:
        return None
    chosen = [_best(library, side) for side in sides]
    entries = {entry.id: entry for entry in chosen if entry is not None}
    if len(entries) < len(sides):
        return None
    return PairOffer(listed([entry.name for entry in entries.values()]), f"/compare/{slug_of(entries)}")


def _best(library: Library, side: str) -> Entry | None:
    """The model that these words name: its id or name outright, else the best match."""
    plain = " ".join(side.split())
    for entry in library.catalog.entries.values():
        if plain in (folded(entry.id), folded(entry.name)):
            return entry
    found = _models(library, words_of(side))
    return found[0] if found else None


def _nearest(library: Library, query: str) -> tuple[ModelLine, ...]:
    entries = library.catalog.entries
    by_spelling = {spelling: entry.id for entry in entries.values() for spelling in (entry.id, folded(entry.name))}
    ids = dict.fromkeys(by_spelling[name] for name in nearest_names(query, by_spelling))
    return tuple(model_line(entries[found], library.today()) for found in ids)


def _printable(text: str) -> str:
    """Without control and formatting characters, which would reorder or hide what the page repeats."""
    return "".join(" " if letter.isspace() else letter for letter in text if not _is_hidden(letter))


def _is_hidden(letter: str) -> bool:
    return unicodedata.category(letter)[0] == "C" and not letter.isspace()
