"""A sound entry as text, and the means to read a changed one."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from seatrial.catalog.entry import Entry
from seatrial.catalog.loading import Catalog, load_catalog
from seatrial.catalog.reading import entry_from_table, parse_table

SOUND = """
id = "tiny-1b"
name = "Tiny 1B"
maker = "Us"
tagline = "Small"
description = "A model for tests."
category = "text"
modalities = ["text"]
entry = "paid"
runs = "hosted"
api_name = "tiny"
competitors = ["other-2b"]
sources.card = { title = "Card", url = "https://example.org/card", as_of = 2026-01-02, kind = "published" }
sources.blog = { title = "Blog", url = "https://example.org/blog", as_of = 2026-01-03, kind = "published" }
sources.ad = { title = "Advert", url = "https://example.org/ad", as_of = 2026-01-04, kind = "claimed" }
licence = [{ name = "MIT License", spdx = "MIT", commercial = true, source = "card" }]
context_tokens = [{ value = 4096, source = "card" }, { value = 8192, source = "blog", note = "with a trick" }]
released = [{ value = 2025-06-01, source = "card" }]
retirement = [{ on = 2027-06-01, replacement = "other-2b", source = "card" }]
prices = [
  { input_usd = 0.1, output_usd = 0.4, source = "card" },
  { input_usd = 0.2, output_usd = 0.8, cached_input_usd = 0.05, valid_from = 2026-03-01, source = "card" },
  { input_usd = 1.0, output_usd = 4.0, valid_from = 2026-03-01, above_prompt_tokens = 1000, source = "card" },
]
scores = [
  { benchmark = "GSM8K", setting = "5-shot", value = 61.5, unit = "%", source = "card" },
  { benchmark = "GSM8K", setting = "0-shot", value = 50, unit = "%", source = "card" },
]
rival_scores = [
  { subject = "Other 2B", benchmark = "GSM8K", setting = "5-shot", value = 60, unit = "%", source = "card" },
]

[[marketing]]
line = "half the price of Other"
check = "cheaper_than"
terms.model = "other-2b"
terms.percent = 50
source = "ad"
"""

KNOWN = frozenset({"tiny-1b", "other-2b"})


@pytest.fixture(scope="session")
def catalog() -> Catalog:
    """The built-in catalog."""
    return load_catalog()


@pytest.fixture
def sound() -> str:
    """A sound entry file, called `tiny-1b.toml`."""
    return SOUND


@pytest.fixture
def read() -> Callable[..., Entry]:
    """Reads text as the entry file of one of two models, `tiny-1b` and `other-2b`, that the catalog knows."""

    def read(text: str, name: str = "tiny-1b") -> Entry:
        path = Path(f"{name}.toml")
        return entry_from_table(parse_table(text.encode(), path), path, KNOWN)

    return read
