"""Which list price holds on a day, and what a reply costs at it."""

from __future__ import annotations

from datetime import date

from seatrial.catalog.entry import Entry, Fact, Price
from seatrial.chat import Usage

TOKENS_PER_PRICE = 1_000_000


def price_on(entry: Entry, day: date, prompt_tokens: int | None = None) -> Fact[Price] | None:
    """The price of `entry` on `day` for a prompt of `prompt_tokens` (None: the tier without a lower limit).

    None where no price is known. The latest price that holds by `day` counts, of it the highest tier that the prompt
    is above, and of equals the source that stands first. A price without a date holds from the release on.

    With prices of 0.10 above 0 and 0.50 above 100,000 tokens, a prompt of 100,000 costs 0.10 a million, one of 100,001
    costs 0.50 for every token.
    """
    best: Fact[Price] | None = None
    for fact in entry.prices:
        if _holds(fact.value, day, prompt_tokens) and (best is None or _rank(fact.value) > _rank(best.value)):
            best = fact
    return best


def cost_usd(price: Price, usage: Usage) -> float:
    """US dollars for `usage` at `price`. Cached tokens without a price of their own cost what input costs.

    Some servers count cached tokens beside the prompt's rather than among them; no more than the prompt has are billed
    at the cached price.
    """
    cached_tokens = min(usage.cached_tokens, usage.prompt_tokens)
    cached_usd = price.input_usd if price.cached_input_usd is None else price.cached_input_usd
    input_cost = (usage.prompt_tokens - cached_tokens) * price.input_usd + cached_tokens * cached_usd
    return (input_cost + usage.completion_tokens * price.output_usd) / TOKENS_PER_PRICE


def _holds(price: Price, day: date, prompt_tokens: int | None) -> bool:
    if price.valid_from is not None and price.valid_from > day:
        return False
    return price.above_prompt_tokens is None or (prompt_tokens or 0) > price.above_prompt_tokens


def _rank(price: Price) -> tuple[date, int]:
    return (price.valid_from or date.min, price.above_prompt_tokens or 0)
