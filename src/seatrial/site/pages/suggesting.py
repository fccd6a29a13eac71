"""Which comparisons stand first where a page shows a few of many."""

from __future__ import annotations

from seatrial.site.library import Library
from seatrial.site.listings import Listing
from seatrial.site.slugs import slug_of

FAVOURITES = (("gpt-5-mini", "smollm3-3b"), ("gpt-5-mini", "smolvlm2-2.2b"))
"""Comparisons that stand first among those from the catalog alone."""

_FAVOURED = {slug_of(pair): place for place, pair in enumerate(FAVOURITES)}


def suggested(library: Library, limit: int) -> list[Listing]:
    """Published runs, newest first; then favourites; then what runs at home beside what is hosted; then the rest."""
    return sorted(library.listings(), key=lambda listing: _place(library, listing))[:limit]


def _place(library: Library, listing: Listing) -> tuple[bool, int, bool]:
    if listing.added_at is not None:
        return (False, 0, False)
    entries = [library.catalog.find(candidate.model or "") for candidate in listing.candidates]
    is_of_both = len({entry.runs for entry in entries if entry is not None}) > 1
    return (True, _FAVOURED.get(listing.slug, len(_FAVOURED)), not is_of_both)
