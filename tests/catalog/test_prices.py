"""Prices by date and tier, what a reply costs, and the snapshot of the price package."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import date
from pathlib import Path

import pytest

from seatrial.catalog.entry import Entry, Price
from seatrial.catalog.loading import BUILTIN_FOLDER, Catalog
from seatrial.catalog.prices import cost_usd, price_on
from seatrial.catalog.reading import read_table
from seatrial.catalog.refresh_prices import main, own_rows, package_rows, source_title
from seatrial.chat import Usage

TODAY = date(2026, 11, 22)
PRICED = sorted(path for path in BUILTIN_FOLDER.glob("*.toml") if "genai_prices" in read_table(path))


def usd(price: Price) -> tuple[float, float | None, float]:
    return (price.input_usd, price.cached_input_usd, price.output_usd)


LIST_PRICES = [
    ("gpt-5-mini", 0.25, 0.025, 2.00),
    ("gpt-5", 1.25, 0.125, 10),
    ("gpt-6.1-terra", 1, 0.05, 5),
    ("gpt-6-luna", 0.10, 0.01, 0.50),
    ("claude-haiku-4.5", 1, 0.1, 5),
    ("claude-haiku-5.5", 0.10, 0.01, 0.50),
    ("gemini-2.5-flash", 0.30, 0.03, 2.50),
    ("gemini-2.5-flash-lite", 0.10, 0.01, 0.40),
    ("gemini-3.5-flash-lite", 0.30, 0.03, 2.50),
    ("mistral-small-3.2", 0.10, None, 0.30),
    ("mistral-small-latest", 0.15, 0.015, 0.60),
]


@pytest.mark.parametrize(("id", "input_usd", "cached_usd", "output_usd"), LIST_PRICES)
def test_list_prices_today(
    catalog: Catalog, id: str, input_usd: float, cached_usd: float | None, output_usd: float
) -> None:
    fact = price_on(catalog.get(id), TODAY)
    assert fact is not None
    assert usd(fact.value) == (input_usd, cached_usd, output_usd)
    assert fact.source.title.startswith("genai-prices ")
    assert fact.id.startswith(f"{id}/prices/")


def test_gpt_5_mini_lies_80_percent_below_gpt_5(catalog: Catalog) -> None:
    mini, full = price_on(catalog.get("gpt-5-mini"), TODAY), price_on(catalog.get("gpt-5"), TODAY)
    assert mini is not None
    assert full is not None
    assert 1 - mini.value.input_usd / full.value.input_usd == pytest.approx(0.8)
    assert 1 - mini.value.output_usd / full.value.output_usd == pytest.approx(0.8)


def test_an_alias_changes_its_price_overnight(catalog: Catalog) -> None:
    entry = catalog.get("mistral-small-latest")
    before, after = price_on(entry, date(2026, 3, 15)), price_on(entry, date(2026, 3, 16))
    assert before is not None
    assert after is not None
    assert (before.value.input_usd, before.value.output_usd) == (0.10, 0.30)
    assert (after.value.input_usd, after.value.output_usd) == (0.15, 0.60)


@pytest.mark.parametrize(("id", "limit", "factor"), [("claude-haiku-5.5", 100_000, 5), ("gpt-6-luna", 272_000, 2)])
def test_long_prompts_have_a_price_of_their_own(catalog: Catalog, id: str, limit: int, factor: float) -> None:
    entry = catalog.get(id)
    short, long = price_on(entry, TODAY, limit), price_on(entry, TODAY, limit + 1)
    assert short is not None
    assert long is not None
    assert price_on(entry, TODAY) == short
    assert long.value.input_usd == pytest.approx(factor * short.value.input_usd)


def test_no_price_is_none_never_zero(catalog: Catalog) -> None:
    assert price_on(catalog.get("smollm3-3b"), TODAY) is None


def test_the_tiers_of_a_price_end_with_it(read: Callable[[str], Entry], sound: str) -> None:
    entry = read(sound)

    def input_usd(day: date, prompt_tokens: int | None = None) -> float:
        fact = price_on(entry, day, prompt_tokens)
        assert fact is not None
        return fact.value.input_usd

    assert input_usd(date(2026, 2, 28), 5000) == 0.1
    assert input_usd(date(2026, 3, 1), 5000) == 1.0
    assert input_usd(date(2026, 3, 1), 1000) == 0.2
    new = '  { input_usd = 0.3, output_usd = 1, valid_from = 2026-04-01, source = "card" },'
    entry = read(sound.replace("prices = [\n", f"prices = [\n{new}\n", 1))
    assert input_usd(date(2026, 4, 1), 5000) == 0.3


def test_of_sources_that_disagree_the_first_counts(read: Callable[[str], Entry], sound: str) -> None:
    entry = read(
        re.sub(
            r"(?s)prices = \[.*?\n\]",
            'prices = [{ input_usd = 7, output_usd = 7, source = "card" }, '
            '{ input_usd = 9, output_usd = 9, source = "blog" }]',
            sound,
        )
    )
    fact = price_on(entry, TODAY)
    assert fact is not None
    assert (fact.value.input_usd, fact.source.key) == (7, "card")


def test_cost() -> None:
    price = Price(0.25, 2.0, 0.025)
    assert cost_usd(price, Usage(1_000_000, 0)) == pytest.approx(0.25)
    assert cost_usd(price, Usage(0, 1_000_000)) == pytest.approx(2.0)
    assert cost_usd(price, Usage(1_000_000, 1_000_000, cached_tokens=400_000)) == pytest.approx(0.15 + 0.01 + 2.0)
    assert cost_usd(price, Usage(100, 50, reasoning_tokens=50)) == cost_usd(price, Usage(100, 50))


def test_cost_of_cached_tokens_without_a_price() -> None:
    assert cost_usd(Price(0.25, 2.0), Usage(1000, 0, cached_tokens=900)) == cost_usd(Price(0.25, 2.0), Usage(1000, 0))


def test_cost_never_counts_more_cached_tokens_than_the_prompt_has() -> None:
    assert cost_usd(Price(1.0, 1.0, 0.1), Usage(1000, 0, cached_tokens=5000)) == pytest.approx(1000 * 0.1 / 1e6)


def test_which_entries_are_priced_by_the_package() -> None:
    assert sorted(path.stem for path in PRICED) == sorted(row[0] for row in LIST_PRICES)


@pytest.mark.parametrize("path", PRICED, ids=lambda path: path.stem)
def test_the_snapshot_agrees_with_the_installed_package(path: Path) -> None:
    table = read_table(path)
    if table["sources"]["genai-prices"]["title"] != source_title():
        pytest.skip(f"the snapshot is of another version than {source_title()}; refresh it")
    line = table["genai_prices"]
    assert own_rows(table["prices"]) == package_rows(line["provider"], line["model"], path)


def test_refreshing_rewrites_its_own_rows_and_no_others(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    by_hand = '  { input_usd = 0.2, output_usd = 1.0, valid_from = 2026-03-01, source = "model-page" },'
    text = (BUILTIN_FOLDER / "gpt-5-mini.toml").read_text()
    stale = re.sub(r"input_usd = [\d.]+", "input_usd = 99", text).replace("prices = [\n", f"prices = [\n{by_hand}\n")
    path = tmp_path / "gpt-5-mini.toml"
    path.write_text(stale)
    assert main(["--check", str(tmp_path)], TODAY) == 1
    assert path.read_text() == stale
    assert main([str(tmp_path)], date(2027, 1, 5)) == 0
    table = read_table(path)
    assert [row["source"] for row in table["prices"]] == ["genai-prices", "model-page"]
    assert table["prices"][0]["input_usd"] == 0.25
    assert table["prices"][1]["input_usd"] == 0.2
    assert table["sources"]["genai-prices"]["as_of"] == date(2027, 1, 5)
    assert main(["--check", str(tmp_path)], TODAY) == 0
    assert "changed gpt-5-mini.toml" in capsys.readouterr().out
    assert [item.name for item in tmp_path.iterdir()] == ["gpt-5-mini.toml"]


def test_refreshing_refuses_what_it_cannot_do(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "gpt-5-mini.toml"
    text = (BUILTIN_FOLDER / "gpt-5-mini.toml").read_text()
    path.write_text(text.replace('model = "gpt-5-mini" }', 'model = "gpt-5-minni" }'))
    assert main([str(tmp_path)], TODAY) == 1
    assert "genai-prices has no `gpt-5-minni` of `openai`" in capsys.readouterr().err
    path.write_text(text.replace("prices = [", "rates = [", 1))
    assert main([str(tmp_path)], TODAY) == 1
    assert "gpt-5-mini.toml" in capsys.readouterr().err
