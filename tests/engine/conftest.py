"""Tiny random models that see, in plain PyTorch and on the native kernels."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from seatrial.chat import Message
from seatrial.engine import Model
from seatrial.kernels import cpu

SEEING = str(Path(__file__).parent / "seeing")
if SEEING not in sys.path:
    sys.path.insert(0, SEEING)

from seeing_engine import Prompt, Seeing, add, engine_of, ids, run  # noqa: E402


@pytest.fixture(scope="module")
def seeing(tmp_path_factory: pytest.TempPathFactory, tiny_vision: Callable[..., Any]) -> Seeing:
    made = tiny_vision()
    return Seeing(made.write_folder(tmp_path_factory.mktemp("tiny") / "seeing"), made.reference)


@pytest.fixture(scope="module", params=["float32", "int8"])
def opened(seeing: Seeing, request: pytest.FixtureRequest) -> Iterator[Callable[..., Model]]:
    """Opens the tiny model: in plain PyTorch (float32) or on the native kernels (int8)."""
    if request.param == "int8" and cpu.why_absent():
        pytest.skip(str(cpu.why_absent()))

    def open_model(max_sequences: int = 8, **changes: Any) -> Model:
        return Model.from_pretrained(
            seeing.folder, dtype=request.param, device="cpu", threads=1, max_sequences=max_sequences, **changes
        )

    return open_model


@pytest.fixture(scope="module")
def model(opened: Callable[..., Model]) -> Model:
    return opened()


@pytest.fixture
def fresh(opened: Callable[..., Model]) -> Model:
    return opened()


@pytest.fixture(scope="module")
def alone(opened: Callable[..., Model]) -> Callable[[Prompt], list[int]]:
    """The answer of a prompt in an engine that has seen nothing before."""
    model, known = opened(), dict[tuple[Message, ...], list[int]]()

    def answer(prompt: Prompt) -> list[int]:
        if (key := tuple(prompt)) not in known:
            engine, _ = engine_of(model)
            add(engine, 0, model.read(prompt))
            known[key] = [token for token in ids(run(engine)[0]) if token is not None]
        return known[key]

    return answer
