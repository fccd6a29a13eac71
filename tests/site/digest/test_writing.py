"""An issue is written once, from what changed on balance; nothing changed, no issue; nothing in it can be markup."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from seatrial.errors import UsageError
from seatrial.site.db.site_settings import revision
from seatrial.site.digest.changes import VerdictChange
from seatrial.site.digest.week import Week
from seatrial.site.digest.writing import Issue, compose, find_issue, latest_issues, preview, write_issue
from seatrial.site.listings import Standing

PAIR = "gpt-5-mini-vs-smollm3-3b"
WEEK = Week(2026, 47)
MONDAY = datetime(2026, 11, 16, tzinfo=UTC)
BASE_URL = "https://site.example"
AddRun = Callable[..., None]


def verdict(hour: int, after: str, before: str | None, *, slug: str = "a-vs-b", sentence: str = "") -> VerdictChange:
    at = MONDAY + timedelta(hours=hour)

    def standing(decision: str) -> Standing:
        return Standing(f"run-{hour}", at, decision, None, sentence or f"It is {decision}.")

    return VerdictChange(slug, "A or B", at, None if before is None else standing(before), standing(after))


def compose_of(*changes: VerdictChange) -> Issue | None:
    return compose(changes, WEEK, base_url=BASE_URL, at=MONDAY)


def test_an_issue_tells_each_comparison_once_on_balance() -> None:
    issue = compose_of(
        verdict(1, "skip", "mix"),
        verdict(2, "mix", "skip", slug="c-vs-d"),
        verdict(3, "skip", "mix", slug="c-vs-d"),
        verdict(4, "undecided", "skip"),
    )
    assert issue is not None
    assert issue.subject == "Week 47: A or B? Now: undecided"
    assert issue.text.count("https://") == 1
    assert "Before, the verdict was: a mix of them." in issue.text
    assert compose_of(verdict(1, "skip", "mix"), verdict(2, "mix", "skip")) is None
    assert compose_of() is None
    new = compose_of(verdict(1, "skip", None), verdict(2, "mix", "skip"))
    assert new is not None
    assert new.subject == "Week 47: A or B?"
    assert "It is mix." in new.text


def test_sections_stand_in_order_and_the_subject_names_the_first_news() -> None:
    issue = compose_of(verdict(1, "skip", None, slug="c-vs-d"), verdict(2, "mix", "skip"))
    assert issue is not None
    assert issue.subject == "Week 47: A or B? Now: a mix of them, and 1 more"
    assert issue.html.index("Verdicts that changed") < issue.html.index("New comparisons")
    assert 'href="https://site.example/compare/a-vs-b"' in issue.html


def test_hostile_words_stay_words() -> None:
    hostile = '<script>alert(1)</script>\r\nBcc: x@example.org "onload="\x00\u202e'
    issue = compose_of(verdict(1, "skip", None, sentence=hostile * 20))
    assert issue is not None
    assert "<script" not in issue.html
    assert "&lt;script&gt;" in issue.html
    assert "\x00" not in issue.text
    assert "\u202e" not in issue.html
    assert not any(line.startswith("Bcc") for line in issue.text.splitlines())


def test_a_long_subject_is_cut_and_keeps_the_count() -> None:
    change = VerdictChange("a-vs-b", "A" * 500, MONDAY, None, Standing("r", MONDAY, "skip", None, "x"))
    issue = compose([change, verdict(1, "skip", None, slug="c-vs-d")], WEEK, base_url=BASE_URL, at=MONDAY)
    assert issue is not None
    assert len(issue.subject) == 200
    assert issue.subject.endswith("…, and 1 more")


def test_an_issue_is_stored_once_and_stays(
    database: Any, library: Any, clock: Any, add_run: AddRun, monday: datetime
) -> None:
    clock.now = monday
    assert write_issue(database, library, WEEK, clock=clock, base_url=BASE_URL) is None
    add_run(PAIR, MONDAY, "ship", "gpt-5-mini", "Ship it.")
    before = revision(database)
    first = write_issue(database, library, WEEK, clock=clock, base_url=BASE_URL)
    assert first is not None
    assert first.written_at == monday
    assert revision(database) == before + 1  # pages that list issues show it
    add_run(PAIR, MONDAY + timedelta(days=1), "skip", None, "Do not.")
    clock.advance(days=1)
    assert write_issue(database, library, WEEK, clock=clock, base_url=BASE_URL) == first
    assert find_issue(database, WEEK) == first
    assert latest_issues(database) == [first]
    assert find_issue(database, Week(2026, 46)) is None


def test_several_that_write_at_once_agree(
    database: Any, library: Any, clock: Any, add_run: AddRun, monday: datetime
) -> None:
    clock.now = monday
    add_run(PAIR, MONDAY, "ship", "gpt-5-mini", "Ship it.")
    written: list[Issue | None] = []

    def write(number: int) -> None:
        own = lambda: monday + timedelta(seconds=number)  # noqa: E731
        written.append(write_issue(database, library, WEEK, clock=own, base_url=BASE_URL))

    threads = [threading.Thread(target=write, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert written == [find_issue(database, WEEK)] * 6


def test_a_week_that_lasts_can_be_looked_at_and_not_written(
    database: Any, library: Any, clock: Any, add_run: AddRun
) -> None:
    clock.now = MONDAY + timedelta(days=2)
    add_run(PAIR, MONDAY, "ship", "gpt-5-mini", "Ship it.")
    with pytest.raises(UsageError, match=r"over on 2026-11-23.*2026-W46"):
        write_issue(database, library, WEEK, clock=clock, base_url=BASE_URL)
    shown = preview(library, WEEK, base_url=BASE_URL, at=clock())
    assert shown is not None
    assert "Ship it." in shown.text
    assert find_issue(database, WEEK) is None
