"""Which frame a video shows at a time: seeks where that is shorter than decoding, and holds two frames at most.

In: an open PyAV container and its video stream, times in ascending order, seconds from the stream's start. Out: decoded
frames, or None where the video shows nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

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
    """A place in a video that moves forwards, from one time asked for to the next."""

    def __init__(self, container: InputContainer, stream: VideoStream, fps: float) -> None:
        self._container, self._stream = container, stream
        self._tick_s = float(stream.time_base or 1)
        self._start = stream.start_time or 0
        # Containers round a frame's time to their own ticks; it may not be missed by that.
        self._slack_s = min(0.5 / fps, 0.01)
        self._grace_s = grace_s(fps)
        self._seeks = True
        self._upcoming = self._decoded()
        self._shown: _Shot | None = None
        self._next = next(self._upcoming, None)

    def frame_at(self, at_s: float) -> VideoFrame | None:
        """Find the frame that is shown at `at_s`, which is not before the time asked for last.

        None where the video has ended, or nothing of it could be decoded yet. Raises av.error.FFmpegError.
        """
        if self._seeks and self._next is not None and at_s - self._next.at_s > _WORTH_SEEKING_S:
            self._seek(at_s, self._next.at_s)
        while self._next is not None and self._next.at_s <= at_s + self._slack_s:
            self._shown, self._next = self._next, next(self._upcoming, None)
        if self._shown is None:
            late = self._next is None or self._next.at_s > at_s + self._grace_s
            return None if late or self._next is None else self._next.frame
        if self._next is None and at_s > self._shown.until_s + self._grace_s:
            return None
        return self._shown.frame

    def _seek(self, at_s: float, reached_s: float) -> None:
        """Go on from the keyframe before `at_s`. A video with few keyframes, once noticed, is decoded straight on."""
        from av.error import FFmpegError

        for back_s in _FURTHER_BACK_S:
            wanted_s = max(at_s - back_s, 0.0)
            try:
                self._container.seek(self._start + int(wanted_s / self._tick_s), stream=self._stream)
            except FFmpegError:
                self._seeks = False
                return
            self._upcoming = self._decoded()
            self._shown, self._next = None, next(self._upcoming, None)
            if self._next is not None and self._next.at_s <= at_s + self._slack_s:
                break
        self._seeks = self._next is not None and self._next.at_s > reached_s

    def _decoded(self) -> Iterator[_Shot]:
        """Frames from here on. A packet that cannot be decoded is left out."""
        from av.error import FFmpegError

        for packet in self._container.demux(self._stream):
            try:
                frames = packet.decode()
            except FFmpegError:
                continue
            for frame in frames:
                ticks = frame.dts if frame.pts is None else frame.pts
                if ticks is not None:
                    at_s = (ticks - self._start) * self._tick_s
                    yield _Shot(at_s, at_s + (frame.duration or 0) * self._tick_s, frame)
