"""What `seatrial ask` and `seatrial chat` print of an answer: from its first character that shows, as it stands."""

from __future__ import annotations

import asyncio

import pytest
from stand_in import StandIn, answer, chunks, delta, finish

START_S = 60.0


@pytest.mark.parametrize(
    ("pieces", "printed"),
    [
        ((" 42", ".10"), "42.10\n"),
        ((" ", "\n\t", "\n 42.10"), "42.10\n"),
        (("\n", "First\n", "\n  second ", " \n"), "First\n\n  second  \n\n"),
        ((" ", "\n"), "\n"),
        ((), "\n"),
    ],
)
async def test_an_answer_begins_with_what_shows(seatrial_beside, pieces: tuple[str, ...], printed: str) -> None:
    stream = chunks([*(delta(content=piece) for piece in pieces), finish("stop"), b"data: [DONE]\n\n"])
    async with StandIn(stream) as server:
        ran = await seatrial_beside("ask", f"{server.base_url}#m", "What is the total?")
    assert ran == (0, printed, "")


async def test_reasoning_ends_its_line_where_the_answer_is_blank(seatrial_beside) -> None:
    pieces = [delta(reasoning_content="Hm."), delta(content=" "), finish("stop"), b"data: [DONE]\n\n"]
    async with StandIn(chunks(pieces)) as server:
        _, out, err = await seatrial_beside("ask", f"{server.base_url}#m", "Hi")
    assert (out, err) == ("\n", "Hm.\n")


async def test_what_has_come_is_printed_before_the_rest_comes(start_seatrial) -> None:
    stream = chunks([delta(content=" 42"), delta(content=".1")], then="hang")
    async with StandIn(stream) as server:
        process = await start_seatrial("ask", f"{server.base_url}#m", "Hi")
        first = await asyncio.wait_for(process.stdout.readexactly(4), START_S)
        process.kill()
        await process.wait()
    assert first == b"42.1"


async def test_a_chat_prints_from_what_shows_and_goes_on_with_the_whole_text(seatrial_beside) -> None:
    async with StandIn(answer(" A receipt")) as server:
        typed = "What is it?\nAnd now?\n/quit\n"
        _, out, _ = await seatrial_beside("chat", f"{server.base_url}#m", stdin=typed)
    assert out.count("> A receipt\n") == 2
    assert server.asked[1].body["messages"][1] == {"role": "assistant", "content": " A receipt"}
