"""An issue of the digest: a week's changes come in, subject, HTML and text go into the database, once.

The HTML is a fragment without style: a page of the site and a letter each put their own around it. Links in it are
whole. Where nothing changed there is no issue.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

import sqlalchemy as sql

from seatrial.errors import UsageError
from seatrial.site.db.inserting import insert_if_absent
from seatrial.site.db.instants import aware, naive
from seatrial.site.db.opening import Database, reading, writing
from seatrial.site.db.site_settings import bump_revision
from seatrial.site.db.tables import issues
from seatrial.site.digest import wording
from seatrial.site.digest.changes import Change, VerdictChange, changes_between
from seatrial.site.digest.week import Week, read_week, week_of
from seatrial.site.library import Library
from seatrial.site.mail.rendering import render

_LONGEST_SUBJECT = 200
_TITLES: dict[wording.Kind, str] = {
    "flipped": "Verdicts that changed",
    "new": "New comparisons",
    "price": "Prices",
    "retirement": "Retirements",
}


@dataclass(frozen=True, slots=True)
class Issue:
    """`written_at` is aware UTC. `html` is a fragment: headings and paragraphs."""

    week: Week
    written_at: datetime
    subject: str
    html: str
    text: str


def compose(changes: Sequence[Change], week: Week, *, base_url: str, at: datetime) -> Issue | None:
    """The issue that tells of these changes; None where there is nothing to tell."""
    told = net(changes)
    if not told:
        return None
    sections = [
        {"title": title, "lines": [_line(change, base_url) for change in told if wording.kind(change) == kind]}
        for kind, title in _TITLES.items()
    ]
    context = {"sections": [section for section in sections if section["lines"]]}
    return Issue(week, at, _subject(told, week), render("issue.html", **context), render("issue.txt", **context))


def preview(library: Library, week: Week, *, base_url: str, at: datetime) -> Issue | None:
    """What the week's issue would say if it were written now; of a week that lasts, what there is of it."""
    return compose(changes_between(library, week.begins_at, week.ends_at), week, base_url=base_url, at=at)


def write_issue(
    database: Database, library: Library, week: Week, *, clock: Callable[[], datetime], base_url: str
) -> Issue | None:
    """The week's issue: the stored one, else written now and stored. None where nothing changed.

    Raises UsageError for a week that is not over, StorageError.
    """
    stored = find_issue(database, week)
    if stored is not None:
        return stored
    now = clock()
    if now < week.ends_at:
        raise UsageError(
            f"Week {week} is over on {week.ends_at:%Y-%m-%d}, 00:00 UTC, and has no issue before that. "
            f"The last week that is over: {week_of(now).before()}."
        )
    issue = preview(library, week, base_url=base_url, at=now)
    if issue is None:
        return None
    with writing(database) as connection:  # of two that write at once, the first one's stands
        insert_if_absent(
            connection,
            issues,
            week=str(week),
            written_at=naive(now),
            subject=issue.subject,
            html=issue.html,
            text=issue.text,
        )
        bump_revision(connection)
    return find_issue(database, week)


def find_issue(database: Database, week: Week) -> Issue | None:
    """The stored issue of a week. Raises StorageError."""
    with reading(database) as connection:
        row = connection.execute(sql.select(issues).where(issues.c.week == str(week))).first()
    return None if row is None else _issue(row)


def latest_issues(database: Database, limit: int = 52) -> list[Issue]:
    """Stored issues, the newest week first. Raises StorageError."""
    with reading(database) as connection:
        rows = connection.execute(sql.select(issues).order_by(issues.c.week.desc()).limit(limit)).all()
    return [_issue(row) for row in rows]


def net(changes: Sequence[Change]) -> list[Change]:
    """The changes with those of one comparison as one: from what stood before the first to what stands after the last.

    A verdict that came back to where it was is no change. A comparison keeps the place of its last change.
    """
    last: dict[str, VerdictChange] = {}
    for change in changes:
        if isinstance(change, VerdictChange):
            first = last.get(change.slug)
            last[change.slug] = change if first is None else replace(change, before=first.before)
    told = [change for change in changes if not isinstance(change, VerdictChange)]
    return sorted([*told, *filter(_is_news, last.values())], key=lambda change: change.at)


def _is_news(change: VerdictChange) -> bool:
    before, after = change.before, change.after
    return before is None or (before.decision, before.candidate) != (after.decision, after.candidate)


def _line(change: Change, base_url: str) -> dict[str, str]:
    url = f"{base_url}{wording.path(change)}"
    return {"headline": wording.headline(change), "text": wording.text(change), "url": url}


def _subject(told: list[Change], week: Week) -> str:
    """The first piece of news by the order of the sections, and how many more there are."""
    order = list(_TITLES)
    first = wording.headline(min(told, key=lambda change: order.index(wording.kind(change))))
    rest = f", and {len(told) - 1} more" if len(told) > 1 else ""
    room = _LONGEST_SUBJECT - len(rest)
    lead = f"Week {week.number}: {first}"
    return f"{lead if len(lead) <= room else lead[: room - 1] + '…'}{rest}"


def _issue(row: sql.Row[tuple[object, ...]]) -> Issue:
    return Issue(read_week(row.week), aware(row.written_at), row.subject, row.html, row.text)
