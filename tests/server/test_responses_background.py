"""Responses made in the background: polled, followed, cancelled, and never too many."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from responses_client import ResponsesClient, text_of
from scripted import USAGE, Scripted, ScriptedModels, bytes_of, says

from seatrial.chat import Finished, TextDelta
from seatrial.errors import ProviderUnavailable
from seatrial.server.background import Background
from seatrial.server.errors import Failure
from seatrial.server.http import Streamed
from seatrial.server.response_store import ResponseStore
from seatrial.server.served import Served

ClientOf = Callable[..., ResponsesClient]


async def _over(client: ResponsesClient, response_id: str) -> dict[str, Any]:
    for _ in range(200):
        response = await client.retrieve(response_id)
        if response["status"] not in ("queued", "in_progress"):
            return response
        await asyncio.sleep(0.005)
    raise AssertionError("It does not end.")


def _waiting(go_on: asyncio.Event) -> Scripted:
    return Scripted((TextDelta("Hel"), go_on, TextDelta("lo"), Finished("stop", USAGE)))


async def test_a_background_response_is_polled(responses_client: ClientOf) -> None:
    go_on = asyncio.Event()
    client = responses_client(_waiting(go_on))
    created = await client.create(input="Hi", background=True)
    assert (created["status"], created["background"], created["output"]) == ("queued", True, [])

    await asyncio.sleep(0.01)
    running = await client.retrieve(created["id"])
    assert running["status"] == "in_progress"
    assert text_of(running) == "Hel"
    assert running["output"][0]["status"] == "in_progress"
    go_on.set()
    ended = await _over(client, created["id"])
    assert (ended["status"], text_of(ended), ended["usage"]["total_tokens"]) == ("completed", "Hello", 10)
    assert client.models.num_in_use == 0


async def test_cancelling_stops_the_work(responses_client: ClientOf) -> None:
    provider = _waiting(asyncio.Event())
    client = responses_client(provider)
    created = await client.create(input="Hi", background=True)
    await asyncio.sleep(0.01)
    cancelled = await client.cancel(created["id"])

    assert cancelled["status"] == "cancelled"
    assert text_of(cancelled) == "Hel"
    assert (provider.num_open, provider.num_cut) == (0, 1)
    assert client.models.num_in_use == 0
    assert await client.cancel(created["id"]) == cancelled
    assert await client.retrieve(created["id"]) == cancelled


async def test_cancelling_before_anything_began(responses_client: ClientOf) -> None:
    client = responses_client()
    created = await client.create(input="Hi", background=True)
    assert (await client.cancel(created["id"]))["status"] == "cancelled"
    assert client.models.num_in_use == 0


async def test_a_response_that_is_over_stays_as_it_is(responses_client: ClientOf) -> None:
    client = responses_client()
    created = await client.create(input="Hi", background=True)
    ended = await _over(client, created["id"])
    assert await client.cancel(created["id"]) == ended
    assert ended["status"] == "completed"


async def test_a_response_of_the_foreground_cannot_be_cancelled(responses_client: ClientOf) -> None:
    client = responses_client()
    created = await client.create(input="Hi")
    with pytest.raises(Failure) as refused:
        await client.cancel(created["id"])
    assert refused.value.status == 400
    assert "synchronous" in refused.value.message


async def test_deleting_stops_the_work(responses_client: ClientOf) -> None:
    provider, store = _waiting(asyncio.Event()), ResponseStore()
    client = responses_client(provider, store=store)
    created = await client.create(input="Hi", background=True)
    await asyncio.sleep(0.01)
    await client.send("DELETE", f"/v1/responses/{created['id']}")
    assert provider.num_cut == 1
    assert len(store) == 0


async def test_an_error_is_kept_as_a_failed_response(responses_client: ClientOf) -> None:
    client = responses_client(Scripted((TextDelta("Hel"), ProviderUnavailable("gone"))))
    ended = await _over(client, (await client.create(input="Hi", background=True))["id"])
    assert ended["status"] == "failed"
    assert ended["error"] == {"code": "server_error", "message": "gone"}
    assert text_of(ended) == "Hel"


async def test_a_response_that_takes_too_long_fails(responses_client: ClientOf) -> None:
    provider = _waiting(asyncio.Event())
    client = responses_client(provider, background=Background(timeout_s=0.02))
    ended = await _over(client, (await client.create(input="Hi", background=True))["id"])
    assert ended["status"] == "failed"
    assert "longer than this server allows" in ended["error"]["message"]
    assert provider.num_cut == 1


async def test_no_more_than_the_server_can_run(responses_client: ClientOf) -> None:
    client = responses_client(_waiting(asyncio.Event()), background=Background(max_running=2))
    first = await client.create(input="Hi", background=True)
    await client.create(input="Hi", background=True)
    with pytest.raises(Failure) as refused:
        await client.create(input="Hi", background=True)
    assert (refused.value.status, refused.value.code) == (429, "rate_limit_exceeded")
    assert refused.value.retry_after_s is not None
    await client.cancel(first["id"])
    assert (await client.create(input="Hi", background=True))["status"] == "queued"


async def test_what_runs_is_not_forgotten(responses_client: ClientOf) -> None:
    client = responses_client(_waiting(asyncio.Event()), store=ResponseStore(max_entries=1))
    first = await client.create(input="Hi", background=True)
    second = await client.create(input="Hi", background=True)
    assert (await client.retrieve(first["id"]))["status"] in ("queued", "in_progress")
    assert (await client.cancel(second["id"]))["status"] == "cancelled"


async def test_closing_ends_all(responses_client: ClientOf) -> None:
    provider, background = _waiting(asyncio.Event()), Background()
    client = responses_client(provider, background=background)
    created = [(await client.create(input="Hi", background=True))["id"] for _ in range(3)]
    await asyncio.sleep(0.01)
    await background.close()
    assert provider.num_open == 0
    assert [(await client.retrieve(each))["status"] for each in created] == ["cancelled"] * 3
    await background.close()


async def test_what_is_not_over_cannot_be_gone_on_from(responses_client: ClientOf) -> None:
    client = responses_client(_waiting(asyncio.Event()))
    created = await client.create(input="Hi", background=True)
    with pytest.raises(Failure) as refused:
        await client.create(input="And?", previous_response_id=created["id"])
    assert "in progress" in refused.value.message


async def test_a_model_that_is_not_there_is_told_at_once(responses_client: ClientOf) -> None:
    with pytest.raises(Failure) as refused:
        await responses_client().create(model="other", input="Hi", background=True)
    assert refused.value.status == 404


async def test_a_background_stream_goes_on_without_its_reader(responses_client: ClientOf) -> None:
    go_on = asyncio.Event()
    client = responses_client(_waiting(go_on))
    body = {"model": "m", "input": "Hi", "background": True, "stream": True}
    reply = await client.send("POST", "/v1/responses", body)
    assert isinstance(reply, Streamed)
    opening = await anext(reply.pieces)
    await reply.pieces.aclose()
    response_id = json.loads(opening.split(b"data: ")[1].split(b"\n")[0])["response"]["id"]

    following = asyncio.create_task(_follow(client, response_id))
    await asyncio.sleep(0.01)
    go_on.set()
    events = await following
    assert [event["type"] for event in events][:3] == ["response.created", "response.queued", "response.in_progress"]
    assert events[-1]["type"] == "response.completed"
    assert [event["sequence_number"] for event in events] == list(range(len(events)))
    assert await client.retrieve(response_id) == events[-1]["response"]
    again = await _follow(client, response_id, starting_after="4")
    assert again == events[5:]
    assert await _follow(client, response_id) == events


async def _follow(client: ResponsesClient, response_id: str, **query: str) -> list[dict[str, Any]]:
    return client.events(await bytes_of(await client.get(response_id, stream="true", **query)))


async def test_a_background_stream_that_is_cancelled_ends(responses_client: ClientOf) -> None:
    client = responses_client(_waiting(asyncio.Event()))
    streaming = asyncio.create_task(client.stream(input="Hi", background=True))
    await asyncio.sleep(0.01)
    assert (await client.cancel("resp_1"))["status"] == "cancelled"
    events = await asyncio.wait_for(streaming, 1)
    assert events[-1]["type"] == "response.failed"
    assert events[-1]["response"]["status"] == "cancelled"


async def test_a_background_stream_that_fails_says_so(responses_client: ClientOf) -> None:
    events = await responses_client(Scripted((ProviderUnavailable("gone"),))).stream(input="Hi", background=True)
    assert [event["type"] for event in events] == ["response.created", "response.queued", "response.failed"]


async def test_queued_until_the_model_is_loaded(responses_client: ClientOf, monkeypatch: pytest.MonkeyPatch) -> None:
    client, loaded = responses_client(Scripted(says("Hello"))), asyncio.Event()

    @asynccontextmanager
    async def use(self: ScriptedModels, name: str) -> AsyncIterator[Served]:
        await loaded.wait()
        yield Served(self.card(name), self.providers["m"])

    monkeypatch.setattr(ScriptedModels, "use", use)
    created = await client.create(input="Hi", background=True)
    await asyncio.sleep(0.01)
    assert (await client.retrieve(created["id"]))["status"] == "queued"
    loaded.set()
    assert (await _over(client, created["id"]))["status"] == "completed"
