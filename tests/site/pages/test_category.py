"""All models, and each category's: every model once, with what a reader picks by."""

from __future__ import annotations

from typing import Any

import page_rules
import pytest
from site_samples import run_document

from seatrial.errors import UnknownName
from seatrial.site.pages.category import category_page, models_page


def test_every_model_stands_once_and_links_to_its_page(library: Any, shown: Any) -> None:
    tree = shown(models_page(library))
    found = [link for link in page_rules.links(tree) if link.startswith("/models/")]
    assert sorted(found) == sorted(f"/models/{model}" for model in library.catalog.entries)


def test_a_category_has_its_models_and_comparisons_among_them(library: Any, shown: Any) -> None:
    page = category_page(library, "vision-language")
    ids = [model.id for group in page.groups for model in group.models]
    assert sorted(ids) == sorted(e.id for e in library.catalog.entries.values() if e.category == "vision-language")
    assert page.comparisons
    for line in page.comparisons:
        assert all(library.catalog.entries[model].category == "vision-language" for model in line.slug.split("-vs-"))
    text = shown(page).by_id("main").text
    assert "On your machine" in text
    assert "Reads receipts, charts and home videos in five gigabytes" in text


def test_a_baseline_does_not_keep_a_run_out_of_its_category(own_library: Any) -> None:
    own_library.publish(run_document("run-1", candidates=("smollm2-135m", "baseline:nearest")))
    assert category_page(own_library, "text").comparisons[0].slug == "baseline-nearest-vs-smollm2-135m"


def test_retirement_and_licence_stand_in_the_list(library: Any, shown: Any) -> None:
    text = shown(category_page(library, "text")).by_id("main").text
    assert "Shuts down on 11 December 2026, in 25 days." in text
    assert "$0.25 in, $2 out" in text
    assert "none per token" in text


@pytest.mark.parametrize("name", ["", "audio", "Text", "../text", page_rules.HOSTILE])
def test_another_category_there_is_not(library: Any, name: str) -> None:
    with pytest.raises(UnknownName, match="Unknown category"):
        category_page(library, name)


def test_it_is_a_list_of_models_to_search_engines(library: Any, shown: Any) -> None:
    told = page_rules.json_ld(shown(models_page(library)))
    items = told["mainEntity"]["itemListElement"]
    assert told["mainEntity"]["numberOfItems"] == len(items) == len(library.catalog.entries)
    assert all(item["url"].startswith("https://example.org/models/") for item in items)


def test_static_copies_have_no_forms(library: Any, shown: Any) -> None:
    shown(models_page(library), is_static=True)
    shown(category_page(library, "text"), is_static=True)
