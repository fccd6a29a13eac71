"""What tests share: tiny random models, and where the embedded model and the public reference data lie."""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

# Tiny models gain nothing from a second thread, and two of them at once lose much.
os.environ.setdefault("OMP_NUM_THREADS", "1")

# How long an example takes says more of the machine's other work than of ours.
settings.register_profile("without deadline", deadline=None)
settings.load_profile("without deadline")

ROOT = Path(__file__).resolve().parents[1]


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Keep thousands of collected tests, and all that they import, out of every collection of garbage that follows."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.enable()
        gc.collect()
        gc.freeze()


@pytest.fixture(scope="session")
def smollm2_gguf() -> Path:
    """The real SmolLM2-135M file; `make model` brings it."""
    home = Path(os.environ.get("SEATRIAL_HOME", Path.home() / ".cache" / "seatrial"))
    path = home / "models" / "smollm2-135m" / "SmolLM2-135M-Instruct.Q4_1.gguf"
    if not path.exists():
        pytest.skip(f"{path} is absent; `make model` brings it")
    return path


@pytest.fixture(scope="session")
def reference_data() -> Path:
    """Public data sets and SmolLM3's published template: `$SEATRIAL_DATA`, or `shared/data` beside the checkout."""
    path = Path(os.environ.get("SEATRIAL_DATA", ROOT.parent / "shared" / "data"))
    if not path.is_dir():
        pytest.skip(f"{path} is absent; set SEATRIAL_DATA to a folder with the reference data")
    return path


@pytest.fixture(scope="session")
def tiny() -> Callable[..., Any]:
    """Makes tiny random checkpoints, see `tiny_model`."""
    folder = str(Path(__file__).parent / "tiny")
    if folder not in sys.path:
        sys.path.insert(0, folder)
    from tiny_models import tiny_model

    return tiny_model


@pytest.fixture(scope="session")
def tiny_vision() -> Callable[..., Any]:
    """Makes tiny random checkpoints that see, see `tiny_vision_model`."""
    folder = str(Path(__file__).parent / "tiny")
    if folder not in sys.path:
        sys.path.insert(0, folder)
    from tiny_vision import tiny_vision_model

    return tiny_vision_model
