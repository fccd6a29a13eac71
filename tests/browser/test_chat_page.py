"""The chat page in a real browser, over a real server whose model answers by a script."""

from __future__ import annotations

import contextlib
import io
import re
import shutil
import subprocess
from typing import Any

import pytest
from chat_process import ANSWER, DESKTOP, PHONE, TABLET, TRICKY, Served, answered, ask, opened
from drawn_pictures import picture
from page_checks import CONTRAST, OUTSIDE, UNNAMED
from playwright.sync_api import expect

from seatrial.chat import ImagePart, Message, TextPart

pytestmark = pytest.mark.browser


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
        expect(page.get_by_role("alert").filter(has_text="notes.txt was left out")).to_be_visible()
        tray = page.get_by_role("list", name="With your message")
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
        tray = page.get_by_role("list", name="With your message")
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
