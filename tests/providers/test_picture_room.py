"""The bound on pictures in memory: who waits, who goes away, and that every place comes back."""

from __future__ import annotations

import asyncio
import io
import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from seatrial.chat import ChatRequest, ImagePart, Message, TextPart, gather, message
from seatrial.errors import ProviderUnavailable, RequestRejected
from seatrial.models.pictures import Stopped
from seatrial.providers.local import LocalProvider
from seatrial.providers.picture_room import NO_PLACE, PictureRoom, Place


class Decoder:
    """Work that waits until it is let go on, and counts who is at it at once."""

    def __init__(self) -> None:
        self.lock, self.go_on = threading.Lock(), threading.Event()
        self.started = threading.Semaphore(0)
        self.num_at_once = self.most_at_once = self.num_done = 0
        self.pixels_at_once = self.most_pixels_at_once = 0

    def of(self, num_pixels: int, made: Any = "made") -> Callable[..., Any]:
        def work(_: threading.Event | None = None) -> Any:
            with self.lock:
                self.num_at_once += 1
                self.pixels_at_once += num_pixels
                self.most_at_once = max(self.most_at_once, self.num_at_once)
                self.most_pixels_at_once = max(self.most_pixels_at_once, self.pixels_at_once)
            self.started.release()
            assert self.go_on.wait(20)
            with self.lock:
                self.num_at_once -= 1
                self.pixels_at_once -= num_pixels
                self.num_done += 1
            if isinstance(made, Exception):
                raise made
            return made

        return work

    async def has_started(self) -> None:
        assert await asyncio.to_thread(self.started.acquire, timeout=20)


async def until(holds: Callable[[], bool]) -> None:
    for _ in range(2000):
        if holds():
            return
        await asyncio.sleep(0.005)
    raise AssertionError("it never came to that")


async def test_no_more_is_decoded_at_once_than_there_is_room_for() -> None:
    room, decoder = PictureRoom(100, num_threads=8), Decoder()
    tasks = [asyncio.create_task(room.prepare(30, decoder.of(30, number))) for number in range(20)]
    for _ in range(3):
        await decoder.has_started()
    await asyncio.sleep(0.05)
    assert (decoder.num_at_once, room.num_pixels, room.num_waiting) == (3, 90, 17)
    decoder.go_on.set()
    for number, task in enumerate(tasks):
        made, place = await task
        assert (made, room.num_pixels) == (number, min(90, 30 * (20 - number)))
        place.leave()
        place.leave()
    assert (decoder.most_pixels_at_once, room.num_pixels, room.num_waiting) == (90, 0, 0)


async def test_few_threads_decode_however_much_room_there_is() -> None:
    room, decoder = PictureRoom(100, num_threads=2), Decoder()
    tasks = [asyncio.create_task(room.prepare(1, decoder.of(1))) for _ in range(20)]
    await decoder.has_started()
    decoder.go_on.set()
    await asyncio.gather(*tasks)
    assert decoder.most_at_once <= 2


async def test_the_largest_finds_room_alone_and_is_not_overtaken() -> None:
    room, order = PictureRoom(100), list[str]()
    _, small = await room.prepare(60, lambda _: None)

    async def come(name: str, num_pixels: int) -> Place:
        _, place = await room.prepare(num_pixels, lambda _: None)
        order.append(name)
        return place

    huge, tiny = asyncio.create_task(come("huge", 1000)), asyncio.create_task(come("tiny", 10))
    await asyncio.sleep(0.02)
    assert (order, room.num_waiting) == ([], 2)
    small.leave()
    (await huge).leave()
    (await tiny).leave()
    assert (order, room.num_pixels) == (["huge", "tiny"], 0)


async def test_who_goes_away_while_waiting_was_never_there() -> None:
    room = PictureRoom(100)
    _, place = await room.prepare(90, lambda _: None)
    first, second = (asyncio.create_task(room.prepare(50, lambda _: "made")) for _ in range(2))
    await until(lambda: room.num_waiting == 2)
    first.cancel()
    await asyncio.gather(first, return_exceptions=True)
    assert (room.num_waiting, room.num_pixels) == (1, 90)
    place.leave()
    made, other = await second
    other.leave()
    assert (made, room.num_pixels) == ("made", 0)


async def test_who_goes_away_just_when_let_in_gives_the_place_back() -> None:
    room = PictureRoom(100)
    _, place = await room.prepare(90, lambda _: None)
    task = asyncio.create_task(room.prepare(50, lambda _: None))
    await until(lambda: room.num_waiting == 1)
    place.leave()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    await until(lambda: room.num_pixels == 0)


async def test_a_place_stays_taken_while_a_cancelled_request_is_still_decoded() -> None:
    """A decoder that does not hear yet that it is to stop still holds its memory."""
    room, decoder = PictureRoom(100), Decoder()
    task = asyncio.create_task(room.prepare(90, decoder.of(90)))
    await decoder.has_started()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert room.num_pixels == 90
    decoder.go_on.set()
    await until(lambda: room.num_pixels == 0)


async def test_work_that_fails_gives_its_place_back() -> None:
    room, decoder = PictureRoom(100), Decoder()
    decoder.go_on.set()
    with pytest.raises(ValueError, match="damaged"):
        await room.prepare(90, decoder.of(90, ValueError("damaged")))
    assert room.num_pixels == 0


async def test_a_closed_room_says_so_to_all() -> None:
    room = PictureRoom(100)
    _, place = await room.prepare(90, lambda _: None)
    waiting = [asyncio.create_task(room.prepare(90, lambda _: None)) for _ in range(2)]
    await until(lambda: room.num_waiting == 2)
    room.close()
    place.leave()
    found = await asyncio.gather(*waiting, return_exceptions=True)
    assert [type(each) for each in found] == [ProviderUnavailable] * 2
    assert room.num_pixels == 0
    NO_PLACE.leave()


def decodes_on(started: threading.Semaphore) -> Callable[[threading.Event], Any]:
    """Work that ends when it is stopped, and else fails."""

    def work(stop: threading.Event) -> Any:
        started.release()
        assert stop.wait(20)
        raise Stopped

    return work


async def test_what_is_decoded_for_somebody_who_goes_away_is_stopped() -> None:
    room, started = PictureRoom(100, num_threads=1), threading.Semaphore(0)
    first = asyncio.create_task(room.prepare(60, decodes_on(started)))
    assert await asyncio.to_thread(started.acquire, timeout=20)
    second = asyncio.create_task(room.prepare(60, lambda _: "made"))
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    made, place = await asyncio.wait_for(second, 10)
    place.leave()
    assert (made, room.num_pixels) == ("made", 0)


async def test_closing_stops_what_is_decoded_and_what_waits_for_a_thread() -> None:
    room, started = PictureRoom(100, num_threads=2), threading.Semaphore(0)
    tasks = [asyncio.create_task(room.prepare(10, decodes_on(started))) for _ in range(4)]
    for _ in range(2):
        assert await asyncio.to_thread(started.acquire, timeout=20)
    await asyncio.to_thread(room.close, wait=True)
    found = await asyncio.wait_for(asyncio.gather(*tasks, return_exceptions=True), 10)
    assert [type(each) for each in found] == [ProviderUnavailable] * 4
    assert "has been closed" in str(found[0])
    await until(lambda: room.num_pixels == 0)


def test_an_event_loop_that_ends_takes_its_waiters_along() -> None:
    room = PictureRoom(100)
    _, place = asyncio.run(room.prepare(90, lambda _: None))
    loop = asyncio.new_event_loop()
    task = loop.create_task(room.prepare(50, lambda _: None))
    loop.run_until_complete(asyncio.sleep(0.01))
    assert room.num_waiting == 1
    loop.close()
    place.leave()
    assert (room.num_pixels, room.num_waiting) == (0, 0)
    task._log_destroy_pending = False  # type: ignore[attr-defined]
    task.get_coro().close()  # type: ignore[union-attr]


@settings(max_examples=40, deadline=None)
@given(
    sizes=st.lists(st.integers(0, 150), min_size=1, max_size=12),
    cancelled=st.sets(st.integers(0, 11)),
    after=st.integers(0, 5),
)
def test_whoever_comes_and_goes_every_place_comes_back(sizes: list[int], cancelled: set[int], after: int) -> None:
    room = PictureRoom(100)
    held: dict[int, int] = {}

    async def come(number: int, num_pixels: int) -> None:
        _, place = await room.prepare(num_pixels, lambda _: None)
        try:
            held[number] = num_pixels
            assert sum(held.values()) <= 100 or sum(size > 0 for size in held.values()) == 1
            await asyncio.sleep(0)
        finally:
            held.pop(number, None)
            place.leave()

    async def all_of_them() -> list[BaseException | None]:
        tasks = [asyncio.create_task(come(number, size)) for number, size in enumerate(sizes)]
        for _ in range(after):
            await asyncio.sleep(0)
        for number in cancelled & set(range(len(tasks))):
            tasks[number].cancel()
        return await asyncio.gather(*tasks, return_exceptions=True)

    for number, found in enumerate(asyncio.run(all_of_them())):
        assert found is None or (number in cancelled and isinstance(found, asyncio.CancelledError))
    room.close(wait=True)
    assert (room.num_pixels, room.num_waiting) == (0, 0)


def picture(seed: int, width: int = 100, height: int = 60) -> ImagePart:
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "png")
    return ImagePart(file.getvalue(), "image/png")


def ask(*parts: ImagePart, max_tokens: int = 4) -> ChatRequest:
    return ChatRequest((Message("user", (*parts, TextPart("what"))),), max_tokens=max_tokens)


# The picture itself, and its 12 tiles of 32 × 32 pixels with the whole view.
PIXELS = 100 * 60 + 13 * 32 * 32


def counting(patched: pytest.MonkeyPatch, decoder: Decoder) -> None:
    from seatrial.engine import picture_prompt

    prepare = picture_prompt.prepare_picture

    def counted(*args: Any) -> Any:
        decoder.of(PIXELS)()
        return prepare(*args)

    patched.setattr(picture_prompt, "prepare_picture", counted)


async def test_many_requests_do_not_decode_all_at_once(
    provider: LocalProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Room for two of ten, threads for more; the event loop goes on, and texts are answered meanwhile."""
    decoder = Decoder()
    counting(monkeypatch, decoder)
    provider.room = PictureRoom(2 * PIXELS, num_threads=8)
    tasks = [asyncio.create_task(gather(provider.stream(ask(picture(seed))))) for seed in range(10)]
    await decoder.has_started()
    await decoder.has_started()
    reply = await gather(provider.stream(ChatRequest((message("user", "hello"),), max_tokens=4)))
    assert reply.finished is not None
    await until(lambda: provider.room.num_waiting == 8)
    assert (decoder.num_at_once, provider.room.num_pixels) == (2, 2 * PIXELS)
    decoder.go_on.set()
    replies = await asyncio.gather(*tasks)
    assert all(reply.finished is not None for reply in replies)
    assert (decoder.most_at_once, decoder.num_done, provider.room.num_pixels) == (2, 10, 0)


async def test_a_place_is_held_until_the_picture_was_looked_at(provider: LocalProvider) -> None:
    """Tiles that wait for the encoder take memory too."""
    eyes = provider.model.vision
    assert eyes is not None
    encode, entered, go_on = eyes.encode, threading.Event(), threading.Event()

    def slow(tiles: Any) -> Any:
        entered.set()
        assert go_on.wait(20)
        return encode(tiles)

    eyes.encode = slow  # type: ignore[method-assign]
    provider.room = PictureRoom(PIXELS)
    tasks = [asyncio.create_task(gather(provider.stream(ask(picture(seed))))) for seed in range(3)]
    await asyncio.to_thread(entered.wait, 20)
    await until(lambda: provider.room.num_waiting == 2)
    assert provider.room.num_pixels == PIXELS
    go_on.set()
    await asyncio.gather(*tasks)
    assert provider.room.num_pixels == 0


async def test_the_place_comes_back_with_the_first_word_and_not_with_the_last(provider: LocalProvider) -> None:
    stream = provider.stream(ask(picture(1), max_tokens=64))
    await anext(stream)
    assert provider.room.num_pixels == 0
    await stream.aclose()


@pytest.mark.parametrize("when", ["waiting", "decoded", "looked at"])
async def test_a_request_that_is_cancelled_gives_its_place_back(
    provider: LocalProvider, when: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    decoder, entered, go_on = Decoder(), threading.Event(), threading.Event()
    counting(monkeypatch, decoder)
    eyes = provider.model.vision
    assert eyes is not None
    encode = eyes.encode

    def slow(tiles: Any) -> Any:
        entered.set()
        assert go_on.wait(20)
        return encode(tiles)

    eyes.encode = slow  # type: ignore[method-assign]
    provider.room = PictureRoom(PIXELS)
    tasks = [asyncio.create_task(gather(provider.stream(ask(picture(seed))))) for seed in range(2)]
    await decoder.has_started()
    await until(lambda: provider.room.num_waiting == 1)
    if when == "looked at":
        decoder.go_on.set()
        await asyncio.to_thread(entered.wait, 20)
    victim = tasks[1] if when == "waiting" else tasks[0]
    victim.cancel()
    await asyncio.gather(victim, return_exceptions=True)
    decoder.go_on.set()
    go_on.set()
    await asyncio.gather(*tasks, return_exceptions=True)
    await until(lambda: provider.room.num_pixels == 0)
    assert sum(task.cancelled() for task in tasks) == 1
    assert (await gather(provider.stream(ask(picture(9))))).finished is not None


async def test_a_damaged_picture_gives_its_place_back(provider: LocalProvider) -> None:
    whole = picture(1, 300, 300)
    with pytest.raises(RequestRejected):
        await gather(provider.stream(ask(ImagePart(whole.data[:1000], "image/png"))))
    assert provider.room.num_pixels == 0


async def test_a_picture_that_is_prepared_already_takes_its_tiles_alone(provider: LocalProvider) -> None:
    from seatrial.engine.picture_prompt import parts_to_see

    parts = parts_to_see(ask(picture(1), picture(2, 50, 50)).messages)
    eyes = provider.model.eyes
    assert eyes.num_pixels(parts[:1]) == PIXELS
    assert eyes.num_pixels(parts) == PIXELS + (eyes.num_pixels(parts[1:]) - 50 * 50)
    eyes.pictures_of(parts[0].part)
    assert eyes.num_pixels(parts[:1]) == 13 * 32 * 32
