"""The weekly digest on the site: where to sign up and what was sent, and every issue as a page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from markupsafe import Markup

from seatrial.site.digest.writing import Issue
from seatrial.site.pages.frame import Frame
from seatrial.verdict import wording


@dataclass(frozen=True, slots=True)
class IssueLine:
    """An issue in the list."""

    week: str
    path: str
    subject: str
    written_on: str


@dataclass(frozen=True, slots=True)
class DigestPage:
    """The form and the issues so far, newest first."""

    TEMPLATE: ClassVar[str] = "digest.html.jinja"

    frame: Frame
    issues: tuple[IssueLine, ...]

    def data(self) -> dict[str, Any]:
        """The page's twin."""
        return {"issues": [{"week": issue.week, "path": issue.path, "subject": issue.subject} for issue in self.issues]}


@dataclass(frozen=True, slots=True)
class IssuePage:
    """One issue. `body` is its fragment of HTML, as the digest made it."""

    TEMPLATE: ClassVar[str] = "issue.html.jinja"

    frame: Frame
    issue: Issue
    written_on: str
    body: Markup

    def data(self) -> dict[str, Any]:
        """The page's twin."""
        return {
            "week": str(self.issue.week),
            "written_at": self.issue.written_at.isoformat(),
            "subject": self.issue.subject,
            "text": self.issue.text,
        }


def digest_page(issues: Sequence[Issue]) -> DigestPage:
    """The sign-up page, with issues newest first."""
    return DigestPage(
        frame=Frame(
            title="The weekly digest",
            description="Once a week, what changed: new comparisons, flipped verdicts, prices and retirements. Nothing "
            "changed, no mail.",
            path="/digest",
        ),
        issues=tuple(
            IssueLine(str(issue.week), f"/digest/{issue.week}", issue.subject, wording.day(issue.written_at.date()))
            for issue in issues
        ),
    )


def issue_page(issue: Issue) -> IssuePage:
    """An issue as a page."""
    return IssuePage(
        frame=Frame(
            title=issue.subject,
            description=f"The digest of week {issue.week}: what changed in our comparisons of models.",
            path=f"/digest/{issue.week}",
        ),
        issue=issue,
        written_on=wording.day(issue.written_at.date()),
        body=Markup(issue.html),
    )
