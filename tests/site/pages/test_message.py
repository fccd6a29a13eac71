"""Pages that say one thing, and forms that ask one."""

from __future__ import annotations

from typing import Any

import page_rules
import pytest

from seatrial.site.pages.message import (
    Ask,
    Work,
    ask_again_page,
    failure_page,
    message_page,
    not_found_page,
)


def test_it_says_what_it_is_given_and_leads_on(shown: Any) -> None:
    page = message_page("Done", ["One.", "Two."], path="/votes/done", tone="good")
    tree = shown(page)
    assert tree.all("h1")[0].text == "Done"
    assert [each.text for each in tree.all("div", "message")[0].all("p")] == ["One.", "Two."]
    assert "/" in page_rules.links(tree)
    assert not page.frame.is_indexed


def test_a_form_carries_its_fields_hidden_and_none_of_them_in_the_twin(shown: Any) -> None:
    page = ask_again_page("/votes", {"subject": "model:gpt-5", "choice": "ship", "form_token": "secret"})
    (form,) = shown(page).all("form", "ask")
    assert (form.attributes["method"], form.attributes["action"]) == ("post", "/votes")
    fields = {field.attributes["name"]: field.attributes["value"] for field in form.all("input")}
    assert fields == {"subject": "model:gpt-5", "choice": "ship", "form_token": "secret"}
    assert "secret" not in str(page.data())


def test_work_stands_on_the_form_with_a_way_for_those_without_scripts(shown: Any) -> None:
    ask = Ask("/votes", "Send", {"choice": "ship"}, Work("1.99.16.ab.cd", 16, 30))
    tree = shown(message_page("One moment", "Work.", path="/votes", ask=ask))
    (form,) = tree.all("form", "ask")
    assert (form.attributes["data-challenge"], form.attributes["data-bits"]) == ("1.99.16.ab.cd", "16")
    (proof,) = [field for field in form.all("input") if field.attributes["name"] == "proof"]
    assert proof.attributes["value"] == "1.99.16.ab.cd:"
    assert "wait 30 seconds" in form.text
    assert any("work" in str(script.attributes.get("src")) for script in tree.all("script"))
    plain = shown(message_page("Plain", "Nothing.", path="/x"))
    assert not any("work" in str(script.attributes.get("src")) for script in plain.all("script"))


@pytest.mark.parametrize(
    "path", ["//evil.example", "/\\evil.example", "/\t/evil.example", "/%2F%2Fevil", page_rules.HOSTILE, "", "/é\u202e"]
)
def test_no_address_that_was_asked_for_becomes_a_link_elsewhere(shown: Any, path: str) -> None:
    page = not_found_page(path)
    tree = shown(page)
    for element in tree.walk():
        for name in ("href", "src", "action"):
            value = str(element.attributes.get(name, "/"))
            assert value.startswith(("#", "/")), value
            assert not value.startswith(("//", "/\\", "/\t")), value
    assert not tree.all("img")


def test_a_failure_says_nothing_of_its_cause(shown: Any) -> None:
    text = shown(failure_page("/models/x")).by_id("main").text
    assert "Something went wrong on our side" in text
    assert "Traceback" not in text


def test_a_long_address_is_cut() -> None:
    assert len(not_found_page("/" + "x" * 5000).text[0]) < 200
