"""The chat page and the page of the API in a real browser, over a real server whose model answers by a script."""

from __future__ import annotations

import asyncio
import contextlib
import io
import re
import shutil
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from drawn_pictures import picture
from page_checks import CONTRAST, OUTSIDE, UNNAMED
from playwright.sync_api import expect
from scripted import Script, Scripted, models_of, says

from seatrial.chat import ChatRequest, Finished, ImagePart, Message, ReasoningDelta, TextDelta, TextPart, Usage
from seatrial.errors import BadReply, RequestRejected
from seatrial.server.access import Access
from seatrial.server.app import Application
from seatrial.server.endpoints.chat import chat_routes
from seatrial.server.endpoints.documents import document_routes
from seatrial.server.endpoints.models import model_routes
from seatrial.server.http1 import Listener
from seatrial.server.keys import KeyStore

pytestmark = pytest.mark.browser
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
def _serving(folder: Path, *, asks_for_keys: bool = False) -> Iterator[Served]:
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


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with _serving(tmp_path_factory.mktemp("open")) as served:
        yield served


@pytest.fixture(scope="module")
def locked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with _serving(tmp_path_factory.mktemp("locked"), asks_for_keys=True) as served:
        yield served


@contextmanager
def opened(browser: Any, address: str, *, may_fail: str = "", **options: Any) -> Iterator[Any]:
    """The page. Fails on any console message, error or request elsewhere; `may_fail` is a status that is expected."""
    context = browser.new_context(**{"viewport": DESKTOP, **options})
    page = context.new_page()
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(f"{message.type}: {message.text}"))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    origin = "/".join(address.split("/")[:3]) + "/"
    page.on("request", lambda request: request.url.startswith((origin, "data:")) or complaints.append(request.url))
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


def test_a_message_is_answered_in_pieces_with_its_figures_and_its_reasoning_folded_away(
    browser: Any, served: Served
) -> None:
    with opened(browser, served.url) as page:
        expect(page.get_by_role("heading", name="Ask m something.")).to_be_visible()
        turn = ask(page, "When is a leap year?")
        expect(turn.locator(".text")).to_contain_text("divisible by 4")
        assert "running" in turn.get_attribute("class")
        assert turn.locator(".answer").get_attribute("aria-busy") == "true"
        expect(turn).not_to_have_class(re.compile("running"))
        assert turn.locator(".answer").get_attribute("aria-live") == "polite"
        assert turn.locator(".answer").get_attribute("aria-busy") == "false"
        assert turn.locator("strong").inner_text() == "divisible by 4"
        assert turn.locator(".text li").count() == 2
        figures = turn.locator(".figures").inner_text()
        assert re.fullmatch(r"[\d.]+ tokens/s · 0\.\d+ s to the first token · 58 tokens", figures), figures
        thoughts = turn.locator(".thoughts")
        assert thoughts.is_hidden()
        turn.get_by_text("Thought for 11 tokens").click()
        assert thoughts.inner_text() == "By four, but not by a hundred."


@pytest.mark.parametrize("how", ["Escape", "button"])
def test_an_answer_can_be_stopped_and_the_server_hears_of_it(browser: Any, served: Served, how: str) -> None:
    with opened(browser, served.url) as page:
        cut = served.provider.num_cut
        turn = ask(page, "slowly")
        expect(turn.locator(".text")).to_contain_text("word word")
        if how == "Escape":
            page.keyboard.press("Escape")
        else:
            page.get_by_role("button", name="Stop").click()
        expect(turn.locator(".figures")).to_contain_text("stopped")
        assert turn.locator(".text").inner_text().startswith("word word")
        page.wait_for_timeout(300)
        assert served.provider.num_cut == cut + 1
        assert page.get_by_role("button", name="Send").is_enabled()
        answered(page, "echo")


def test_turns_system_prompt_and_settings_are_sent(browser: Any, served: Served) -> None:
    with opened(browser, served.url) as page:
        page.get_by_text("Settings").click()
        page.get_by_label("System prompt").fill("Be brief.")
        page.get_by_label("Temperature").fill("0.25")
        page.get_by_label("Top p").fill("0.9")
        page.get_by_label("Most tokens").fill("77")
        page.get_by_label("Thinking").select_option("low")
        digest = "system prompt, temperature 0.25, top p 0.9, at most 77, thinking low"
        assert page.locator("#digest").inner_text() == digest
        answered(page, "first")
        answered(page, "echo")
        request = served.provider.requests[-1]
        roles = ["system", "user", "assistant", "user"]
        assert [message.role for message in request.messages] == roles
        assert [message.text.strip() for message in request.messages] == ["Be brief.", "first", ANSWER.strip(), "echo"]
        assert (request.sampling.temperature, request.sampling.top_p, request.max_tokens) == (0.25, 0.9, 77)
        assert request.reasoning_effort == "low"


def test_the_last_message_is_asked_again_or_edited(browser: Any, served: Served) -> None:
    with opened(browser, served.url) as page:
        answered(page, "one")
        turn = answered(page, "two")
        assert page.get_by_role("button", name="Edit").count() == 1
        num_requests = len(served.provider.requests)
        turn.get_by_role("button", name="Regenerate").click()
        expect(page.locator(".turn").last).not_to_have_class(re.compile("running"))
        assert page.locator(".turn").count() == 2
        assert len(served.provider.requests) == num_requests + 1
        page.get_by_role("button", name="Edit").click()
        assert page.locator("#prompt").input_value() == "two"
        page.keyboard.press("Escape")
        assert page.locator("#prompt").input_value() == ""
        page.press("#prompt", "ArrowUp")
        page.fill("#prompt", "echo")
        page.press("#prompt", "Enter")
        expect(page.locator(".turn").last.locator(".question")).to_contain_text("echo")
        assert page.locator(".turn").count() == 2
        assert [message.text for message in served.provider.requests[-1].messages][::2] == ["one", "echo"]
        page.get_by_role("button", name="Clear").click()
        assert page.locator(".turn").count() == 0
        expect(page.get_by_role("heading", name="Ask m something.")).to_be_visible()


def test_shift_enter_is_a_new_line_and_nothing_is_sent_when_there_is_nothing(browser: Any, served: Served) -> None:
    with opened(browser, served.url) as page:
        page.press("#prompt", "Enter")
        assert page.locator(".turn").count() == 0
        low = page.locator("#prompt").bounding_box()["height"]
        page.type("#prompt", "a")
        page.press("#prompt", "Shift+Enter")
        page.type("#prompt", "b")
        assert page.locator("#prompt").input_value() == "a\nb"
        assert page.locator("#prompt").bounding_box()["height"] > low


def test_a_reload_keeps_the_conversation_and_a_new_tab_begins_anew(browser: Any, served: Served) -> None:
    with opened(browser, served.url) as page:
        answered(page, "keep this")
        page.reload()
        expect(page.locator(".turn .question")).to_contain_text("keep this")
        expect(page.locator(".turn .text strong")).to_have_text("divisible by 4")
    with opened(browser, served.url) as page:
        assert page.locator(".turn").count() == 0


def _file(name: str, data: bytes, media_type: str = "image/png") -> dict[str, Any]:
    return {"name": name, "mimeType": media_type, "buffer": data}


def test_pictures_go_with_a_message_and_stay_in_the_conversation(browser: Any, served: Served) -> None:
    receipt, other = picture(size=(300, 200)), picture("WEBP", colour="plum")
    with opened(browser, served.url) as page:
        files = [
            _file("receipt.png", receipt),
            _file("other.webp", other, "image/webp"),
            _file("notes.txt", b"x", "text/plain"),
        ]
        page.set_input_files("#files", files)
        expect(page.get_by_role("alert").filter(has_text="something else was left out")).to_be_visible()
        tray = page.get_by_role("list", name="Pictures with your message")
        expect(tray.get_by_role("img", name="receipt.png")).to_be_visible()
        page.get_by_role("button", name="Leave out other.webp").click()
        expect(tray.get_by_role("img")).to_have_count(1)
        turn = answered(page, "What is it?")
        expect(turn.locator(".question").get_by_role("img", name="receipt.png")).to_be_visible()
        assert tray.is_hidden()
        asked = Message("user", (ImagePart(receipt, "image/png"), TextPart("What is it?")))
        assert served.provider.requests[-1].messages == (asked,)
        turn.get_by_role("button", name="Code").click()
        code = page.get_by_role("dialog").locator("code").inner_text()
        assert "data:image/png;base64,…" in code
        page.get_by_role("button", name="Close").click()
        turn.get_by_role("button", name="Regenerate").click()
        expect(page.locator(".turn").last).not_to_have_class(re.compile("running"))
        assert served.provider.requests[-1].messages == (asked,)
        answered(page, "And now?")
        assert [message.parts for message in served.provider.requests[-1].messages][::2] == [
            asked.parts,
            (TextPart("And now?"),),
        ]
        page.reload()
        expect(page.get_by_text("1 picture not kept over the reload")).to_be_visible()


def test_a_picture_is_taken_back_with_the_message_it_goes_with(browser: Any, served: Served) -> None:
    with opened(browser, served.url) as page:
        page.set_input_files("#files", [_file("receipt.png", picture())])
        answered(page, "one")
        page.press("#prompt", "ArrowUp")
        tray = page.get_by_role("list", name="Pictures with your message")
        expect(tray.get_by_role("img", name="receipt.png")).to_be_visible()
        page.keyboard.press("Escape")
        assert tray.is_hidden()
        assert page.locator(".turn").count() == 1


def _copied(page: Any, language: str) -> str:
    dialog = page.get_by_role("dialog")
    dialog.get_by_role("tab", name=language).click()
    dialog.get_by_role("button", name="Copy").click()
    dialog.get_by_role("button", name="Copied").wait_for()
    expect(dialog.get_by_role("button", name="Copy", exact=True)).to_be_visible()
    return str(page.evaluate("navigator.clipboard.readText()"))


def test_the_copied_code_does_the_same_request(browser: Any, served: Served) -> None:
    openai = pytest.importorskip("openai")
    assert openai
    with opened(browser, served.url, permissions=["clipboard-read", "clipboard-write"]) as page:
        page.get_by_text("Settings").click()
        page.get_by_label("Temperature").fill("0.5")
        page.get_by_label("System prompt").fill(TRICKY)
        answered(page, TRICKY)
        sent = served.provider.requests[-1]
        page.locator(".turn").get_by_role("button", name="Code").click()
        codes = {language: _copied(page, language) for language in ("curl", "Python", "JavaScript")}
        page.get_by_role("button", name="Close").click()
        assert page.get_by_role("dialog").is_hidden()
    output = io.StringIO()
    with contextlib.redirect_stdout(output):
        exec(compile(codes["Python"], "copied", "exec"), {})
    assert output.getvalue().strip() == ANSWER.strip()
    assert served.provider.requests[-1] == sent
    if shutil.which("curl") and shutil.which("bash"):
        done = subprocess.run(["bash", "-c", codes["curl"]], capture_output=True, check=True, timeout=20)
        assert done.stdout.endswith(b"data: [DONE]\n\n")
        assert served.provider.requests[-1] == sent
    if node := shutil.which("node"):
        command = [node, "--input-type=module", "--check"]
        subprocess.run(command, input=codes["JavaScript"].encode(), check=True, timeout=20)


def test_what_a_model_writes_is_never_markup_or_script(browser: Any, served: Served) -> None:
    with opened(browser, served.url) as page:
        turn = answered(page, "hostile")
        text = turn.locator(".text")
        assert text.locator("img, script, b").count() == 0
        assert '<img src=x onerror="alert(1)">' in text.inner_text()
        links = text.locator("a").evaluate_all("links => links.map(link => [link.protocol, link.rel, link.target])")
        assert all(link == ["https:", "noopener noreferrer nofollow ugc", "_blank"] for link in links)
        assert "[go](javascript:alert(3))" in text.inner_text()


@pytest.mark.parametrize(
    ("asked", "shown", "details"),
    [
        ("refused", "`m` takes 32,768 tokens. Shorten it.", "400 · invalid_request_error · context_length_exceeded"),
        ("broken", "The upstream broke off.", "api_error"),
    ],
)
def test_failures_are_shown_as_they_stand_and_can_be_tried_again(
    browser: Any, served: Served, asked: str, shown: str, details: str
) -> None:
    with opened(browser, served.url, may_fail="400") as page:
        turn = answered(page, asked)
        assert turn.locator(".notice p").first.inner_text() == shown
        assert turn.locator(".notice .details").inner_text() == details
        if asked == "broken":
            assert turn.locator(".text").inner_text() == "Half an"
        turn.get_by_role("button", name="Regenerate").click()
        expect(page.locator(".turn .notice .details")).to_have_text(details)
        answered(page, "echo")


def test_the_key_is_asked_for_only_where_the_server_does_and_stays_in_the_tab(browser: Any, locked: Served) -> None:
    with opened(browser, locked.url, may_fail="401") as page:
        page.get_by_label("API key").wait_for()
        page.get_by_label("API key").fill("sk-seatrial-wrong")
        page.get_by_role("button", name="Use it").click()
        expect(page.get_by_role("alert")).to_contain_text("Incorrect API key provided")
        page.get_by_label("API key").fill(locked.secret)
        page.get_by_role("button", name="Use it").click()
        page.locator("#model:enabled").wait_for()
        expect(page.get_by_label("API key")).to_be_hidden()
        answered(page, "echo")
        page.locator(".turn").get_by_role("button", name="Code").click()
        for language in ("curl", "Python", "JavaScript"):
            page.get_by_role("tab", name=language).click()
            code = page.locator("#code-panel code").inner_text()
            assert "SEATRIAL_API_KEY" in code
            assert locked.secret not in code
        assert page.evaluate("Object.keys(localStorage)") == []
        page.reload()
        page.locator("#model:enabled").wait_for()
        assert page.get_by_label("API key").is_hidden()


def test_the_key_field_is_not_there_where_no_key_is_asked_for(browser: Any, served: Served) -> None:
    with opened(browser, served.url) as page:
        assert page.get_by_label("API key").is_hidden()


def _everything_on_it(page: Any) -> None:
    """A page with all that can be on it: answers, reasoning, a failure, the settings."""
    answered(page, "When is a leap year? " + "x" * 200)
    answered(page, "broken")
    page.evaluate("document.querySelectorAll('details').forEach(each => { each.open = true; })")


@pytest.mark.parametrize("viewport", [PHONE, TABLET, DESKTOP], ids=["phone", "tablet", "desktop"])
def test_the_chat_page_never_scrolls_sideways(browser: Any, served: Served, viewport: Any) -> None:
    with opened(browser, served.url, viewport=viewport) as page:
        assert page.evaluate(OUTSIDE) == []
        _everything_on_it(page)
        page.locator("#show-code").click()
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        assert page.evaluate(OUTSIDE) == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_of_the_chat_page_has_contrast_and_every_control_a_name(browser: Any, served: Served, scheme: str) -> None:
    with opened(browser, served.url, color_scheme=scheme) as page:
        assert page.evaluate(CONTRAST) == []
        _everything_on_it(page)
        assert page.evaluate(CONTRAST) == []
        assert page.evaluate(UNNAMED) == []
        page.locator("#show-code").click()
        assert page.evaluate(CONTRAST) == []
        ground = page.evaluate("getComputedStyle(document.body).backgroundColor")
        assert ground == {"light": "rgb(253, 252, 249)", "dark": "rgb(11, 22, 32)"}[scheme]


@pytest.fixture
def markdown(browser: Any, served: Served) -> Iterator[Callable[..., str]]:
    """Renders texts one after another into one element, and gives its markup after the last."""
    with opened(browser, served.url) as page:
        address = page.evaluate("performance.getEntriesByType('resource').find(e => e.name.includes('markdown')).name")

        def render(*texts: str) -> str:
            return str(
                page.evaluate(
                    """async ([address, texts]) => {
                      const { show } = await import(address);
                      const home = document.createElement('div');
                      for (const text of texts) show(home, text);
                      return home.innerHTML;
                    }""",
                    [address, texts],
                )
            )

        yield render


@pytest.mark.parametrize(
    ("text", "markup"),
    [
        ("plain", "<p>plain</p>"),
        ("two\nlines\n\nand more", "<p>two\nlines</p><p>and more</p>"),
        ("# One\n## Two", "<h3>One</h3><h4>Two</h4>"),
        ("a *b* **c** _d_ `e`", "<p>a <em>b</em> <strong>c</strong> <em>d</em> <code>e</code></p>"),
        ("2 * 3 * 4, snake_case_name, **", "<p>2 * 3 * 4, snake_case_name, **</p>"),
        (r"\*not\* it", "<p>*not* it</p>"),
        ("``a ` b``", "<p><code>a ` b</code></p>"),
        ("- a\n- b\n  - c\n- d", "<ul><li>a</li><li>b<ul><li>c</li></ul></li><li>d</li></ul>"),
        ("3. a\n4. b", '<ol start="3"><li>a</li><li>b</li></ol>'),
        ("1. a\n\n   more\n\n2. b", "<ol><li><p>a</p><p>more</p></li><li>b</li></ol>"),
        ("> said\n> twice", "<blockquote><p>said\ntwice</p></blockquote>"),
        ("---", "<hr>"),
        ("<b>&amp;</b>", "<p>&lt;b&gt;&amp;amp;&lt;/b&gt;</p>"),
        (
            "| a | b |\n|---|--:|\n| 1 | `2` |",
            '<div class="scroll" tabindex="0"><table><thead><tr><th>a</th><th>b</th></tr></thead>'
            "<tbody><tr><td>1</td><td><code>2</code></td></tr></tbody></table></div>",
        ),
        (
            "see https://example.org/a.",
            '<p>see <a href="https://example.org/a" rel="noopener noreferrer nofollow ugc" target="_blank">'
            "https://example.org/a</a>.</p>",
        ),
    ],
)
def test_markdown(markdown: Callable[..., str], text: str, markup: str) -> None:
    assert markdown(text) == markup


def test_markdown_that_grows_ends_as_if_it_had_come_whole(markdown: Callable[..., str]) -> None:
    text = ANSWER + "\n1. x\n2. y\n\n> z\n\n| a | b |\n|--|--|\n| c | d |\n\nend *of* it"
    assert markdown(*(text[:length] for length in range(0, len(text) + 1, 3)), text) == markdown(text)


def test_markdown_code_blocks_keep_every_character_also_before_their_end(markdown: Callable[..., str]) -> None:
    assert "<code>  a &lt; b\n\n# no heading</code>" in markdown("~~~c\n  a < b\n\n# no heading\n~~~")
    assert "<span>python</span>" in markdown("```python\nx")
    assert "<code>x</code>" in markdown("```python\nx")


@pytest.mark.parametrize(
    "text", ["**a " * 20_000, ">" * 50_000, "- " * 30_000, "`" * 50_000, "[" * 50_000, "| " * 30_000]
)
def test_markdown_takes_no_text_long(markdown: Callable[..., str], text: str) -> None:
    assert markdown(text)


@pytest.mark.parametrize("viewport", [PHONE, TABLET, DESKTOP], ids=["phone", "tablet", "desktop"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_page_of_the_api_reads_well_everywhere(browser: Any, served: Served, viewport: Any, scheme: str) -> None:
    with opened(browser, served.url + "docs", viewport=viewport, color_scheme=scheme) as page:
        page.evaluate("document.querySelectorAll('details').forEach(each => { each.open = true; })")
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        assert page.evaluate(OUTSIDE) == []
        assert page.evaluate(CONTRAST) == []
        assert page.evaluate(UNNAMED) == []


def test_the_page_of_the_api_is_whole_without_javascript_and_on_paper(browser: Any, served: Served) -> None:
    with opened(browser, served.url + "docs", java_script_enabled=False) as page:
        page.get_by_role("link", name="Create a response").first.click()
        expect(page.locator("#createResponse h3")).to_be_in_viewport()
        page.locator("#createResponse summary").first.click()
        assert page.locator("#createResponse details").first.locator("dl").first.is_visible()
    with opened(browser, served.url + "docs") as page:
        page.emulate_media(media="print")
        assert page.locator("nav.contents").is_hidden()
        assert page.locator("#createChatCompletion .fields").first.is_visible()
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_examples_on_the_page_of_the_api_work_as_they_are_copied(browser: Any, served: Served) -> None:
    if not (shutil.which("curl") and shutil.which("bash")):
        pytest.skip("curl and bash are needed")
    with opened(browser, served.url + "docs", permissions=["clipboard-read", "clipboard-write"]) as page:
        sample = page.locator("#createChatCompletion .samples .code").first
        sample.get_by_role("button", name="Copy").click()
        sample.get_by_role("button", name="Copied").wait_for()
        command = page.evaluate("navigator.clipboard.readText()")
    done = subprocess.run(["bash", "-c", command], capture_output=True, check=True, timeout=20)
    assert b"divisible by 4" in done.stdout
