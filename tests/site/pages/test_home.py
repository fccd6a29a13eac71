"""The first page: what is new stands first, what is about to end cannot be missed."""

from __future__ import annotations

from typing import Any

import page_rules
from site_samples import replaced, run_document

from seatrial.site.pages.category import category_page
from seatrial.site.pages.home import NUM_LATEST, home_page
from seatrial.site.pages.model import model_page
from seatrial.site.pages.pairs import pick_page
from seatrial.site.pages.search import search_page


def test_with_no_run_published_it_shows_the_catalogs_comparisons_and_the_favourites_first(
    library: Any, shown: Any
) -> None:
    page = home_page(library)
    assert [line.slug for line in page.latest[:2]] == ["gpt-5-mini-vs-smollm3-3b", "gpt-5-mini-vs-smolvlm2-2.2b"]
    assert len(page.latest) == NUM_LATEST
    tree = shown(page)
    assert "/compare/gpt-5-mini-vs-smollm3-3b" in page_rules.links(tree)
    assert not page.changes
    assert all(line.basis == "from published evidence alone" for line in page.latest)


def test_a_published_run_stands_first_and_counts_as_news(own_library: Any, clock: Any, shown: Any) -> None:
    own_library.publish(run_document("run-1", candidates=("smollm2-135m", "baseline:nearest")))
    page = home_page(own_library)
    assert page.latest[0].slug == "baseline-nearest-vs-smollm2-135m"
    assert page.latest[0].basis == "160 items measured"
    assert [change.kind for change in page.changes] == ["new"]
    clock.advance(days=1)
    own_library.publish(run_document("run-2", decision="skip", candidates=("smollm2-135m", "baseline:nearest")))
    own_library.publish(run_document("run-3", decision="skip", candidates=("smollm2-135m", "baseline:nearest")))
    changes = home_page(own_library).changes
    assert [(change.kind, change.now) for change in changes] == [
        ("flipped", "Skip all"),
        ("new", "Ship SmolLM2-135M"),
    ]
    assert changes[0].was == "Ship SmolLM2-135M"
    assert "Ship SmolLM2-135M, now Skip all" in shown(home_page(own_library)).by_id("changes").text


def test_a_model_that_retires_soon_is_named_with_its_day(own_library: Any, clock: Any, shown: Any) -> None:
    text = shown(home_page(own_library)).by_id("retiring").text
    assert "GPT-5 mini shuts down on 11 December 2026, in 25 days." in text
    clock.advance(days=30)
    assert (
        "GPT-5 mini was shut down on 11 December 2026, 5 days ago."
        in shown(home_page(own_library)).by_id("retiring").text
    )


def test_the_form_offers_every_model_once(library: Any, shown: Any) -> None:
    tree = shown(home_page(library))
    offered = [option.attributes["value"] for option in tree.by_id("pick-a").all("option")]
    assert sorted(filter(None, map(str, offered))) == sorted(library.catalog.entries)


def test_a_static_copy_has_no_form(library: Any, shown: Any) -> None:
    shown(home_page(library), is_static=True)


def test_it_is_a_web_site_to_search_engines(library: Any, shown: Any) -> None:
    told = page_rules.json_ld(shown(home_page(library)))
    assert (told["@type"], told["url"]) == ("WebSite", "https://example.org/")


def test_its_twin_has_the_same_lines(library: Any) -> None:
    page = home_page(library)
    data = page.data()
    assert [line["slug"] for line in data["latest"]] == [line.slug for line in page.latest]
    assert data["retiring"][0]["retires_on"] == page.retiring[0].retires_on.isoformat()


def test_hostile_names_and_verdicts_of_a_run_stay_texts(own_library: Any, opinions: Any, shown: Any) -> None:
    document = run_document("run-1", candidates=("smollm2-135m", "baseline:nearest"))
    hostile = page_rules.HOSTILE
    cards = [replaced(card, name=hostile, maker=hostile, category=hostile) for card in document.candidates]
    verdict = replaced(document.verdict, text=hostile)
    own_library.publish(replaced(document, candidates=cards, verdict=verdict))
    for page in (
        home_page(own_library),
        pick_page(own_library),
        search_page(own_library, "script alert"),
        category_page(own_library, "text"),
        model_page(own_library, "smollm2-135m", opinions),
    ):
        tree = shown(page)
        assert not tree.all("img")
        assert "onerror=alert(2)" in tree.by_id("main").text
