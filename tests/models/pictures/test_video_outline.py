"""What a video costs is known before a frame is decoded, and is what preparing it then gives."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from moving_pictures import write_silence, write_video
from odd_pictures import drawing, encoded

from seatrial.errors import InputError
from seatrial.models.pictures import outline_video, prepare_video
from seatrial.models.pictures.playhead import Playhead
from seatrial.models.vision_config import PictureRules, VisionConfig

Eyes = tuple[VisionConfig, PictureRules]


def animation(path: Path) -> Path:
    frames = [drawing(64, 48, seed=seed) for seed in range(20)]
    path.write_bytes(encoded(frames[0], "GIF", save_all=True, append_images=frames[1:], duration=100))
    return path


def cut(path: Path, share: float) -> Path:
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * share)])
    return path


# At 0, 1, 2 and 9 s: as a screen recording has them.
SLIDES = [0, 1000, 2000, 9000, 9500]
VIDEOS: dict[str, Callable[[Path], Path]] = {
    "short.mp4": lambda path: write_video(path, 25),
    "long.mp4": lambda path: write_video(path, 1500, keyframe_every=50),
    "film.mov": lambda path: write_video(path, 600, fps=Fraction(24000, 1001), keyframe_every=48),
    "one keyframe.mp4": lambda path: write_video(path, 700, fps=5, keyframe_every=10_000),
    "old.avi": lambda path: write_video(path, 900, fps=15, codec="mpeg4", keyframe_every=30),
    "web.mkv": lambda path: write_video(path, 900, fps=30, keyframe_every=60),
    "broadcast.ts": lambda path: write_video(path, 600, fps=25, codec="mpeg2video", keyframe_every=12),
    "one frame.mp4": lambda path: write_video(path, 1),
    "slides.mkv": lambda path: write_video(path, len(SLIDES), fps=1, at=SLIDES),
    "turned.mp4": lambda path: write_video(path, 5, rotation=90),
    "moving.gif": animation,
    "cut.ts": lambda path: cut(write_video(path, 600, codec="mpeg2video"), 0.5),
    "cut.mkv": lambda path: cut(write_video(path, 600), 0.5),
}


@pytest.mark.parametrize("name", VIDEOS)
def test_nothing_is_decoded_and_the_text_is_that_of_preparing(
    name: str, tiny_eyes: Eyes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = VIDEOS[name](tmp_path / name)
    with monkeypatch.context() as patched:
        patched.setattr(Playhead, "__init__", lambda *a: pytest.fail("frames were decoded"))
        text = outline_video(path, *tiny_eyes)
    prepared = prepare_video(path, *tiny_eyes)
    assert text == prepared.text
    assert prepared.text.count("<image>") == sum(picture.num_tokens for picture in prepared.pictures)


@pytest.mark.parametrize("name", ["cut.avi", "absent.mp4", "text.mp4", "sound.mp4", "folder", "endless.mkv"])
def test_where_the_head_is_not_to_be_trusted_only_reading_tells(name: str, tiny_eyes: Eyes, tmp_path: Path) -> None:
    """The header of a cut AVI counts frames that are not there; preparing it says what is wrong."""
    path = tmp_path / name
    if name == "cut.avi":
        cut(write_video(path, 600, codec="mpeg4"), 0.5)
    elif name == "text.mp4":
        path.write_bytes(b"Dear sir or madam, " * 100)
    elif name == "sound.mp4":
        write_silence(path)
    elif name == "folder":
        path.mkdir()
    elif name == "endless.mkv":
        write_video(path, 3, fps=1, at=[0, 1000, 10**14])
    assert outline_video(path, *tiny_eyes) is None
    with pytest.raises(InputError):
        prepare_video(path, *tiny_eyes)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    folder = tmp_path_factory.mktemp("whole")
    makers = {"a.mp4": "libx264", "a.mkv": "libx264", "a.avi": "mpeg4", "a.ts": "mpeg2video"}
    return {name: write_video(folder / name, 60, codec=codec).read_bytes() for name, codec in makers.items()}


@pytest.mark.parametrize("name", ["a.mp4", "a.mkv", "a.avi", "a.ts"])
@settings(max_examples=50, deadline=None)
@given(
    changes=st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.binary(min_size=1, max_size=8)), max_size=8),
    kept=st.one_of(st.just(1.0), st.floats(0.05, 1)),
)
def test_of_a_damaged_video_no_other_text_is_told_than_preparing_gives(
    whole: dict[str, bytes],
    tiny_eyes: Eyes,
    tmp_path_factory: pytest.TempPathFactory,
    name: str,
    changes: list[tuple[float, bytes]],
    kept: float,
) -> None:
    data: Any = bytearray(whole[name])
    for place, replacement in changes:
        at = int(place * len(data))
        data[at : at + len(replacement)] = replacement
    path = tmp_path_factory.getbasetemp() / f"outlined {name}"
    path.write_bytes(bytes(data[: int(len(data) * kept)]))
    text = outline_video(path, *tiny_eyes)
    try:
        prepared = prepare_video(path, *tiny_eyes)
    except InputError:
        return
    assert text in (None, prepared.text)
