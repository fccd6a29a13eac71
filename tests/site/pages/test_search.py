"""Search: names first, every word must stand somewhere, and no query whatever does harm."""

from __future__ import annotations

from typing import Any

import page_rules
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from site_samples import run_document

from seatrial.site.pages.search import LONGEST_QUERY, search_page


def ids(page: Any) -> list[str]:
    return [model.id for model in page.models]


@pytest.mark.parametrize(
    ("query", "first"),
    [
        ("smollm3", "smollm3-3b"),
        ("SMOLLM3-3B", "smollm3-3b"),
        ("gpt-5 mini", "gpt-5-mini"),
        ("gpt 5 mini", "gpt-5-mini"),
        ("moondream", "moondream2"),
        ("receipts", "smolvlm2-2.2b"),
        ("ｓｍｏｌｌｍ３", "smollm3-3b"),
    ],
)
def test_a_model_is_found_by_its_names_and_its_words(library: Any, query: str, first: str) -> None:
    assert ids(search_page(library, query))[0] == first


def test_every_word_must_stand_somewhere(library: Any) -> None:
    assert "smolvlm2-2.2b" in ids(search_page(library, "hugging face vision"))
    assert "gpt-5-mini" not in ids(search_page(library, "hugging face"))
    assert ids(search_page(library, "smollm3 zebra")) == []


def test_a_maker_finds_all_of_its_models(library: Any) -> None:
    found = ids(search_page(library, "openai"))
    assert {"gpt-5", "gpt-5-mini", "gpt-6-luna"} <= set(found)


def test_two_models_lead_to_their_comparison(library: Any, shown: Any) -> None:
    page = search_page(library, "SmolLM3-3B vs GPT-5 mini")
    assert page.offer is not None
    assert page.offer.path == "/compare/gpt-5-mini-vs-smollm3-3b"
    assert page.offer.path in page_rules.links(shown(page))
    assert search_page(library, "smollm3 vs smollm3").offer is None
    assert search_page(library, "smollm3 vs zebra").offer is None


def test_published_runs_are_found_by_any_of_their_candidates(own_library: Any) -> None:
    own_library.publish(run_document("run-1", candidates=("smollm2-135m", "baseline:nearest")))
    assert search_page(own_library, "nearest").comparisons[0].slug == "baseline-nearest-vs-smollm2-135m"


def test_nothing_found_offers_the_nearest_name(library: Any, shown: Any) -> None:
    page = search_page(library, "smolm3-3b")
    assert not page.found_anything
    assert "smollm3-3b" in [model.id for model in page.nearest]
    assert "Did you mean" in shown(page).by_id("main").text


def test_no_query_asks_for_one(library: Any, shown: Any) -> None:
    page = search_page(library, "  \t ")
    assert (page.query, page.models, page.comparisons) == ("", (), ())
    assert "Write a model" in shown(page).by_id("main").text


def test_a_search_is_not_for_search_engines(library: Any) -> None:
    assert not search_page(library, "gpt").frame.is_indexed


def test_a_hostile_query_is_repeated_as_text(library: Any, shown: Any) -> None:
    tree = shown(search_page(library, page_rules.HOSTILE))
    assert not [script for script in tree.all("script") if not script.attributes.get("src")]
    assert not tree.all("img")
    assert "\u202e" not in tree.text


@settings(deadline=None, max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(query=st.text(max_size=300))
def test_no_query_breaks_it(library: Any, shown: Any, query: str) -> None:
    page = search_page(library, query)
    assert len(page.query) <= LONGEST_QUERY
    shown(page)
