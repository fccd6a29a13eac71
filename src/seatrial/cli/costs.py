"""What a candidate's reply costs, by the catalog's prices."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from seatrial.catalog.loading import Catalog
    from seatrial.chat import Usage
    from seatrial.trial.record import Candidate


def cost_of_usage(catalog: Catalog, candidate: Candidate, usage: Usage, on: datetime) -> float | None:
    """What a reply cost in US dollars: 0.0 where nothing is paid per token, None where no price is known."""
    from seatrial.catalog.prices import cost_usd, price_on

    if candidate.kind in ("baseline", "hub", "path"):
        return 0.0
    entry = catalog.find(candidate.model) if candidate.model else None
    if entry is None:
        return None
    if entry.runs == "local" and candidate.kind == "catalog":
        return 0.0
    price = price_on(entry, on.date(), usage.prompt_tokens)
    return cost_usd(price.value, usage) if price else None
