"""A whole site in this process, and visitors who read its pages and send its forms as browsers do."""

from __future__ import annotations

import functools
import gzip
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import Any
from urllib.parse import urlencode, urlsplit

from site_samples import make_library

from seatrial.site.app import SiteParts, build_site
from seatrial.site.db.opening import Database
from seatrial.site.db.site_settings import secret
from seatrial.site.digest.feed import Feed
from seatrial.site.digest.subscriptions import Subscriptions
from seatrial.site.library import Library
from seatrial.site.mail.carriers import Carrier
from seatrial.site.mail.message import Message, Sender
from seatrial.site.mail.post import Post
from seatrial.site.rendering import Renderer
from seatrial.site.security.cookies import VoterCookie
from seatrial.site.security.limits import Buckets
from seatrial.site.security.networks import Networks
from seatrial.site.security.tokens import Tokens
from seatrial.site.views.parts import Throttles
from seatrial.site.votes.booth import Booth
from seatrial.site.votes.throttle import UNLIMITED, Limits

BASE_URL = "https://seatrial.example"
FORM = "application/x-www-form-urlencoded"


class Mailbox:
    """A carrier that keeps what it is given; `fault` is raised instead."""

    def __init__(self) -> None:
        self.messages: list[Message] = []
        self.fault: Exception | None = None

    def send(self, message: Message) -> None:
        if self.fault is not None:
            raise self.fault
        self.messages.append(message)

    def holds(self, id: str) -> bool | None:
        return None

    def close(self) -> None:
        """Nothing is held."""

    def link(self, beginning: str) -> str:
        """The path of the link in the last message that begins so."""
        content = self.messages[-1].content.decode().replace("=\r\n", "").replace("=3D", "=")
        found = re.search(re.escape(BASE_URL + beginning) + r"[\w.~-]+", content)
        assert found, content
        return found[0].removeprefix(BASE_URL)


class Seconds:
    """A monotonic clock that stands still until it is moved."""

    def __init__(self) -> None:
        self.now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s


@dataclass
class SiteUnderTest:
    """`app` answers; the rest is what it is made of."""

    app: Any
    parts: SiteParts
    mailbox: Mailbox
    seconds: Seconds
    clock: Any
    pages: Buckets = field(repr=False)

    @property
    def library(self) -> Library:
        return self.parts.library

    @property
    def booth(self) -> Booth:
        return self.parts.booth

    def visitor(self, address: str = "192.0.2.1", **headers: str) -> Visitor:
        """Somebody with an empty cookie jar at this address; `headers` go with every request."""
        return Visitor(self.app, address, {name.replace("_", "-"): value for name, value in headers.items()})

    def wait(self, seconds: float = 1.0) -> None:
        """Let time pass."""
        self.seconds.now_s += seconds
        self.clock.advance(seconds=seconds)


@functools.cache
def _renderer(base_url: str) -> Renderer:
    """One for all tests: it compiles its templates once."""
    return Renderer(base_url)


def open_site_under_test(
    database: Database,
    clock: Callable[[], Any],
    *,
    limits: Limits = UNLIMITED,
    base_url: str | None = BASE_URL,
    trusted: tuple[str, ...] = (),
    num_pages: int = 100_000,
    num_mails: int = 100_000,
) -> SiteUnderTest:
    """A site on a migrated database. Its booth is to be closed."""
    key, seconds, mailbox = secret(database), Seconds(), Mailbox()
    tokens, library = Tokens(key, clock=clock), make_library(database, clock)
    renderer = _renderer(base_url or "http://127.0.0.1:8000")
    carrier: Carrier = mailbox
    post = Post(carrier, sender=Sender("Seatrial", "digest@seatrial.example"), base_url=BASE_URL, clock=clock)
    pages = Buckets(per_hour=1.0, burst=num_pages, clock=seconds)
    parts = SiteParts(
        library=library,
        renderer=renderer,
        booth=Booth(database, clock, limits=limits, monotonic=seconds),
        database=database,
        secret=key,
        subscriptions=Subscriptions(database, clock, tokens, post),
        post=post,
        feed=Feed(library, clock, base_url=renderer.site.base_url).atom,
        tokens=tokens,
        cookie=VoterCookie(tokens, is_https=renderer.site.base_url.startswith("https")),
        networks=Networks(key, trusted),
        throttles=Throttles(pages, Buckets(per_hour=1.0, burst=num_mails, clock=seconds)),
        clock=clock,
        monotonic=seconds,
        base_url=base_url,
    )
    return SiteUnderTest(build_site(parts), parts, mailbox, seconds, clock, pages)


@dataclass
class Answer:
    """What came back. `headers` has lower-case names, the last value of each."""

    status: int
    headers: dict[str, str]
    header_list: list[tuple[bytes, bytes]]
    raw: bytes

    @property
    def body(self) -> bytes:
        """Uncompressed."""
        return gzip.decompress(self.raw) if self.headers.get("content-encoding") == "gzip" else self.raw

    @property
    def text(self) -> str:
        return self.body.decode()

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def location(self) -> str:
        return self.headers["location"]

    def forms(self) -> list[Form]:
        """The forms of the page, in order."""
        reader = _FormReader()
        reader.feed(self.text)
        return reader.forms

    def form(self, action: str, **having: str) -> Form:
        """The first form with this action and these values among its fields."""
        for form in self.forms():
            if form.action == action and having.items() <= form.fields.items():
                return form
        raise AssertionError(f"no form of {action} with {having}: {self.forms()}")


@dataclass
class Form:
    """A form: where it goes, its fields, and the values of its buttons by name."""

    action: str
    method: str
    fields: dict[str, str] = field(default_factory=dict)
    buttons: list[tuple[str, str]] = field(default_factory=list)


class Visitor:
    """Keeps cookies, and says where forms come from as browsers do unless told otherwise."""

    def __init__(self, app: Any, address: str, headers: Mapping[str, str]) -> None:
        self._app, self._address, self._headers = app, address, dict(headers)
        self.cookies: dict[str, str] = {}

    async def get(self, target: str, **headers: str) -> Answer:
        """Read a page."""
        return await self.ask("GET", target, b"", headers)

    async def post(self, target: str, fields: Mapping[str, str] | bytes, **headers: str) -> Answer:
        """Send a form. `sec_fetch_site=""` is a browser that does not say where it was sent from."""
        body = fields if isinstance(fields, bytes) else urlencode(fields).encode()
        given = {"content-type": FORM, "sec-fetch-site": "same-origin"}
        given |= {name.replace("_", "-"): value for name, value in headers.items()}
        return await self.ask("POST", target, body, {name: value for name, value in given.items() if value})

    async def send(self, form: Form, **fields: str) -> Answer:
        """Send a form of a page, with these fields filled in and these buttons pressed."""
        assert form.method == "post", form
        return await self.post(form.action, form.fields | fields)

    async def follow(self, answer: Answer) -> Answer:
        """The page that a redirect leads to, at its end."""
        while answer.status in (303, 308):
            assert answer.location.startswith("/"), answer.location
            answer = await self.get(answer.location.partition("#")[0])
        return answer

    async def ask(self, method: str, target: str, body: bytes, headers: Mapping[str, str]) -> Answer:
        """Any request."""
        parts = urlsplit(target) if target.startswith("/") and not target.startswith("//") else None
        path, query = (target, "") if parts is None else (parts.path, parts.query)
        given = {"host": "seatrial.example", "content-length": str(len(body))} | self._headers
        given |= {name.replace("_", "-"): value for name, value in headers.items()}
        if self.cookies:
            given["cookie"] = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        scope = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": method,
            "scheme": "https",
            "path": _unquoted(path),
            "raw_path": path.encode("latin-1", "replace"),
            "query_string": query.encode("latin-1", "replace"),
            "root_path": "",
            "headers": [(name.encode(), value.encode("latin-1", "replace")) for name, value in given.items()],
            "client": (self._address, 50_000),
            "server": ("127.0.0.1", 8000),
        }
        answer = await _asked(self._app, scope, body)
        self._keep_cookies(answer)
        return answer

    def _keep_cookies(self, answer: Answer) -> None:
        for name, value in answer.header_list:
            if name == b"set-cookie":
                cookie, _, rest = value.decode().partition(";")
                key, _, said = cookie.partition("=")
                assert "httponly" in rest.lower()
                self.cookies[key] = said


async def _asked(app: Any, scope: dict[str, Any], body: bytes) -> Answer:
    messages: list[dict[str, Any]] = []
    pieces = [body[at : at + 1000] for at in range(0, len(body), 1000)] or [b""]

    async def receive() -> dict[str, Any]:
        if not pieces:
            return {"type": "http.disconnect"}
        return {"type": "http.request", "body": pieces.pop(0), "more_body": bool(pieces)}

    async def send(message: dict[str, Any]) -> None:
        messages.append(message)

    await app(scope, receive, send)
    start, *rest = messages
    assert start["type"] == "http.response.start"
    assert all(message["type"] == "http.response.body" for message in rest)
    headers = list(start["headers"])
    for name, value in headers:
        assert name == name.lower()
        assert b"\n" not in value
        assert b"\r" not in value
    return Answer(
        start["status"],
        {name.decode(): value.decode("latin-1") for name, value in headers},
        headers,
        b"".join(message.get("body", b"") for message in rest),
    )


def _unquoted(path: str) -> str:
    from urllib.parse import unquote

    return unquote(path)


class _FormReader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.forms: list[Form] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag == "form":
            self.forms.append(Form(given.get("action", ""), given.get("method", "get")))
        elif self.forms and tag == "input" and given.get("type") == "hidden":
            self.forms[-1].fields[given["name"]] = given.get("value", "")
        elif self.forms and tag == "button" and "name" in given:
            self.forms[-1].buttons.append((given["name"], given.get("value", "")))
