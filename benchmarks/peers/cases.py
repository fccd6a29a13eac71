"""What is measured: for each model its rows, each a call of the engines, and what is aimed at."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from process import CACHE, quantise_gguf
from products import Product
from random_gguf import write_random_gguf

OURS, PEER = "Seatrial", "llama.cpp"
ALL = (OURS, PEER, "transformers bf16", "transformers f32")
# Seatrial a second time, on the very file that llama.cpp has, where the two have different ones.
SAME_FILE = "Seatrial, Q4_K_M"
SMALL = Path.home() / ".cache/seatrial/models/smollm2-135m/SmolLM2-135M-Instruct.Q4_1.gguf"
_BANDWIDTH_AIM = 0.85


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the result. `engines` can be asked.

    `target` is how many times llama.cpp's figure is wanted, `share` what part of the machine's limit.
    """

    title: str
    call: str
    args: dict[str, Any]
    target: float | None = None
    share: float | None = None
    engines: tuple[str, ...] = (*ALL, SAME_FILE)

    @property
    def tokens_per_reply(self) -> int | None:
        """A call that gives seconds is turned into a rate by this many tokens; None: it gives a rate."""
        return self.args["num_tokens"] if self.call == "prefill" else None

    @property
    def tokens_at_once(self) -> int:
        """Tokens that one pass multiplies by the weights."""
        return int(self.args["num_tokens"] if self.call == "prefill" else self.args["batch"])


@dataclass(frozen=True, slots=True)
class Case:
    """One model. Engines of a group take turns; groups come one after another, each alone in memory with the first.

    `files` are those of engines that do not open `path`. `format` and `product` are the layers' weights and their
    largest matrix, as `products` knows it.
    """

    title: str
    path: Path
    positions: int
    sequences: int
    context: float
    rows: tuple[Row, ...]
    groups: tuple[tuple[str, ...], ...]
    speaks: bool
    load_aim_s: float
    format: str
    product: str
    files: dict[str, Path] = field(default_factory=dict)
    values: dict[tuple[str, str], list[Any]] = field(default_factory=dict)
    facts: dict[str, dict[str, Any]] = field(default_factory=dict)
    products: dict[int, Product] = field(default_factory=dict)
    checks: list[str] = field(default_factory=list)


def small_case(quick: bool) -> Case:
    """SmolLM2-135M, the real file."""
    prompt, generate = (32, 8) if quick else (128, 64)
    read = 128 if quick else 512
    shared, own = (320, 50) if quick else (1000, 100)
    rows = (
        Row(f"prefill {read}", "prefill", {"num_tokens": read}, 4.0),
        *(
            Row(f"decode, {batch} at once", "decode", _decode(batch, prompt, generate), target)
            for batch, target in ((1, 1.0), (16, None), (32, 6.0))
        ),
        Row(f"first token, {shared} shared + {own} own", "prefix", {"shared": shared, "own": own}, engines=ALL[:2]),
        Row("copying", "copying", {}, engines=ALL[:1]),
    )
    positions = max(32 * (prompt + generate + 32), 2600)
    return Case(
        "SmolLM2-135M, Q4_1",
        SMALL,
        positions,
        32,
        prompt + generate / 2,
        rows,
        (ALL,),
        speaks=True,
        load_aim_s=3,
        format="q4_1",
        product="135M's gate and up",
    )


def large_case(quick: bool) -> Case:
    """The shape of SmolLM3-3B, random Q4_0 weights: 4.5 bits each, embedding included."""
    read = 64 if quick else 512
    prompt, generate = _large_decode(quick)
    rows = (
        Row(f"prefill {read}", "prefill", {"num_tokens": read}, 4.0),
        Row("decode, 1 at once", "decode", _decode(1, prompt, generate), 1.0, _BANDWIDTH_AIM),
        Row("decode, 16 at once", "decode", _decode(16, prompt, generate), 2.5),
    )
    return Case(
        "SmolLM3-3B's shape, Q4_0",
        write_random_gguf(_large_file("q4_0"), "smollm3-3b", inner="Q4_0", outer="Q4_0"),
        max(16 * (prompt + generate + 32), 1024),
        16,
        prompt + generate / 2,
        rows,
        (ALL[:2], ALL[2:3], ALL[3:]),
        speaks=False,
        load_aim_s=15,
        format="q4_0",
        product="3B's gate and up",
    )


def better_case(quick: bool, llama: Path | None, threads: int) -> Case:
    """The same shape in the INT4 of better quality: Q4_1 beside an 8-bit embedding, as our own quantiser makes it.

    llama.cpp, in the environment `llama` (None: it is not measured), has the same weights as Q4_K_M, made by its own
    quantiser; Seatrial opens that file too.
    """
    prompt, generate = _large_decode(quick)
    path = write_random_gguf(_large_file("q4_1"), "smollm3-3b", inner="Q4_1", outer="Q8_0")
    files = {}
    if llama is not None:
        made = quantise_gguf(path, _large_file("q4_k_m"), llama, threads)
        files = {PEER: made, SAME_FILE: made}
    return Case(
        "SmolLM3-3B's shape, better INT4: Q4_1, and Q4_K_M in llama.cpp",
        path,
        1024,
        4,
        prompt + generate / 2,
        (Row("decode, 1 at once", "decode", _decode(1, prompt, generate), 1.25, _BANDWIDTH_AIM),),
        ((OURS, PEER, SAME_FILE) if files else (OURS,),),
        speaks=False,
        load_aim_s=15,
        format="q4_1",
        product="3B's gate and up",
        files=files,
    )


def _large_file(kind: str) -> Path:
    return CACHE / "models" / f"smollm3-3b-random-{kind}.gguf"


def _large_decode(quick: bool) -> tuple[int, int]:
    """Tokens of the prompt and of the answer."""
    return (16, 4) if quick else (64, 32)


def _decode(batch: int, prompt: int, generate: int) -> dict[str, int]:
    return {"batch": batch, "prompt": prompt, "generate": generate}
