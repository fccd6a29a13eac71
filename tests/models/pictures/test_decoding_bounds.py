"""Decoding a video ends: by a bound on its pixels, or when the caller wants no more of it."""

from __future__ import annotations

import gc
import threading
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from av.video.frame import PictureType
from moving_pictures import ACROSS, DOWN, SQUARE, number_of, numbered, write_video

from seatrial.errors import InputError
from seatrial.models.pictures import MOST_DECODED_PIXELS, Stopped, prepare_video, sample_video
from seatrial.models.pictures.playhead import Playhead
from seatrial.models.vision_config import PictureRules, VideoRules, VisionConfig

RULES = VideoRules(fps=1.0, max_frames=12, longest_edge=128)
# A frame of these films counts as the least that one may.
FRAME = 1 << 15


def test_the_bound_is_an_hour_with_the_keyframes_of_x264() -> None:
    """Each of 64 frames a whole run from its keyframe; and a minute of 4K, which is decoded straight on."""
    assert MOST_DECODED_PIXELS > 64 * 250 * 1920 * 1080
    assert MOST_DECODED_PIXELS > 60 * 60 * 3840 * 2160


def test_a_video_that_takes_more_is_refused_by_name(tmp_path: Path, decoded: list[float]) -> None:
    """Keyframes every 5 s: seeking helps, and costs until the bound is reached."""
    path = write_video(tmp_path / "a.mp4", 600, fps=5, keyframe_every=25)
    whole = sample_video(path, RULES)
    num_needed = len(decoded)
    decoded.clear()
    assert sample_video(path, RULES, most_decoded=(num_needed + 60) * FRAME).duration_s == whole.duration_s
    decoded.clear()
    with pytest.raises(
        InputError, match=r"the 2,621,440 pixels .* keyframe every few seconds, or with smaller"
    ) as told:
        sample_video(path, RULES, most_decoded=80 * FRAME)
    assert str(path) in str(told.value)
    assert 40 < len(decoded) <= 80


def test_larger_frames_cost_more(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("seatrial.models.pictures.decoding._LEAST_PIXELS", 1)
    path, frame = write_video(tmp_path / "a.mp4", 40), SQUARE * ACROSS * SQUARE * DOWN
    sample_video(path, RULES, most_decoded=50 * frame)
    with pytest.raises(InputError, match="pixels that are decoded"):
        sample_video(path, RULES, most_decoded=30 * frame)


def test_what_cannot_be_sought_in_is_refused_before_it_is_decoded(tmp_path: Path, decoded: list[float]) -> None:
    """One keyframe in two minutes; the frames up to the first that is looked at tell."""
    path = write_video(tmp_path / "a.mp4", 1200, keyframe_every=10_000)
    with pytest.raises(InputError, match="keyframes are too far apart"):
        sample_video(path, RULES, most_decoded=1000 * FRAME)
    assert len(decoded) < 30
    sample_video(path, RULES, most_decoded=1300 * FRAME)


@pytest.mark.parametrize("gap", [(100, 400), (0, 300), (700, 1200)])
def test_one_long_way_between_keyframes_does_not_end_the_seeking(
    gap: tuple[int, int], tmp_path: Path, decoded: list[float]
) -> None:
    """As where a slide stands still: keyframes every 2 s, but for half a minute at least."""
    path, num_frames = tmp_path / "slides.mkv", 1200
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=10)
        stream.width, stream.height, stream.pix_fmt, stream.gop_size = SQUARE * ACROSS, SQUARE * DOWN, "yuv420p", 600
        for number in range(num_frames):
            frame = av.VideoFrame.from_ndarray(numbered(number), format="rgb24")
            is_key = number % 20 == 0 and not gap[0] < number < gap[1]
            frame.pict_type = PictureType.I if is_key else PictureType.P
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    video = sample_video(path, RULES)
    assert [number_of(frame.picture) for frame in video.frames] == [round(frame.at_s * 10) for frame in video.frames]
    assert len(decoded) < 0.2 * num_frames + 2 * (gap[1] - gap[0])


def test_packets_that_cannot_be_decoded_cost_as_much(tmp_path: Path, decoded: list[float]) -> None:
    """Behind the first frame nothing but noise: each packet is tried."""
    path = tmp_path / "a.mkv"
    rng = np.random.default_rng(1)
    with (
        av.open(str(write_video(tmp_path / "one.mkv", 1, codec="mpeg4"))) as one,
        av.open(str(path), "w") as noisy,
    ):
        stream = noisy.add_stream_from_template(one.streams.video[0])
        first = bytes(next(one.demux(one.streams.video[0])))
        for number in range(300):
            packet = av.Packet(rng.bytes(100) if number else first)
            packet.stream, packet.time_base = stream, Fraction(1, 10)
            packet.pts = packet.dts = number
            packet.duration, packet.is_keyframe = 1, number == 0
            noisy.mux(packet)
    with pytest.raises(InputError, match="pixels that are decoded"):
        sample_video(path, VideoRules(1.0, 64, 128), most_decoded=200 * FRAME)
    assert len(decoded) < 10


@pytest.mark.parametrize("keyframe_every", [10, 10_000])
def test_it_ends_with_the_next_packet_once_it_is_told_to(
    keyframe_every: int, tiny_eyes: tuple[VisionConfig, PictureRules], tmp_path: Path, decoded: list[float]
) -> None:
    path = write_video(tmp_path / "a.mp4", 300, keyframe_every=keyframe_every)
    stop, seen = threading.Event(), 0

    def until_the_second(picture: Any) -> Any:
        nonlocal seen
        seen = len(decoded)
        if seen > 10:
            stop.set()
        return picture

    with pytest.raises(Stopped):
        sample_video(path, RULES, shaped=until_the_second, stop=stop)
    assert len(decoded) == seen < 200
    with pytest.raises(Stopped):
        prepare_video(path, *tiny_eyes, stop=stop)
    assert len(decoded) == seen


@pytest.mark.parametrize("how", ["whole", "refused", "stopped", "broken"])
def test_nothing_of_the_decoder_is_left(
    how: str, tmp_path: Path, decoded: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It may hold a gigabyte: neither an error that somebody keeps nor a cycle keeps that, collected or not."""
    path, stop = write_video(tmp_path / "a.mp4", 300), threading.Event()

    def shaped(picture: Any) -> Any:
        if how == "stopped":
            stop.set()
        if how == "broken":
            raise MemoryError
        return picture

    gc.collect()
    gc.disable()
    try:
        kept = None
        try:
            sample_video(path, RULES, shaped=shaped, stop=stop, most_decoded=FRAME * (50 if how == "refused" else 1000))
        except (InputError, Stopped) as error:
            kept = error
        assert decoded
        assert (kept is None) == (how == "whole")
        types = (Playhead, av.VideoFrame, av.CodecContext, av.container.InputContainer)
        assert [each for each in gc.get_objects() if isinstance(each, types)] == []
    finally:
        gc.enable()
