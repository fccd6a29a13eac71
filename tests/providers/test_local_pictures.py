"""Pictures through the local provider: answers, counts, what is refused and how it is named."""

from __future__ import annotations

import asyncio
import io
import struct
import threading
import zlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from seatrial.chat import ChatRequest, ImagePart, Message, TextPart, Tool, ToolCall, VideoPart, gather, message
from seatrial.engine import SamplingParams
from seatrial.errors import ContextTooLong, ProviderError, RequestRejected
from seatrial.providers.base import CountsPictures, CountsTokens
from seatrial.providers.local import LocalProvider, load_local
from seatrial.providers.local_prompt import prompt_of


def picture(seed: int = 1, width: int = 100, height: int = 60, detail: Any = "auto") -> ImagePart:
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "png")
    return ImagePart(file.getvalue(), "image/png", detail)


def ask(*parts: str | ImagePart | VideoPart, **changes: Any) -> ChatRequest:
    shown = tuple(TextPart(part) if isinstance(part, str) else part for part in parts)
    return ChatRequest((message("system", "look"), Message("user", shown)), **{"max_tokens": 8, **changes})


@pytest.fixture
async def words(tmp_path: Path, tiny: Callable[..., Any]) -> Any:
    loaded = load_local(tiny().write_folder(tmp_path / "words"), dtype="float32", device="cpu", name="words")
    yield loaded
    await loaded.close()


async def test_an_answer_about_a_picture(provider: LocalProvider) -> None:
    request = ask("what is ", picture(), "?")
    reply = await gather(provider.stream(request))
    expected = provider.model.read(request.messages)
    assert reply.finished is not None
    assert reply.finished.usage is not None
    assert reply.finished.usage.prompt_tokens == len(expected.token_ids) == provider.count_tokens(request)
    again = await gather(provider.stream(request))
    assert again.text == reply.text
    assert again.finished is not None
    assert again.finished.usage is not None
    assert again.finished.usage.cached_tokens > 52
    metrics = provider.metrics
    assert (metrics.num_pictures, metrics.num_pictures_encoded, metrics.num_tiles_encoded) == (2, 1, 13)
    other = await gather(provider.stream(ask("what is ", picture(2), "?")))
    assert other.text != reply.text


async def test_many_at_once_are_answered_as_alone(provider: LocalProvider) -> None:
    requests = [ask("what is ", picture(seed % 3, detail="low"), f"? {seed}") for seed in range(8)]
    requests += [ask("hello"), ask(picture(4), picture(5), "which")]
    together = await asyncio.gather(*(gather(provider.stream(request)) for request in requests))
    for request, reply in zip(requests, together, strict=True):
        assert (await gather(provider.stream(request))).text == reply.text
    assert provider.metrics.num_pictures_encoded == 5


async def test_counting(provider: LocalProvider) -> None:
    assert isinstance(provider, CountsTokens)
    assert isinstance(provider, CountsPictures)
    bare, seen = provider.count_tokens(ask("what is ", "?")), provider.count_tokens(ask("what is ", picture(), "?"))
    assert seen - bare == provider.count_picture_tokens(picture()) > 52
    assert provider.count_picture_tokens(picture(detail="low")) == 4 + 3
    many = ask(*(picture(seed) for seed in range(20)), "which")
    assert provider.count_tokens(many) > 20 * 52 > provider.context_length


async def test_pictures_are_prepared_beside_the_event_loop(
    provider: LocalProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    from seatrial.engine import picture_prompt

    threads: list[int] = []
    prepare = picture_prompt.prepare_picture

    def watched(*args: Any) -> Any:
        threads.append(threading.get_ident())
        return prepare(*args)

    monkeypatch.setattr(picture_prompt, "prepare_picture", watched)
    await gather(provider.stream(ask(picture(8), "what")))
    assert threads
    assert threading.get_ident() not in threads


async def test_what_is_no_picture_is_named_by_its_place(provider: LocalProvider) -> None:
    cut = picture(width=300, height=300)
    for part, code in (
        (ImagePart(b"%PDF-1.4", "image/png"), "invalid_image"),
        (ImagePart(b"", "image/png"), "invalid_image"),
        (replace(cut, data=cut.data[:1000]), "invalid_image"),
        (picture_of_pixels(40_000, 40_000), "image_too_large"),
        (VideoPart(Path("nowhere.mp4").absolute()), "invalid_video"),
    ):
        with pytest.raises(RequestRejected) as caught:
            await gather(provider.stream(ask("what is ", picture(), part)))
        assert (caught.value.param, caught.value.code) == ("messages[1].content[2]", code), part
        assert str(Path.cwd()) not in str(caught.value)
    assert provider.metrics.num_tiles_encoded == 0


def picture_of_pixels(width: int, height: int) -> ImagePart:
    """A small file that says it is large."""
    file = io.BytesIO()
    Image.new("1", (1, 1)).save(file, "png")
    data = bytearray(file.getvalue())
    data[16:24] = struct.pack(">II", width, height)
    data[29:33] = struct.pack(">I", zlib.crc32(data[12:29]))
    return ImagePart(bytes(data), "image/png")


async def test_a_model_of_text_alone(words: LocalProvider) -> None:
    says = r"`words` reads text only; .* `smolvlm2-256m`"
    with pytest.raises(RequestRejected, match=says) as caught:
        await gather(words.stream(ask("what is ", picture())))
    assert caught.value.param == "messages[1].content[1]"
    with pytest.raises(RequestRejected, match=says) as caught:
        words.count_tokens(ask("what is ", picture()))
    assert caught.value.param == "messages[1].content[1]"
    with pytest.raises(RequestRejected, match="reads text only"):
        words.count_picture_tokens(picture())


async def test_a_text_model_that_lost_its_eyes_says_where_they_go(
    tiny_vision: Callable[..., Any], tmp_path: Path
) -> None:
    """The text half of a GGUF pair knows the picture's token; its `mmproj` file is not there."""
    tiny_vision().write_ggufs(tmp_path).unlink()
    loaded = load_local(tmp_path / "tiny-F32.gguf", dtype="float32", device="cpu", name="half")
    with pytest.raises(RequestRejected, match=r"`half` .* `mmproj-….gguf`, beside it") as caught:
        loaded.count_picture_tokens(picture())
    assert "`smolvlm2-256m`" in str(caught.value)
    await loaded.close()


async def test_too_many_pictures_say_how_many_fit(provider: LocalProvider, monkeypatch: pytest.MonkeyPatch) -> None:
    from seatrial.engine import picture_prompt

    monkeypatch.setattr(picture_prompt, "prepare_picture", lambda *a: pytest.fail("pixels were decoded"))
    with pytest.raises(ContextTooLong, match=r"for 9 pictures; `tiny-eyes` takes 512, .* The first 5 fit\."):
        await gather(provider.stream(ask(*(picture(seed) for seed in range(9)), "which")))


async def test_a_damaged_video_is_told_without_its_folder(provider: LocalProvider, tmp_path: Path) -> None:
    path = tmp_path / "film.mp4"
    path.write_bytes(b"\x00\x00\x00\x18ftypisom\x00\x00\x02\x00isomiso2" + bytes(64))
    with pytest.raises(RequestRejected, match="no video that can be read") as caught:
        await gather(provider.stream(ask("what is ", VideoPart(path))))
    assert caught.value.code == "invalid_video"
    assert str(tmp_path) not in str(caught.value)
    with pytest.raises(RequestRejected, match=r"^film\.mp4: this is no video") as caught:
        provider.count_picture_tokens(VideoPart(path))
    assert str(tmp_path) not in str(caught.value)


async def test_a_video_that_does_not_fit_is_called_one(provider: LocalProvider, tmp_path: Path) -> None:
    import av

    path = tmp_path / "film.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=1)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for level in range(8):
            frame = av.VideoFrame.from_ndarray(np.full((48, 64, 3), 30 * level, np.uint8), format="rgb24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    with pytest.raises(ContextTooLong, match=r"for 9 videos; .* Show a shorter part of the video, or leave") as caught:
        await gather(provider.stream(ask(*[VideoPart(path)] * 9, "which")))
    assert "detail" not in str(caught.value)


async def test_who_already_looks_closely_at_nothing_is_not_told_to(provider: LocalProvider) -> None:
    low = [picture(seed, detail="low") for seed in range(80)]
    with pytest.raises(ContextTooLong, match=r"for 80 pictures; .* Leave something out\.$"):
        await gather(provider.stream(ask(*low, "which")))
    with pytest.raises(ContextTooLong, match=r'Leave something out, or ask with `detail` "low"\.$'):
        await gather(provider.stream(ask(*(picture(seed) for seed in range(9)), "which")))


async def test_who_goes_away_while_a_picture_is_encoded_frees_its_place(provider: LocalProvider) -> None:
    eyes = provider.model.vision
    assert eyes is not None
    entered, go_on = threading.Event(), threading.Event()
    encode = eyes.encode

    def slow(tiles: Any) -> Any:
        entered.set()
        go_on.wait(20)
        return encode(tiles)

    eyes.encode = slow  # type: ignore[method-assign]
    task = asyncio.create_task(gather(provider.stream(ask(picture(11), "what"))))
    await asyncio.to_thread(entered.wait, 20)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    go_on.set()
    assert (await gather(provider.stream(ask("hello")))).finished is not None
    metrics = provider.metrics
    assert (metrics.num_running, metrics.num_waiting, metrics.num_pictures_encoded) == (0, 0, 0)
    assert metrics.num_tiles_encoded == 1


async def test_an_encoder_that_fails_fails_one_request(provider: LocalProvider) -> None:
    eyes = provider.model.vision
    assert eyes is not None
    encode, bad = eyes.encode, provider.model.read(ask(picture(13, detail="low")).messages).pictures[0].tiles_NCHW[0]

    def failing(tiles: Any) -> Any:
        if any(np.array_equal(tile, bad) for tile in tiles):
            raise RuntimeError("a bad tile")
        return encode(tiles)

    eyes.encode = failing  # type: ignore[method-assign]
    requests = [ask(picture(seed, detail="low"), "what") for seed in (12, 13, 14)]
    found = await asyncio.gather(*(gather(provider.stream(each)) for each in requests), return_exceptions=True)
    assert [isinstance(each, BaseException) for each in found] == [False, True, False]
    assert isinstance(found[1], ProviderError)
    assert "`tiny-eyes` failed while it looked at a picture: RuntimeError: a bad tile" in str(found[1])


@pytest.mark.parametrize("as_ids", [False, True])
async def test_a_plain_prompt_that_holds_a_place_for_a_picture_is_refused(
    provider: LocalProvider, as_ids: bool
) -> None:
    mark = provider.model.tokenizer.token_id("<image>")
    assert mark is not None
    prompt = (mark, mark) if as_ids else "<image>"
    with pytest.raises(RequestRejected, match="`tiny-eyes`: The prompt holds a picture's token") as refused:
        await gather(provider.stream(ChatRequest((), prompt=prompt)))
    assert refused.value.param == "prompt"
    with pytest.raises(RequestRejected) as refused:
        await provider.embed(["good", prompt])
    assert refused.value.param == "input"
    assert provider.metrics.num_pictures == 0


async def test_a_mark_that_a_user_writes_is_text_where_there_is_no_picture_too(provider: LocalProvider) -> None:
    request, model = ask("say <image> and <video>"), provider.model
    expected = model.tokenizer.encode("<image>"[:1]) + model.tokenizer.encode("<image>"[1:])
    for ids in (prompt_of(request, model).token_ids, model.read(request.messages).token_ids):
        assert model.tokenizer.token_id("<image>") not in ids
        at = ids.index(expected[0])
        assert ids[at : at + len(expected)] == expected
        assert "say <image> and <video>" in model.tokenizer.decode(ids)


@pytest.mark.parametrize("shown", [[picture(detail="low")], []])
async def test_marks_in_tools_and_their_calls_are_text_too(provider: LocalProvider, shown: list[ImagePart]) -> None:
    tool = Tool("draw", "gives an <image>", {"properties": {"as": {"enum": ["<image>", "<video>"]}}})
    call = ToolCall("call_1", "draw", '{"as": "<image>"}')
    request = ask(*shown, "draw <image>", tools=(tool,))
    answered = replace(request, messages=(*request.messages, Message("assistant", (), (call,)), message("user", "on")))
    for asked in (request, answered):
        ids = prompt_of(asked, provider.model).token_ids
        assert ids.count(provider.model.tokenizer.token_id("<image>")) == 4 * len(shown)
        assert provider.model.tokenizer.decode(ids).count("<image>") >= 3
    assert (await gather(provider.stream(replace(request, max_tokens=2)))).finished is not None


async def test_a_model_of_text_alone_reads_a_mark_as_it_stands(words: LocalProvider) -> None:
    ids = prompt_of(ask("say <image>"), words.model).token_ids
    assert "say <image>" in words.model.tokenizer.decode(ids)


def test_a_penalty_does_not_count_pictures(folder: Path) -> None:
    provider = load_local(folder, dtype="float32", device="cpu", name="tiny-eyes", context_length=512)
    how = SamplingParams(max_tokens=6, repetition_penalty=2.0, ignore_eos=True)
    assert len(provider.model.generate(ask(picture(), "hello").messages, how).token_ids) == 6
