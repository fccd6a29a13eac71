"""Small versions keep their bound whatever is drawn, and look like the original; damaged files are refused."""

from __future__ import annotations

import hashlib
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image
from sample_drawings import chart, noise, png, put, receipt, write_video

from seatrial.errors import InputError
from seatrial.trial.thumbnails import LARGER_BYTES, SMALL_BYTES, SMALL_EDGES, Version, Versions, make_versions


def versions(path: Path, *, is_video: bool = False) -> Versions:
    """Those of a file that is as it was when its workload was loaded."""
    digest = hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else ""
    return make_versions(path, digest, is_video=is_video)


def opened(version: Version) -> Image.Image:
    picture = Image.open(BytesIO(version.data))
    picture.load()
    assert picture.format == "WEBP"
    assert picture.size == (version.width, version.height)
    return picture


PICTURES = {
    "receipt": lambda: receipt(1),
    "chart": lambda: chart(1),
    "long receipt": lambda: receipt(2, num_lines=60, width=900),
    "noise": lambda: noise(900, 600),
    "a line": lambda: Image.new("RGB", (20_000, 10), "navy"),
    "a point": lambda: Image.new("RGB", (1, 1), "red"),
    "a small one": lambda: Image.new("RGB", (90, 40), "green"),
}


@pytest.mark.parametrize("name", PICTURES)
def test_versions_keep_their_bounds_and_their_shape(name: str, tmp_path: Path) -> None:
    picture = PICTURES[name]()
    made = versions(put(tmp_path, "a.png", picture))
    assert (made.width, made.height) == picture.size
    small = opened(made.small)
    assert len(made.small.data) <= SMALL_BYTES
    assert max(small.size) <= min(SMALL_EDGES[0], max(picture.size))
    assert abs(small.width / small.height - picture.width / picture.height) * small.height <= max(
        1.0, picture.width / picture.height
    )
    if made.larger is not None:
        larger = opened(made.larger)
        assert len(made.larger.data) <= LARGER_BYTES
        assert max(larger.size) > max(small.size)
    assert (made.larger is None) == (small.size == picture.size)


def test_a_receipt_is_still_legible(tmp_path: Path) -> None:
    """Its small version is near its size, and close to it in every pixel."""
    picture = receipt(1)
    small = opened(versions(put(tmp_path, "a.png", picture)).small).convert("L")
    assert max(small.size) >= 0.8 * max(picture.size)
    wanted = picture.resize(small.size, Image.Resampling.LANCZOS)
    assert np.abs(np.asarray(small, dtype=float) - np.asarray(wanted)).mean() < 6


def test_what_is_turned_and_transparent_is_shown_upright_on_white(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # turn a quarter to the right
    turned = BytesIO()
    Image.new("RGB", (80, 30), "red").save(turned, "JPEG", exif=exif)
    (tmp_path / "turned.jpg").write_bytes(turned.getvalue())
    made = versions(tmp_path / "turned.jpg")
    assert (made.width, made.height) == (30, 80)
    assert b"Exif" not in made.small.data
    clear = versions(put(tmp_path, "clear.png", Image.new("RGBA", (20, 20), (255, 0, 0, 0))))
    assert np.asarray(opened(clear.small)).min() > 250


@pytest.mark.parametrize("content", [b"", b"not a picture", b"\x89PNG\r\n\x1a\n" + b"\x00" * 40, png(receipt(1))[:400]])
def test_what_is_no_picture_is_said_to_be_so(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(content)
    with pytest.raises(InputError):
        versions(tmp_path / "a.png")


def test_a_missing_file_a_folder_and_a_bomb_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="No such file"):
        versions(tmp_path / "none.png")
    with pytest.raises(InputError):
        versions(tmp_path)
    put(tmp_path, "bomb.png", Image.new("1", (12_000, 6_000)))
    with pytest.raises(InputError, match="pixels"):
        versions(tmp_path / "bomb.png")


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(place=st.integers(0, 3000), byte=st.integers(0, 255), cut=st.integers(0, 600))
def test_a_spoilt_file_gives_a_version_or_a_reason(tmp_path: Path, place: int, byte: int, cut: int) -> None:
    content = bytearray(png(receipt(3, num_lines=2, width=200)))
    content[place % len(content)] = byte
    (tmp_path / "a.png").write_bytes(content[: len(content) - cut])
    try:
        made = versions(tmp_path / "a.png")
    except InputError:
        return
    assert len(made.small.data) <= SMALL_BYTES


def test_a_video_is_shown_by_a_frame_from_its_middle(tmp_path: Path) -> None:
    path = tmp_path / "clip.mp4"
    write_video(path, ["red"] * 24 + ["green"] * 24 + ["blue"] * 24)
    made = versions(path, is_video=True)
    red, green, blue = opened(made.small).convert("RGB").resize((1, 1)).getpixel((0, 0))
    assert green > max(red, blue)
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(InputError):
        versions(path, is_video=True)
