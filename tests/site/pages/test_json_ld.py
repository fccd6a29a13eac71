"""What search engines are told of a comparison."""

from __future__ import annotations

import json
from typing import Any

import page_rules
from site_samples import replaced, run_document

from seatrial.site.pages.json_ld import comparison_ld


def test_a_comparison_is_an_article_about_its_candidates(library: Any) -> None:
    told = comparison_ld(library.find("gpt-5-mini-vs-smollm3-3b"), "Which?", "Undecided.")
    assert told["@type"] == "Article"
    assert told["image"] == "/pictures/gpt-5-mini-vs-smollm3-3b.png"
    assert [each["name"] for each in told["about"]] == ["GPT-5 mini", "SmolLM3-3B"]
    assert told["about"][0]["url"] == "/models/gpt-5-mini"
    assert "mainEntity" not in told


def test_a_run_brings_its_data(own_library: Any, clock: Any) -> None:
    told = comparison_ld(own_library.publish(run_document()), "Which?", "Ship.")
    assert told["mainEntity"]["@type"] == "Dataset"
    assert "quality" in told["mainEntity"]["variableMeasured"]
    assert told["datePublished"] == clock().isoformat()


def test_it_claims_no_rating(own_library: Any, clock: Any) -> None:
    text = json.dumps(comparison_ld(own_library.publish(run_document()), "Which?", "Ship."))
    assert "Rating" not in text
    assert "Review" not in text


def test_hostile_names_are_plain_values(own_library: Any) -> None:
    document = run_document()
    cards = [replaced(card, name=page_rules.HOSTILE, maker=page_rules.HOSTILE) for card in document.candidates]
    told = comparison_ld(own_library.publish(replaced(document, candidates=cards)), page_rules.HOSTILE, "Ship.")
    assert json.loads(json.dumps(told))["about"][0]["name"] == page_rules.HOSTILE
