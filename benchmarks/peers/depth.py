"""One model far into a long context, as a process: `python depth.py 135m|3b bf16|int8 PROMPT GENERATE THREADS`.

Says what memory is planned, takes it, reads the prompt and decodes; prints what it found as one line of JSON.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any, NamedTuple, cast

import numpy as np
from least_time import work_of
from worker import peak_bytes, random_ids

from seatrial.engine.loop import Engine, EngineLimits
from seatrial.engine.memory import CacheFormat, MemoryNeed, plan_memory
from seatrial.engine.model import Model
from seatrial.engine.native_runner import NativeRunner, open_native
from seatrial.engine.pass_costs import step_bytes
from seatrial.engine.random_model import checkpoint_of, shapes
from seatrial.engine.request import SamplingParams
from seatrial.engine.runner import BLOCK_TOKENS, StepInput
from seatrial.errors import NotRunnable
from seatrial.models.checkpoint import Checkpoint
from seatrial.models.devices import free_bytes
from seatrial.models.weights.packed import stored_kinds

CONTEXT, CHUNK = 32_768, 512
IDS = {"135m": "smollm2-135m", "3b": "smollm3-3b"}
# Models that read the whole prompt; of others the chunks at its two ends are timed.
WHOLE = ("135m",)
_DTYPE = "int4"


class Timed(NamedTuple):
    """Seconds: of the whole prompt, of its first and its last chunk, and of each decoded token."""

    prefill_s: float
    first_s: float
    last_s: float
    steps_s: list[float]


def measure(which: str, cache: CacheFormat, prompt: int, generate: int, threads: int) -> dict[str, Any]:
    """Plan, take, time. Raises NotRunnable where the plan does not fit this machine."""
    config = replace(shapes()[IDS[which]], context_length=CONTEXT)
    name = f"{IDS[which]}'s shape"
    checkpoint = checkpoint_of(config, name=name, dtype=_DTYPE, stored=None, seed=0)
    need = _plan(checkpoint, cache, free_bytes("cpu"))
    said = f"{name} takes {need}"
    _say(said)
    before = peak_bytes()
    runner = open_native(checkpoint, dtype=_DTYPE, threads=threads, cache=cache, context=CONTEXT, name=name)
    timed = (_whole if which in WHOLE else _ends)(runner, checkpoint, need, prompt, generate)
    peak, middle = peak_bytes(), prompt + generate // 2
    return {
        "model": name,
        "cache": cache,
        "level": runner.level,
        "said": said,
        "refused": _refusal(checkpoint, cache, need.total_bytes // 2),
        "weights": need.weights_bytes,
        "kv": need.cache_bytes,
        "before": before,
        "peak": peak,
        "prompt": prompt,
        "is_whole": which in WHOLE,
        "prompt_work": work_of(config, 0, prompt, 1),
        "step_work": work_of(config, middle, middle + 1, 1),
        "step_bytes": step_bytes(Model(name, checkpoint, runner), _DTYPE, 1, middle),
        **timed._asdict(),
    }


def _plan(checkpoint: Checkpoint, cache: CacheFormat, free: int | None) -> MemoryNeed:
    config = checkpoint.config
    return plan_memory(
        config,
        stored_kinds(config, checkpoint.tensors),
        dtype=_DTYPE,
        cache=cache,
        free_bytes=free,
        max_sequences=1,
        context=CONTEXT,
        model=str(checkpoint.path),
    )


def _refusal(checkpoint: Checkpoint, cache: CacheFormat, free: int) -> str:
    try:
        _plan(checkpoint, cache, free)
    except NotRunnable as error:
        return str(error)
    raise AssertionError(f"{free:,} bytes are half of what is needed, and nobody minds")


def _whole(runner: NativeRunner, checkpoint: Checkpoint, need: MemoryNeed, prompt: int, generate: int) -> Timed:
    """The engine reads the prompt in chunks and answers."""
    limits = EngineLimits(need.num_blocks, CONTEXT, max_sequences=1, max_step_tokens=CHUNK, speculate=False)
    engine = Engine(runner, checkpoint.tokenizer, (), limits, name=str(checkpoint.path))
    engine.add(0, random_ids(0, checkpoint.config.vocab_size, prompt), SamplingParams(max_tokens=generate + 1))
    chunks_s: list[float] = []
    gains = []
    while not gains:
        chunks_s.append(_seconds(lambda: gains.extend(engine.step())))
        _say(f"{min(len(chunks_s) * CHUNK, prompt):,} of {prompt:,} tokens read, {sum(chunks_s):.0f} s")
    steps_s = [_seconds(lambda: gains.extend(engine.step())) for _ in range(generate)]
    assert len(gains) == generate + 1
    assert gains[-1].finish == "length", gains[-1]
    assert not len(engine)
    whole = prompt // CHUNK  # a last chunk may be shorter than the others
    engine.close()
    return Timed(sum(chunks_s), chunks_s[0], chunks_s[whole - 1], steps_s)


def _ends(runner: NativeRunner, checkpoint: Checkpoint, need: MemoryNeed, prompt: int, generate: int) -> Timed:
    """The cache is filled by prompts of one chunk each, which see only themselves; then time runs at its end.

    What a chunk takes grows with its distance from the beginning by the same amount each time, so that all of them
    together take their number times the mean of the first and the last.
    """
    runner.allocate(need.num_blocks)
    ids, whole = random_ids(0, checkpoint.config.vocab_size, prompt + generate), prompt // CHUNK
    times_s = []
    for chunk in range(whole):
        first = chunk * CHUNK
        times_s.append(_pass(runner, ids[first : first + CHUNK], 0, range(first // BLOCK_TOKENS, need.num_blocks)))
        _say(f"{first + CHUNK:,} of {prompt:,} positions filled, {sum(times_s):.0f} s")
    every = range(need.num_blocks)
    last_s = _pass(runner, ids[(whole - 1) * CHUNK : whole * CHUNK], (whole - 1) * CHUNK, every)
    end = whole * CHUNK
    steps_s = [_pass(runner, [ids[end + at]], end + at, every) for at in range(generate)]
    first_s = sorted(times_s)[len(times_s) // 2]
    runner.close()
    return Timed((first_s + last_s) / 2 * prompt / CHUNK, first_s, last_s, steps_s)


def _pass(runner: NativeRunner, ids: list[int], position: int, blocks: range) -> float:
    """Seconds of a pass over `ids` from `position` on, of a sequence that has `blocks`."""
    step = StepInput(
        tokens_T=np.asarray(ids, np.int32),
        positions_T=np.arange(position, position + len(ids), dtype=np.int32),
        starts_S1=np.array([0, len(ids)], np.int32),
        tables_SB=np.asarray(blocks, np.int32)[None],
        rows_R=np.array([len(ids) - 1], np.int32),
    )
    scores_RV: list[Any] = []
    seconds = _seconds(lambda: scores_RV.append(runner.forward(step)))
    assert np.isfinite(np.asarray(scores_RV[0])).all()
    return seconds


def _seconds(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def _say(text: str) -> None:
    print(f"{time.strftime('%H:%M:%S')} {text}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    found = measure(sys.argv[1], cast(CacheFormat, sys.argv[2]), *map(int, sys.argv[3:]))
    print(json.dumps(found))
