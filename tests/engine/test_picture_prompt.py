"""Pictures in prompts: the text that stands for them, what users write themselves, what is kept."""

from __future__ import annotations

import io
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from seatrial.chat import ImagePart, Message, TextPart, VideoPart, message
from seatrial.engine import picture_prompt
from seatrial.engine.picture_prompt import PicturePrompts, Rendered, parts_to_see
from seatrial.errors import ContextTooLong, InputError, UsageError
from seatrial.models.chat_template import ChatTemplate, Marks
from seatrial.models.checkpoint import Checkpoint, open_checkpoint
from seatrial.models.pictures import Stopped

TEMPLATE = "{% for m in messages %}[{{ m.role }}]{{ m.content }}{% endfor %}"


def png(width: int = 100, height: int = 60, seed: int = 1, detail: Any = "auto") -> ImagePart:
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "png")
    return ImagePart(file.getvalue(), "image/png", detail)


def user(*parts: str | ImagePart | VideoPart) -> Message:
    return Message("user", tuple(TextPart(part) if isinstance(part, str) else part for part in parts))


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory, tiny_vision: Callable[..., Any]) -> Checkpoint:
    from datetime import datetime

    folder = tiny_vision().write_folder(tmp_path_factory.mktemp("tiny") / "seeing")
    return open_checkpoint(folder, now=datetime.now)


def prompts_of(checkpoint: Checkpoint, **changes: Any) -> PicturePrompts:
    assert checkpoint.vision is not None
    return PicturePrompts(
        checkpoint.vision.config, checkpoint.vision.rules, checkpoint.tokenizer, name="tiny", **changes
    )


def rendered(checkpoint: Checkpoint, *messages: Message) -> Rendered:
    template = checkpoint.chat_template
    assert template is not None
    return picture_prompt.rendered(lambda marks: template.render(messages, marks=marks), parts_to_see(messages))


def test_a_prompt_is_what_the_published_processor_writes(checkpoint: Checkpoint) -> None:
    """`get_image_prompt_string` of transformers' `processing_smolvlm`, put where the template has its mark."""
    from transformers.models.smolvlm.processing_smolvlm import get_image_prompt_string

    tags = ("<fake_token_around_image>", "<image>", "<global-img>")
    split, whole = get_image_prompt_string(3, 4, 4, *tags), get_image_prompt_string(0, 0, 4, *tags)
    messages = (user(png(), "what is "), user("this and ", png(20, 20, detail="low"), "?"))
    prompts = prompts_of(checkpoint)
    found = prompts.encode(rendered(checkpoint, *messages), parts_to_see(messages))
    text = f"<|im_start|>User:{split}what is <end_of_utterance>\nUser: this and {whole}?<end_of_utterance>\nAssistant:"
    assert found == checkpoint.tokenizer.encode(text)
    assert prompts.num_tokens(messages[0].parts[0]) == len(checkpoint.tokenizer.encode(split))


def test_what_a_user_writes_himself_stays_text(checkpoint: Checkpoint) -> None:
    messages = (user("<image> and <video> ", png(detail="low"), "<image>"),)
    prompts = prompts_of(checkpoint)
    found = prompts.encode(rendered(checkpoint, *messages), parts_to_see(messages))
    assert checkpoint.vision is not None
    assert found.count(checkpoint.vision.config.image_token_id) == 4
    spelled = [checkpoint.tokenizer.token_id(each) for each in "<im"]
    at = [index for index in range(len(found)) if found[index : index + 3] == spelled]
    assert len(at) == 2
    assert checkpoint.tokenizer.decode(found[at[0] :]).startswith("<image> and <video> ")


def test_a_template_that_leaves_a_picture_out_is_said(checkpoint: Checkpoint) -> None:
    messages = (message("user", "hello"), user(png(), "what"))
    prompts = prompts_of(checkpoint)
    with pytest.raises(UsageError, match="chat template of `tiny` has no place for a picture"):
        prompts.encode(
            Rendered("[user]hello <image>[user]what", Marks("<image 1>", "<video 1>")), parts_to_see(messages)
        )


def test_counting_looks_at_no_pixels(checkpoint: Checkpoint, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(picture_prompt, "prepare_picture", lambda *a: pytest.fail("pixels were decoded"))
    whole = png(3000, 2000)
    cut = ImagePart(whole.data[:2000], "image/png")
    prompts = prompts_of(checkpoint)
    assert prompts.num_tokens(cut) == prompts.num_tokens(whole) > 50
    with pytest.raises(InputError):
        prompts.text_of(ImagePart(b"no picture", "image/png"))
    with pytest.raises(InputError):
        prompts.text_of(ImagePart(b"", "image/png"))


def test_prepared_pictures_are_kept_within_their_bound(checkpoint: Checkpoint, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[bytes] = []
    prepare = picture_prompt.prepare_picture

    def counting(data: bytes, *rest: Any) -> Any:
        made.append(data)
        return prepare(data, *rest)

    monkeypatch.setattr(picture_prompt, "prepare_picture", counting)
    one = 13 * 3 * 32 * 32 * 4
    prompts = prompts_of(checkpoint, kept_bytes=2 * one)
    first, second, third = (png(seed=seed) for seed in range(3))
    for part in (first, second, first, second, third, second):
        (picture,) = prompts.pictures_of(part)
        assert picture.text == prompts.text_of(part)
    assert made == [first.data, second.data, third.data]
    prompts.pictures_of(first)
    assert made[3:] == [first.data]
    assert prompts._num_bytes == 2 * one


def test_what_is_larger_than_the_bound_is_kept_until_the_next_comes(checkpoint: Checkpoint) -> None:
    prompts = prompts_of(checkpoint, kept_bytes=1)
    first, second = png(seed=1), png(seed=2)
    assert prompts.pictures_of(first)[0] is prompts.pictures_of(first)[0]
    kept = prompts.pictures_of(first)[0]
    prompts.pictures_of(second)
    assert prompts.pictures_of(first)[0] is not kept
    assert prompts.pictures_of(first)[0] == kept


def test_many_threads_at_once(checkpoint: Checkpoint) -> None:
    prompts = prompts_of(checkpoint, kept_bytes=300_000)
    parts = [png(40, 30, seed) for seed in range(6)]
    expected = [prompts_of(checkpoint).pictures_of(part)[0] for part in parts]
    with ThreadPoolExecutor(6) as pool:
        for turn in range(4):
            assert list(pool.map(lambda part: prompts.pictures_of(part)[0], parts)) == expected, turn


def test_how_many_fit(checkpoint: Checkpoint) -> None:
    prompts = prompts_of(checkpoint)
    messages = (user(*(png(seed=seed) for seed in range(3)), "what"),)
    parts = parts_to_see(messages)
    num_tokens = len(prompts.encode(rendered(checkpoint, *messages), parts))
    each = prompts.num_tokens(parts[0].part)
    prompts.check_room(num_tokens, parts, num_tokens + 1)
    for limit, fits in (
        (num_tokens, "The first 2 fit"),
        (num_tokens - each, "The first one fits"),
        (num_tokens - 2 * each, "None of them fits"),
        (num_tokens - 3 * each, "The text alone is too long"),
    ):
        with pytest.raises(
            ContextTooLong, match=rf"{3 * each} of them for 3 pictures; `tiny` takes {limit}, .*{fits}\."
        ):
            prompts.check_room(num_tokens, parts, limit)
    with pytest.raises(ContextTooLong, match=r"for a picture; .* It does not fit\."):
        prompts.check_room(each + 9, parts[:1], each + 8)


def template_of(source: str) -> ChatTemplate:
    from datetime import datetime

    return ChatTemplate(source, now=datetime.now)


def test_templates_for_text_alone_get_marks_in_their_text() -> None:
    messages = [user("see ", png(), " and ", VideoPart(Path("a.mp4")), "!"), message("assistant", "well")]
    assert template_of(TEMPLATE).render(messages) == "[user]see <image> and <video>![assistant]well"


def test_templates_for_parts_get_parts() -> None:
    """A template that knows no videos gets the mark of one as text, where the published default writes the same."""
    loop = "{% for m in messages %}{% for p in m.content %}({{ p.type }}{{ p.text }}){% endfor %}{% endfor %}"
    messages = [user("see ", png(), VideoPart(Path("a.mp4"))), Message("user", ())]
    known = "{# 'image' #}", '{# "image" "video" #}'
    assert template_of(known[0] + loop).render(messages) == "(textsee )(image)(text<video>)(text)"
    assert template_of(known[1] + loop).render(messages) == "(textsee )(image)(video)(text)"


def test_the_frames_of_a_video_are_read_once_and_not_for_its_text(
    checkpoint: Checkpoint, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from seatrial.models.pictures import PreparedVideo

    path = tmp_path / "a.mp4"
    path.write_bytes(b"film")
    frames = [prompts_of(checkpoint).pictures_of(png(seed=seed, detail="low"))[0] for seed in range(3)]
    read: list[Path] = []

    def prepare(at: Path, *rest: Any, **more: Any) -> PreparedVideo:
        read.append(at)
        return PreparedVideo(told, frames)

    told = "Film: " + "".join(frame.text for frame in frames)
    monkeypatch.setattr(picture_prompt, "outline_video", lambda *a: told)
    monkeypatch.setattr(picture_prompt, "prepare_video", prepare)
    prompts = prompts_of(checkpoint)
    messages = (user("what happens ", VideoPart(path)),)
    ids = prompts.encode(rendered(checkpoint, *messages), parts_to_see(messages))
    assert checkpoint.vision is not None
    assert ids.count(checkpoint.vision.config.image_token_id) == 12
    assert read == []
    for _ in range(2):
        assert prompts.pictures_of(VideoPart(path)) == tuple(frames)
    assert read == [path]
    path.write_bytes(b"another film")
    prompts.pictures_of(VideoPart(path))
    assert read == [path, path]


def test_counting_a_video_decodes_no_frame(
    checkpoint: Checkpoint, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = film(tmp_path / "a.mp4", 40)
    prompts = prompts_of(checkpoint)
    with monkeypatch.context() as patched:
        patched.setattr(picture_prompt, "prepare_video", lambda *a, **k: pytest.fail("frames were decoded"))
        text, num_tokens = prompts.text_of(VideoPart(path)), prompts.num_tokens(VideoPart(path))
    assert num_tokens == len(checkpoint.tokenizer.encode(text)) > 4 * 4
    frames = prompts.pictures_of(VideoPart(path))
    assert sum(frame.num_tokens for frame in frames) == text.count("<image>")
    assert prompts.text_of(VideoPart(path)) == text


def test_few_heads_of_videos_are_read_at_once(
    checkpoint: Checkpoint, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """FFmpeg takes memory for each; no place is held for that."""
    lock, num_at_once, most_at_once = threading.Lock(), 0, 0

    def outline(*_: Any) -> str:
        nonlocal num_at_once, most_at_once
        with lock:
            num_at_once += 1
            most_at_once = max(most_at_once, num_at_once)
        time.sleep(0.02)
        with lock:
            num_at_once -= 1
        return "Film: <image>"

    monkeypatch.setattr(picture_prompt, "outline_video", outline)
    prompts = prompts_of(checkpoint)
    parts = [VideoPart(tmp_path / f"{number}.mp4") for number in range(8)]
    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(prompts.text_of, parts)) == {"Film: <image>"}
    assert most_at_once == 2


def test_a_video_cut_short_is_refused_before_a_frame_is_decoded(
    checkpoint: Checkpoint, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = film(tmp_path / "a.avi", 300)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    monkeypatch.setattr(picture_prompt, "prepare_video", lambda *a, **k: pytest.fail("frames were decoded"))
    with pytest.raises(InputError, match="cut short"):
        prompts_of(checkpoint).num_tokens(VideoPart(path))


def test_nothing_more_is_prepared_for_somebody_who_has_gone(checkpoint: Checkpoint, tmp_path: Path) -> None:
    prompts, gone = prompts_of(checkpoint), threading.Event()
    shown = [png(), VideoPart(film(tmp_path / "a.mp4", 40))]
    gone.set()
    for part in shown:
        with pytest.raises(Stopped):
            prompts.pictures_of(part, gone)
        assert prompts.pictures_of(part)


def test_a_file_that_is_not_what_its_head_said_is_refused(
    checkpoint: Checkpoint, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    part = VideoPart(film(tmp_path / "a.mp4", 40))
    prompts = prompts_of(checkpoint)
    monkeypatch.setattr(picture_prompt, "outline_video", lambda *a: "Film: <image>")
    assert prompts.text_of(part) == "Film: <image>"
    for _ in range(2):
        with pytest.raises(InputError, match="something else than its head says"):
            prompts.pictures_of(part)


def film(path: Path, num_frames: int) -> Path:
    """A little video of ten frames per second."""
    import av

    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=10)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for number in range(num_frames):
            frame = av.VideoFrame.from_ndarray(np.full((48, 64, 3), number % 256, np.uint8), format="rgb24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path
