"""What is measured: for each model its rows, each a call of the engines, and what is aimed at."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from process import CACHE
from random_gguf import write_random_gguf

ALL = ("Seatrial", "llama.cpp", "transformers bf16", "transformers f32")
SMALL = Path.home() / ".cache/seatrial/models/smollm2-135m/SmolLM2-135M-Instruct.Q4_1.gguf"


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the result. `target` is how many times llama.cpp's figure is wanted; `engines` can be asked."""

    title: str
    call: str
    args: dict[str, Any]
    target: float | None = None
    engines: tuple[str, ...] = ALL

    @property
    def tokens_per_reply(self) -> int | None:
        """A call that gives seconds is turned into a rate by this many tokens; None: it gives a rate."""
        return self.args["num_tokens"] if self.call == "prefill" else None


@dataclass(frozen=True, slots=True)
class Case:
    """One model. Engines of a group take turns; groups come one after another, each alone in memory with the first."""

    title: str
    path: Path
    positions: int
    sequences: int
    context: float
    rows: tuple[Row, ...]
    groups: tuple[tuple[str, ...], ...]
    speaks: bool
    values: dict[tuple[str, str], list[Any]] = field(default_factory=dict)
    facts: dict[str, dict[str, Any]] = field(default_factory=dict)
    checks: list[str] = field(default_factory=list)


def small_case(quick: bool) -> Case:
    """SmolLM2-135M, the real file."""
    prompt, generate = (32, 8) if quick else (128, 64)
    read = 128 if quick else 512
    shared, own = (320, 50) if quick else (1000, 100)
    ours, two = ALL[:1], ALL[:2]
    rows = (
        Row(f"prefill {read}", "prefill", {"num_tokens": read}, 4.0),
        *(
            Row(f"decode, {batch} at once", "decode", _decode(batch, prompt, generate), target)
            for batch, target in ((1, 1.0), (16, None), (32, 6.0))
        ),
        Row(f"first token, {shared} shared + {own} own", "prefix", {"shared": shared, "own": own}, None, two),
        Row("copying", "copying", {}, None, ours),
    )
    positions = max(32 * (prompt + generate + 32), 2600)
    return Case("SmolLM2-135M, Q4_1", SMALL, positions, 32, prompt + generate / 2, rows, (ALL,), speaks=True)


def large_case(quick: bool) -> Case:
    """The shape of SmolLM3-3B, random Q4_0 weights."""
    prompt, generate = (16, 4) if quick else (64, 32)
    read = 64 if quick else 512
    rows = (
        Row(f"prefill {read}", "prefill", {"num_tokens": read}, 4.0),
        Row("decode, 1 at once", "decode", _decode(1, prompt, generate), 1.0),
        Row("decode, 16 at once", "decode", _decode(16, prompt, generate), 2.5),
    )
    path = write_random_gguf(CACHE / "models" / "smollm3-3b-random-q4_0.gguf", "smollm3-3b")
    positions = max(16 * (prompt + generate + 32), 1024)
    groups = (ALL[:2], ALL[2:3], ALL[3:])
    return Case("SmolLM3-3B's shape, Q4_0", path, positions, 16, prompt + generate / 2, rows, groups, speaks=False)


def _decode(batch: int, prompt: int, generate: int) -> dict[str, int]:
    return {"batch": batch, "prompt": prompt, "generate": generate}
