"""A reader's own votes: said in words, to be changed or taken back."""

from __future__ import annotations

from typing import Any

import page_rules
from site_samples import run_document

from seatrial.site.pages.my_votes import my_votes_page
from seatrial.site.votes.subject import blind_subject, model_subject, pair_subject


def test_who_has_not_voted_is_told_how(library: Any, shown: Any) -> None:
    tree = shown(my_votes_page(library, {}, is_confirmed=False, weight=None))
    assert "You have not voted in this browser" in tree.by_id("main").text
    assert not [form for form in tree.all("form") if form.attributes.get("method") == "post"]


def test_each_vote_is_said_and_can_be_changed_or_taken_back(library: Any, shown: Any) -> None:
    pair = pair_subject("gpt-5-mini", "smollm3-3b")
    choices = {model_subject("smollm3-3b").key: "ship", pair.key: "smollm3-3b"}
    page = my_votes_page(library, choices, is_confirmed=False, weight=250)
    tree = shown(page)
    text = tree.by_id("main").text
    assert "Would you ship SmolLM3-3B? You said Ship." in text
    assert "GPT-5 mini or SmolLM3-3B? You said SmolLM3-3B." in text
    assert "counts 0.25 of a vote" in text
    forms = [form for form in tree.all("form") if form.attributes.get("action") == "/votes"]
    said = [[button.attributes["value"] for button in form.all("button")] for form in forms]
    assert said == [["skip", ""], ["gpt-5-mini", ""]]
    assert {"/models/smollm3-3b", "/compare/gpt-5-mini-vs-smollm3-3b"} <= set(page_rules.links(tree))


def test_a_confirmed_reader_is_not_asked_for_an_address(library: Any, shown: Any) -> None:
    choices = {model_subject("gpt-5").key: "skip"}
    assert shown(my_votes_page(library, choices, is_confirmed=False, weight=100)).all("input", None)
    assert any(f.attributes.get("name") == "email" for f in shown_inputs(library, shown, choices, is_confirmed=False))
    assert not any(
        f.attributes.get("name") == "email" for f in shown_inputs(library, shown, choices, is_confirmed=True)
    )


def shown_inputs(library: Any, shown: Any, choices: Any, *, is_confirmed: bool) -> list[Any]:
    page = my_votes_page(library, choices, is_confirmed=is_confirmed, weight=1000 if is_confirmed else 250)
    return list(shown(page).all("input"))


def test_a_blind_vote_stands_and_leads_to_its_run(own_library: Any, shown: Any) -> None:
    own_library.publish(run_document("run-1", candidates=("smollm2-135m", "baseline:nearest")))
    subject = blind_subject("run-1", "triage", "triage-0001", "smollm2-135m", "baseline:nearest")
    page = my_votes_page(own_library, {subject.key: "tie"}, is_confirmed=False, weight=250)
    (vote,) = page.votes
    assert (vote.kind, vote.label, vote.path) == ("blind", "no difference", "/compare/baseline-nearest-vs-smollm2-135m")
    assert not [button for button in shown(page).all("button") if button.attributes.get("name") == "choice"]


def test_votes_on_what_is_gone_or_hostile_stay_texts(library: Any, shown: Any) -> None:
    hostile = model_subject(page_rules.HOSTILE).key
    gone = blind_subject("gone", "w", "i", "a", "b").key
    page = my_votes_page(library, {hostile: "ship", gone: "a", "what": "is this"}, is_confirmed=True, weight=1000)
    assert [vote.path for vote in page.votes] == [None, None, None]
    assert not shown(page).all("img")


def test_its_twin_is_what_the_script_reads(library: Any) -> None:
    key = model_subject("gpt-5").key
    data = my_votes_page(library, {key: "skip", "model:x": ""}, is_confirmed=False, weight=250).data()
    assert data == {"votes": [{"subject": key, "choice": "skip"}], "is_confirmed": False, "weight": 0.25}
