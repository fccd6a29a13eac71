"""Frames of a video, read from its file with PyAV.

In: a path and `VideoRules`. Out: a `Video`: upright RGB frames, scaled to the rules' longest edge, with their times.
An hour-long file is not read whole: the playhead seeks from frame to frame, and no more than the chosen frames, scaled
down, are kept. Frame n is the one shown n / rate seconds after the start, which for a constant rate is the n-th.

Only files on disk are opened, and only as containers that hold their own frames: no playlists, which could name other
files or addresses.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from seatrial.errors import InputError
from seatrial.models.pictures.plan import scaled_size
from seatrial.models.pictures.playhead import Playhead
from seatrial.models.pictures.sampling import frames_to_look_at
from seatrial.models.vision_config import VideoRules

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.video.frame import VideoFrame as DecodedFrame
    from av.video.stream import VideoStream
    from PIL import Image

MOST_FRAME_PIXELS = 1 << 25
"""Pixels that a frame may have: one of 7,680 × 4,320 passes. A decoder may hold twenty of them."""

_OPTIONS = {
    "protocol_whitelist": "file",
    "format_whitelist": "mov,matroska,avi,mpegts,mpeg,flv,ogg,asf,gif,ivf",
    "max_pixels": str(MOST_FRAME_PIXELS),
}
_KNOWN = "MP4, MOV, MKV, WebM, AVI, MPEG, FLV, OGG, WMV and GIF are read."
# Near enough to the end to find the last packets of a file whose header gives no count of frames, seconds.
_LAST_S = 10.0
_MICROSECONDS = 1_000_000


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


class _Film(NamedTuple):
    num_frames: int
    rate: Fraction


Shaping = Callable[["Image.Image"], "Image.Image"]


def sample_video(path: Path, rules: VideoRules, *, shaped: Shaping = lambda picture: picture) -> Video:
    """Read the frames of a video that the rules choose. `shaped` is what to keep of each, before the next is read.

    Raises InputError for a file that is absent, is no video we read, is damaged where frames are wanted, or has frames
    of more than MOST_FRAME_PIXELS pixels.
    """
    path = path.resolve()
    if not path.is_file():
        raise InputError("there is no such file" if not path.exists() else "this is not a file", path=path)
    try:
        film = _measured(path)
        return _sampled(path, film, rules, shaped)
    except InputError:
        raise
    except Exception as error:
        # Beside its own errors, PyAV lets others escape from a damaged file: IndexError, OverflowError.
        said = getattr(error, "strerror", None) or str(error) or type(error).__name__
        reason = f"this is no video that can be read ({said[:200]}). {_KNOWN}"
        raise InputError(reason, path=path) from error


def _measured(path: Path) -> _Film:
    """How many frames there are and at what rate. Where the header counts none, the last packets tell."""
    with _open(path) as container:
        stream = _video_stream(container, path)
        rate = stream.average_rate or stream.guessed_rate or stream.base_rate
        if not rate or rate <= 0:
            raise InputError("the video tells no frame rate. Convert it to MP4.", path=path)
        if stream.frames > 0:
            return _Film(stream.frames, rate)
        end_s = _end_s(container, stream)
        if end_s is None:
            with _open(path) as again:
                end_s = _last_packet_s(again, _video_stream(again, path))
        if end_s is None:
            raise InputError("the video holds no frames.", path=path)
        return _Film(max(1, round(end_s * rate)), rate)


def _sampled(path: Path, film: _Film, rules: VideoRules, shaped: Shaping) -> Video:
    fps, duration_s = float(film.rate), float(film.num_frames / film.rate)
    times_s = [index / fps for index in frames_to_look_at(film.num_frames, fps, duration_s, rules)]
    frames = []
    with _open(path) as container:
        stream = _video_stream(container, path)
        stream.codec_context.options = {"max_pixels": _OPTIONS["max_pixels"]}
        stream.thread_type = "AUTO"
        playhead = Playhead(container, stream, fps)
        for at_s in times_s:
            frame = playhead.frame_at(at_s)
            if frame is None:
                where = f"nothing can be decoded at {at_s:,.1f} s of {duration_s:,.1f} s"
                raise InputError(f"{where}; the video is damaged or cut short. Save or fetch it again.", path=path)
            frames.append(VideoFrame(shaped(_upright(frame, rules.longest_edge, path)), at_s))
    return Video(frames, duration_s, film.num_frames, fps)


def _open(path: Path) -> InputContainer:
    import av

    return av.open(f"file:{path}", mode="r", options=_OPTIONS, metadata_errors="ignore")


def _video_stream(container: InputContainer, path: Path) -> VideoStream:
    from av.stream import Disposition

    moving = [each for each in container.streams.video if not each.disposition & Disposition.attached_pic]
    if not moving:
        raise InputError("there is no video in this file, only sound or other data.", path=path)
    stream = moving[0]
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


def _end_s(container: InputContainer, stream: VideoStream) -> float | None:
    """When the last frame ends, seconds from the start, found near the end that the header states, or None."""
    from av.error import FFmpegError

    stated_s = (container.duration or 0) / _MICROSECONDS
    if stated_s > _LAST_S:
        try:
            container.seek(int((stated_s - _LAST_S) * _MICROSECONDS) + (container.start_time or 0))
        except FFmpegError:
            return None
    return _last_packet_s(container, stream)


def _last_packet_s(container: InputContainer, stream: VideoStream) -> float | None:
    """When the last packet from here on ends. Reads packets, decodes none."""
    tick_s, start = float(stream.time_base or 1), stream.start_time or 0
    ends = ((packet.pts, packet.duration or 0) for packet in container.demux(stream))
    return max(((pts + duration - start) * tick_s for pts, duration in ends if pts is not None), default=None)


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
