"""Pictures of long bodies are read beside the event loop, in pieces, and come out as they went in."""

from __future__ import annotations

import base64
import contextlib
import threading
from collections.abc import Callable
from typing import Any

import pytest
from drawn_pictures import data_url, picture
from hypothesis import given, settings
from hypothesis import strategies as st
from responses_client import ResponsesClient
from scripted import CountingScripted, Scripted, clock, counted_ids, models_of, post

from seatrial.chat import ImagePart
from seatrial.models.pictures import opening
from seatrial.server.endpoints.chat import chat_routes
from seatrial.server.errors import Failure
from seatrial.server.wire import data_urls
from seatrial.server.wire.images import image_part
from seatrial.server.wire.limits import WireLimits

ClientOf = Callable[..., ResponsesClient]
LONG = picture() + bytes(400_000)


def shown(data: bytes) -> list[dict[str, Any]]:
    return [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": data_url(data)}}]}]


def items(data: bytes) -> list[dict[str, Any]]:
    return [{"role": "user", "content": [{"type": "input_image", "image_url": data_url(data)}]}]


@pytest.fixture
def readers(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Which threads look at pictures."""
    threads, look = list[int](), opening.picture_head

    def watched(*args: Any, **how: Any) -> Any:
        threads.append(threading.get_ident())
        return look(*args, **how)

    monkeypatch.setattr(opening, "picture_head", watched)
    return threads


@pytest.mark.parametrize("is_long", [False, True])
@pytest.mark.parametrize("where", ["chat", "responses", "count"])
async def test_long_bodies_alone_are_read_beside_the_event_loop(
    where: str, is_long: bool, readers: list[int], responses_client: ClientOf
) -> None:
    data, provider = LONG if is_long else picture(), CountingScripted()
    if where == "chat":
        route, *_ = chat_routes(models_of(provider), clock=clock, new_id=counted_ids())
        await route.endpoint(post("/v1/chat/completions", {"model": "m", "messages": shown(data)}))
    elif where == "responses":
        await responses_client(provider).create(input=items(data))
    else:
        body = {"model": "m", "input": items(data)}
        await responses_client(provider).send("POST", "/v1/responses/input_tokens", body)
    assert len(readers) == 1
    assert (threading.get_ident() in readers) is not is_long
    for request in provider.requests:
        assert [part.data for part in request.messages[-1].parts if isinstance(part, ImagePart)] == [data]


async def test_what_is_wrong_in_a_long_body_is_told_at_its_place() -> None:
    route, *_ = chat_routes(models_of(Scripted()), clock=clock, new_id=counted_ids())
    with pytest.raises(Failure) as caught:
        await route.endpoint(post("/v1/chat/completions", {"model": "m", "messages": shown(b"x" * 400_000)}))
    assert (caught.value.param, caught.value.code) == ("messages[0].content[0].image_url.url", "invalid_image")


@settings(max_examples=200, deadline=None)
@given(
    data=st.binary(max_size=60), places=st.lists(st.tuples(st.integers(0, 80), st.sampled_from("=A+-\n é")), max_size=2)
)
def test_base64_in_pieces_is_base64(data: bytes, places: list[tuple[int, str]]) -> None:
    """The same bytes, and the same texts are refused."""
    encoded = base64.b64encode(data).decode()
    for place, sign in places:
        encoded = encoded[:place] + sign + encoded[place + 1 :]
    whole: bytes | None = None
    with contextlib.suppress(ValueError):
        whole = base64.b64decode(encoded, validate=True)
    in_pieces: bytes | None = None
    with pytest.MonkeyPatch.context() as patched, contextlib.suppress(ValueError):
        patched.setattr(data_urls, "_PIECE", 8)
        in_pieces = data_urls.decoded(encoded)
    assert in_pieces == whole


def test_a_long_picture_comes_out_as_it_went_in() -> None:
    data = picture() + bytes(range(256)) * 8000
    part = image_part(data_url(data), None, WireLimits(), {}, "here")
    assert part.data == data
