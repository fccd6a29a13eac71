"""Files that are whole at their heads alone: found out when a workload is loaded, within bounds, and called by name."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest
from drawn import BEGINNING, film, frameless, half, noise, png_of_size, sound, write_picture
from written import write_lines

from seatrial.errors import WorkloadError
from seatrial.media import bounds
from seatrial.workload import decoding, media
from seatrial.workload.loading import load_workload
from seatrial.workload.specification import Workload


def loaded(folder: Path, **record: Any) -> Workload:
    item = {"input": "What is it?", "expected": "a"} | record
    return load_workload(str(write_lines(folder / "items.jsonl", [item])), scorer="exact")


@pytest.mark.parametrize(
    ("fields", "field", "what"),
    [
        ({"image": "half.png"}, "image", "`half.png` begins like a picture and is damaged or cut short (image file is"),
        ({"images": ["a.png", "half.png"]}, "images[1]", "`half.png` begins like a picture and is damaged or cut"),
        ({"image": "half.jpg"}, "image", "`half.jpg` begins like a picture and is damaged or cut short"),
        ({"image": "half.gif"}, "image", "`half.gif` begins like a picture and is damaged or cut short"),
        ({"image": "half.webp"}, "image", "`half.webp` begins like a picture and is damaged or cut short"),
        ({"image": "hollow.png"}, "image", "`hollow.png` begins like a picture and is damaged or cut short"),
        ({"video": "film.mp4"}, "video", "`film.mp4` begins like a video and is damaged or cut short"),
        ({"video": "half.mp4"}, "video", "`half.mp4` begins like a video and is damaged or cut short"),
        ({"video": "frameless.mp4"}, "video", "begins like a video, and no picture of it can be decoded"),
        ({"video": "sound.mp4"}, "video", "`sound.mp4` has no moving pictures in it, only sound"),
    ],
)
def test_what_cannot_be_decoded_is_named(tmp_path: Path, fields: dict[str, Any], field: str, what: str) -> None:
    write_picture(tmp_path / "a.png")
    files = {
        "film.mp4": BEGINNING,
        "sound.mp4": sound(),
        "half.mp4": half(film()),
        "frameless.mp4": frameless(),
        "half.png": half(noise("PNG")),
        "half.jpg": half(noise("JPEG")),
        "half.gif": half(noise("GIF")),
        "half.webp": half(noise("WEBP")),
        "hollow.png": png_of_size(8000, 8000),
    }
    for name, data in files.items():
        (tmp_path / name).write_bytes(data)
    with pytest.raises(WorkloadError) as caught:
        loaded(tmp_path, **fields)
    message = str(caught.value)
    assert message.startswith(f"{tmp_path / 'items.jsonl'}, line 1, `{field}`: ")
    assert what in message
    assert message.count(str(tmp_path)) == 1


def test_pictures_beyond_the_bound_on_all_of_them_are_known_by_their_heads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A bound, so that a workload of many thousand photographs loads before one loses patience."""
    monkeypatch.setattr(media, "MOST_DECODED_PIXELS", 64 * 48 + 10)
    for name, data in {"a.png": noise("PNG"), "half.png": half(noise("PNG"))}.items():
        (tmp_path / name).write_bytes(data)
    with pytest.raises(WorkloadError, match=r"`half.png` begins like a picture and is damaged"):
        loaded(tmp_path, images=["half.png", "a.png"])
    assert loaded(tmp_path, images=["a.png", "half.png"]).shows


def test_a_video_of_too_many_pixels_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decoding, "MOST_FRAME_PIXELS", 64 * 48 - 1)
    (tmp_path / "film.mp4").write_bytes(film())
    with pytest.raises(WorkloadError, match=r"`film.mp4` has frames of 64 × 48 pixels"):
        loaded(tmp_path, video="film.mp4")


def test_a_jpeg_that_would_take_minutes_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.jpg").write_bytes(noise("JPEG", progressive=True))
    assert loaded(tmp_path, image="a.jpg").shows
    monkeypatch.setattr(decoding, "MOST_PIXELS", 64 * 48)
    monkeypatch.setattr(bounds, "MOST_SCANS", 3)
    with pytest.raises(WorkloadError, match=r"`a.jpg` is a JPEG in \d+ passes"):
        loaded(tmp_path, image="a.jpg")


def test_the_documents_load_at_once() -> None:
    start_s = time.process_time()
    assert load_workload("documents").shows
    assert time.process_time() - start_s < 4
