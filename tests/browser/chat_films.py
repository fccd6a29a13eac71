"""Small films: some that every browser plays, and one that it does not."""

from __future__ import annotations

import io
from typing import Any

CODECS = {"webm": "libvpx", "mp4": "mpeg4", "mkv": "libvpx", "mov": "mpeg4"}


def film(
    container: str = "webm",
    *,
    seconds: int = 3,
    size: tuple[int, int] = (160, 120),
    seed: int = 0,
    codec: str | None = None,
) -> bytes:
    """Coloured squares, four frames a second. Browsers play VP8 (`webm`, `mkv`), not MPEG-4 Part 2 (`mp4`, `mov`)."""
    import av
    import numpy as np

    rng, file, (width, height) = np.random.default_rng(seed), io.BytesIO(), size
    with av.open(file, "w", format={"mkv": "matroska"}.get(container, container)) as target:
        stream: Any = target.add_stream(codec or CODECS[container], rate=4)
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        for _ in range(4 * seconds):
            squares = rng.integers(0, 256, (3, 4, 3), np.uint8)
            pixels = np.ascontiguousarray(np.kron(squares, np.ones((height // 3, width // 4, 1), np.uint8)))
            target.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
        target.mux(stream.encode())
    return file.getvalue()


def chosen(name: str, data: bytes, media_type: str = "") -> dict[str, Any]:
    """A file as a browser is handed it; the type follows from the name where none is given."""
    kinds = {"webm": "video/webm", "mp4": "video/mp4", "mkv": "video/x-matroska", "mov": "video/quicktime"}
    return {"name": name, "mimeType": media_type or kinds[name.rsplit(".")[-1]], "buffer": data}
