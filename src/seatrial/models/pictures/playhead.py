"""Which frame a video shows at a time: seeks where that is shorter than decoding, and holds two frames at most.

In: an open PyAV container and its video stream, times in ascending order, seconds from the stream's start, and how far
decoding may go. Out: decoded frames, or None where the video shows nothing.
"""

from __future__ import annotations

import math
from collections.abc import Generator
from typing import TYPE_CHECKING, NamedTuple

from seatrial.models.pictures.decoding import Decoding

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.video.frame import VideoFrame
    from av.video.stream import VideoStream

# Nearer than this, decoding on is as quick as seeking, which begins again at the last keyframe.
_WORTH_SEEKING_S = 2.0
# How much further back to seek where the first try lands behind the time wanted.
_FURTHER_BACK_S = (0.0, 10.0, float("inf"))


def grace_s(fps: float) -> float:
    """How long before its first frame and after its last a video of `fps` frames per second still shows them, seconds.

    Recordings may begin between keyframes, and last frames may be shorter than the average one.
    """
    return 2.0 + 2.0 / fps


class _Shot(NamedTuple):
    """A frame, and from when until when it is shown, seconds from the stream's start."""

    at_s: float
    until_s: float
    frame: VideoFrame


class Playhead:
    """A place in a video that moves forwards, from one time asked for to the next, the last of which is `last_s`."""

    def __init__(
        self, container: InputContainer, stream: VideoStream, decoding: Decoding, *, fps: float, last_s: float
    ) -> None:
        self._container, self._stream, self._decoding = container, stream, decoding
        self._fps, self._last_s = fps, last_s
        self._tick_s = float(stream.time_base or 1)
        self._start = stream.start_time or 0
        # Containers round a frame's time to their own ticks; it may not be missed by that.
        self._slack_s = min(0.5 / fps, 0.01)
        self._grace_s = grace_s(fps)
        self._seek_again_s = 0.0
        self._upcoming = self._decoded()
        self._shown: _Shot | None = None
        self._next = next(self._upcoming, None)

    def frame_at(self, at_s: float) -> VideoFrame | None:
        """Find the frame that is shown at `at_s`, which is not before the time asked for last.

        None where the video has ended, or nothing of it could be decoded yet. Raises av.error.FFmpegError, and Stopped
        and InputError as `Decoding` does.
        """
        if self._next is not None and at_s >= self._seek_again_s and at_s - self._next.at_s > _WORTH_SEEKING_S:
            self._seek(at_s, self._next.at_s)
        while self._next is not None and self._next.at_s <= at_s + self._slack_s:
            self._shown, self._next = self._next, next(self._upcoming, None)
        if self._shown is None:
            late = self._next is None or self._next.at_s > at_s + self._grace_s
            return None if late or self._next is None else self._next.frame
        if self._next is None and at_s > self._shown.until_s + self._grace_s:
            return None
        return self._shown.frame

    def close(self) -> None:
        """Let go of the decoder and its frames, up to a gigabyte, now and not when cycles are collected."""
        self._upcoming.close()
        self._shown = self._next = None

    def _seek(self, at_s: float, reached_s: float) -> None:
        """Go on from the keyframe before `at_s`.

        Where that is behind what was reached already, the next try comes after as much again, so that little is decoded
        twice; where no keyframe comes before the end either, there is no other, and all is decoded straight on.
        """
        began_s = self._begin_before(at_s)
        if began_s is not None and began_s > reached_s:
            return
        later_s = self._begin_before(self._last_s)
        if began_s is not None and later_s is not None and later_s > reached_s:
            self._seek_again_s = 2 * at_s - began_s
        else:
            self._seek_again_s = math.inf
            self._decoding.foresee((self._last_s - reached_s) * self._fps, self._num_pixels)
        self._begin_before(at_s)

    def _begin_before(self, at_s: float) -> float | None:
        """Decode from the keyframe before `at_s` on: the time of the first frame, seconds from the start.

        None where nothing can be decoded from there; where the file cannot be sought in, nothing has changed then.
        """
        from av.error import FFmpegError

        for back_s in _FURTHER_BACK_S:
            wanted_s = max(at_s - back_s, 0.0)
            try:
                self._container.seek(self._start + int(wanted_s / self._tick_s), stream=self._stream)
            except FFmpegError:
                return None
            self._upcoming = self._decoded()
            self._shown, self._next = None, next(self._upcoming, None)
            if self._next is not None and self._next.at_s <= at_s + self._slack_s:
                break
        return None if self._next is None else self._next.at_s

    @property
    def _num_pixels(self) -> int:
        """Of a frame, as far as is known yet."""
        return self._stream.codec_context.width * self._stream.codec_context.height

    def _decoded(self) -> Generator[_Shot]:
        """Frames from here on. A packet that cannot be decoded is left out."""
        from av.error import FFmpegError

        for packet in self._container.demux(self._stream):
            self._decoding.spend(self._num_pixels)
            try:
                frames = packet.decode()
            except FFmpegError:
                continue
            for frame in frames:
                ticks = frame.dts if frame.pts is None else frame.pts
                if ticks is not None:
                    at_s = (ticks - self._start) * self._tick_s
                    yield _Shot(at_s, at_s + (frame.duration or 0) * self._tick_s, frame)
