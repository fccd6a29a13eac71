"""What each candidate is called on the page, and which colour and marker it wears in every figure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from seatrial.verdict.document import CandidateCard

NUM_COLOURS = 8


@dataclass(frozen=True, slots=True)
class Name:
    """A candidate's display name. `slot` picks its colour (1 … `NUM_COLOURS`) and its marker."""

    id: str
    text: str
    slot: int


def name_candidates(cards: Sequence[CandidateCard]) -> dict[str, Name]:
    """Names by candidate id, in the document's order. Two candidates with one name are told apart by their ids."""
    shared = Counter(card.name for card in cards)
    return {
        card.id: Name(
            id=card.id,
            text=card.name if card.name and shared[card.name] == 1 else f"{card.name} ({card.id})".strip(),
            slot=place % NUM_COLOURS + 1,
        )
        for place, card in enumerate(cards)
    }


def name_of(names: Mapping[str, Name], candidate: str) -> str:
    """The display name, or the id itself for a model that is not a candidate here (a rival, a successor)."""
    return names[candidate].text if candidate in names else candidate


def listed(words: Sequence[str], last: str = "and") -> str:
    """`a`, `a and b`, `a, b and c`."""
    if len(words) < 2:
        return "".join(words)
    return f"{', '.join(words[:-1])} {last} {words[-1]}"


def shortened(text: str, limit: int) -> str:
    """The text, cut to `limit` characters with an ellipsis where it is longer."""
    return text if len(text) <= limit else text[: limit - 1].rstrip() + "…"
