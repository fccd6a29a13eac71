"""Makes the stand-in server and the tiny chat models importable by their own names; a tiny model that sees."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

HERE = Path(__file__).resolve().parent
for entry in (str(HERE), str(HERE.parent / "contract")):
    if entry not in sys.path:
        sys.path.insert(0, entry)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, tiny_vision: Callable[..., Any]) -> Path:
    """The checkpoint of a tiny model that sees."""
    return tiny_vision().write_folder(tmp_path_factory.mktemp("tiny") / "seeing")


@pytest.fixture
async def provider(folder: Path) -> Any:
    """The same, loaded, with a context of 512 tokens."""
    from seatrial.providers.local import load_local

    loaded = load_local(folder, dtype="float32", device="cpu", name="tiny-eyes", context_length=512)
    yield loaded
    await loaded.close()
