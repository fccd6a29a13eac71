"""Videos as the official client sends them, a part that it passes on as it stands, to a tiny model that sees.

The weights are random: that videos reach the model, each as itself and at its price, is the matter here, that what
cannot be shown is refused at its place, and that no file is left of any of them.
"""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import openai
import pytest

EYES, BLIND = "tiny-eyes", "tiny-blind"
FRAMES = 3


def film(seed: int = 0, seconds: int = FRAMES) -> bytes:
    from drawn_videos import video

    return video(4 * seconds, 4, seed)


def part(data: bytes) -> Any:
    return {"type": "video_url", "video_url": {"url": f"data:video/mp4;base64,{base64.b64encode(data).decode()}"}}


def shown(*videos: bytes) -> Any:
    return [{"role": "user", "content": [*map(part, videos), {"type": "text", "text": "hello"}]}]


def item(*videos: bytes) -> Any:
    return [{"role": "user", "content": [*map(part, videos), {"type": "input_text", "text": "hello"}]}]


@pytest.fixture(scope="module")
def temporary(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the server keeps what is for a while."""
    return tmp_path_factory.mktemp("for-a-while")


@pytest.fixture(scope="module")
def seeing(
    tiny: Callable[..., Any],
    tiny_vision: Callable[..., Any],
    tmp_path_factory: pytest.TempPathFactory,
    temporary: Path,
) -> Iterator[Any]:
    """Both models behind the API."""
    from server_process import ServerProcess

    folder = tmp_path_factory.mktemp("seeing")
    eyes = tiny_vision().write_folder(folder / EYES)
    blind = tiny(max_position_embeddings=512).write_folder(folder / BLIND)
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("TMPDIR", str(temporary))
        words = ("--port", "0", "--max-videos", "7", "--context", "512")
        server = ServerProcess(str(eyes), str(blind), *words, log=folder / "server.log")
    yield server
    with openai.OpenAI(base_url=f"{server.url}/v1", api_key="none", max_retries=0) as client:
        client.responses.create(model=EYES, input=item(film(9)), max_output_tokens=400, background=True)
    assert server.stop() == 0
    assert "Traceback" not in server.said(), server.said()
    assert list(temporary.glob("seatrial-videos-*")) == [], "a server that ends leaves nothing of what still ran"


@pytest.fixture(autouse=True)
def nothing_left(seeing: Any, temporary: Path) -> Iterator[None]:
    yield
    seeing.seconds_until(lambda: not list(temporary.glob("seatrial-videos-*")))


@pytest.fixture
def eyes(seeing: Any, connect: Callable[..., Any]) -> Any:
    """A client that refuses replies of other types than it knows."""
    return connect(seeing.url, _strict_response_validation=True)


def asked(client: Any, messages: Any, **more: Any) -> Any:
    given = {"model": EYES, "max_tokens": 6, "temperature": 0, "logprobs": True} | more
    return client.chat.completions.create(messages=messages, **given)


def scores(reply: Any) -> list[float]:
    return [token.logprob for token in reply.choices[0].logprobs.content]


def test_a_video_is_seen_and_counted(seeing: Any, eyes: Any) -> None:
    encoded = seeing.total("engine_pictures_encoded")
    reply = asked(eyes, shown(film()))
    assert reply.choices[0].message.content is not None
    assert seeing.total("engine_pictures_encoded") - encoded == FRAMES
    without = asked(eyes, shown()).usage.prompt_tokens
    assert reply.usage.prompt_tokens - without > FRAMES * 4
    longer = asked(eyes, shown(film(seconds=FRAMES + 2))).usage.prompt_tokens
    assert longer - reply.usage.prompt_tokens >= 2 * 4
    assert eyes.responses.input_tokens.count(model=EYES, input=item(film())).input_tokens == reply.usage.prompt_tokens


def test_each_video_is_itself(seeing: Any, eyes: Any) -> None:
    first, other = (asked(eyes, shown(film(seed))) for seed in (1, 2))
    assert scores(first) != scores(other)
    encoded = seeing.total("engine_pictures_encoded")
    again = asked(eyes, shown(film(1)))
    assert scores(again) == pytest.approx(scores(first), abs=1e-3)
    assert again.usage.prompt_tokens_details.cached_tokens >= 16
    assert seeing.total("engine_pictures_encoded") == encoded


def test_a_streamed_answer_is_the_whole_one(eyes: Any) -> None:
    whole = asked(eyes, shown(film(3)))
    chunks = list(asked(eyes, shown(film(3)), stream=True, stream_options={"include_usage": True}))
    text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
    assert text == whole.choices[0].message.content
    assert chunks[-1].usage.prompt_tokens == whole.usage.prompt_tokens


def test_a_response_goes_on_about_its_video(eyes: Any) -> None:
    first = eyes.responses.create(model=EYES, input=item(film(4)), max_output_tokens=4)
    second = eyes.responses.create(model=EYES, input="hello", previous_response_id=first.id, max_output_tokens=4)
    assert second.usage.input_tokens > first.usage.input_tokens > FRAMES * 4


def test_a_response_in_the_background_sees_its_video(seeing: Any, eyes: Any) -> None:
    made = eyes.responses.create(model=EYES, input=item(film(5)), max_output_tokens=4, background=True)
    seeing.seconds_until(lambda: eyes.responses.retrieve(made.id).status not in ("queued", "in_progress"))
    answer = eyes.responses.retrieve(made.id)
    assert answer.status in ("completed", "incomplete")
    assert answer.usage.input_tokens > FRAMES * 4


def test_videos_stand_beside_pictures(eyes: Any) -> None:
    from drawn_pictures import data_url, picture

    seen = {"type": "image_url", "image_url": {"url": data_url(picture()), "detail": "low"}}
    both = [{"role": "user", "content": [seen, part(film()), {"type": "text", "text": "hello"}]}]
    assert asked(eyes, both).usage.prompt_tokens > asked(eyes, shown(film())).usage.prompt_tokens


PLACE = "messages[0].content[0]"


@pytest.mark.parametrize(
    ("videos", "model", "param", "code", "says"),
    [
        ((b"Buy milk.",), EYES, f"{PLACE}.video_url.url", "invalid_video_format", "it is text"),
        ((film()[:300],), EYES, PLACE, "invalid_video", "no video that can be read"),
        ((film(),), BLIND, PLACE, None, "`tiny-blind` reads text only"),
        ((film(),) * 8, EYES, "messages", "too_many_videos", "7"),
        ((film(seconds=9),) * 7, EYES, "messages", "context_length_exceeded", "7 videos"),
    ],
    ids=["text", "cut", "blind", "many", "long"],
)
def test_what_cannot_be_shown_is_refused_at_its_place(
    seeing: Any,
    connect: Callable[..., Any],
    temporary: Path,
    videos: tuple[bytes, ...],
    model: str,
    param: str,
    code: str | None,
    says: str,
) -> None:
    client = connect(seeing.url)
    for stream in (False, True):
        with pytest.raises(openai.BadRequestError) as refused:
            asked(client, shown(*videos), model=model, stream=stream)
        assert (refused.value.param, refused.value.code) == (param, code), refused.value
        assert says in str(refused.value)
        assert str(temporary) not in str(refused.value)
        assert "seatrial-videos" not in str(refused.value)
    with pytest.raises(openai.BadRequestError) as told:
        client.responses.create(model=model, input=item(*videos))
    assert told.value.code == code
    assert (told.value.param or "").startswith("input")
    assert "seatrial-videos" not in str(told.value)


@pytest.mark.slow
def test_what_a_killed_server_left_is_removed_by_the_next(
    tiny_vision: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from server_process import ServerProcess

    monkeypatch.setenv("TMPDIR", str(tmp_path))
    eyes = tiny_vision().write_folder(tmp_path / EYES)
    killed = ServerProcess(str(eyes), "--port", "0", "--context", "512", log=tmp_path / "killed.log")
    with openai.OpenAI(base_url=f"{killed.url}/v1", api_key="none", max_retries=0) as client:
        for seed in range(4):
            client.responses.create(model=EYES, input=item(film(seed)), max_output_tokens=400, background=True)
        killed.process.kill()
    killed.process.wait()
    assert list(tmp_path.glob("seatrial-videos-*/*")), "the last of them was under way"
    following = ServerProcess("http://127.0.0.1:9/v1#m", "--port", "0", log=tmp_path / "following.log")
    assert list(tmp_path.glob("seatrial-videos-*")) == []
    assert following.stop() == 0


async def test_a_client_that_leaves_stops_the_work(seeing: Any) -> None:
    client = openai.AsyncOpenAI(base_url=f"{seeing.url}/v1", api_key="none", max_retries=0)
    tasks = [
        asyncio.create_task(client.chat.completions.create(model=EYES, messages=shown(film(seed)), max_tokens=300))
        for seed in range(40, 44)
    ]
    await asyncio.sleep(0.05)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    await client.close()
    seeing.seconds_until(lambda: seeing.total("engine_running") + seeing.total("engine_waiting") == 0)
