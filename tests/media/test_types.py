"""Pictures are told by their first bytes, whoever wrote them."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from PIL import Image

from seatrial.media.types import PICTURE_TYPES, picture_type
from seatrial.workload.decoding import check_picture


def saved(format: str) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (3, 2)).save(file, format)
    return file.getvalue()


@pytest.mark.parametrize(("format", "media_type"), [*zip(("PNG", "JPEG", "GIF", "WEBP"), PICTURE_TYPES, strict=True)])
def test_every_type_that_is_taken_is_told_and_decoded(format: str, media_type: str, tmp_path: Path) -> None:
    (tmp_path / "picture").write_bytes(saved(format))
    assert picture_type(saved(format)[:512]) == media_type
    assert check_picture(tmp_path / "picture") == 6


@pytest.mark.parametrize("format", ["BMP", "TIFF", "PPM", "AVIF"])
def test_other_pictures_are_of_none_of_these_types(format: str) -> None:
    assert picture_type(saved(format)[:512]) is None
