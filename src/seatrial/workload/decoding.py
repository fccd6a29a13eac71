"""Whether what an item shows can be looked at: a picture is decoded once, of a video its first frame.

In: a path. Out: nothing, or an `InputError` that says what is wrong with the file, to be put behind its name. A file
that is whole at its head alone would otherwise be found out when it is asked about, and count against the model.
Pillow and PyAV are loaded with the first file.
"""

from __future__ import annotations

import io
import warnings
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from seatrial.errors import InputError
from seatrial.media.bounds import MOST_FRAME_PIXELS, MOST_PIXELS, num_scans_too_many
from seatrial.media.container import moving_pictures, open_video
from seatrial.media.types import PICTURE_TYPES

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.video.stream import VideoStream
    from PIL.ImageFile import ImageFile

_FORMATS = tuple(each.removeprefix("image/").upper() for each in PICTURE_TYPES)  # by Pillow's names
_MOST_PACKETS = 1000
_AGAIN = "Save or fetch it again."
_TOO_LARGE = f"has more than {MOST_PIXELS // 10**6} million pixels, the limit. Make it smaller."


def check_picture(path: Path, *, most_decoded: int = MOST_PIXELS) -> int:
    """The number of a picture's pixels, width × height. It is decoded where it has at most `most_decoded` of them.

    Raises:
        InputError: more than MOST_PIXELS, a damaged header, pixels that cannot be decoded.
        OSError: the file cannot be read.
    """
    from PIL import Image, UnidentifiedImageError

    data = path.read_bytes()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with Image.open(io.BytesIO(data), formats=_FORMATS) as picture:
                num_pixels = picture.width * picture.height
                _refuse_slow(picture, data)
                if num_pixels <= most_decoded:
                    picture.draft(picture.mode, (1, 1))  # of a JPEG all bytes are read, an eighth of its edges computed
                    picture.load()
                return num_pixels
    except InputError:
        raise
    except Image.DecompressionBombError:
        raise InputError(_TOO_LARGE) from None
    except Exception as error:  # Pillow's readers and decoders raise what they like at a damaged file
        said = "its header cannot be read" if isinstance(error, UnidentifiedImageError) else _said(error)
        raise InputError(f"begins like a picture and is damaged or cut short ({said}). {_AGAIN}") from None


def _refuse_slow(picture: ImageFile, data: bytes) -> None:
    pixels = picture.width * picture.height
    if pixels > MOST_PIXELS:
        raise InputError(_TOO_LARGE)
    if picture.format in ("JPEG", "MPO") and (scans := num_scans_too_many(data, pixels, most_pixels=MOST_PIXELS)):
        raise InputError(f"is a JPEG in {scans:,} passes, which takes minutes to decode. Save it not progressive.")


def check_video(path: Path) -> None:
    """Pass a video that holds moving pictures and shows one near its beginning. Raises InputError for any other."""
    try:
        with open_video(path) as container:
            stream = _moving_pictures(container)
            _refuse_large_frames(stream.codec_context.width, stream.codec_context.height)
            if not _shows_something(container, stream):
                raise InputError(f"begins like a video, and no picture of it can be decoded. {_AGAIN}")
    except InputError:
        raise
    except Exception as error:  # beside its own errors, PyAV lets others escape from a damaged file
        raise InputError(f"begins like a video and is damaged or cut short ({_said(error)}). {_AGAIN}") from None


def _moving_pictures(container: InputContainer) -> VideoStream:
    stream = moving_pictures(container)
    if stream is not None:
        if stream.codec_context is None:
            raise InputError("has an encoding that cannot be decoded here. Convert it to MP4 (H.264).")
        return stream
    if container.streams.audio:
        raise InputError("has no moving pictures in it, only sound. Give a video, or leave `video` out.")
    raise InputError(f"begins like a video and is damaged or cut short (nothing is found in it). {_AGAIN}")


def _shows_something(container: InputContainer, stream: VideoStream) -> bool:
    from av.error import FFmpegError

    for packet in islice(container.demux(stream), _MOST_PACKETS):
        try:
            frame = next(iter(packet.decode()), None)
        except FFmpegError:
            continue
        if frame is not None:
            _refuse_large_frames(frame.width, frame.height)
            return True
    return False


def _refuse_large_frames(width: int, height: int) -> None:
    if width * height > MOST_FRAME_PIXELS:
        most = MOST_FRAME_PIXELS // 10**6
        raise InputError(f"has frames of {width:,} × {height:,} pixels; {most} million are the limit. Scale it down.")


def _said(error: Exception) -> str:
    """What a decoder said, in one line; without the path that PyAV puts behind it."""
    said = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return " ".join(str(said).split())[:200].rstrip(".")
