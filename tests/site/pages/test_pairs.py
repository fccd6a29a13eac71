"""The form that makes any pair."""

from __future__ import annotations

from typing import Any

import page_rules

from seatrial.site.pages.pairs import pick_page


def test_it_sends_two_ids_to_compare(library: Any, shown: Any) -> None:
    tree = shown(pick_page(library))
    (form,) = tree.all("form", "pick-form")
    assert (form.attributes["method"], form.attributes["action"]) == ("get", "/compare")
    assert [field.attributes["name"] for field in form.all("select")] == ["a", "b"]
    for field in form.all("select"):
        values = [str(option.attributes["value"]) for option in field.all("option")]
        assert sorted(filter(None, values)) == sorted(library.catalog.entries)


def test_what_was_picked_stays_picked_and_the_problem_is_tied_to_the_fields(library: Any, shown: Any) -> None:
    tree = shown(pick_page(library, "gpt-5-mini", "gpt-5-mini", "Pick two different models."))
    assert tree.by_id("pick-problem").text == "Pick two different models."
    for field in (tree.by_id("pick-a"), tree.by_id("pick-b")):
        assert field.attributes["aria-describedby"] == "pick-problem"
        (chosen,) = [option for option in field.all("option") if "selected" in option.attributes]
        assert chosen.attributes["value"] == "gpt-5-mini"


def test_an_unknown_model_is_not_picked_and_its_name_stays_text(library: Any, shown: Any) -> None:
    page = pick_page(library, page_rules.HOSTILE, "gpt-5", f"Unknown model `{page_rules.HOSTILE}`.")
    assert (page.first, page.second) == ("", "gpt-5")
    assert not page.frame.is_indexed
    assert not shown(page).all("img")


def test_it_suggests_comparisons(library: Any) -> None:
    page = pick_page(library)
    assert page.frame.is_indexed
    assert page.suggested
    assert page.data()["models"] == [choice.id for _, choices in page.choices for choice in choices]
