"""The shape of an entry's TOML file: which keys it may hold, and of what type.

`reading` converts a parsed file into these rows and the rows into an `Entry`. Every row that states a fact names its
`source`, a key of the file's `sources` table; `note` is shown beside the fact.
"""

from __future__ import annotations

from datetime import date
from typing import Any, Literal

import msgspec

from seatrial.catalog.entry import Category, EntryFee, FactKind, Weights


class SourceRow(msgspec.Struct, frozen=True, kw_only=True):
    """`[sources]`: where facts come from."""

    title: str
    url: str
    as_of: date
    kind: FactKind


class FactRow(msgspec.Struct, frozen=True, kw_only=True):
    """What every fact has."""

    source: str
    note: str = ""


class LicenceRow(FactRow, frozen=True, kw_only=True):
    """A licence: `spdx` where SPDX has it."""

    name: str
    commercial: bool
    spdx: str | None = None


class NumberRow(FactRow, frozen=True, kw_only=True):
    """A number greater than 0."""

    value: float


class CountRow(FactRow, frozen=True, kw_only=True):
    """A whole number greater than 0."""

    value: int


class DateRow(FactRow, frozen=True, kw_only=True):
    """A day."""

    value: date


class TextRow(FactRow, frozen=True, kw_only=True):
    """A text."""

    value: str


class RetirementRow(FactRow, frozen=True, kw_only=True):
    """A retirement."""

    on: date
    replacement: str | None = None


class PriceRow(FactRow, frozen=True, kw_only=True):
    """US dollars per million tokens."""

    input_usd: float
    output_usd: float
    cached_input_usd: float | None = None
    valid_from: date | None = None
    above_prompt_tokens: int | None = None


class ScoreRow(FactRow, frozen=True, kw_only=True):
    """A published score of the entry's own model."""

    benchmark: str
    value: float
    unit: str
    variant: str = ""
    setting: str = ""


class RivalScoreRow(ScoreRow, frozen=True, kw_only=True):
    """A score that the same page gives for another model, `subject`."""

    subject: str


class MarketingRow(FactRow, frozen=True, kw_only=True):
    """A marketing line, the rule that checks it and the rule's terms."""

    line: str
    check: str
    terms: dict[str, Any] = {}


class PriceListRow(msgspec.Struct, frozen=True, kw_only=True):
    """`genai_prices`: which line of the genai-prices package holds this model's prices."""

    provider: str
    model: str


class Header(msgspec.Struct, frozen=True, kw_only=True):
    """The top-level keys that are not tables."""

    id: str
    name: str
    maker: str
    tagline: str
    description: str
    category: Category
    modalities: list[Literal["text", "image", "video", "audio", "pdf"]]
    entry: EntryFee
    runs: Literal["local", "hosted"]
    api_name: str | None = None
    competitors: list[str] = []
    replaces_builtin: bool = False


FACT_ROWS: dict[str, type[FactRow]] = {
    "licence": LicenceRow,
    "parameters": NumberRow,
    "context_tokens": CountRow,
    "max_output_tokens": CountRow,
    "memory_bytes": CountRow,
    "released": DateRow,
    "retirement": RetirementRow,
    "prices": PriceRow,
    "scores": ScoreRow,
    "rival_scores": RivalScoreRow,
    "ttft_s": NumberRow,
    "output_tokens_per_s": NumberRow,
    "unsupported_parameters": TextRow,
    "notes": TextRow,
    "marketing": MarketingRow,
}
TABLES: dict[str, type[msgspec.Struct]] = {"weights": Weights, "genai_prices": PriceListRow}
