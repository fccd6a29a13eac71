"""A real server whose model answers by a script, and the chat page on it in a browser."""

from __future__ import annotations

import asyncio
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from playwright.sync_api import expect
from scripted import Script, Scripted, models_of, says

from seatrial.chat import ChatRequest, Finished, ReasoningDelta, TextDelta, Usage
from seatrial.errors import BadReply, RequestRejected
from seatrial.server.access import Access
from seatrial.server.app import Application
from seatrial.server.endpoints.chat import chat_routes
from seatrial.server.endpoints.documents import document_routes
from seatrial.server.endpoints.models import model_routes
from seatrial.server.http1 import Listener
from seatrial.server.keys import KeyStore

PHONE = {"width": 360, "height": 740}
TABLET = {"width": 768, "height": 1024}
DESKTOP = {"width": 1200, "height": 800}

ANSWER = """A year is a leap year when it is **divisible by 4**, except for centuries:

```python
def is_leap_year(year: int) -> bool:
    return year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)  # a long line that has to scroll within its box
```

- `is_leap_year(1900)` is `False`.
- See [the calendar](https://docs.python.org/3/library/calendar.html).
"""
HOSTILE = """<img src=x onerror="alert(1)"> <script>alert(2)</script> [go](javascript:alert(3)) **<b>bold</b>**

[plain](https://example.org/?q="><script>alert(4)</script>)
"""
TRICKY = 'She said "it\'s $HOME \\ `x`", \u00e9\u2028\U0001f6a2'


def _script(request: ChatRequest) -> Script:
    """What the model says depends on the last message."""
    asked = request.messages[-1].text
    if asked == "slowly":
        return says("word " * 2000, pause_s=0.02)
    if asked == "hostile":
        return (TextDelta(HOSTILE), Finished("stop", Usage(5, 20)))
    if asked == "refused":
        return (RequestRejected("`m` takes 32,768 tokens. Shorten it.", status=400, code="context_length_exceeded"),)
    if asked == "broken":
        return (TextDelta("Half an"), 0.05, BadReply("The upstream broke off."))
    if asked == "echo":
        return says(repr(request.messages))
    pieces = [TextDelta(word + " ") for word in ANSWER.split(" ")]
    steps = [step for piece in pieces for step in (0.004, piece)]
    thoughts = ReasoningDelta("By four, but "), ReasoningDelta("not by a hundred.")
    return (0.05, *thoughts, *steps, Finished("stop", Usage(12, 58, reasoning_tokens=11)))


@dataclass
class Served:
    """A server in a thread of its own. `provider` has what it was asked."""

    url: str
    provider: Scripted
    folder: Path
    secret: str = ""


@dataclass
class _Thread:
    app: Application
    url: str = ""
    ready: threading.Event = field(default_factory=threading.Event)

    async def run(self) -> None:
        listener = Listener(self.app, lambda status, why: b"{}")
        await listener.listen("127.0.0.1", 0, 64)
        self.url = f"http://127.0.0.1:{listener.port}/"
        self.loop, self.stopped = asyncio.get_running_loop(), asyncio.Event()
        self.ready.set()
        await self.stopped.wait()
        await listener.close(1.0)


@contextmanager
def serving(folder: Path, *, asks_for_keys: bool = False) -> Iterator[Served]:
    provider = Scripted(_script)
    models = models_of(provider)
    ids = iter(range(1_000_000))
    store = KeyStore(folder, now=lambda: datetime.now(UTC))
    secret = store.add("page")[0] if asks_for_keys else ""
    routes = (
        *chat_routes(models, clock=lambda: 0.0, new_id=lambda prefix: f"{prefix}{next(ids)}"),
        *model_routes(models),
        *document_routes(example_model="m"),
    )
    thread = _Thread(Application(routes, access=Access(store if asks_for_keys else None)))
    worker = threading.Thread(target=lambda: asyncio.run(thread.run()), daemon=True)
    worker.start()
    assert thread.ready.wait(10)
    yield Served(thread.url, provider, folder, secret)
    thread.loop.call_soon_threadsafe(thread.stopped.set)
    worker.join(10)


@contextmanager
def opened(browser: Any, address: str, *, may_fail: str = "", **options: Any) -> Iterator[Any]:
    """The page. Fails on any console message, error or request elsewhere; `may_fail` is a status that is expected."""
    context = browser.new_context(**{"viewport": DESKTOP, **options})
    page = context.new_page()
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(f"{message.type}: {message.text}"))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    origin = "/".join(address.split("/")[:3]) + "/"
    page.on(
        "request",
        lambda request: request.url.startswith((origin, "data:", f"blob:{origin}")) or complaints.append(request.url),
    )
    page.goto(address)
    if page.locator("#model").count() and not may_fail.startswith("401"):
        page.locator("#model:enabled").wait_for()
    yield page
    context.close()
    assert [each for each in complaints if not may_fail or f"status of {may_fail}" not in each] == []


def ask(page: Any, text: str) -> Any:
    """Send a message; the turn that it begins."""
    before = page.locator(".turn").count()
    page.fill("#prompt", text)
    page.press("#prompt", "Enter")
    turn = page.locator(".turn").nth(before)
    turn.wait_for()
    return turn


def answered(page: Any, text: str) -> Any:
    """Send a message and wait for the end of its answer."""
    turn = ask(page, text)
    expect(turn).not_to_have_class(re.compile("running"))
    return turn
