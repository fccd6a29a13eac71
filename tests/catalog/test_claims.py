"""The rules for marketing lines, and the page that explains them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from seatrial.catalog.claims import RULES, BestScoreAmong, CheaperThan, MeasuredOnly, SameApi, TtftBelow, read_terms
from seatrial.catalog.loading import Catalog, load_catalog

PAGE = (Path(__file__).parents[2] / "docs" / "catalog.md").read_text("utf-8")


def test_terms_are_read_typed() -> None:
    assert read_terms("cheaper_than", {"model": "gpt-5", "percent": 60}) == CheaperThan("gpt-5", 60.0)
    assert read_terms("ttft_below", {"seconds": 0.2}) == TtftBelow(0.2)
    assert read_terms("same_api", {}) == SameApi()
    assert read_terms("measured_only", {"what": "speed"}) == MeasuredOnly("speed")
    assert read_terms("best_score_among", {"benchmarks": [["GSM8K", "", "5-shot"]]}) == BestScoreAmong(
        [("GSM8K", "", "5-shot")]
    )


def test_every_claim_of_the_catalog_can_be_checked(catalog: Catalog) -> None:
    claims = [claim for entry in catalog.entries.values() for claim in entry.marketing]
    assert {claim.check for claim in claims} == set(RULES)
    for claim in claims:
        assert isinstance(read_terms(claim.check, claim.terms), RULES[claim.check])


@pytest.mark.parametrize("rule", RULES)
def test_the_page_explains_every_rule_and_term(rule: str) -> None:
    line = next(line for line in PAGE.splitlines() if line.startswith(f"| `{rule}` |"))
    terms = line.split("|")[2]
    assert set(re.findall(r"`(\w+)`", terms)) >= set(RULES[rule].__struct_fields__)


def test_the_entry_on_the_page_is_sound(tmp_path: Path) -> None:
    example = re.search(r"```toml\n(.*?)```", PAGE, re.DOTALL)
    assert example is not None
    (tmp_path / "tiny-1b.toml").write_text(example[1], "utf-8")
    assert load_catalog(tmp_path).get("tiny-1b").parameters[0].value == 1.1e9
