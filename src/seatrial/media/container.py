"""A video's file, opened with PyAV so that it can do no harm. In: a path. Out: the container, its moving pictures.

Only files on disk are opened, and only as containers that hold their own frames: no playlists, which could name other
files or addresses. No more pixels are decoded of a frame than `bounds` allows.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from seatrial.media.bounds import MOST_FRAME_PIXELS

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.video.stream import VideoStream

_MOST_PIXELS = {"max_pixels": str(MOST_FRAME_PIXELS)}
_OPTIONS = _MOST_PIXELS | {
    "protocol_whitelist": "file",
    "format_whitelist": "mov,matroska,avi,mpegts,mpeg,flv,ogg,asf,gif,ivf",
}


def open_video(path: Path) -> InputContainer:
    """The container, to be closed by the caller. Raises as `av.open` does, for which damage may be any exception."""
    import av

    return av.open(f"file:{path}", mode="r", options=_OPTIONS, metadata_errors="ignore")


def moving_pictures(container: InputContainer) -> VideoStream | None:
    """The first stream that is no cover, its decoder bounded; None where there is none.

    Its `codec_context` is None where the encoding cannot be decoded here, whatever PyAV's types say.
    """
    from av.stream import Disposition

    for stream in container.streams.video:
        if not stream.disposition & Disposition.attached_pic:
            if stream.codec_context is not None:
                stream.codec_context.options = dict(_MOST_PIXELS)
            return stream
    return None
