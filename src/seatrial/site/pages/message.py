"""Pages that say one thing: that something is not here, went wrong, was done, or has to be asked first.

Whoever answers the request says what; a form may ask for a confirmation, and may carry a computation that a browser
does before it is sent (`static/work.js`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal
from urllib.parse import quote

from seatrial.site.pages.frame import Frame

Tone = Literal["plain", "good", "bad"]


@dataclass(frozen=True, slots=True)
class MessageLink:
    """A way on."""

    words: str
    path: str


@dataclass(frozen=True, slots=True)
class Work:
    """What a browser has to find before the form is accepted: see `votes/proof_of_work`.

    `wait_s` is how long a form without it waits instead, seconds.
    """

    challenge: str
    bits: int
    wait_s: int


@dataclass(frozen=True, slots=True)
class Ask:
    """A form of hidden fields with one button. `work` is set where a computation has to come first."""

    action: str
    button: str
    fields: Mapping[str, str] = field(default_factory=dict)
    work: Work | None = None


@dataclass(frozen=True, slots=True)
class MessagePage:
    """`text` is paragraphs, plain. Never indexed."""

    TEMPLATE: ClassVar[str] = "message.html.jinja"

    frame: Frame
    tone: Tone
    text: tuple[str, ...]
    ask: Ask | None
    links: tuple[MessageLink, ...]

    def data(self) -> dict[str, Any]:
        """The page's twin: what it says, and nothing that a form carries."""
        return {
            "title": self.frame.title,
            "text": list(self.text),
            "links": [{"words": link.words, "path": link.path} for link in self.links],
        }


HOME = MessageLink("To the first page", "/")


def message_page(
    title: str,
    text: str | Sequence[str],
    *,
    path: str,
    tone: Tone = "plain",
    ask: Ask | None = None,
    links: Sequence[MessageLink] = (HOME,),
) -> MessagePage:
    """A page that says `text`, one paragraph or several, under `title`. `path` is where it stands."""
    paragraphs = (text,) if isinstance(text, str) else tuple(text)
    return MessagePage(
        frame=Frame(title=title, description=" ".join(paragraphs)[:200], path=_own(path), is_indexed=False),
        tone=tone,
        text=paragraphs,
        ask=ask,
        links=tuple(links),
    )


def not_found_page(path: str, way_out: str = "") -> MessagePage:
    """For an address at which nothing stands; `way_out` says more where more is known."""
    return message_page(
        "There is nothing here",
        [f"No page has the address {_shortened(path)}.", *([way_out] if way_out else [])],
        path=path,
        tone="bad",
        links=(
            MessageLink("Search models and comparisons", "/search"),
            MessageLink("Every model", "/models"),
            MessageLink("Compare any two", "/compare"),
            HOME,
        ),
    )


def ask_again_page(path: str, fields: Mapping[str, str]) -> MessagePage:
    """For a form of which the browser does not say where it was sent from: what was asked, to be sent once more."""
    return message_page(
        "Send it once more?",
        "Your browser does not say which page this was sent from. If you sent it from here, send it once more.",
        path=path,
        ask=Ask(path, "Yes, send it", fields),
    )


def failure_page(path: str) -> MessagePage:
    """For an error that is nobody's business but the log's."""
    return message_page(
        "That did not work",
        "Something went wrong on our side, and it has been written down. Nothing that was acknowledged before is lost. "
        "Try again in a moment.",
        path=path,
        tone="bad",
    )


def _shortened(text: str) -> str:
    return text if len(text) <= 120 else f"{text[:119]}…"


def _own(path: str) -> str:
    """The path, encoded, so that nothing a browser reads as another host is left at its beginning."""
    return "/" + quote(path.lstrip("/\\"), safe="/-._~")
