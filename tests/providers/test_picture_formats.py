"""Pictures in formats that the OpenAI API does not take: servers are sent them as PNG."""

from __future__ import annotations

import asyncio
import base64
import io
import random
import threading
import time
from typing import Any

import numpy as np
import pytest
from PIL import Image
from stand_in import StandIn, answer

from seatrial.chat import ChatRequest, ImagePart, Message, TextPart, gather
from seatrial.errors import RequestRejected
from seatrial.models.pictures import open_picture, opening
from seatrial.providers.openai_http import OpenAIProvider
from seatrial.providers.openai_wire import HOSTED_REFUSES

PIXELS_HW3 = np.random.default_rng(5).integers(0, 256, (30, 40, 3), np.uint8)


def encoded(form: str, picture: Image.Image | None = None, **how: Any) -> bytes:
    stream = io.BytesIO()
    (picture or Image.fromarray(PIXELS_HW3)).save(stream, form, **how)
    return stream.getvalue()


def shown(*parts: ImagePart) -> ChatRequest:
    return ChatRequest((Message("user", (TextPart("What is it?"), *parts)),))


async def sent(request: ChatRequest, **more: Any) -> list[dict[str, Any]]:
    """What a server got of the last message."""
    async with StandIn(answer("A receipt")) as server:
        provider = OpenAIProvider(
            base_url=server.base_url, model="m", api_key=None, name="m", rng=random.Random(0), **more
        )
        try:
            await gather(provider.stream(request))
        finally:
            await provider.close()
    parts: list[dict[str, Any]] = server.asked[0].body["messages"][-1]["content"]
    return parts


def data_of(part: dict[str, Any]) -> tuple[str, bytes]:
    head, _, data = part["image_url"]["url"].partition(";base64,")
    return head.removeprefix("data:"), base64.b64decode(data)


@pytest.mark.parametrize("form", ["BMP", "TIFF", "AVIF", "PPM"])
@pytest.mark.parametrize("is_named", [True, False])
async def test_what_the_api_does_not_take_is_sent_as_png_with_the_same_pixels(form: str, is_named: bool) -> None:
    if form == "AVIF" and not Image.registered_extensions().get(".avif"):
        pytest.skip("this Pillow reads no AVIF")
    data = encoded(form)
    head = opening.picture_head(data)
    text, part = await sent(shown(ImagePart(data, head.media_type if is_named else "", "low")))
    assert text == {"type": "text", "text": "What is it?"}
    assert part["image_url"]["detail"] == "low"
    media_type, png = data_of(part)
    assert (media_type, opening.picture_head(png).media_type) == ("image/png", "image/png")
    assert np.array_equal(np.asarray(Image.open(io.BytesIO(png))), np.asarray(open_picture(data)))
    if form != "AVIF":
        assert np.array_equal(np.asarray(Image.open(io.BytesIO(png))), PIXELS_HW3)


@pytest.mark.parametrize("form", ["PNG", "JPEG", "GIF", "WEBP"])
@pytest.mark.parametrize("is_named", [True, False])
async def test_what_the_api_takes_is_sent_as_it_is(form: str, is_named: bool) -> None:
    data = encoded(form)
    (_, part) = await sent(shown(ImagePart(data, f"image/{form.lower()}" if is_named else "")))
    assert data_of(part) == (f"image/{form.lower()}", data)


async def test_it_is_upright() -> None:
    turned = Image.Exif()
    turned[0x0112] = 6
    data = encoded("TIFF", exif=turned)
    (_, part) = await sent(shown(ImagePart(data, "image/tiff")))
    media_type, png = data_of(part)
    assert media_type == "image/png"
    assert np.array_equal(np.asarray(Image.open(io.BytesIO(png))), np.rot90(PIXELS_HW3, -1))


async def test_what_cannot_be_read_is_refused_at_its_place() -> None:
    damaged = encoded("BMP")[:200]
    with pytest.raises(RequestRejected, match="damaged or cut short") as caught:
        await sent(shown(ImagePart(encoded("PNG"), "image/png"), ImagePart(damaged, "image/bmp")))
    assert (caught.value.param, caught.value.code) == ("messages[0].content[2]", "invalid_image")


async def test_nothing_is_decoded_for_a_model_of_text_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(opening, "open_picture", lambda *_, **how: pytest.fail("it was decoded"))
    refuses = HOSTED_REFUSES | {"image_url"}
    with pytest.raises(RequestRejected, match="reads text only"):
        await sent(shown(ImagePart(encoded("BMP"), "image/bmp")), refused_parameters=refuses)


async def test_others_go_on_meanwhile(monkeypatch: pytest.MonkeyPatch) -> None:
    """Decoding happens in few threads, and not in the event loop's."""
    threads, most, now = set[int](), 0, 0
    lock, look = threading.Lock(), opening.open_picture

    def slow(*args: Any, **how: Any) -> Any:
        nonlocal most, now
        with lock:
            now += 1
            most = max(most, now)
            threads.add(threading.get_ident())
        time.sleep(0.1)
        with lock:
            now -= 1
        return look(*args, **how)

    monkeypatch.setattr(opening, "open_picture", slow)
    request = shown(ImagePart(encoded("BMP"), "image/bmp"))
    async with StandIn(answer("A receipt")) as server:
        provider = OpenAIProvider(base_url=server.base_url, model="m", api_key=None, name="m", rng=random.Random(0))
        asking = [asyncio.create_task(gather(provider.stream(request))) for _ in range(5)]
        longest_s = 0.0
        while not all(task.done() for task in asking):
            at_s = time.monotonic()
            await asyncio.sleep(0.005)
            longest_s = max(longest_s, time.monotonic() - at_s)
        await asyncio.gather(*asking)
        await provider.close()
    assert longest_s < 0.08
    assert 1 <= most <= 2
    assert threading.get_ident() not in threads
