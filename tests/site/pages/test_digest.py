"""The digest on the site: where to sign up, and each issue as a page."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import page_rules

from seatrial.site.digest.week import Week
from seatrial.site.digest.writing import Issue
from seatrial.site.pages.digest import digest_page, issue_page

HTML = '<h2>Prices</h2>\n<h3><a href="https://example.org/models/x">X costs more &amp; more</a></h3>\n<p>It does.</p>\n'


def issue(number: int = 47, subject: str = "Week 47: X costs more") -> Issue:
    return Issue(Week(2026, number), datetime(2026, 11, 23, 6, tzinfo=UTC), subject, HTML, "PRICES\n\n* X costs more")


def test_before_the_first_issue_it_says_so_and_takes_addresses(shown: Any) -> None:
    tree = shown(digest_page([]))
    assert "None has been sent yet." in tree.by_id("main").text
    (form,) = [form for form in tree.all("form") if form.attributes.get("method") == "post"]
    assert form.attributes["action"] == "/digest/subscribe"
    (field,) = form.all("input")
    assert (field.attributes["name"], field.attributes["type"]) == ("email", "email")


def test_issues_are_listed_newest_first(shown: Any) -> None:
    page = digest_page([issue(48, "Week 48: Y"), issue()])
    assert [link for link in page_rules.links(shown(page)) if link.startswith("/digest/")] == [
        "/digest/2026-W48",
        "/digest/2026-W47",
    ]
    assert page.data()["issues"][1] == {
        "week": "2026-W47",
        "path": "/digest/2026-W47",
        "subject": "Week 47: X costs more",
    }


def test_an_issue_is_a_page_with_its_own_words(shown: Any) -> None:
    page = issue_page(issue())
    tree = shown(page)
    assert tree.all("h1")[0].text == "Week 47: X costs more"
    assert tree.all("h3")[0].text == "X costs more & more"
    assert "written on 23 November 2026" in tree.by_id("main").text
    assert page.frame.path == "/digest/2026-W47"
    assert page.data()["text"].startswith("PRICES")


def test_a_hostile_subject_stays_text(shown: Any) -> None:
    hostile = issue(subject=page_rules.HOSTILE)
    assert not shown(issue_page(hostile)).all("img")
    assert not shown(digest_page([hostile])).all("img")
