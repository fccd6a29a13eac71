"""What is asked in `seatrial ask` and `seatrial chat`: text from the command line or standard input, or what to do."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import Any

import pytest
from drawn_pictures import picture
from drawn_videos import BEGINNING
from stand_in import StandIn, answer

from seatrial.cli.main import app
from seatrial.errors import NotRunnable, SeatrialError, UsageError

HOSTED = "http://127.0.0.1:9/v1#m"
STRICT = {"PYTHONIOENCODING": "utf-8:strict"}
NO_TEXT = b"caf\xe9"


async def test_the_question_comes_over_standard_input(seatrial_beside) -> None:
    async with StandIn(answer("Hello")) as server:
        await seatrial_beside("ask", f"{server.base_url}#m", "-", stdin="Où est\nle café ?\n")
    assert server.asked[0].body["messages"] == [{"role": "user", "content": "Où est\nle café ?\n"}]


@pytest.mark.parametrize(
    ("fed", "says"),
    [
        (NO_TEXT, "standard input: This is not UTF-8 text: byte 0xe9 at offset 3."),
        (picture(), "This is a picture (image/png), not a question. To show it use `--image -`."),
        (BEGINNING + NO_TEXT, "This is a video (video/mp4), not a question. To show it, save it and use `--video"),
    ],
    ids=["text", "picture", "video"],
)
def test_what_is_no_text_is_called_what_it_is(seatrial, fed: bytes, says: str) -> None:
    ran = seatrial("ask", HOSTED, "-", stdin=fed)
    assert ran.code == 1, ran
    assert says in ran.err


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("caf\udce9",), "The question is not UTF-8 text: byte 0xe9 at offset 3."),
        (("Hi", "--system", "é\udce9"), "`--system` is not UTF-8 text: byte 0xe9 at offset 2."),
    ],
)
def test_words_that_are_no_text_are_refused(seatrial, words: tuple[str, ...], says: str) -> None:
    ran = seatrial("ask", HOSTED, *words)
    assert ran.code == 2, ran
    assert says in ran.err


async def test_a_chat_goes_on_after_a_line_that_is_no_text(start_seatrial) -> None:
    async with StandIn(answer("Hello")) as server:
        process = await start_seatrial("chat", f"{server.base_url}#m", env=STRICT)
        _, err = await asyncio.wait_for(process.communicate(NO_TEXT + b"\nHi\n"), 60)
    assert b"Error: The message is not UTF-8 text: byte 0xe9 at offset 3." in err
    assert [asked.body["messages"] for asked in server.asked] == [[{"role": "user", "content": "Hi"}]]


@pytest.mark.parametrize(
    ("words", "error", "says"),
    [
        (("ask", HOSTED, "-"), UsageError, "Standard input is closed"),
        (("ask", HOSTED, "Hi", "--image", "-"), UsageError, "Standard input is closed"),
        (("chat", HOSTED), UsageError, "nowhere to type"),
        (("ask", "smollm2-135m", "Hi", "--image", "a.png"), NotRunnable, "reads text only"),
    ],
    ids=["question", "picture", "chat", "unused"],
)
def test_a_closed_standard_input_matters_where_it_is_read(
    tmp_path: Path,
    environment: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
    words: tuple[str, ...],
    error: type[SeatrialError],
    says: str,
) -> None:
    (tmp_path / "a.png").write_bytes(picture())
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SEATRIAL_HOME", environment["SEATRIAL_HOME"])
    monkeypatch.setattr(sys, "stdin", None)
    call: Any = app
    with pytest.raises(error, match=says):
        call([*words], standalone_mode=False)


@pytest.mark.parametrize("words", [("-",), ("Hi", "--image", "-")])
def test_a_standard_input_that_cannot_be_read_is_an_error_of_ours(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...]
) -> None:
    call: Any = app
    with (tmp_path / "written").open("w") as write_only:
        monkeypatch.setattr(sys, "stdin", write_only)
        with pytest.raises(SeatrialError, match=r"standard input: .* cannot be read"):
            call(["ask", HOSTED, *words], standalone_mode=False)
