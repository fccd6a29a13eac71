"""Pictures as the official client sends them, to a server of a tiny model that sees, and of one that does not.

The weights are random: that pictures are read is not the matter here, but that they reach the model, each as itself,
at their price, and that what cannot be shown is refused at its place.
"""

from __future__ import annotations

import base64
import io
import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import openai
import pytest

EYES, BLIND = "tiny-eyes", "tiny-blind"


def drawn(seed: int = 0, size: tuple[int, int] = (160, 120), form: str = "PNG", **how: Any) -> bytes:
    """A picture in which every pixel counts."""
    import numpy as np
    from PIL import Image

    pixels = np.random.default_rng(seed).integers(0, 256, (size[1], size[0], 3), np.uint8)
    encoded = io.BytesIO()
    Image.fromarray(pixels).save(encoded, form, **how)
    return encoded.getvalue()


def shown(*pictures: bytes, text: str = "hello", detail: str = "auto") -> Any:
    urls = [f"data:image/png;base64,{base64.b64encode(data).decode()}" for data in pictures]
    parts: list[Any] = [{"type": "image_url", "image_url": {"url": url, "detail": detail}} for url in urls]
    return [{"role": "user", "content": [*parts, {"type": "text", "text": text}]}]


def item(*pictures: bytes, text: str = "hello") -> Any:
    urls = [f"data:image/png;base64,{base64.b64encode(data).decode()}" for data in pictures]
    parts: list[Any] = [{"type": "input_image", "image_url": url, "detail": "auto"} for url in urls]
    return [{"role": "user", "content": [*parts, {"type": "input_text", "text": text}]}]


@pytest.fixture(scope="module")
def seeing(
    tiny: Callable[..., Any], tiny_vision: Callable[..., Any], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Any]:
    """Both models behind the API."""
    from server_process import ServerProcess

    folder = tmp_path_factory.mktemp("seeing")
    eyes = tiny_vision().write_folder(folder / EYES)
    blind = tiny(max_position_embeddings=512).write_folder(folder / BLIND)
    words = ("--port", "0", "--max-images", "12", "--context", "512", "--allow-image-host", "localhost")
    words += ("--max-bodies", "8MB")
    server = ServerProcess(str(eyes), str(blind), *words, log=folder / "server.log")
    yield server
    assert "Traceback" not in server.said(), server.said()
    assert server.stop() == 0


@pytest.fixture
def eyes(seeing: Any, connect: Callable[..., Any]) -> Any:
    """A client that refuses replies of other types than it knows."""
    return connect(seeing.url, _strict_response_validation=True)


def asked(client: Any, messages: Any, **more: Any) -> Any:
    given = {"model": EYES, "max_tokens": 8, "temperature": 0, "logprobs": True} | more
    return client.chat.completions.create(messages=messages, **given)


def scores(reply: Any) -> list[float]:
    return [token.logprob for token in reply.choices[0].logprobs.content]


def test_a_picture_is_seen_and_counted(eyes: Any) -> None:
    without = asked(eyes, shown()).usage.prompt_tokens
    whole = asked(eyes, shown(drawn()))
    assert whole.choices[0].message.content is not None
    small = asked(eyes, shown(drawn(), detail="low"))
    # 160 × 120 becomes 3 rows of 4 tiles and the whole view, of 4 tokens each; every tile has two marks, one ends it
    # all, and there are line breaks after each row, the last of them double. The whole view alone has three marks. The
    # template writes a space before a text that comes first.
    assert whole.usage.prompt_tokens - without == 13 * (4 + 2) + 1 + 3 - 1
    assert small.usage.prompt_tokens - without == 4 + 3 - 1
    assert whole.usage.completion_tokens <= 8


def test_each_picture_is_itself(eyes: Any) -> None:
    first, other = (asked(eyes, shown(drawn(seed))) for seed in (1, 2))
    assert scores(first) != scores(other)
    again = asked(eyes, shown(drawn(1)))
    assert scores(again) == pytest.approx(scores(first), abs=1e-3)
    turned = asked(eyes, shown(drawn(2), drawn(1)))
    assert scores(asked(eyes, shown(drawn(1), drawn(2)))) != scores(turned)


def test_a_picture_is_the_same_in_any_lossless_file(eyes: Any) -> None:
    files = [drawn(3), drawn(3, form="PNG", compress_level=0), drawn(3, form="WEBP", lossless=True)]
    first, *others = [scores(asked(eyes, shown(data))) for data in files]
    for each in others:
        assert each == pytest.approx(first, abs=1e-3)


def test_a_second_question_about_a_picture_reads_it_from_the_cache(seeing: Any, eyes: Any) -> None:
    asked(eyes, shown(drawn(4), text="hello world"))
    encoded = seeing.total("engine_pictures_encoded")
    usage = asked(eyes, shown(drawn(4), text="who")).usage
    assert usage.prompt_tokens_details.cached_tokens >= 64
    assert seeing.total("engine_pictures_encoded") == encoded
    other = asked(eyes, shown(drawn(5), text="who")).usage
    assert other.prompt_tokens_details.cached_tokens < 16
    assert seeing.total("engine_pictures_encoded") == encoded + 1


def test_a_streamed_answer_is_the_whole_one(eyes: Any) -> None:
    whole = asked(eyes, shown(drawn(6)))
    stream = asked(eyes, shown(drawn(6)), stream=True, stream_options={"include_usage": True})
    chunks = list(stream)
    text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
    assert text == whole.choices[0].message.content
    assert chunks[-1].usage.prompt_tokens == whole.usage.prompt_tokens


def test_a_conversation_goes_on_about_its_pictures(eyes: Any) -> None:
    first = eyes.responses.create(model=EYES, input=item(drawn(7)), max_output_tokens=4)
    second = eyes.responses.create(
        model=EYES, input="hello", previous_response_id=first.id, max_output_tokens=4, temperature=0
    )
    assert second.usage.input_tokens > first.usage.input_tokens >= 83
    counted = eyes.responses.input_tokens.count(model=EYES, input=item(drawn(7)))
    assert counted.input_tokens == first.usage.input_tokens


def test_many_clients_show_many_pictures_at_once(seeing: Any, connect: Callable[..., Any]) -> None:
    from concurrent.futures import ThreadPoolExecutor

    client = connect(seeing.url)
    alone = [scores(asked(client, shown(drawn(seed)))) for seed in range(20, 26)]
    with ThreadPoolExecutor(6) as pool:
        together = list(pool.map(lambda seed: scores(asked(client, shown(drawn(seed)))), range(20, 26)))
    for mine, ours in zip(alone, together, strict=True):
        assert ours == pytest.approx(mine, abs=1e-2)


@pytest.mark.parametrize(
    ("messages", "model", "param", "code", "says"),
    [
        (shown(b"Buy milk."), EYES, "messages[0].content[0].image_url.url", "invalid_image", "no picture"),
        (shown(drawn()[:20]), EYES, "messages[0].content[0].image_url.url", "invalid_image", "cut short"),
        (shown(drawn(), drawn()[:20_000]), EYES, "messages[0].content[1]", "invalid_image", "cut short"),
        (shown(drawn()), BLIND, "messages[0].content[0]", None, "`tiny-blind` reads text only"),
        (shown(*[drawn()] * 13), EYES, "messages", "too_many_images", "12"),
        (shown(*[drawn()] * 9), EYES, "messages", "context_length_exceeded", "fit"),
    ],
)
def test_what_cannot_be_shown_is_refused_at_its_place(
    seeing: Any, connect: Callable[..., Any], messages: Any, model: str, param: str, code: str | None, says: str
) -> None:
    client = connect(seeing.url)
    for stream in (False, True):
        with pytest.raises(openai.BadRequestError) as refused:
            asked(client, messages, model=model, stream=stream)
        assert (refused.value.param, refused.value.code) == (param, code), refused.value
        assert says in str(refused.value)
    assert asked(client, shown(drawn())).choices


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("http://localhost/a.png", "its address is not public"),
        ("http://localhost:22/a.png", "fetches no pictures from .localhost:22."),
        ("http://169.254.169.254/latest/meta-data", "fetches no pictures from"),
        ("file:///etc/passwd", "must be a data URL"),
    ],
)
def test_no_address_leads_inside_the_network(eyes: Any, url: str, says: str) -> None:
    messages = [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": url}}]}]
    with pytest.raises(openai.BadRequestError, match=says) as refused:
        asked(eyes, messages)
    assert refused.value.param == "messages[0].content[0].image_url.url"
    assert refused.value.code == "invalid_image_url"


def test_clients_of_responses_hear_of_their_input(eyes: Any) -> None:
    for data, param in ((drawn()[:20_000], "input"), (b"Buy milk.", "input[0].content[0].image_url")):
        with pytest.raises(openai.BadRequestError) as refused:
            eyes.responses.create(model=EYES, input=item(data))
        assert (refused.value.param, refused.value.code) == (param, "invalid_image")


@contextmanager
def sending(server: Any, *, num_clients: int, num_bytes: int) -> Iterator[list[socket.socket]]:
    """Clients whose requests have come, but for the last byte, or were turned away."""
    where = urlsplit(server.url)
    head = f"POST /v1/responses/input_tokens HTTP/1.1\r\nHost: localhost\r\nContent-Length: {num_bytes}\r\n\r\n"
    with ExitStack() as stack:
        clients = [
            stack.enter_context(socket.create_connection((where.hostname, where.port))) for _ in range(num_clients)
        ]
        for client in clients:
            client.sendall(head.encode() + b" " * (num_bytes - 1))
        yield clients


def resident(server: Any) -> int:
    """Bytes of the server in memory."""
    text = Path(f"/proc/{server.process.pid}/status").read_text()
    return int(text.partition("VmRSS:")[2].split()[0]) * 1024


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="reads /proc")
def test_large_requests_together_are_bounded_and_small_ones_are_answered_beside_them(
    seeing: Any, connect: Callable[..., Any]
) -> None:
    client, before = connect(seeing.url), resident(seeing)
    large = shown(drawn(size=(900, 600), compress_level=0))
    with sending(seeing, num_clients=40, num_bytes=3_000_000) as clients:
        seeing.seconds_until(lambda: seeing.total("body_bytes") >= 6_000_000)
        assert resident(seeing) - before < 40_000_000
        assert clients[-1].recv(65536).startswith(b"HTTP/1.1 429 ")
        with pytest.raises(openai.RateLimitError, match="find no room beside 6,000,000 bytes") as refused:
            asked(client, large)
        assert refused.value.code == "rate_limit_exceeded"
        assert refused.value.response.headers["retry-after"] == "5"
        assert asked(client, shown(drawn())).choices
        assert asked(client, shown()).choices
    seeing.seconds_until(lambda: seeing.total("body_bytes") == 0)
    assert asked(client, large).choices


async def test_a_client_that_leaves_stops_the_work(seeing: Any) -> None:
    import asyncio

    client = openai.AsyncOpenAI(base_url=f"{seeing.url}/v1", api_key="none", max_retries=0)
    pictures = shown(*(drawn(seed) for seed in range(40, 44)))
    tasks = [
        asyncio.create_task(client.chat.completions.create(model=EYES, messages=pictures, max_tokens=100))
        for _ in range(3)
    ]
    await asyncio.sleep(0.05)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    await client.close()
    seeing.seconds_until(lambda: seeing.total("engine_running") + seeing.total("engine_waiting") == 0)
