"""`seatrial ask --image` and `/image` in `seatrial chat`: what goes up, what is said before, what is refused."""

from __future__ import annotations

import asyncio
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from drawn_pictures import data_url, huge_png, picture
from drawn_videos import BEGINNING, video
from stand_in import StandIn, answer

START_S = 60.0


async def test_a_picture_goes_to_a_hosted_model_as_it_lies_on_the_disk(seatrial_beside, tmp_path: Path) -> None:
    (tmp_path / "receipt.jpg").write_bytes(picture())  # a PNG, whatever its name says
    (tmp_path / "a.gif").write_bytes(picture("GIF"))
    shown = ("--image", "receipt.jpg", "--image", "a.gif", "--detail", "low")
    async with StandIn(answer("42.10")) as server:
        code, out, err = await seatrial_beside("ask", f"{server.base_url}#m", "What is the total?", *shown)
    assert code == 0, err
    assert out == "42.10\n"
    (message,) = server.asked[0].body["messages"]
    urls = (data_url(picture()), data_url(picture("GIF"), "image/gif"))
    assert message["content"] == [
        *({"type": "image_url", "image_url": {"url": url, "detail": "low"}} for url in urls),
        {"type": "text", "text": "What is the total?"},
    ]
    assert "receipt.jpg: 8 × 6, how many tokens, the server of" in err
    assert "a.gif: 8 × 6" in err


async def test_a_question_without_pictures_is_plain_text(seatrial_beside) -> None:
    async with StandIn(answer("Hello")) as server:
        _, _, err = await seatrial_beside("ask", f"{server.base_url}#m", "Hi")
    assert server.asked[0].body["messages"] == [{"role": "user", "content": "Hi"}]
    assert err == ""


HOSTED = "http://127.0.0.1:9/v1#m"


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (("--image", "absent.png"), 2, ["no picture at `absent.png`"]),
        (("--image", "folder"), 2, ["`folder` is a folder"]),
        (("--image", "x" * 5000), 2, ["no picture at"]),
        (("--image", "notes.png"), 1, ["notes.png", "no picture"]),
        (("--image", "cut.png"), 1, ["cut.png"]),
        (("--image", "empty.png"), 1, ["empty.png", "empty"]),
        (("--image", "page.png"), 1, ["page.png", "PDF"]),
        (("--image", "bomb.png"), 1, ["bomb.png", "12,000 × 12,000"]),
        (("--image", "good.png", "--detail", "much"), 2, ["much", "low"]),
        (("--image", ""), 2, ["The name of the picture is empty"]),
        (("--image", "/dev/zero"), 1, ["/dev/zero: ", "than the 268,435,456 bytes"]),
        (("--video", "pipe"), 2, ["`pipe` is no plain file"]),
        (("--video", "-"), 2, ["`-` is no plain file"]),
        (("--video", ""), 2, ["The name of the video is empty"]),
        (("--video", "absent.mp4"), 2, ["no video at `absent.mp4`"]),
        (("--video", "film.mp4"), 2, ["takes no video over the OpenAI API", "smolvlm2-256m"]),
        (("--video", "good.png"), 1, ["good.png: This is a picture (image/png), not a video.", "`--image`"]),
        (("--video", "absent.mp4", "--video", "film.mp4"), 2, ["no video at `absent.mp4`"]),
        (("--video", "film.mp4", "--detail", "low"), 2, ["`--detail low` is for pictures"]),
        (("--image", "http://example.com/a.png"), 2, ["is an address", "Save the picture as a file"]),
        (("--video", "HTTPS://example.com/a.mp4"), 2, ["is an address", "Save the video as a file"]),
        (("--image", "data:image/png;base64,AAAA"), 2, ["is an address"]),
        (("--image", "http:/a.png"), 2, ["no picture at `http:/a.png`"]),
    ],
)
def test_what_cannot_be_shown_is_said(
    seatrial, tmp_path: Path, words: tuple[str, ...], code: int, says: list[str]
) -> None:
    files = {
        "good.png": picture(),
        "notes.png": b"Buy milk.",
        "cut.png": picture()[:20],
        "empty.png": b"",
        "page.png": b"%PDF-1.7\n",
        "bomb.png": huge_png(12_000, 12_000),
        "film.mp4": BEGINNING,
    }
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "pipe")
    for name, data in files.items():
        (tmp_path / name).write_bytes(data)
    ran = seatrial("ask", HOSTED, "What is it?", *words)
    assert ran.code == code, ran
    for part in says:
        assert part in ran.err


BLIND = """
id = "blind"
name = "Blind"
maker = "OpenAI"
tagline = "Reads"
description = "Reads."
category = "text"
modalities = ["text"]
entry = "paid"
runs = "hosted"
api_name = "blind-1"
sources.card = { title = "A card", url = "https://example.org", as_of = 2026-11-01, kind = "published" }
"""


def _knows_a_blind_one(folder: Path) -> dict[str, str]:
    """Settings of a catalog with a hosted model that reads text alone, `blind`."""
    (folder / "entries").mkdir()
    (folder / "entries" / "blind.toml").write_text(BLIND)
    return {"SEATRIAL_CATALOG": str(folder / "entries"), "OPENAI_API_KEY": "sk-1"}


def test_a_hosted_model_that_reads_text_alone_is_not_paid_for_a_picture(seatrial, tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(picture())
    settings = _knows_a_blind_one(tmp_path) | {"OPENAI_BASE_URL": "http://127.0.0.1:9/v1"}
    ran = seatrial("ask", "blind", "What is it?", "--image", "a.png", env=settings)
    assert ran.code == 1, ran
    assert "reads text only" in ran.err
    assert "`smolvlm2-256m`" in ran.err


@pytest.mark.parametrize(
    ("model", "shown", "code", "says"),
    [
        ("smollm2-135m", ("--image", "a.png"), 1, ["`smollm2-135m` reads text only", "`a.png`", "`smolvlm2-256m`"]),
        ("smollm2-135m@f32", ("--video", "a.mp4"), 1, ["reads text only", "`smolvlm2-256m`"]),
        ("gpt-5-mini", ("--video", "a.mp4"), 2, ["takes no video over the OpenAI API", "`smolvlm2-256m`"]),
        ("smolvlm2-256m", ("--image", "a.png"), 1, ["seatrial pull smolvlm2-256m"]),
        ("gpt-5-mini", ("--image", "a.png"), 1, ["OPENAI_API_KEY"]),
    ],
)
def test_what_the_catalog_knows_comes_before_weights_and_keys(
    seatrial, tmp_path: Path, model: str, shown: tuple[str, ...], code: int, says: list[str]
) -> None:
    (tmp_path / "a.png").write_bytes(picture())
    (tmp_path / "a.mp4").write_bytes(BEGINNING)
    ran = seatrial("ask", model, "What is it?", *shown)
    assert ran.code == code, ran
    for part in says:
        assert part in ran.err
    sees = "reads text only" not in ran.err and "no video" not in ran.err
    assert sees or ("pull" not in ran.err and "KEY" not in ran.err)


async def test_a_picture_comes_over_standard_input_or_a_pipe(start_seatrial, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.png")
    async with StandIn(answer("A receipt")) as server:
        process = await start_seatrial("ask", f"{server.base_url}#m", "What?", "--image", "-", "--image", "pipe.png")
        writing = asyncio.to_thread((tmp_path / "pipe.png").write_bytes, picture("GIF"))
        (out, err), _ = await asyncio.gather(asyncio.wait_for(process.communicate(picture()), START_S), writing)
    assert process.returncode == 0, err
    assert out == b"A receipt\n"
    urls = [part["image_url"]["url"] for part in server.asked[0].body["messages"][0]["content"][:2]]
    assert urls == [data_url(picture()), data_url(picture("GIF"), "image/gif")]
    assert b"standard input: 8 \xc3\x97 6" in err


def test_standard_input_is_read_once_and_has_to_be_a_picture(seatrial, tmp_path: Path) -> None:
    for words in (("-", "--image", "-"), ("What?", "--image", "-", "--image", "-")):
        ran = seatrial("ask", HOSTED, *words)
        assert ran.code == 2, ran
        assert "Standard input is read once" in ran.err
    ran = seatrial("ask", HOSTED, "What?", "--image", "-", stdin="Buy milk.")
    assert ran.code == 1, ran
    assert "standard input: These 9 bytes are no picture" in ran.err


@pytest.fixture(scope="module")
def models(tiny: Any, tiny_vision: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with two models, `eyes` and `blind`."""
    folder = tmp_path_factory.mktemp("models")
    tiny_vision().write_folder(folder / "eyes")
    tiny(max_position_embeddings=512).write_folder(folder / "blind")
    return folder


def test_what_pictures_cost_is_said_before_they_are_asked_about(seatrial, tmp_path: Path, models: Path) -> None:
    (tmp_path / "a.png").write_bytes(picture(size=(160, 120)))
    (tmp_path / "b.webp").write_bytes(picture("WEBP", size=(60, 120)))
    eyes, few = str(models / "eyes"), ("--max-tokens", "2", "--temperature", "0")
    ran = seatrial("ask", eyes, "hello", "--image", "a.png", "--image", "b.webp", *few)
    assert ran.code == 0, ran
    costs = [int(found) for found in re.findall(r": \d+ × \d+, (\d+) tokens$", ran.err, re.M)]
    assert costs[0] == 13 * (4 + 2) + 1 + 3
    assert f"That is {sum(costs)} of the 2,048 that `{eyes}` takes." in ran.err
    ran = seatrial("ask", eyes, "hello", "--image", "a.png", "--detail", "low", *few)
    assert "a.png: 160 × 120, 7 tokens" in ran.err


def test_videos_are_shown_to_a_model_on_this_machine(seatrial, tmp_path: Path, models: Path) -> None:
    (tmp_path / "clip.mp4").write_bytes(video())
    (tmp_path / "long.mp4").write_bytes(video(num_frames=16))
    shown = ("--video", "clip.mp4", "--video", "long.mp4")
    ran = seatrial("ask", str(models / "eyes"), "hello", *shown, "--max-tokens", "2")
    assert ran.code == 0, ran
    told = re.findall(r"^(\w+\.mp4): \d+ kB, (\d+) tokens$", ran.err, re.M)
    (clip, num_clip), (long, num_long) = told
    assert (clip, long) == ("clip.mp4", "long.mp4")
    assert 0 < int(num_clip) < int(num_long)
    assert f"That is {int(num_clip) + int(num_long)} of the" in ran.err


def test_an_animation_is_a_video_and_a_picture(seatrial, tmp_path: Path, models: Path) -> None:
    (tmp_path / "a.gif").write_bytes(picture("GIF", size=(64, 48)))
    for option in ("--image", "--video"):
        ran = seatrial("ask", str(models / "eyes"), "hello", option, "a.gif", "--max-tokens", "2")
        assert ran.code == 0, ran


@pytest.mark.parametrize(
    ("model", "words", "says"),
    [
        ("blind", ("--image", "a.png"), ["reads text only", "`smolvlm2-256m`"]),
        ("eyes", ("--image", "a.png", "--image", "cut.png"), ["Error: cut.png: ", "cut short"]),
        ("eyes", ("--image", "a.png") * 26, ["26 pictures", "24 fit", "`--detail low`"]),
        ("eyes", ("--video", "folder/cut.mp4"), ["Error: folder/cut.mp4: this is no video that can be read"]),
        ("eyes", ("--image", "folder/cut.png"), ["Error: folder/cut.png: ", "cut short"]),
    ],
)
def test_what_a_model_here_cannot_look_at_is_said(
    seatrial, tmp_path: Path, models: Path, model: str, words: tuple[str, ...], says: list[str]
) -> None:
    noise = picture(size=(160, 120), colour="teal", compress_level=0)
    (tmp_path / "a.png").write_bytes(noise)
    (tmp_path / "cut.png").write_bytes(noise[: len(noise) // 2])
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "cut.png").write_bytes(noise[: len(noise) // 2])
    (tmp_path / "folder" / "cut.mp4").write_bytes(BEGINNING)
    ran = seatrial("ask", str(models / model), "hello", *words)
    assert ran.code == 1, ran
    for part in says:
        assert part in ran.err


async def test_a_chat_shows_pictures_with_the_next_message(seatrial_beside, tmp_path: Path) -> None:
    (tmp_path / "my receipt.png").write_bytes(picture())
    typed = "/image my receipt.png\nWhat is it?\nAnd now?\n/quit\n"
    async with StandIn(answer("A receipt")) as server:
        _, out, err = await seatrial_beside("chat", f"{server.base_url}#m", stdin=typed)
    first, second = (asked.body["messages"] for asked in server.asked)
    shown = {"type": "image_url", "image_url": {"url": data_url(picture())}}
    assert first == [{"role": "user", "content": [shown, {"type": "text", "text": "What is it?"}]}]
    assert second == [*first, {"role": "assistant", "content": "A receipt"}, {"role": "user", "content": "And now?"}]
    assert "my receipt.png: 8 × 6" in err
    assert out.count("A receipt") == 2


async def test_how_closely_a_chat_looks_is_said_with_its_beginning(seatrial_beside, tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(picture())
    async with StandIn(answer("A receipt")) as server:
        typed = "/image a.png\nWhat is it?\n/quit\n"
        await seatrial_beside("chat", f"{server.base_url}#m", "--detail", "low", stdin=typed)
    assert server.asked[0].body["messages"][0]["content"][0]["image_url"]["detail"] == "low"


@pytest.mark.parametrize("spelled", ["'my receipt.png'", "my\\ receipt.png"])
async def test_a_path_is_taken_as_terminals_write_it(seatrial_beside, tmp_path: Path, spelled: str) -> None:
    (tmp_path / "my receipt.png").write_bytes(picture())
    async with StandIn(answer("A receipt")) as server:
        await seatrial_beside("chat", f"{server.base_url}#m", stdin=f"/image {spelled}\nWhat?\n")
    assert server.asked[0].body["messages"][0]["content"][0]["type"] == "image_url"


async def test_a_chat_goes_on_after_what_is_no_picture(seatrial_beside, tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(picture())
    (tmp_path / "a.mp4").write_bytes(BEGINNING)
    wrong = "/image absent.png\n/image http://example.com/a.png\n/video a.mp4\n/video a.png\n"
    typed = f"{wrong}/image a.png\n/drop\nHi\n/image\n/image a.png\n/reset\nHi\n"
    async with StandIn(answer("Hello")) as server:
        _, _, err = await seatrial_beside("chat", f"{server.base_url}#m", stdin=typed)
    assert [asked.body["messages"] for asked in server.asked] == [[{"role": "user", "content": "Hi"}]] * 2
    assert "Error: There is no picture at `absent.png`." in err
    assert "Error: `http://example.com/a.png` is an address" in err
    assert "takes no video" in err
    assert "Error: a.png: This is a picture (image/png), not a video. Show it with `/image`." in err
    assert err.count("/image FILE") == 2  # the greeting, and `/image` alone


async def test_a_picture_waits_where_its_message_failed(seatrial_beside, tmp_path: Path) -> None:
    from stand_in import openai_error, refusal

    (tmp_path / "a.png").write_bytes(picture())
    scripts = iter([refusal(400, openai_error("Too dark.", "invalid_request_error", None)), answer("A cat")])
    choose: Callable[[Any], Any] = lambda asked: next(scripts)  # noqa: E731
    async with StandIn(choose) as server:
        _, _, err = await seatrial_beside("chat", f"{server.base_url}#m", stdin="/image a.png\nWhat?\nWhat now?\n")
    assert "Too dark." in err
    assert "a.png goes with your next message" in err
    (message,) = server.asked[1].body["messages"]
    assert [part["type"] for part in message["content"]] == ["image_url", "text"]
    assert server.asked[1].text == "What now?"


async def test_what_is_refused_of_an_earlier_message_does_not_blame_the_picture_at_hand(
    seatrial_beside, tmp_path: Path
):
    from stand_in import openai_error, refusal

    for name in ("old.png", "new.png"):
        (tmp_path / name).write_bytes(picture())
    gone = refusal(400, openai_error("It cannot be fetched.", "invalid_request_error", None, "messages[0].content[0]"))
    scripts = iter([answer("A cat"), gone])
    choose: Callable[[Any], Any] = lambda asked: next(scripts)  # noqa: E731
    typed = "/image old.png\nWhat?\n/image new.png\nAnd this?\n"
    async with StandIn(choose) as server:
        _, _, err = await seatrial_beside("chat", f"{server.base_url}#m", stdin=typed)
    assert "It cannot be fetched." in err
    assert "new.png: It" not in err
    assert "Error: new.png" not in err


def test_a_damaged_picture_is_left_out_and_the_others_wait(seatrial, tmp_path: Path, models: Path) -> None:
    noise = picture(size=(160, 120), colour="teal", compress_level=0)
    (tmp_path / "good.png").write_bytes(picture())
    (tmp_path / "cut.png").write_bytes(noise[: len(noise) // 2])
    typed = "/image good.png\n/image cut.png\nhello\nhello\n"
    err = seatrial("chat", str(models / "eyes"), "--max-tokens", "2", stdin=typed).err
    assert err.count("Error: cut.png: ") == 1
    assert "(cut.png is left out.)" in err
    assert "(good.png goes with your next message; /drop takes it back.)" in err


def test_a_chat_says_what_the_whole_conversation_has(seatrial, tmp_path: Path, models: Path) -> None:
    (tmp_path / "a.png").write_bytes(picture(size=(160, 120)))
    typed = "/image a.png\n/image a.png\nhello\n/image a.png\n"
    err = seatrial("chat", str(models / "eyes"), "--max-tokens", "2", stdin=typed).err
    costs = [int(found) for found in re.findall(r"a.png: 160 × 120, (\d+) tokens$", err, re.M)]
    sums = [int(found) for found in re.findall(r"the conversation has (\d+) of the 2,048", err)]
    assert len(costs) == len(sums) == 3
    assert sums[0] > costs[0]
    assert sums[1] == sums[0] + costs[0]
    assert sums[2] > sums[1] + costs[0]


async def test_a_chat_shows_nothing_to_a_hosted_model_that_reads_text_alone(seatrial_beside, tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(picture())
    async with StandIn(answer("Hello")) as server:
        settings = _knows_a_blind_one(tmp_path) | {"OPENAI_BASE_URL": server.base_url}
        typed = "/image -\n/image a.png\nHi\n"
        _, _, err = await seatrial_beside("chat", "blind", env=settings, stdin=typed)
    assert "Standard input is where you type." in err
    assert "reads text only" in err
    assert server.asked[0].body["messages"] == [{"role": "user", "content": "Hi"}]
