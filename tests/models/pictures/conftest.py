"""Puts the makers of odd pictures and videos where tests find them, and the published models' rules for pictures."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from seatrial.models.pictures.playhead import Playhead
from seatrial.models.vision_config import PictureRules, VideoRules, VisionConfig

DRAWN = str(Path(__file__).parent / "drawn")
if DRAWN not in sys.path:
    sys.path.insert(0, DRAWN)


def _rules(longest_edge: int, tile_edge: int, *, splits: bool = True) -> PictureRules:
    half = (0.5, 0.5, 0.5)
    return PictureRules(longest_edge, tile_edge, splits, half, half, VideoRules(1.0, 64, tile_edge))


def _config(image_size: int, patch_size: int, scale_factor: int) -> VisionConfig:
    return VisionConfig(image_size, patch_size, 64, 128, 1, 4, 1e-6, scale_factor, 64, 7)


@pytest.fixture(scope="session")
def large() -> tuple[VisionConfig, PictureRules]:
    """What SmolVLM2-2.2B prepares pictures for."""
    return _config(384, 14, 3), _rules(1536, 384)


@pytest.fixture(scope="session")
def small() -> tuple[VisionConfig, PictureRules]:
    """What SmolVLM2-500M and 256M prepare pictures for."""
    return _config(512, 16, 4), _rules(2048, 512)


@pytest.fixture(scope="session")
def tiny_eyes() -> tuple[VisionConfig, PictureRules]:
    """Little tiles, quick to compute; colours differ in mean and spread."""
    video = VideoRules(2.0, 8, 64)
    rules = PictureRules(256, 64, True, (0.48, 0.45, 0.40), (0.22, 0.26, 0.28), video)
    return _config(64, 8, 2), rules


@pytest.fixture
def decoded(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The times of all frames of videos that have been decoded."""
    times: list[float] = []
    plain = Playhead._decoded

    def counted(self: Playhead) -> Iterator[Any]:
        for shot in plain(self):
            times.append(shot.at_s)
            yield shot

    monkeypatch.setattr(Playhead, "_decoded", counted)
    return times
