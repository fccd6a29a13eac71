"""The bytes of all bodies together: what finds no room is turned away before it is read, and small requests never are
because of large ones.
"""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from typing import Any

import pytest
from asgi import Exchange, request, start
from drawn_pictures import data_url, picture
from scripted import USAGE, Scripted, clock, counted_ids, models_of, post, says
from small_app import ASK, CHAT, assert_error, chat_app

from seatrial.chat import Finished, ImagePart, TextDelta
from seatrial.errors import ProviderUnavailable
from seatrial.server.app import Application
from seatrial.server.endpoints.chat import chat_routes
from seatrial.server.endpoints.responses import response_routes
from seatrial.server.errors import Failure
from seatrial.server.exchange import Bounds
from seatrial.server.http import Call, Reply, Route
from seatrial.server.limits import BodyRoom
from seatrial.server.wire.limits import WireLimits

PATH = "/v1/responses"
LARGE = 2_000_000
# For two large bodies beside each other.
ROOM = 6_000_000


class Held:
    """An application whose endpoint answers when it is told to; `room` is for its bodies."""

    def __init__(self, most_bytes: int = ROOM, **more: Any) -> None:
        self.room, self.go_on = BodyRoom(most_bytes), asyncio.Event()
        self.num_answering = 0
        self.app = Application([Route("POST", "/post", self._answer)], bodies=self.room, **more)

    async def _answer(self, call: Call) -> Reply:
        self.num_answering += 1
        await self.go_on.wait()
        return Reply(b"%d" % len(call.body))

    async def started(self, *sizes: int) -> list[Exchange]:
        """Requests that are being answered."""
        exchanges = [start(self.app, "POST", "/post", b"x" * size) for size in sizes]
        while self.num_answering < len(sizes):
            await asyncio.sleep(0)
        return exchanges


async def test_a_body_that_finds_no_room_is_turned_away_before_it_is_read() -> None:
    held = Held()
    others = await held.started(LARGE, LARGE)
    announced: Any = {"transfer-encoding": None, "content-length": str(LARGE)}
    turned_away = start(held.app, "POST", "/post", headers=announced, pieces=[])
    answer = await turned_away.until(b"rate_limit_exceeded")
    assert_error(answer, 429, "rate_limit_exceeded")
    assert answer.error["type"] == "rate_limit_error"
    assert "2,000,000 bytes find no room beside 4,000,000" in answer.error["message"]
    assert answer.headers["retry-after"] == "5"
    assert held.room.num_bytes == 2 * LARGE

    held.go_on.set()
    assert [(await other.done()).status for other in others] == [200, 200]
    assert held.room.num_bytes == 0
    assert (await request(held.app, "POST", "/post", b"x" * LARGE)).body == b"2000000"


async def test_small_requests_are_answered_beside_large_ones() -> None:
    held = Held()
    await held.started(LARGE, LARGE)
    held.go_on.set()
    small = [request(held.app, "POST", "/post", b"x" * 100_000) for _ in range(10)]
    assert {answer.status for answer in await asyncio.gather(*small)} == {200}


async def test_small_requests_are_answered_beside_one_that_is_larger_than_all_may_be_together() -> None:
    held = Held(bounds=Bounds(max_body_bytes=3 * ROOM))
    exchanges = await asyncio.wait_for(held.started(2 * ROOM, 1000, 1000), 10)
    held.go_on.set()
    assert [(await exchange.done()).status for exchange in exchanges] == [200] * 3


async def test_small_requests_have_a_bound_too() -> None:
    held = Held()
    await held.started(*[1_000_000] * 6)
    assert_error(await request(held.app, "POST", "/post", b"x" * 1000), 429, "rate_limit_exceeded")


@pytest.mark.parametrize("most_bytes", [1, ROOM])
async def test_one_alone_finds_room_whatever_its_size(most_bytes: int) -> None:
    held = Held(most_bytes, bounds=Bounds(max_body_bytes=3 * ROOM))
    [alone] = await held.started(2 * ROOM)
    assert (await request(held.app, "POST", "/post", b"x" * LARGE)).status == 429
    held.go_on.set()
    assert (await request(held.app, "POST", "/post", b"x")).status == 200
    assert (await alone.done()).status == 200


async def test_a_body_without_a_length_is_counted_as_it_comes() -> None:
    held = Held()
    others = await held.started(LARGE, LARGE)
    growing = start(held.app, "POST", "/post", pieces=[b"x" * 400_000] * 10)
    assert_error(await growing.done(), 429, "rate_limit_exceeded")
    assert growing.num_body_pieces_taken == 10, "what still comes is taken, and dropped"
    assert held.room.num_bytes == 2 * LARGE
    held.go_on.set()
    await asyncio.gather(*(other.done() for other in others))
    assert (await request(held.app, "POST", "/post", pieces=[b"x" * 400_000] * 10)).body == b"4000000"
    assert held.room.num_bytes == 0


@pytest.mark.parametrize("pieces", [None, [b"x" * 600_000] * 2])
async def test_a_client_that_leaves_gives_its_room_back(pieces: list[bytes] | None) -> None:
    held = Held()
    coming = start(held.app, "POST", "/post", b"x" * LARGE if pieces is None else None, pieces=pieces, body_stalls=True)
    while not held.room.num_bytes:
        await asyncio.sleep(0)
    coming.leave()
    await coming.done()
    assert held.room.num_bytes == 0


async def test_a_body_that_is_refused_takes_no_room() -> None:
    held = Held(bounds=Bounds(max_body_bytes=LARGE))
    assert (await request(held.app, "POST", "/post", b"x" * (LARGE + 1))).status == 413
    assert (await request(held.app, "POST", "/post", pieces=[b"x" * LARGE] * 2)).status == 413
    assert (await request(held.app, "POST", "/post", b"x", {"content-type": "text/plain"})).status == 415
    assert held.room.num_bytes == 0


@pytest.mark.parametrize("stream", [False, True])
async def test_room_is_taken_until_the_answer_has_ended(stream: bool) -> None:
    room, gate = BodyRoom(), asyncio.Event()
    app = chat_app(Scripted(script=[TextDelta("Hel"), gate, *says("lo")]), bodies=room)
    exchange = start(app, "POST", CHAT, ASK | {"stream": stream})
    if stream:
        await exchange.until(b"Hel")
    else:
        await asyncio.sleep(0.02)
    assert room.num_bytes == len(json.dumps(ASK | {"stream": stream}))
    gate.set()
    await exchange.done()
    assert room.num_bytes == 0


async def test_pictures_that_are_fetched_are_counted_with_the_request() -> None:
    data = picture()
    url = "https://pictures.example/a.png"

    async def fetch(places: Any, hold: Any) -> Any:
        hold(len(data) + LARGE)
        return {url: ImagePart(data + bytes(LARGE), "image/png")}

    limits = WireLimits(image_hosts=frozenset({"pictures.example"}))
    room = BodyRoom(ROOM)
    route, *_ = chat_routes(
        models_of(Scripted()), clock=clock, new_id=counted_ids(), limits=limits, fetch_pictures=fetch
    )
    messages = [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": url}}]}]
    call = replace(post(CHAT, ASK | {"messages": messages}), place=room.place())
    await route.endpoint(call)
    assert room.num_bytes > LARGE
    others = room.place()
    others.hold(LARGE)
    with pytest.raises(Failure) as refused:
        await route.endpoint(replace(call, place=room.place()))
    assert refused.value.status == 429


def responding(provider: Scripted, room: BodyRoom) -> Application:
    routes = response_routes(models_of(provider), clock=clock, new_id=counted_ids())
    return Application(routes, bodies=room)


async def test_what_a_response_goes_on_from_is_counted_with_it() -> None:
    gate, room = asyncio.Event(), BodyRoom()
    app = responding(Scripted(script=[TextDelta("Hel"), gate, *says("lo")]), room)
    gate.set()
    shown = [{"type": "input_image", "image_url": data_url(picture())}] * 3
    first = await request(app, "POST", PATH, {"model": "m", "input": [{"role": "user", "content": shown}]})
    assert first.status == 200, first
    assert room.num_bytes == 0
    gate.clear()
    body = {"model": "m", "input": "Go on.", "previous_response_id": first.json["id"], "stream": True}
    second = start(app, "POST", PATH, body)
    await second.until(b"Hel")
    assert room.num_bytes > 3 * len(data_url(picture()))
    gate.set()
    await second.done()
    assert room.num_bytes == 0


@pytest.mark.parametrize("ends", ["by itself", "cancelled", "failed"])
async def test_a_response_in_the_background_keeps_its_room_to_its_end(ends: str) -> None:
    gate, room = asyncio.Event(), BodyRoom()
    end = ProviderUnavailable("gone") if ends == "failed" else Finished("stop", USAGE)
    app = responding(Scripted(script=[TextDelta("Hel"), gate, end]), room)
    answer = await request(app, "POST", PATH, {"model": "m", "input": "Hi", "background": True})
    assert answer.json["status"] == "queued"
    await asyncio.sleep(0.01)
    assert room.num_bytes > 20
    if ends == "cancelled":
        await request(app, "POST", f"{PATH}/{answer.json['id']}/cancel")
    gate.set()
    await asyncio.sleep(0.02)
    assert room.num_bytes == 0
