"""Frames of a video, read from its file with PyAV.

In: a path and `VideoRules`. Out: a `Video`: upright RGB frames, scaled to the rules' longest edge, with their times; or
the times alone, for which nothing is decoded. A file whose last packets come long before the frames that its head
counts is refused as cut short by both.
An hour-long file is not read whole: the playhead seeks from frame to frame, and no more than the chosen frames, scaled
down, are kept. Frame n is the one shown n / rate seconds after the start, which for a constant rate is the n-th.
"""

from __future__ import annotations

import threading
import traceback
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from seatrial.errors import InputError
from seatrial.media.bounds import MOST_FRAME_PIXELS
from seatrial.media.container import moving_pictures, open_video
from seatrial.media.types import HEAD_BYTES, still_type
from seatrial.models.pictures.decoding import MOST_DECODED_PIXELS, Decoding, Stopped
from seatrial.models.pictures.plan import scaled_size
from seatrial.models.pictures.playhead import Playhead, grace_s
from seatrial.models.pictures.sampling import frames_to_look_at
from seatrial.models.vision_config import VideoRules

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.video.frame import VideoFrame as DecodedFrame
    from av.video.stream import VideoStream
    from PIL import Image

# Near enough to the end to find the last packets of a file whose header gives no count of frames, seconds.
_LAST_S = 10.0
_MICROSECONDS = 1_000_000
# Packets that are gone through to find the last: ten hours at 29 frames per second, some seconds of work.
_MOST_COUNTED = 1 << 20
# No recording lasts a year; times beyond it are damage.
_MOST_S = 366 * 86_400.0


class VideoFrame(NamedTuple):
    """A frame as an upright RGB picture, and when it is shown, seconds from the start."""

    picture: Image.Image
    at_s: float


@dataclass(frozen=True, slots=True)
class Video:
    """The frames of a video that are looked at, out of `num_frames` at `fps` per second."""

    frames: list[VideoFrame]
    duration_s: float
    num_frames: int
    fps: float


class VideoTimes(NamedTuple):
    """When the frames of a video are shown that are looked at, seconds from the start, and how long it is."""

    at_s: list[float]
    duration_s: float


class _Film(NamedTuple):
    num_frames: int
    rate: Fraction

    @property
    def duration_s(self) -> float:
        return float(self.num_frames / self.rate)

    def times_s(self, rules: VideoRules) -> list[float]:
        """When the frames are shown that the rules choose."""
        fps = float(self.rate)
        return [index / fps for index in frames_to_look_at(self.num_frames, fps, self.duration_s, rules)]


Shaping = Callable[["Image.Image"], "Image.Image"]


def sample_video(
    path: Path,
    rules: VideoRules,
    *,
    shaped: Shaping = lambda picture: picture,
    stop: threading.Event | None = None,
    most_decoded: int = MOST_DECODED_PIXELS,
) -> Video:
    """Read the frames of a video that the rules choose. `shaped` is what to keep of each, before the next is read.

    Raises InputError for a file that is absent, is no video we read, is cut short or damaged where frames are wanted,
    has frames of more than MOST_FRAME_PIXELS pixels, or takes decoding more than `most_decoded`; Stopped once `stop` is
    set, which is looked at before every packet.
    """
    with _readable(path) as file:
        film = _measured(file, rules)
        return _sampled(file, film, rules, shaped, Decoding(path, most_pixels=most_decoded, stop=stop))


def video_times(path: Path, rules: VideoRules) -> VideoTimes:
    """When the frames are shown that `sample_video` reads, from the file's head and its last packets.

    Raises InputError as `sample_video` does, but for what only decoding tells.
    """
    with _readable(path) as file:
        film = _measured(file, rules)
        return VideoTimes(film.times_s(rules), film.duration_s)


@contextmanager
def _readable(path: Path) -> Iterator[Path]:
    """The file itself. Whatever is raised while it is read becomes an InputError, unless it is to stop."""
    path = path.resolve()
    if not path.is_file():
        raise InputError("there is no such file" if not path.exists() else "this is not a file", path=path)
    try:
        yield path
    except (InputError, Stopped) as error:
        _forget_frames(error)
        raise
    except Exception as error:
        _forget_frames(error)
        # Beside its own errors, PyAV lets others escape from a damaged file: IndexError, OverflowError.
        said = getattr(error, "strerror", None) or str(error) or type(error).__name__
        reason = f"this is no video that can be read ({said[:200]}). Convert it to MP4 (H.264)."
        kind = still_type(_head_of(path))
        if kind is not None:
            reason = f"this is no video that can be read: it is a picture ({kind}). Show it as one."
        raise InputError(reason, path=path) from error


def _head_of(path: Path) -> bytes:
    """Its first bytes, none where they cannot be read."""
    with suppress(OSError), path.open("rb") as file:
        return file.read(HEAD_BYTES)
    return b""


def _forget_frames(error: Exception) -> None:
    """An error is held for as long as its request; the decoder that its traceback knows of is not."""
    traceback.clear_frames(error.__traceback__)


def _measured(path: Path, rules: VideoRules) -> _Film:
    """How many frames there are and at what rate. Where the header counts none, the last packets tell."""
    with open_video(path) as container:
        stream = _video_stream(container, path)
        rate = stream.average_rate or stream.guessed_rate or stream.base_rate
        num_frames = stream.frames
        ends_s = _stated_end_s(container, stream, path)
    if not rate or rate <= 0:
        raise InputError("the video tells no frame rate. Convert it to MP4.", path=path)
    if ends_s is None:
        with open_video(path) as container:
            ends_s = _last_packet_s(container, _video_stream(container, path), path)
    if ends_s is None:
        raise InputError("the video holds no frames.", path=path)
    film = _Film(num_frames if num_frames > 0 else max(1, round(ends_s * rate)), rate)
    if film.duration_s > _MOST_S:
        days = f"{film.duration_s / 86_400:,.0f} days"
        raise InputError(f"the video would last {days}; its times are damaged. Save or fetch it again.", path=path)
    if film.times_s(rules)[-1] > ends_s + grace_s(float(rate)):
        there = f"there are {ends_s:,.1f} s of the {film.duration_s:,.1f} s that its head tells of"
        raise InputError(f"{there}; the video is damaged or cut short. Save or fetch it again.", path=path)
    return film


def _sampled(path: Path, film: _Film, rules: VideoRules, shaped: Shaping, decoding: Decoding) -> Video:
    fps, duration_s, times_s = float(film.rate), film.duration_s, film.times_s(rules)
    frames = []
    with open_video(path) as container:
        stream = _video_stream(container, path)
        stream.thread_type = "AUTO"
        with closing(Playhead(container, stream, decoding, fps=fps, last_s=times_s[-1])) as playhead:
            for at_s in times_s:
                frame = playhead.frame_at(at_s)
                if frame is None:
                    where = f"nothing can be decoded at {at_s:,.1f} s of {duration_s:,.1f} s"
                    raise InputError(f"{where}; the video is damaged or cut short. Save or fetch it again.", path=path)
                frames.append(VideoFrame(shaped(_upright(frame, rules.longest_edge, path)), at_s))
    return Video(frames, duration_s, film.num_frames, fps)


def _video_stream(container: InputContainer, path: Path) -> VideoStream:
    stream = moving_pictures(container)
    if stream is None:
        raise InputError("there is no video in this file, only sound or other data.", path=path)
    if stream.codec_context is None:
        raise InputError("the video's encoding cannot be decoded here. Convert it to MP4 (H.264).", path=path)
    _refuse_too_large(stream.codec_context.width, stream.codec_context.height, path)
    return stream


def _refuse_too_large(width: int, height: int, path: Path) -> None:
    if width * height > MOST_FRAME_PIXELS:
        size = f"{width:,} × {height:,} = {width * height:,} pixels"
        raise InputError(
            f"frames have {size}, more than the {MOST_FRAME_PIXELS:,} that are decoded. Scale them.", path=path
        )


def _stated_end_s(container: InputContainer, stream: VideoStream, path: Path) -> float | None:
    """When the last packet ends near the end that the header states, seconds from the start; None where none is."""
    from av.error import FFmpegError

    stated_s = (container.duration or 0) / _MICROSECONDS
    if stated_s <= _LAST_S:
        return None
    with suppress(FFmpegError):
        container.seek(int((stated_s - _LAST_S) * _MICROSECONDS) + (container.start_time or 0))
        return _last_packet_s(container, stream, path)
    return None


def _last_packet_s(container: InputContainer, stream: VideoStream, path: Path) -> float | None:
    """When the last packet from here on ends that can be read, seconds from the start. Decodes none."""
    from av.error import FFmpegError

    tick_s, start = float(stream.time_base or 1), stream.start_time or 0
    ends_s: float | None = None
    with suppress(FFmpegError):
        for number, packet in enumerate(container.demux(stream)):
            if number >= _MOST_COUNTED:
                most = f"more than the {_MOST_COUNTED:,} packets that are counted"
                raise InputError(f"the head does not tell where the video ends, and it has {most}.", path=path)
            ticks = packet.dts if packet.pts is None else packet.pts
            if ticks is not None:
                end_s = (ticks + (packet.duration or 0) - start) * tick_s
                ends_s = end_s if ends_s is None else max(ends_s, end_s)
    return ends_s


def _upright(frame: DecodedFrame, longest_edge: int, path: Path) -> Image.Image:
    """A decoded frame as a picture, turned as the file says, scaled to the longest edge."""
    from PIL import Image

    _refuse_too_large(frame.width, frame.height, path)
    picture: Image.Image = frame.to_image()  # type: ignore[no-untyped-call]
    quarter_turns = round(frame.rotation / 90) % 4
    if quarter_turns:
        turn = (Image.Transpose.ROTATE_90, Image.Transpose.ROTATE_180, Image.Transpose.ROTATE_270)[quarter_turns - 1]
        picture = picture.transpose(turn)
    return picture.resize(scaled_size(*picture.size, longest_edge), Image.Resampling.LANCZOS)
