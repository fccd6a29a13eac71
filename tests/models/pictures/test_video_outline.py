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
    "frames out of order.avi": lambda path: write_video(path, 200, codec="mpeg4", max_b_frames=2),
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
        patched.setattr(Playhead, "__init__", lambda *a, **k: pytest.fail("frames were decoded"))
        text = outline_video(path, *tiny_eyes)
    prepared = prepare_video(path, *tiny_eyes)
    assert text == prepared.text
    assert prepared.text.count("<image>") == sum(picture.num_tokens for picture in prepared.pictures)


UNREADABLE = {
    "cut.avi": r"there are \d\d\.\d s of the 60\.0 s that its head tells of; .* cut short",
    "cut.mp4": r"there are \d\d\.\d s of the 60\.0 s that its head tells of; .* cut short",
    "absent.mp4": "no such file",
    "text.mp4": "no video that can be read",
    "sound.mp4": "only sound",
    "folder": "not a file",
    "endless.mkv": "times are damaged",
}


@pytest.mark.parametrize("name", UNREADABLE)
def test_what_cannot_be_read_is_refused_before_a_frame_is_decoded(
    name: str, tiny_eyes: Eyes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The head of a cut AVI, or of an MP4 made to be shown while it comes, counts frames that are not there."""
    path = tmp_path / name
    if name == "cut.avi":
        cut(write_video(path, 600, codec="mpeg4"), 0.5)
    elif name == "cut.mp4":
        cut(write_video(path, 600, head_first=True), 0.6)
    elif name == "text.mp4":
        path.write_bytes(b"Dear sir or madam, " * 100)
    elif name == "sound.mp4":
        write_silence(path)
    elif name == "folder":
        path.mkdir()
    elif name == "endless.mkv":
        write_video(path, 3, fps=1, at=[0, 1000, 10**14])
    monkeypatch.setattr(Playhead, "__init__", lambda *a, **k: pytest.fail("frames were decoded"))
    for look in (outline_video, prepare_video):
        with pytest.raises(InputError, match=UNREADABLE[name]) as refused:
            look(path, *tiny_eyes)
        assert str(path) in str(refused.value)


def test_damage_behind_the_last_frame_that_is_looked_at_does_not_matter(tiny_eyes: Eyes, tmp_path: Path) -> None:
    path = cut(write_video(tmp_path / "a.mp4", 600, head_first=True), 0.985)
    assert outline_video(path, *tiny_eyes) == prepare_video(path, *tiny_eyes).text


def test_packets_are_not_counted_without_end(tiny_eyes: Eyes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_video(tmp_path / "a.mkv", 50)
    monkeypatch.setattr("seatrial.models.pictures.frames._MOST_COUNTED", 40)
    with pytest.raises(InputError, match="more than the 40 packets"):
        outline_video(path, *tiny_eyes)


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
    try:
        text = outline_video(path, *tiny_eyes)
    except InputError:
        with pytest.raises(InputError):
            prepare_video(path, *tiny_eyes)
        return
    try:
        assert prepare_video(path, *tiny_eyes).text == text
    except InputError:
        return
