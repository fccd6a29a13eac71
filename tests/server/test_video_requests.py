"""Requests with videos: what providers are shown, what is refused at its place, and that no file outlives them."""

from __future__ import annotations

import asyncio
import os
import random
import re
import threading
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
from drawn_pictures import data_url, picture
from drawn_videos import BEGINNING, part
from responses_client import ResponsesClient
from scripted import CountingScripted, Scripted, bytes_of, clock, counted_ids, json_of, models_of, post, says

from seatrial.chat import ChatEvent, ChatRequest, Finished, TextDelta, TextPart, VideoPart
from seatrial.errors import InputError, RequestRejected
from seatrial.models.pictures import sample_video
from seatrial.models.vision_config import VideoRules
from seatrial.providers.openai_http import OpenAIProvider
from seatrial.server.endpoints.chat import chat_routes
from seatrial.server.errors import Failure, failure_of
from seatrial.server.http import Streamed
from seatrial.server.video_files import VideoFiles
from seatrial.server.wire import data_urls
from seatrial.server.wire.limits import WireLimits

ClientOf = Callable[..., ResponsesClient]

CHAT, ITEMS = "messages[0].content[1].video_url.url", "input[0].content[1].video_url.url"
LIMITS = WireLimits()
HTTP = {"type": "video_url", "video_url": {"url": "https://example.com/film.mp4"}}


class Watching(CountingScripted):
    """Notes what the files of the videos hold that it is shown, while it answers."""

    context_length = 1000

    def __init__(self, *rest: ChatEvent | BaseException | asyncio.Event) -> None:
        super().__init__((TextDelta("Seen"), *(rest or (Finished("stop"),))))
        self.seen: list[bytes] = []
        self.counted: list[bytes] = []
        self.threads: list[int] = []

    async def stream(self, request: ChatRequest) -> AsyncIterator[ChatEvent]:
        self.seen += _bytes_of_videos(request)
        async for event in super().stream(request):
            yield event

    def count_tokens(self, request: ChatRequest) -> int:
        self.counted += _bytes_of_videos(request)
        self.threads.append(threading.get_ident())
        return 50 * len(_bytes_of_videos(request))


def _bytes_of_videos(request: ChatRequest) -> list[bytes]:
    parts = [part for message in request.messages for part in message.parts]
    return [part.path.read_bytes() for part in parts if isinstance(part, VideoPart)]


def shown(*parts: Any) -> list[dict[str, Any]]:
    return [{"role": "user", "content": [{"type": "text", "text": "What happens?"}, *parts]}]


def items(*parts: Any) -> list[dict[str, Any]]:
    return [{"role": "user", "content": [{"type": "input_text", "text": "What happens?"}, *parts]}]


async def ask(provider: Any, folder: Path, *parts: Any, limits: WireLimits = LIMITS, **fields: Any) -> Any:
    route, *_ = chat_routes(
        models_of(provider), clock=clock, new_id=counted_ids(), limits=limits, videos=VideoFiles(folder)
    )
    return await route.endpoint(post("/v1/chat/completions", {"model": "m", "messages": shown(*parts)} | fields))


def left_in(folder: Path) -> list[Path]:
    """What lies there, and not what goes while one looks."""
    return [Path(place, name) for place, folders, files in os.walk(folder) for name in (*folders, *files)]


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("max_tokens", [None, 90])
async def test_a_chat_shows_a_video_as_a_file(tmp_path: Path, stream: bool, max_tokens: int | None) -> None:
    provider = Watching()
    reply = await ask(provider, tmp_path, part(BEGINNING), stream=stream, max_tokens=max_tokens)
    if stream:
        assert left_in(tmp_path)
        await bytes_of(reply)
    assert provider.seen == [BEGINNING]
    assert provider.counted == ([] if max_tokens is None else [BEGINNING])
    assert threading.get_ident() not in provider.threads, "its file is read beside the event loop"
    text, video = provider.requests[0].messages[0].parts
    assert text == TextPart("What happens?")
    assert isinstance(video, VideoPart)
    assert left_in(tmp_path) == []


@pytest.mark.parametrize("stream", [False, True])
async def test_a_response_shows_a_video_as_a_file(responses_client: ClientOf, tmp_path: Path, stream: bool) -> None:
    provider = Watching()
    client = responses_client(provider, videos=VideoFiles(tmp_path))
    call = {"type": "function_call", "call_id": "c", "name": "film", "arguments": "{}"}
    result = {"type": "function_call_output", "call_id": "c", "output": [part(BEGINNING + b"2")]}
    asked = [*items(part(BEGINNING)), call, result]
    await (client.stream if stream else client.create)(input=asked, max_output_tokens=90)
    assert provider.seen == [BEGINNING, BEGINNING + b"2"]
    assert left_in(tmp_path) == []


async def test_the_next_turn_of_a_response_shows_it_again(responses_client: ClientOf, tmp_path: Path) -> None:
    provider = Watching()
    client = responses_client(provider, videos=VideoFiles(tmp_path))
    first = await client.create(input=items(part(BEGINNING)))
    assert left_in(tmp_path) == []
    await client.create(input="And then?", previous_response_id=first["id"])
    assert provider.seen == [BEGINNING] * 2
    assert left_in(tmp_path) == []


async def test_a_video_is_counted(responses_client: ClientOf, tmp_path: Path) -> None:
    client = responses_client(Watching(), videos=VideoFiles(tmp_path))
    reply = await client.send("POST", "/v1/responses/input_tokens", {"model": "m", "input": items(part(BEGINNING))})
    assert json_of(reply)["input_tokens"] == 50
    assert left_in(tmp_path) == []


async def test_what_the_data_url_calls_it_does_not_matter(tmp_path: Path) -> None:
    provider = Watching()
    for name in ("video/webm", "image/png", "application/octet-stream", ""):
        await ask(provider, tmp_path, part(BEGINNING, name))
    assert provider.seen == [BEGINNING] * 4


@pytest.mark.parametrize("stream", [False, True])
async def test_of_a_video_that_cannot_be_read_no_format_is_named_that_is_not_taken(
    responses_client: ClientOf, tmp_path: Path, stream: bool
) -> None:
    (tmp_path / "film.mp4").write_bytes(BEGINNING)
    with pytest.raises(InputError, match="no video that can be read") as unreadable:
        sample_video(tmp_path / "film.mp4", VideoRules(1.0, 8, 512))
    error = RequestRejected(unreadable.value.reason, param="messages[0].content[1]", code="invalid_video")
    provider = Watching()
    provider.script = (error,)
    with pytest.raises(RequestRejected) as refused:
        await ask(provider, tmp_path, part(BEGINNING), stream=stream)
    client = responses_client(provider, videos=VideoFiles(tmp_path))
    with pytest.raises(Failure) as told:
        await (client.stream if stream else client.create)(input=items(part(BEGINNING)))
    for caught in (failure_of(refused.value), told.value):
        assert caught.message.endswith(". Convert it to MP4 (H.264).")
        assert "no video that can be read" in caught.message
        assert not re.search("FLV|WMV|GIF", caught.message)
        assert caught.code == "invalid_video"
    assert (refused.value.param, told.value.param) == ("messages[0].content[1]", "input")


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("when", [0, 1])
async def test_no_file_is_left_where_a_model_fails(
    responses_client: ClientOf, tmp_path: Path, stream: bool, when: int
) -> None:
    error = RequestRejected("Damaged.", param="messages[0].content[1]", code="invalid_video")
    provider = Watching(error)
    if when == 0:
        provider.script = (error,)
    with pytest.raises(RequestRejected, match="Damaged"):
        await bytes_of(await ask(provider, tmp_path, part(BEGINNING), stream=stream))
    assert left_in(tmp_path) == []

    client = responses_client(provider, videos=VideoFiles(tmp_path))
    if stream and when:
        events = await client.stream(input=items(part(BEGINNING)))
        assert events[-1]["type"] == "response.failed"
    else:
        with pytest.raises(Failure) as told:
            await (client.stream if stream else client.create)(input=items(part(BEGINNING)))
        assert (told.value.param, told.value.code) == ("input", "invalid_video")
    assert provider.seen
    assert left_in(tmp_path) == []


async def test_no_file_is_left_where_a_client_leaves(responses_client: ClientOf, tmp_path: Path) -> None:
    never = asyncio.Event()
    client = responses_client(Watching(never), videos=VideoFiles(tmp_path / "responses"))
    (tmp_path / "responses").mkdir()
    (tmp_path / "chat").mkdir()
    body = {"model": "m", "input": items(part(BEGINNING))}
    for asking in (
        lambda stream: ask(Watching(never), tmp_path / "chat", part(BEGINNING), stream=stream),
        lambda stream: client.send("POST", "/v1/responses", body | {"stream": stream}),
    ):
        whole = asyncio.create_task(asking(False))
        while not [each for each in left_in(tmp_path) if each.is_file()]:
            await asyncio.sleep(0.001)
        whole.cancel()
        with pytest.raises(asyncio.CancelledError):
            await whole
        assert not [each for each in left_in(tmp_path) if each.is_file()]
        streamed = await asking(True)
        assert isinstance(streamed, Streamed)
        await anext(streamed.pieces)
        assert [each for each in left_in(tmp_path) if each.is_file()]
        await streamed.pieces.aclose()
        assert not [each for each in left_in(tmp_path) if each.is_file()]


async def test_no_file_is_left_of_a_request_that_is_cancelled_while_it_is_read(
    responses_client: ClientOf, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The thread that decodes it goes on for a while, and keeps nothing then."""
    entered, go_on, decode = threading.Event(), threading.Event(), data_urls.decoded

    def slow(encoded: str) -> bytes:
        entered.set()
        go_on.wait(20)
        return decode(encoded)

    monkeypatch.setattr(data_urls, "decoded", slow)
    long = part(BEGINNING + bytes(400_000))
    client = responses_client(Watching(), videos=VideoFiles(tmp_path))
    for asking in (
        lambda: ask(Watching(), tmp_path, long),
        lambda: ask(Watching(), tmp_path, long, stream=True),
        lambda: client.create(input=items(long)),
        lambda: client.create(input=items(long), background=True),
        lambda: client.send("POST", "/v1/responses/input_tokens", {"model": "m", "input": items(long)}),
    ):
        entered.clear()
        go_on.clear()
        task = asyncio.create_task(asking())  # type: ignore[arg-type]
        await asyncio.to_thread(entered.wait, 20)
        task.cancel()
        await asyncio.wait([task])
        go_on.set()
        for _ in range(200):
            await asyncio.sleep(0.005)
            if not left_in(tmp_path):
                break
        assert left_in(tmp_path) == []


@pytest.mark.parametrize("end", ["finished", "failed", "cancelled", "deleted", "never begun"])
async def test_a_background_response_holds_its_video_to_its_end(
    responses_client: ClientOf, tmp_path: Path, end: str
) -> None:
    go_on = asyncio.Event()
    last = RequestRejected("Damaged.") if end == "failed" else Finished("stop")
    provider = Watching(go_on, last)
    client = responses_client(provider, videos=VideoFiles(tmp_path))
    made = await client.create(input=items(part(BEGINNING)), background=True)
    assert left_in(tmp_path)
    if end != "never begun":
        while not provider.seen:
            await asyncio.sleep(0.001)
    if end in ("cancelled", "never begun"):
        await client.cancel(made["id"])
    elif end == "deleted":
        await client.send("DELETE", f"/v1/responses/{made['id']}")
    else:
        assert left_in(tmp_path)
        go_on.set()
    for _ in range(200):
        await asyncio.sleep(0.005)
        if not left_in(tmp_path):
            break
    assert left_in(tmp_path) == []


async def test_no_file_is_left_of_a_response_that_could_never_be_made(
    responses_client: ClientOf, tmp_path: Path
) -> None:
    client = responses_client(Watching(), videos=VideoFiles(tmp_path))
    for fields in ({"background": True, "store": False}, {"model": "nobody"}, {"model": "nobody", "background": True}):
        with pytest.raises(Failure):
            await client.create(input=items(part(BEGINNING)), **fields)
        assert left_in(tmp_path) == []


@pytest.mark.parametrize(
    ("sent", "code", "says"),
    [
        (HTTP, "invalid_video_url", "videos are not fetched here"),
        (HTTP | {"video_url": {"url": "/etc/passwd"}}, "invalid_video_url", "data:video/mp4;base64"),
        (HTTP | {"video_url": {"url": "data:video/mp4,AAAA"}}, "invalid_video_url", "data:video/mp4;base64"),
        (HTTP | {"video_url": {"url": "data:video/mp4;base64,@@"}}, "invalid_video_url", "not valid base64"),
        (HTTP | {"video_url": {"url": "data:video/mp4;base64,"}}, "invalid_video_url", "no bytes"),
        (part(b"Buy milk."), "invalid_video_format", "it is text"),
        (part(picture()), "invalid_video_format", "it is image/png. Send it as 'image_url'."),
        (part(picture("GIF")), "invalid_video_format", "it is image/gif. Send it as 'image_url'."),
        (part(b"#EXTM3U\nfile:///etc/passwd"), "invalid_video_format", "it is text"),
        (part(BEGINNING + bytes(1000)), "video_too_large", "a video may have 1,000"),
    ],
)
async def test_what_is_no_video_is_refused_at_its_place(
    responses_client: ClientOf, tmp_path: Path, sent: Any, code: str, says: str
) -> None:
    limits, provider = WireLimits(max_video_bytes=1000), Watching()
    client = responses_client(provider, limits=limits, videos=VideoFiles(tmp_path))
    with pytest.raises(Failure) as refused:
        await ask(provider, tmp_path, sent, limits=limits)
    assert (refused.value.status, refused.value.param, refused.value.code) == (400, CHAT, code)
    assert says in refused.value.message
    with pytest.raises(Failure) as refused:
        await client.create(input=items(sent))
    assert (refused.value.status, refused.value.param, refused.value.code) == (400, ITEMS, code)
    assert provider.requests == []
    assert left_in(tmp_path) == []


async def test_no_file_is_left_of_a_video_beside_something_that_is_refused(
    responses_client: ClientOf, tmp_path: Path
) -> None:
    with pytest.raises(Failure):
        await ask(Watching(), tmp_path, part(BEGINNING), HTTP)
    with pytest.raises(Failure):
        await responses_client(Watching(), videos=VideoFiles(tmp_path)).create(input=items(part(BEGINNING), HTTP))
    assert left_in(tmp_path) == []


@pytest.mark.parametrize(("most", "says"), [(2, "than the 2 that one may have"), (0, "takes no videos")])
async def test_too_many_videos(responses_client: ClientOf, tmp_path: Path, most: int, says: str) -> None:
    limits, three = WireLimits(max_videos=most), [part(BEGINNING)] * 3
    with pytest.raises(Failure, match=says) as refused:
        await ask(Watching(), tmp_path, *three, limits=limits)
    assert (refused.value.param, refused.value.code) == ("messages", "too_many_videos")
    with pytest.raises(Failure, match=says) as refused:
        await responses_client(Watching(), limits=limits).create(input=items(*three))
    assert (refused.value.param, refused.value.code) == ("input", "too_many_videos")


@pytest.mark.parametrize("role", ["system", "assistant"])
async def test_a_video_belongs_to_users_and_tools(responses_client: ClientOf, role: str) -> None:
    with pytest.raises(Failure) as refused:
        await responses_client().create(input=[{"role": role, "content": [part(BEGINNING)]}])
    assert (refused.value.param, refused.value.code) == ("input[0].content[0].type", "invalid_value")


async def test_a_hosted_model_is_shown_none_and_the_way_out_is_named(
    responses_client: ClientOf, tmp_path: Path
) -> None:
    provider = OpenAIProvider(
        base_url="http://127.0.0.1:9/v1", model="up", api_key=None, name="m", rng=random.Random(0)
    )
    for stream in (False, True):
        with pytest.raises(RequestRejected, match=r"takes no videos\. .* pictures, or ask .* `smolvlm2-256m`") as told:
            await ask(provider, tmp_path, part(BEGINNING), stream=stream)
        failure = failure_of(told.value)
        assert (failure.status, failure.param) == (400, "messages[0].content[1]")
    with pytest.raises(Failure, match="takes no videos") as refused:
        await responses_client(provider, videos=VideoFiles(tmp_path)).create(input=items(part(BEGINNING)))
    assert refused.value.param == "input"
    await provider.close()
    assert left_in(tmp_path) == []


async def test_what_was_asked_is_listed_with_its_video(responses_client: ClientOf, tmp_path: Path) -> None:
    routes = chat_routes(models_of(Scripted(says("A boat"))), clock=clock, new_id=counted_ids())
    create, *_, messages = routes
    made = json_of(
        await create.endpoint(
            post("/v1/chat/completions", {"model": "m", "store": True, "messages": shown(part(BEGINNING))})
        )
    )
    call = post("", b"")
    listed = json_of(await messages.endpoint(_with(call, completion_id=made["id"])))
    assert listed["data"][0]["content_parts"][1] == part(BEGINNING)

    client = responses_client()
    response = await client.create(input=items(part(BEGINNING)))
    page = json_of(await client.get(f"{response['id']}/input_items"))
    assert page["data"][0]["content"][1] == {
        "type": "video_url",
        "video_url": {"url": data_url(BEGINNING, "video/mp4")},
    }


def _with(call: Any, **values: str) -> Any:
    import dataclasses

    return dataclasses.replace(call, method="GET", path_values=values)
