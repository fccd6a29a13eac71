"""Videos on the chat page, in a real browser over `seatrial serve` with tiny models: one that sees, one that does not.

The weights are random: what is shown, sent, refused and said is the matter here.
"""

from __future__ import annotations

import base64
import json
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from chat_films import chosen, film
from chat_process import DESKTOP, PHONE, answered, opened
from drawn_pictures import picture
from page_checks import CONTRAST, OUTSIDE, UNNAMED
from playwright.sync_api import expect

pytestmark = pytest.mark.browser

EYES, BLIND = "tiny-eyes", "tiny-blind"
MOST_BYTES = 400_000


@pytest.fixture(scope="module")
def url(
    tiny: Callable[..., Any], tiny_vision: Callable[..., Any], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    """The page of a server with both models, which takes requests of `MOST_BYTES`."""
    sys.path.insert(0, str(Path(__file__).parents[1] / "end_to_end"))
    from server_process import ServerProcess

    folder = tmp_path_factory.mktemp("seeing")
    eyes = tiny_vision().write_folder(folder / EYES)
    blind = tiny(max_position_embeddings=1024).write_folder(folder / BLIND)
    words = ("--port", "0", "--max-body", str(MOST_BYTES), "--max-tokens", "12", "--context", "1024")
    server = ServerProcess(str(eyes), str(blind), *words, log=folder / "server.log")
    yield f"{server.url}/"
    assert server.stop() == 0
    assert "Traceback" not in server.said(), server.said()


@contextmanager
def on_page(browser: Any, url: str, model: str = EYES, **options: Any) -> Iterator[tuple[Any, list[Any]]]:
    """The page with a model chosen, and the bodies that it sends."""
    with opened(browser, url, **options) as page:
        sent: list[Any] = []
        page.on("request", lambda request: request.method == "POST" and sent.append(json.loads(request.post_data)))
        page.select_option("#model", model)
        yield page, sent


def tray(page: Any) -> Any:
    return page.get_by_role("list", name="With your message")


def attach(page: Any, *files: Any) -> None:
    """Choose files, and wait until each is shown."""
    before = tray(page).locator("li").count()
    page.set_input_files("#files", list(files))
    expect(tray(page).locator("li")).to_have_count(before + len(files))


def test_a_video_is_shown_sent_played_and_kept_in_the_conversation(browser: Any, url: str) -> None:
    data = film()
    with on_page(browser, url) as (page, sent):
        attach(page, chosen("tide.webm", data), chosen("quay.png", picture(), "image/png"))
        chip = tray(page).get_by_role("img", name="Video tide.webm 0:03")
        expect(chip).to_be_visible()
        assert chip.locator("img").evaluate("image => [image.naturalWidth, image.naturalHeight]") == [160, 120]
        turn = answered(page, "hello")
        expect(turn.locator(".notice")).to_be_hidden()
        assert tray(page).is_hidden()
        video, image, text = sent[0]["messages"][0]["content"]
        assert text == {"type": "text", "text": "hello"}
        assert (video["type"], image["type"]) == ("video_url", "image_url")
        head, _, encoded = video["video_url"]["url"].partition(",")
        assert head == "data:video/webm;base64"
        assert base64.b64decode(encoded) == data
        shown = turn.locator("video[aria-label='Video tide.webm']")
        assert shown.evaluate("async video => { await video.play(); return video.duration; }") == pytest.approx(
            3, abs=0.3
        )
        answered(page, "hello again")
        assert sent[1]["messages"][0]["content"] == sent[0]["messages"][0]["content"]
        turn.get_by_role("button", name="Code").click()
        assert "data:video/webm;base64,…" in page.get_by_role("dialog").locator("code").inner_text()
        page.get_by_role("button", name="Close").click()
        page.reload()
        expect(page.get_by_text("1 picture and 1 video not kept over the reload")).to_be_visible()


@pytest.mark.parametrize("name", ["pier.mp4", "pier.mov", "PIER.MKV"])
def test_what_a_browser_cannot_play_is_shown_by_its_name_and_sent_all_the_same(
    browser: Any, url: str, name: str
) -> None:
    data = film("mov" if name.endswith("mov") else "mp4") if name.islower() else film("mkv", size=(64, 48))
    with on_page(browser, url) as (page, sent):
        attach(page, chosen(name, data, "application/octet-stream" if name.isupper() else ""))
        expect(tray(page).get_by_role("img", name=f"Video {name}")).to_be_visible()
        turn = answered(page, "hello")
        assert base64.b64decode(sent[0]["messages"][0]["content"][0]["video_url"]["url"].partition(",")[2]) == data
        expect(turn.locator(".notice")).to_be_hidden()
        if name.islower():
            expect(turn.get_by_role("img", name=f"Video {name}")).to_contain_text(name)


def test_a_film_of_a_phone_is_shown_upright_by_its_still(browser: Any, url: str) -> None:
    with on_page(browser, url) as (page, _):
        if not page.evaluate("document.createElement('video').canPlayType('video/mp4; codecs=\"avc1.42E01E\"')"):
            pytest.skip("this browser plays no H.264")
        attach(
            page, chosen("IMG_0042.MOV", film("mov", seconds=75, size=(72, 120), codec="libx264"), "video/quicktime")
        )
        chip = tray(page).get_by_role("img", name="Video IMG_0042.MOV 1:15")
        expect(chip).to_be_visible()
        assert chip.locator("img").evaluate("image => [image.naturalWidth, image.naturalHeight]") == [72, 120]


def test_videos_are_taken_back_by_keyboard(browser: Any, url: str) -> None:
    with on_page(browser, url) as (page, _):
        attach(page, chosen("one.webm", film()), chosen("two.webm", film(seed=1)))
        page.focus("#attach")
        page.keyboard.press("Shift+Tab")
        page.keyboard.press("Enter")
        expect(tray(page).locator("li")).to_have_count(1)
        expect(page.get_by_role("button", name="Leave out one.webm")).to_be_focused()
        page.keyboard.press("Enter")
        assert tray(page).is_hidden()
        expect(page.locator("#prompt")).to_be_focused()


@pytest.mark.parametrize("how", ["drop", "paste"])
def test_videos_are_dropped_and_pasted(browser: Any, url: str, how: str) -> None:
    script = """([how, encoded]) => {
      const data = Uint8Array.from(atob(encoded), letter => letter.charCodeAt(0));
      const moved = new DataTransfer();
      moved.items.add(new File([data], 'tide.webm', { type: 'video/webm' }));
      const event = how === 'drop'
        ? new DragEvent('drop', { dataTransfer: moved, bubbles: true, cancelable: true })
        : new ClipboardEvent('paste', { clipboardData: moved, bubbles: true, cancelable: true });
      document.querySelector(how === 'drop' ? 'main' : '#prompt').dispatchEvent(event);
    }"""
    with on_page(browser, url) as (page, _):
        page.evaluate(script, [how, base64.b64encode(film()).decode()])
        expect(tray(page).get_by_role("img", name="Video tide.webm 0:03")).to_be_visible()


def test_a_message_waits_for_the_videos_that_are_being_read(browser: Any, url: str) -> None:
    with on_page(browser, url, may_fail="400") as (page, sent):
        page.fill("#prompt", "hello")
        page.evaluate(
            """() => {
              const moved = new DataTransfer();
              moved.items.add(new File([new Uint8Array(200_000)], 'tide.webm', { type: 'video/webm' }));
              const files = document.querySelector('#files');
              files.files = moved.files;
              files.dispatchEvent(new Event('change'));
              document.querySelector('#send').click();
            }"""
        )
        expect(page.locator("#unfit")).to_be_visible()
        assert sent[0]["messages"][0]["content"][0]["type"] == "video_url"


def complaint(page: Any) -> Any:
    return page.locator("#composer").get_by_role("alert")


def test_a_file_that_is_too_large_is_left_out_and_the_limit_is_named(browser: Any, url: str) -> None:
    with on_page(browser, url) as (page, sent):
        page.set_input_files("#files", [chosen("long.mp4", bytes(350_000)), chosen("tide.webm", film())])
        expect(complaint(page)).to_have_text(
            "long.mp4 was left out: it has 0.4 MB, and this server takes messages with a video of up to 0.2 MB. "
            "Cut it shorter, or make its frames smaller."
        )
        expect(tray(page).get_by_role("img", name="Video tide.webm 0:03")).to_be_visible()
        assert sent == []


def test_what_is_too_large_together_stays_in_the_composer(browser: Any, url: str) -> None:
    with on_page(browser, url) as (page, sent):
        attach(page, chosen("one.mp4", bytes(200_000)), chosen("two.mp4", bytes(200_000)))
        page.fill("#prompt", "hello")
        page.press("#prompt", "Enter")
        expect(complaint(page)).to_contain_text("this message has 0.6 MB; this server takes 0.4 MB.")
        assert page.locator("#prompt").input_value() == "hello"
        expect(tray(page).locator("li")).to_have_count(2)
        assert sent == []
        page.get_by_role("button", name="Leave out one.mp4").click()
        assert complaint(page).is_hidden()


def test_a_model_that_does_not_see_says_so_beside_the_composer(browser: Any, url: str) -> None:
    with on_page(browser, url, BLIND, may_fail="400") as (page, sent):
        attach(page, chosen("tide.webm", film()))
        page.fill("#prompt", "hello")
        page.press("#prompt", "Enter")
        expect(complaint(page)).to_have_text(re.compile(rf"^tide\.webm: `{BLIND}` reads text only"))
        expect(complaint(page)).to_contain_text("`smolvlm2-256m`")
        expect(complaint(page).locator(".details")).to_contain_text("param: messages[0].content[0]")
        assert page.locator(".turn").count() == 0
        assert page.locator("#prompt").input_value() == "hello"
        expect(tray(page).locator(".wrong").get_by_role("img", name="Video tide.webm 0:03")).to_be_visible()
        page.select_option("#model", EYES)
        assert complaint(page).is_hidden()
        page.press("#prompt", "Enter")
        expect(page.locator(".turn")).not_to_have_class(re.compile("running"))
        expect(page.locator(".turn .notice")).to_be_hidden()
        assert [body["model"] for body in sent] == [BLIND, EYES]
        page.select_option("#model", BLIND)
        page.fill("#prompt", "and now?")
        page.press("#prompt", "Enter")
        expect(complaint(page)).to_have_text(re.compile(rf"^tide\.webm: `{BLIND}` reads text only"))
        assert page.locator("#prompt").input_value() == "and now?"
        assert page.locator(".turn").count() == 1


def test_what_the_server_refuses_stands_at_its_place(browser: Any, url: str) -> None:
    with on_page(browser, url, may_fail="400") as (page, _):
        attach(page, chosen("tide.webm", film()), chosen("notes.mp4", b"Buy milk."))
        page.fill("#prompt", "hello")
        page.press("#prompt", "Enter")
        expect(complaint(page)).to_contain_text("notes.mp4: 'messages[0].content[1].video_url.url' is no video")
        expect(complaint(page).locator(".details")).to_contain_text("invalid_video_format")
        expect(tray(page).locator(".wrong").get_by_role("img", name="Video notes.mp4")).to_be_visible()
        expect(tray(page).locator(".wrong")).to_have_count(1)
        page.get_by_role("button", name="Leave out notes.mp4").click()
        assert complaint(page).is_hidden()
        page.press("#prompt", "Enter")
        expect(page.locator(".turn video")).to_be_visible()


@pytest.mark.parametrize("viewport", [PHONE, DESKTOP], ids=["phone", "desktop"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_videos_fit_the_page_and_can_be_read(browser: Any, url: str, viewport: Any, scheme: str) -> None:
    wide, odd = film(size=(640, 120)), film("mp4")
    with on_page(browser, url, viewport=viewport, color_scheme=scheme, may_fail="400") as (page, _):
        attach(page, chosen("wide.webm", wide), chosen("a-name-that-is-rather-long-for-a-chip.mp4", odd))
        answered(page, "hello")
        attach(page, chosen("wide.webm", wide), chosen("odd.mp4", odd), chosen("notes.mp4", b"Buy milk."))
        expect(tray(page).get_by_role("img", name="Video wide.webm 0:03")).to_be_visible()
        page.fill("#prompt", "hello")
        page.press("#prompt", "Enter")
        expect(complaint(page)).to_be_visible()
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        assert page.evaluate(OUTSIDE) == []
        assert page.evaluate(CONTRAST) == []
        assert page.evaluate(UNNAMED) == []
