"""Containers that name other files or addresses stay shut; covers are no moving pictures."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np
import pytest
from av.error import FFmpegError

from seatrial.media.container import moving_pictures, open_video


def write_film(path: Path, *, cover: bool = False, sound: bool = True) -> Path:
    """A film of two frames; or a song with a picture on its cover."""
    with av.open(str(path), "w") as file:
        if sound:
            tone = file.add_stream("aac", rate=8000)
        stream = file.add_stream("mjpeg" if cover else "mpeg4", rate=2)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuvj420p" if cover else "yuv420p"
        if cover:
            stream.disposition = av.stream.Disposition.attached_pic
        for level in (10,) if cover else (10, 200):
            frame = av.VideoFrame.from_ndarray(np.full((48, 64, 3), level, np.uint8))
            file.mux(stream.encode(frame.reformat(format=stream.pix_fmt)))
        file.mux(stream.encode(None))
        if sound:
            samples = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), "fltp", "mono")
            samples.rate = 8000
            file.mux(tone.encode(samples))
            file.mux(tone.encode(None))
    return path


def test_a_film_has_moving_pictures(tmp_path: Path) -> None:
    with open_video(write_film(tmp_path / "film.mp4")) as container:
        stream = moving_pictures(container)
        assert stream is not None
        assert (stream.codec_context.width, stream.codec_context.height) == (64, 48)


def test_a_cover_is_none(tmp_path: Path) -> None:
    with open_video(write_film(tmp_path / "song.mp4", cover=True)) as container:
        assert len(container.streams.video) == 1
        assert moving_pictures(container) is None


@pytest.mark.parametrize(
    "playlist",
    ["#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\n{film}\n#EXT-X-ENDLIST\n", "ffconcat version 1.0\nfile {film}\n"],
    ids=["hls", "concat"],
)
@pytest.mark.parametrize("name", ["list.m3u8", "list.ffconcat", "film.mp4"])
def test_a_playlist_stays_shut(tmp_path: Path, playlist: str, name: str) -> None:
    film = write_film(tmp_path / "film.ts", sound=False)
    (tmp_path / name).write_text(playlist.format(film=film))
    with pytest.raises(FFmpegError):
        open_video(tmp_path / name)
