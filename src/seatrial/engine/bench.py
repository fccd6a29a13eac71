"""How fast a model runs here: load, prefill, decode, first token, memory, beside what the machine could do.

In: how to open the checkpoint, `BenchSettings`, a clock. Out: a `BenchReport`. Prompts are random tokens that share
nothing with one another, answers are greedy and go on whatever comes, and speculation is off, so that a figure says
what the passes of the model take; copying, on the model's own words, shows what speculation adds. Each thing is done
once untimed, then `repeats` times.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from seatrial.chat import message
from seatrial.engine.bench_report import (
    BenchReport,
    BenchSettings,
    CachedPrefix,
    Circumstances,
    Copying,
    Decode,
    Limits,
    Memory,
    Prefill,
    Spread,
)
from seatrial.engine.bench_room import check_before_loading, check_cache_fits, what_is_left_out
from seatrial.engine.loop import Engine, EngineLimits
from seatrial.engine.model import Model
from seatrial.engine.native_runner import NativeRunner
from seatrial.engine.opening import open_runner
from seatrial.engine.pass_costs import (
    formats_of,
    model_bytes,
    peak_resident_bytes,
    prefill_operations,
    runner_name,
    step_bytes,
)
from seatrial.engine.timing import Clock, EngineTimer
from seatrial.models.checkpoint import Checkpoint
from seatrial.models.config import ModelConfig
from seatrial.models.devices import choose_device, free_bytes

COPIED_TOKENS = 160
COPIED = """The harbour master keeps three books. The first lists every ship that came in, with its captain, its cargo \
and the depth of its keel. The second lists every ship that left, with the hour of the tide and the name of the pilot \
who took it past the sandbank. The third book is the shortest: it lists the ships that were expected and never came. \
On quiet evenings she reads the third book aloud to the lighthouse keeper, who remembers the weather of each of those \
nights and never once looks at his own notes. When the new bridge was opened, a clerk from the city proposed to put \
all three books into one table with a column for the outcome. She thanked him, poured him a glass of plum brandy, and \
went on writing in three books."""


class _Measured(NamedTuple):
    """Times as they were taken. `rates` are tokens a second of each batch."""

    prefill_s: list[float]
    cached: CachedPrefix | None
    rates: dict[int, list[float]]
    copying: Copying | None
    memory: Memory
    limits: Limits


def bench(
    open_checkpoint: Callable[[], Checkpoint],
    ask: BenchSettings,
    circumstances: Circumstances,
    *,
    name: str,
    device: str,
    level: str | None,
    is_random: bool,
    clock: Clock,
    on_stage: Callable[[str], None],
) -> BenchReport:
    """Open the model, measure everything that `ask` names, close it.

    `open_checkpoint` reads no weights; `is_random` says that they are made up. `name` is what messages call the model,
    `device` and `level` are as for `open_runner`. `clock` gives seconds, `on_stage` hears what is being measured.

    Raises ContextTooLong or NotRunnable (memory) before weights are loaded, and what opening raises.
    """
    start = clock()
    model = _load(open_checkpoint, ask, circumstances, name, device, level, on_stage)
    load_s = clock() - start
    copied = [] if is_random else _copy_prompt(model)
    num_copied, context = len(copied) + COPIED_TOKENS if copied else 0, model.config.context_length
    left_out = what_is_left_out(ask, context, is_random=is_random, num_copied=num_copied)
    if "speculation" in left_out:
        copied, num_copied = [], 0
    engine = _open_engine(model, ask, num_copied)
    try:
        found = _measure(model, engine, ask, circumstances, copied, clock, on_stage)
    finally:
        engine.close()
    return BenchReport(
        model=name,
        runner=runner_name(model.runner),
        circumstances=circumstances,
        settings=ask,
        load_s=None if is_random else load_s,
        limits=found.limits,
        prefill=_prefill(found.prefill_s, ask.prompt, model.config, found.limits),
        cached_prefix=found.cached,
        decode=tuple(
            _decode(batch, rates, ask, model, circumstances.dtype, found.limits) for batch, rates in found.rates.items()
        ),
        copying=found.copying,
        memory=found.memory,
        left_out=tuple(f"{what}: {why}" for what, why in left_out.items()),
    )


def _load(
    open_checkpoint: Callable[[], Checkpoint],
    ask: BenchSettings,
    circumstances: Circumstances,
    name: str,
    device: str,
    level: str | None,
    on_stage: Callable[[str], None],
) -> Model:
    on_stage("opening the model")
    checkpoint, dtype = open_checkpoint(), circumstances.dtype
    check_before_loading(ask, checkpoint, dtype=dtype, device=choose_device(device), model=name)
    on_stage("loading the model")
    runner = open_runner(
        checkpoint,
        name=name,
        dtype=dtype,
        device=device,
        threads=circumstances.threads,
        level=level,
        max_sequences=max(ask.batches),
        context=ask.prompt + ask.generate,
    )
    return Model(name, checkpoint, runner)


def _measure(
    model: Model,
    engine: Engine,
    ask: BenchSettings,
    circumstances: Circumstances,
    copied: list[int],
    clock: Clock,
    on_stage: Callable[[str], None],
) -> _Measured:
    timer, prompts = EngineTimer(engine, clock), _Prompts(model.config.vocab_size, ask.seed)
    on_stage(f"reading {ask.prompt:,} tokens")
    prefill_s = [timer.first_token(prompts.next(ask.prompt)).seconds for _ in range(ask.repeats + 1)][1:]
    on_stage(f"reading behind {ask.prefix:,} tokens that are cached")
    cached = _cached_prefix(timer, prompts, ask) if ask.prefix + ask.own < model.config.context_length else None
    rates = _decode_rates(timer, prompts, ask, on_stage)
    on_stage("copying with and without speculation")
    copy = _copying(timer, copied, ask.repeats) if copied else None
    memory = Memory(
        weights_bytes=model_bytes(model, circumstances.dtype),
        cache_bytes=engine.limits.num_blocks * model.runner.block_bytes,
        peak_bytes=peak_resident_bytes(),
    )
    on_stage("measuring the machine's limits")  # last, because it takes memory of its own
    limits = _limits(model, circumstances, clock)
    return _Measured(prefill_s, cached, rates, copy, memory, limits)


class _Prompts:
    """Random prompts, the same for the same seed, of which no two begin alike."""

    def __init__(self, vocab_size: int, seed: int) -> None:
        self._vocab_size, self._generator = vocab_size, np.random.default_rng(seed)

    def next(self, num_tokens: int) -> list[int]:
        ids: list[int] = self._generator.integers(0, self._vocab_size, num_tokens).tolist()
        return ids


def _copy_prompt(model: Model) -> list[int]:
    asked = f"Repeat the following text word for word.\n\n{COPIED}"
    if model.checkpoint.chat_template is None:
        return model.prompt_ids(f"{COPIED}\n\n{COPIED[:40]}")
    return model.prompt_ids([message("user", asked)], thinking=False)


def _open_engine(model: Model, ask: BenchSettings, num_copied: int) -> Engine:
    """An engine whose cache is as large as the largest measurement needs."""
    context, runner = model.config.context_length, model.runner
    num_blocks = check_cache_fits(ask, context, runner.block_bytes, free_bytes(runner.device), num_copied=num_copied)
    limits = EngineLimits(num_blocks=num_blocks, context_length=context, max_sequences=max(ask.batches))
    return Engine(runner, model.tokenizer, model.config.stop_ids, limits, name=model.name)


def _limits(model: Model, circumstances: Circumstances, clock: Clock) -> Limits:
    from seatrial.engine.machine_limits import measure_limits  # brings PyTorch, which the engine may do without

    runner = model.runner
    level = runner.level if isinstance(runner, NativeRunner) else None
    formats = tuple(dict.fromkeys(formats_of(model, circumstances.dtype).values())) if level else ()
    return measure_limits(runner.device, level=level, formats=formats, threads=circumstances.threads, clock=clock)


def _cached_prefix(timer: EngineTimer, prompts: _Prompts, ask: BenchSettings) -> CachedPrefix:
    """Requests behind a cached prefix and requests without one take turns, so that both see the same machine."""
    prefix = prompts.next(ask.prefix)
    timer.first_token([*prefix, *prompts.next(ask.own)])
    shared, alone = [], []
    for _ in range(ask.repeats + 1):
        shared.append(timer.first_token([*prefix, *prompts.next(ask.own)]))
        alone.append(timer.first_token(prompts.next(ask.own)))
    return CachedPrefix(
        num_shared=ask.prefix,
        num_own=ask.own,
        num_cached=shared[-1].num_cached,
        ttft_s=Spread.of([first.seconds for first in shared[1:]]),
        alone_ttft_s=Spread.of([first.seconds for first in alone[1:]]),
    )


def _decode_rates(
    timer: EngineTimer, prompts: _Prompts, ask: BenchSettings, on_stage: Callable[[str], None]
) -> dict[int, list[float]]:
    """Tokens a second of each batch. All batches take their prompts from the same ones, which are computed once."""
    each = [prompts.next(ask.prompt) for _ in range(max(ask.batches))]
    for number, prompt_ids in enumerate(each, 1):
        on_stage(f"reading prompts to decode from: {number} of {len(each)}")
        timer.first_token(prompt_ids)
    rates = {}
    for batch in ask.batches:
        on_stage(f"decoding {batch} at once")
        rates[batch] = [timer.decode(each[:batch], ask.generate) for _ in range(ask.repeats + 1)][1:]
    return rates


def _copying(timer: EngineTimer, prompt_ids: list[int], repeats: int) -> Copying:
    """With and without speculation in turn; the prompt stays in the cache."""
    plain, speculating = [], []
    for _ in range(repeats + 1):
        plain.append(timer.answer(prompt_ids, COPIED_TOKENS, speculate=False))
        speculating.append(timer.answer(prompt_ids, COPIED_TOKENS, speculate=True))
    return Copying(
        num_prompt=len(prompt_ids),
        num_generated=len(plain[-1].token_ids),
        plain_tokens_per_s=Spread.of([answer.tokens_per_s for answer in plain[1:]]),
        speculating_tokens_per_s=Spread.of([answer.tokens_per_s for answer in speculating[1:]]),
        num_drafted=speculating[-1].num_drafted,
        num_accepted=speculating[-1].num_accepted,
        same_answer=all(answer.token_ids == plain[0].token_ids for answer in (*plain, *speculating)),
    )


def _prefill(times_s: list[float], num_tokens: int, config: ModelConfig, limits: Limits) -> Prefill:
    ttft_s, operations = Spread.of(times_s), prefill_operations(config, num_tokens)
    return Prefill(
        num_tokens=num_tokens,
        ttft_s=ttft_s,
        tokens_per_s=Spread.of([num_tokens / seconds for seconds in times_s]),
        operations=operations,
        share_of_matrix_rate=operations / ttft_s.median / limits.matrix_rate,
    )


def _decode(batch: int, rates: list[float], ask: BenchSettings, model: Model, dtype: str, limits: Limits) -> Decode:
    tokens_per_s = Spread.of(rates)
    read_bytes = step_bytes(model, dtype, batch, ask.prompt + ask.generate / 2)
    share = tokens_per_s.median / batch * read_bytes / limits.read_bytes_per_s
    return Decode(batch, tokens_per_s, read_bytes, share)
