"""Frames of videos: which, when, and how they look, against transformers' own arithmetic and reader."""

from __future__ import annotations

import subprocess
import sys
from datetime import timedelta
from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import av
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from moving_pictures import number_of, write_video
from num2words import num2words
from odd_pictures import drawing, encoded
from PIL import Image
from transformers.models.smolvlm.processing_smolvlm import SmolVLMProcessor
from transformers.models.smolvlm.video_processing_smolvlm import SmolVLMVideoProcessor
from transformers.video_utils import VideoMetadata, read_video_pyav

from seatrial.models.pictures import prepare_video, sample_video
from seatrial.models.pictures.plan import scaled_size
from seatrial.models.pictures.sampling import frames_to_look_at
from seatrial.models.pictures.video_text import number_in_words, video_text
from seatrial.models.vision_config import PictureRules, VideoRules, VisionConfig

Eyes = tuple[VisionConfig, PictureRules]
RULES = VideoRules(fps=1.0, max_frames=64, longest_edge=384)


def published_frames(metadata: VideoMetadata, rules: VideoRules) -> list[int]:
    return SmolVLMVideoProcessor.sample_frames(
        SimpleNamespace(num_frames=rules.max_frames, fps=rules.fps), metadata
    ).tolist()


@settings(max_examples=300, deadline=None)
@given(
    num_frames=st.integers(1, 500_000),
    rate=st.fractions(Fraction(1, 10), 240, max_denominator=1001),
    fps=st.floats(0.1, 30),
    max_frames=st.integers(1, 200),
)
def test_the_frames_looked_at_are_the_published_ones(
    num_frames: int, rate: Fraction, fps: float, max_frames: int
) -> None:
    rules = VideoRules(fps, max_frames, 384)
    duration_s = float(num_frames / rate)
    metadata = VideoMetadata(total_num_frames=num_frames, fps=float(rate), duration=duration_s)
    ours = frames_to_look_at(num_frames, float(rate), duration_s, rules)
    assert ours == published_frames(metadata, rules)
    assert 1 <= len(ours) <= max_frames


VIDEOS: dict[str, dict[str, Any]] = {
    "short.mp4": {"num_frames": 25, "fps": 10},
    "long.mp4": {"num_frames": 1500, "fps": 10, "keyframe_every": 50},
    "film.mov": {"num_frames": 600, "fps": Fraction(24000, 1001), "keyframe_every": 48},
    "one keyframe.mp4": {"num_frames": 700, "fps": 5, "keyframe_every": 10_000},
    "old.avi": {"num_frames": 900, "fps": 15, "codec": "mpeg4", "keyframe_every": 30},
    "web.mkv": {"num_frames": 900, "fps": 30, "keyframe_every": 60},
    "broadcast.ts": {"num_frames": 600, "fps": 25, "codec": "mpeg2video", "keyframe_every": 12},
    "one frame.mp4": {"num_frames": 1, "fps": 10},
}


@pytest.mark.parametrize("name", VIDEOS)
def test_every_frame_is_the_one_its_time_names(name: str, tmp_path: Path) -> None:
    options = dict(VIDEOS[name])
    path = write_video(tmp_path / name, **options)
    video = sample_video(path, RULES)
    assert video.num_frames == options["num_frames"]
    assert video.fps == pytest.approx(float(options["fps"]))
    numbers = [number_of(frame.picture) for frame in video.frames]
    assert numbers == [round(frame.at_s * video.fps) for frame in video.frames]
    assert numbers == frames_to_look_at(video.num_frames, video.fps, video.duration_s, RULES)


@pytest.mark.parametrize("name", ["short.mp4", "long.mp4", "film.mov", "one keyframe.mp4", "old.avi"])
def test_frames_and_times_are_those_of_transformers_reader(name: str, tmp_path: Path) -> None:
    path = write_video(tmp_path / name, **VIDEOS[name])
    theirs, metadata = read_video_pyav(str(path), lambda metadata, **_: published_frames(metadata, RULES))
    ours = sample_video(path, RULES)
    assert [frame.at_s for frame in ours.frames] == metadata.timestamps
    assert ours.duration_s == metadata.duration
    for frame, pixels in zip(ours.frames, theirs, strict=True):
        picture = Image.fromarray(pixels)
        expected = picture.resize(scaled_size(*picture.size, RULES.longest_edge), Image.Resampling.LANCZOS)
        np.testing.assert_array_equal(np.asarray(frame.picture), np.asarray(expected))


def test_a_screen_recording_shows_the_last_frame_before_each_time(tmp_path: Path) -> None:
    """Frames at 0, 1, 2 and 9 s: at 4 and 6 s the one of 2 s is still shown."""
    at = [0, 1000, 2000, 9000, 9500]
    path = write_video(tmp_path / "slides.mkv", len(at), fps=1, at=at)
    video = sample_video(path, VideoRules(1.0, 64, 128))
    for frame in video.frames:
        shown = max(number for number, start in enumerate(at) if start <= frame.at_s * 1000 + 10)
        assert number_of(frame.picture) == shown


@pytest.mark.parametrize("rotation", [90, -90, 180])
def test_a_phones_video_is_turned_upright(rotation: int, tmp_path: Path) -> None:
    plain = sample_video(write_video(tmp_path / "plain.mp4", 5), RULES).frames[0].picture
    turned = sample_video(write_video(tmp_path / "turned.mp4", 5, rotation=rotation), RULES).frames[0].picture
    expected = plain.rotate(rotation, expand=True)
    assert turned.size == expected.size
    np.testing.assert_allclose(np.asarray(turned, float), np.asarray(expected, float), atol=2)


def test_an_animated_gif_is_a_video_too(tmp_path: Path) -> None:
    path = tmp_path / "moving.gif"
    frames = [drawing(64, 48, seed=seed) for seed in range(20)]
    path.write_bytes(encoded(frames[0], "GIF", save_all=True, append_images=frames[1:], duration=100))
    video = sample_video(path, RULES)
    assert (len(video.frames), video.duration_s) == (2, pytest.approx(2.0))


@pytest.mark.parametrize(("keyframe_every", "most"), [(10_000, 2.1), (25, 0.5)])
def test_few_keyframes_do_not_make_it_decode_again_and_again(
    keyframe_every: int, most: float, tmp_path: Path, decoded: list[float]
) -> None:
    """One keyframe in five minutes: at most twice through. One every 5 s: less than half of the frames."""
    num_frames = 1500
    path = write_video(tmp_path / "a.mp4", num_frames, fps=5, keyframe_every=keyframe_every)
    video = sample_video(path, VideoRules(1.0, 12, 128))
    assert [number_of(frame.picture) for frame in video.frames] == [round(f.at_s * 5) for f in video.frames]
    assert len(decoded) < most * num_frames


HOUR = """
import resource, sys, time
from pathlib import Path
from seatrial.models.pictures import sample_video
from seatrial.models.vision_config import VideoRules
import av, PIL.Image, numpy
sample_video(Path(sys.argv[2]), VideoRules(1.0, 64, 384))
def read():
    return int(next(l for l in open("/proc/self/io") if l.startswith("rchar")).split()[1])
before, started, had = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.monotonic(), read()
video = sample_video(Path(sys.argv[1]), VideoRules(1.0, 64, 384))
took = time.monotonic() - started
print(len(video.frames), round(video.duration_s), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before,
      read() - had, took)
"""


def write_hours(path: Path, seconds: int, *, width: int = 640, height: int = 360, keyframe_every_s: int = 5) -> Path:
    """A long video of 4 frames per second: one run between keyframes, encoded once, over and over."""
    rng = np.random.default_rng(1)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=4, options={"preset": "ultrafast", "crf": "40"})
        stream.width, stream.height, stream.pix_fmt, stream.gop_size = width, height, "yuv420p", 10_000
        stream.codec_context.max_b_frames = 0
        packets = []
        for _ in range(keyframe_every_s * 4):
            noise = rng.integers(0, 256, (height // 40, width // 40, 3), np.uint8).repeat(40, 0).repeat(40, 1)
            packets += stream.encode(av.VideoFrame.from_ndarray(noise, format="rgb24"))
        packets += stream.encode()
        contents = [(bytes(packet), packet.is_keyframe) for packet in packets]
        for run in range(seconds // keyframe_every_s):
            for number, (content, is_keyframe) in enumerate(contents):
                packet = av.Packet(content)
                packet.stream, packet.time_base = stream, Fraction(1, 4)
                packet.pts = packet.dts = run * len(contents) + number
                packet.duration, packet.is_keyframe = 1, is_keyframe
                container.mux(packet)
    return path


def test_an_hour_is_read_in_bounded_memory_and_not_whole(tmp_path: Path) -> None:
    """Sixty-four frames of an hour: the memory of a few frames, and a part of the file."""
    path = write_hours(tmp_path / "hour.mkv", 3600)
    short = write_hours(tmp_path / "short.mkv", 10)
    command = [sys.executable, "-c", HOUR, str(path), str(short)]
    out = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
    num_frames, duration_s, more_kib, num_read, took_s = (float(each) for each in out)
    assert (num_frames, duration_s) == (64, 3600)
    assert more_kib < 120_000
    assert num_read < 0.5 * path.stat().st_size
    assert took_s < 60


@given(
    num_frames=st.integers(1, 300),
    fps=st.sampled_from([1.0, 24.0, 29.97, 30.0]),
    duration_s=st.floats(0, 40_000),
)
def test_the_text_is_the_published_one(num_frames: int, fps: float, duration_s: float) -> None:
    indices = np.unique(np.linspace(0, duration_s * fps, num_frames, dtype=int)).tolist()
    metadata = VideoMetadata(len(indices), fps=fps, duration=duration_s, frames_indices=indices)
    processor = SimpleNamespace(
        image_seq_len=3,
        fake_image_token="<fake_token_around_image>",
        image_token="<image>",
        global_image_token="<global-img>",
    )
    said = {"pixel_values": np.zeros((1, len(indices), 1)), "video_metadata": [metadata]}
    expected = SmolVLMProcessor.replace_video_token(processor, said, 0)
    frame = "<fake_token_around_image><global-img><image><image><image><fake_token_around_image>"
    assert video_text([index / fps for index in indices], duration_s, frame) == expected


def test_numbers_are_written_as_num2words_writes_them() -> None:
    for number in [*range(2500), 9_999, 10_000, 100_000, 123_456, 999_999]:
        assert number_in_words(number) == num2words(number)


def test_a_prepared_video_says_when_each_frame_was_seen(tiny_eyes: Eyes, tmp_path: Path) -> None:
    config, rules = tiny_eyes
    path = write_video(tmp_path / "a.mp4", 30, fps=10)
    prepared = prepare_video(path, config, rules)
    assert len(prepared.pictures) == 6
    assert prepared.text.startswith(
        "You are provided the following series of six frames from a 0:00:03 [H:MM:SS] video."
    )
    assert prepared.text.count("\nFrame from 00:0") == 6
    assert prepared.text.endswith("<fake_token_around_image>\n\n")
    assert prepared.text.count("<image>") == sum(picture.num_tokens for picture in prepared.pictures)
    assert {picture.tiles_NCHW.shape for picture in prepared.pictures} == {(1, 3, 64, 64)}
    assert len({picture.key for picture in prepared.pictures}) == 6
    assert str(timedelta(seconds=3)) in prepared.text


def test_frames_are_prepared_as_pictures_are_that_are_not_split(tiny_eyes: Eyes, tmp_path: Path) -> None:
    from transformers.models.smolvlm.image_processing_pil_smolvlm import SmolVLMImageProcessorPil

    config, rules = tiny_eyes
    path = write_video(tmp_path / "a.mp4", 30, fps=10)
    theirs, _ = read_video_pyav(str(path), lambda metadata, **_: published_frames(metadata, rules.video))
    processor = SmolVLMImageProcessorPil(
        size={"longest_edge": rules.video.longest_edge},
        max_image_size={"longest_edge": rules.tile_edge},
        do_image_splitting=False,
        image_mean=list(rules.mean),
        image_std=list(rules.std),
    )
    expected = processor([[Image.fromarray(pixels) for pixels in theirs]], return_tensors="np")["pixel_values"][0]
    ours = np.concatenate([picture.tiles_NCHW for picture in prepare_video(path, config, rules).pictures])
    np.testing.assert_array_equal(ours, expected)
