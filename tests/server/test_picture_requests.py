"""Requests with pictures: what providers refuse is told at its place, and looking at pictures keeps nobody waiting."""

from __future__ import annotations

import asyncio
import random
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
from drawn_pictures import data_url, picture
from responses_client import ResponsesClient
from scripted import (
    CountingScripted,
    Scripted,
    chunks_of,
    clock,
    counted_ids,
    json_of,
    models_of,
    post,
)
from stand_in import StandIn, answer

from seatrial.chat import ChatRequest, ImagePart
from seatrial.errors import ContextTooLong, RequestRejected, UpstreamReply
from seatrial.providers.openai_http import OpenAIProvider
from seatrial.server.endpoints.chat import chat_routes
from seatrial.server.errors import Failure, failure_of
from seatrial.server.wire.limits import WireLimits

ClientOf = Callable[..., ResponsesClient]

PATH = "/v1/chat/completions"
URL = data_url(picture())
SHOWN: list[dict[str, Any]] = [
    {
        "role": "user",
        "content": [{"type": "text", "text": "What is it?"}, {"type": "image_url", "image_url": {"url": URL}}],
    }
]
ITEMS: list[dict[str, Any]] = [
    {
        "role": "user",
        "content": [{"type": "input_text", "text": "What is it?"}, {"type": "input_image", "image_url": URL}],
    }
]
TOO_LONG = ContextTooLong("Its 9 pictures take 10,000 tokens; `m` takes 8,192: 7 of them fit.")


@dataclass
class Seeing(CountingScripted):
    """Counts 50 tokens for each picture. With `until`, looks at them until that is set."""

    until: threading.Event | None = None
    has_begun: threading.Event = field(default_factory=threading.Event)

    def count_tokens(self, request: ChatRequest) -> int:
        self.has_begun.set()
        assert self.until is None or self.until.wait(5), "nothing else goes on while pictures are looked at"
        shown = [part for message in request.messages for part in message.parts if isinstance(part, ImagePart)]
        return 50 * len(shown) + super().count_tokens(request)


async def _ask(provider: Any, messages: Any = SHOWN, **fields: Any) -> Any:
    route, *_ = chat_routes(models_of(provider), clock=clock, new_id=counted_ids())
    return await route.endpoint(post(PATH, {"model": "m", "messages": messages} | fields))


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("code", [None, "invalid_image"])
async def test_what_a_provider_refuses_is_told_at_its_place(stream: bool, code: str | None) -> None:
    error = RequestRejected("`m` reads text only.", param="messages[0].content[1]", code=code)
    with pytest.raises(RequestRejected) as refused:
        await _ask(Scripted((error,)), stream=stream)
    failure = failure_of(refused.value)
    assert (failure.status, failure.param, failure.code) == (400, "messages[0].content[1]", code)


@pytest.mark.parametrize("stream", [False, True])
async def test_clients_of_responses_hear_of_their_input(responses_client: ClientOf, stream: bool) -> None:
    error = RequestRejected("`m` reads text only.", param="messages[0].content[1]", code="invalid_image")
    client = responses_client(Scripted((error,)))
    with pytest.raises(Failure) as refused:
        await (client.stream if stream else client.create)(input=ITEMS)
    failure = refused.value
    assert (failure.status, failure.param, failure.code) == (400, "input", "invalid_image")
    assert failure.message == "`m` reads text only."


@dataclass
class Sighted(CountingScripted):
    """Knows whether it sees."""

    sees: bool = True


@pytest.mark.parametrize("where", ["chat", "responses", "count"])
@pytest.mark.parametrize(
    ("sees", "model", "status", "code", "says"),
    [
        (True, "m", 200, None, ""),
        (True, "nope", 404, "model_not_found", "does not exist"),
        (False, "m", 400, None, "`m` reads text only"),
        (False, "gpt-5-mini", 400, None, "`gpt-5-mini` reads text only"),
    ],
)
async def test_pictures_are_fetched_only_for_a_model_that_may_see_them(
    responses_client: ClientOf, where: str, sees: bool, model: str, status: int, code: str | None, says: str
) -> None:
    url, fetched = "https://pictures.example/a.png", list[str]()

    async def fetch(places: Any, hold: Any) -> Any:
        fetched.extend(places)
        return {url: ImagePart(picture(), "image/png") for url in places}

    options: Any = {"limits": WireLimits(image_hosts=frozenset({"pictures.example"})), "fetch_pictures": fetch}
    provider = Sighted(sees=sees)
    route, *_ = chat_routes(models_of(provider), clock=clock, new_id=counted_ids(), **options)
    client = responses_client(provider, **options)
    part, item = {"type": "image_url", "image_url": {"url": url}}, {"type": "input_image", "image_url": url}
    body, path = {"model": model, "input": [{"role": "user", "content": [item]}]}, "/v1/responses"
    if where == "chat":
        body = {"model": model, "messages": [{"role": "user", "content": [part]}]}
    elif where == "count":
        path += "/input_tokens"
    asking = route.endpoint(post(PATH, body)) if where == "chat" else client.send("POST", path, body)
    if status == 200:
        await asking
        assert fetched == [url]
        return
    with pytest.raises(Failure, match=says) as refused:
        await asking
    assert (refused.value.status, refused.value.code, fetched) == (status, code, [])
    if status == 400:
        place = "messages[0].content[0]" if where == "chat" else "input[0].content[0]"
        assert refused.value.param == place


async def test_what_an_upstream_refuses_stays_as_it_is(responses_client: ClientOf) -> None:
    told = UpstreamReply(400, "Blind.", "invalid_request_error", "messages.[0].content", "blind")
    client = responses_client(Scripted((RequestRejected("m: Blind.", param="messages.[0].content", upstream=told),)))
    with pytest.raises(RequestRejected) as refused:
        await client.create(input=ITEMS)
    failure = failure_of(refused.value)
    assert (failure.param, failure.code) == ("messages.[0].content", "blind")


@pytest.mark.parametrize("max_tokens", [None, 10])
async def test_the_provider_says_how_many_pictures_fit(responses_client: ClientOf, max_tokens: int | None) -> None:
    nine = [{"role": "user", "content": SHOWN[0]["content"] * 9}]
    provider = Seeing((TOO_LONG,))
    with pytest.raises(ContextTooLong) as refused:
        await _ask(provider, nine, max_tokens=max_tokens)
    failure = failure_of(refused.value)
    assert (failure.param, failure.code) == ("messages", "context_length_exceeded")
    assert "7 of them fit" in failure.message

    items = [{"role": "user", "content": ITEMS[0]["content"] * 9}]
    with pytest.raises(Failure) as told:
        await responses_client(Seeing((TOO_LONG,))).create(input=items, max_output_tokens=max_tokens)
    assert (told.value.param, told.value.code) == ("input", "context_length_exceeded")
    assert "7 of them fit" in told.value.message


async def test_an_answer_beside_pictures_is_bounded_to_the_context() -> None:
    provider = Seeing()
    assert json_of(await _ask(provider, max_tokens=90))["choices"]
    assert provider.requests[0].max_tokens == 100 - 53
    assert await chunks_of(await _ask(provider, max_tokens=20, stream=True))
    assert provider.requests[1].max_tokens == 20


@pytest.mark.parametrize("stream", [False, True])
async def test_other_requests_go_on_while_pictures_are_looked_at(stream: bool) -> None:
    seeing = Seeing(until=threading.Event())
    asking = asyncio.create_task(_ask(seeing, max_tokens=5, stream=stream))
    while not seeing.has_begun.is_set():
        await asyncio.sleep(0.001)
    assert not asking.done()
    seeing.until.set()
    await asking


async def test_the_tokens_of_a_prompt_with_pictures_are_counted(responses_client: ClientOf) -> None:
    client = responses_client(Seeing())
    reply = await client.send("POST", "/v1/responses/input_tokens", {"model": "m", "input": ITEMS})
    assert json_of(reply) == {"object": "response.input_tokens", "input_tokens": 53}


async def test_a_gateway_shows_its_upstream_what_it_was_shown() -> None:
    part = {"type": "image_url", "image_url": {"url": URL, "detail": "high"}}
    shown = [{"role": "user", "content": [part, {"type": "text", "text": "What is it?"}]}]
    async with StandIn(answer("A receipt")) as upstream:
        provider = OpenAIProvider(base_url=upstream.base_url, model="up", api_key=None, name="m", rng=random.Random(0))
        reply = json_of(await _ask(provider, shown, max_tokens=9))
        await provider.close()
    assert reply["choices"][0]["message"]["content"] == "A receipt"
    assert upstream.asked[0].body["messages"] == shown
