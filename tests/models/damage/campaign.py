"""Thousands of damaged checkpoints in a process that may not take much memory.

    python campaign.py FORMAT SEED COUNT FOLDER

FORMAT is `gguf`, `folder` or `both`. Prints a JSON object: how often each outcome came, the seconds and the megabytes
it took, and for every failure its seed and its traceback. Address space is bounded to what the process has after one
good load and 512 MB, so that a buffer as large as a damaged number says cannot be had; a load that takes longer than
half a minute ends the process with the place where it hangs.
"""

from __future__ import annotations

import faulthandler
import json
import math
import random
import resource
import shutil
import sys
import time
import traceback
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parents[2] / "tiny")]

import folder_damage  # noqa: E402
import gguf_damage  # noqa: E402
from loading import load_and_ask  # noqa: E402
from tiny_models import TinyModel, tiny_model  # noqa: E402

from seatrial.models.weights.gguf_header import BLOCK_TYPES  # noqa: E402

ROOM_BYTES = 512 << 20
SLOWEST_S = 30
MOST_GROWTH_MB = 32  # of one load of a file of some 0.1 MB; an allocator's own arenas are larger than it
YARN = {"rope_type": "yarn", "factor": 2.0, "original_max_position_embeddings": 128}


def whole_models() -> dict[str, TinyModel]:
    """Of every kind that is loaded differently."""
    return {
        "llama": tiny_model(num_hidden_layers=1),
        "smollm3": tiny_model(
            "smollm3", num_hidden_layers=4, hidden_size=32, num_attention_heads=2, num_key_value_heads=1
        ),
        "untied": tiny_model(num_hidden_layers=1, tie_word_embeddings=False, rope_scaling=YARN),
    }


def gguf_cases(folder: Path) -> list[bytes]:
    """Whole files to damage, of several architectures and block types."""
    models, path = whole_models(), folder / "whole.gguf"
    kinds = [("llama", "Q4_1"), ("llama", "Q4_0"), ("llama", "Q5_1"), ("smollm3", "Q8_0"), ("untied", "F16")]
    wide = tiny_model(num_hidden_layers=1, hidden_size=256, intermediate_size=256).write_gguf(path).read_bytes()
    in_k_blocks = [with_blocks_of_256(wide, kind) for kind in (12, 13, 14)]
    return [*(models[name].write_gguf(path, kind).read_bytes() for name, kind in kinds), *in_k_blocks]


def with_blocks_of_256(whole: bytes, kind: int) -> bytes:
    """An F32 file with its matrices in blocks of a K type, of any numbers; the `gguf` package does not make them."""
    parts, rng, body = gguf_damage.take_apart(whole), random.Random(kind), b""
    for one in parts.tensors:
        start, num_bytes = one.offset, math.prod(one.sizes) * 4
        held = parts.body[start : start + num_bytes]
        if len(one.sizes) == 2:
            one.kind = kind
            num_bytes = math.prod(one.sizes) // 256 * BLOCK_TYPES[kind].num_bytes
            held = bytes(byte & 63 for byte in rng.randbytes(num_bytes))  # as a half, at most 1.8
        one.offset = len(body)
        body += held + b"\0" * (-len(held) % 32)
    parts.body = body
    return parts.bytes()


def folder_cases(folder: Path) -> list[folder_damage.Files]:
    """The files of whole folders, one of them in two shards."""
    found = []
    for name, model in whole_models().items():
        path = model.write_folder(folder / name, num_shards=2 if name == "smollm3" else 1)
        generation = {"do_sample": True, "temperature": 0.6, "top_k": 5, "top_p": 0.9, "eos_token_id": [2]}
        (path / "generation_config.json").write_text(json.dumps(generation))
        found.append({file.name: file.read_bytes() for file in path.iterdir()})
    return found


def damage(format: str, folder: Path) -> Callable[[random.Random], Path]:
    """A function that writes a damaged checkpoint and gives its path."""
    if format == "both":
        writers = [damage(each, folder) for each in ("gguf", "folder")]
        return lambda rng: rng.choice(writers)(rng)
    if format == "gguf":
        wholes = gguf_cases(folder)

        def write_file(rng: random.Random) -> Path:
            path = folder / "damaged.gguf"
            path.write_bytes(gguf_damage.damaged(rng, rng.choice(wholes)))
            return path

        return write_file
    cases = folder_cases(folder)

    def write_folder(rng: random.Random) -> Path:
        path = folder / "damaged"
        shutil.rmtree(path, ignore_errors=True)
        path.mkdir()
        for name, data in folder_damage.damaged(rng, rng.choice(cases)).items():
            (path / name).write_bytes(data)
        return path

    return write_folder


def run(format: str, seed: int, count: int, folder: Path) -> dict[str, Any]:
    """Damage and load `count` times; see the module."""
    write = damage(format, folder)
    load_and_ask(tiny_model().write_gguf(folder / "good.gguf", "Q4_1"))
    load_and_ask(folder / "good.gguf", dtype="float32")
    bound_memory()
    outcomes: Counter[str] = Counter()
    failures: list[dict[str, Any]] = []
    before, begun, slowest = peak_mb(), time.monotonic(), 0.0
    for index in range(seed, seed + count):
        rng, started, peak = random.Random(index), time.monotonic(), peak_mb()
        path = write(rng)
        dtype = rng.choice(["auto", "auto", "int8", "int4", "bfloat16", "float32"])
        faulthandler.dump_traceback_later(SLOWEST_S, exit=True)
        try:
            outcome = load_and_ask(path, dtype=dtype)
            assert peak_mb() - peak < MOST_GROWTH_MB, f"{outcome}, and it took {peak_mb() - peak:.0f} MB"
            outcomes[outcome] += 1
        except BaseException as error:
            outcomes[f"! {type(error).__name__}"] += 1
            failures.append({"seed": index, "dtype": dtype, "traceback": traceback.format_exc()[-1500:]})
            if isinstance(error, KeyboardInterrupt):
                break
        faulthandler.cancel_dump_traceback_later()
        slowest = max(slowest, time.monotonic() - started)
    return {
        "outcomes": dict(outcomes.most_common()),
        "seconds": time.monotonic() - begun,
        "slowest_s": slowest,
        "growth_mb": peak_mb() - before,
        "failures": failures,
    }


def bound_memory() -> None:
    """Let the address space grow by `ROOM_BYTES` from here."""
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    most = pages * resource.getpagesize() + ROOM_BYTES
    resource.setrlimit(resource.RLIMIT_AS, (most, most))


def peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    print(json.dumps(run(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), Path(sys.argv[4]))))
