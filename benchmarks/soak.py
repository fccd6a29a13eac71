"""Whether the engine stays sound for as long as it runs: random arrivals, lengths, aborts and schemas.

    python benchmarks/soak.py --minutes 10 --hardware epyc-milan-2c --write

drives SmolLM2-135M through `EngineService` with a small cache, so that sequences are preempted and blocks evicted all
the time. It fails unless every request is answered, aborted by its client, or refused for a stated reason; every
constrained answer that ended by itself keeps to its schema; an answer that is asked for again is the same again; no
block is left in use; and memory is flat after the first quarter.
"""

from __future__ import annotations

import argparse
import asyncio
import datetime
import json
import platform
import random
import resource
import sys
import time
from collections import Counter
from contextlib import aclosing
from dataclasses import dataclass, field
from pathlib import Path

import jsonschema

from seatrial.engine import Model, SamplingParams
from seatrial.engine.loop import Engine, EngineLimits
from seatrial.engine.request import Constraint
from seatrial.engine.service import EngineService
from seatrial.errors import SeatrialError

ROOT = Path(__file__).resolve().parents[1]
SCHEMA = {
    "type": "object",
    "properties": {"name": {"type": "string", "maxLength": 20}, "age": {"type": "integer"}, "ok": {"type": "boolean"}},
    "required": ["name", "age", "ok"],
}
SENTENCE = "the sea was calm and a small boat went out past the harbour wall to where two buoys marked the channel"
WORDS = SENTENCE.split()
MOST_GROWTH_MB = 30.0
NUM_BLOCKS = 64  # 1,024 positions for 16 sequences of up to 512


@dataclass(slots=True)
class Outcome:
    """What happened, by kind, and the resident memory over time, MB."""

    counts: Counter[str] = field(default_factory=Counter)
    memory_mb: list[float] = field(default_factory=list)
    repeated: dict[tuple[str, str], str] = field(default_factory=dict)


def main() -> None:
    """Parse, run, print, and write the result file where asked. Exit code 1 where anything was unsound."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--model", default="smollm2-135m")
    parser.add_argument("--at-once", type=int, default=24)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--hardware", default=platform.machine())
    parser.add_argument("--write", action="store_true")
    args = parser.parse_args()
    model = Model.from_pretrained(args.model)
    outcome, seconds = asyncio.run(soak(model, args.minutes * 60, args.at_once, args.seed))
    faults = check(outcome)
    text = report(outcome, faults, args, seconds)
    print(text)
    if args.write:
        day = datetime.date.today().isoformat()
        (ROOT / "benchmarks" / "results" / f"soak_{args.hardware}_{day}.md").write_text(text)
    sys.exit(1 if faults else 0)


async def soak(model: Model, duration_s: float, at_once: int, seed: int) -> tuple[Outcome, float]:
    """Keep `at_once` clients busy for `duration_s`; returns what happened and how long it took, seconds."""
    limits = EngineLimits(num_blocks=NUM_BLOCKS, context_length=512, max_sequences=16)
    engine = Engine(model.runner, model.tokenizer, model.config.stop_ids, limits, name=model.name)
    outcome, service = Outcome(), EngineService(engine, name=model.name)
    start = time.monotonic()

    async def client(number: int) -> None:
        rng = random.Random(f"{seed}/{number}")
        while time.monotonic() - start < duration_s:
            await one_request(model, service, rng, outcome)
            await asyncio.sleep(rng.expovariate(2.0) if rng.random() < 0.3 else 0)

    async def watch() -> None:
        while True:
            outcome.memory_mb.append(resident_mb())
            await asyncio.sleep(duration_s / 100)

    watcher = asyncio.create_task(watch())
    await asyncio.gather(*(client(number) for number in range(at_once)))
    watcher.cancel()
    metrics = service.metrics
    outcome.counts["blocks left in use"] = metrics.num_blocks_used
    outcome.counts["preempted"] = metrics.num_preempted
    outcome.counts["tokens"] = metrics.num_generated_tokens
    outcome.counts["steps"] = metrics.num_steps
    await service.close()
    return outcome, time.monotonic() - start


async def one_request(model: Model, service: EngineService, rng: random.Random, outcome: Outcome) -> None:
    """Ask something at random, perhaps go away in the middle, and note how it ended."""
    prompt, params, is_json = draw_request(model, rng)
    abort_after = rng.randrange(1, 30) if rng.random() < 0.2 else None
    text, finish, number = "", "", 0
    try:
        async with aclosing(service.stream(prompt, params)) as gains:
            async for gain in gains:
                text += gain.text
                finish = gain.finish or ""
                number += 1
                if number == abort_after and not finish:
                    outcome.counts["aborted by the client"] += 1
                    return
    except SeatrialError as error:
        outcome.counts[f"refused: {type(error).__name__}"] += 1
        return
    outcome.counts[f"ended: {finish or 'without a reason'}"] += 1
    if is_json and finish == "stop":
        jsonschema.validate(json.loads(text), SCHEMA)
        outcome.counts["answers that kept to their schema"] += 1
    key = (repr(prompt), repr(params))
    if outcome.repeated.setdefault(key, text) != text:
        outcome.counts["answers that changed when asked again"] += 1


def draw_request(model: Model, rng: random.Random) -> tuple[list[int], SamplingParams, bool]:
    """A prompt (many begin alike), its parameters, and whether it asks for JSON. Some cannot be answered."""
    words = WORDS * rng.choice([1, 1, 2, 6])
    ending = random.Random(rng.randrange(6))
    text = " ".join([*words, *ending.choices(WORDS, k=ending.choice([0, 1, 3, 40]))])
    prompt = model.tokenizer.encode(text)
    fate = rng.random()
    if fate < 0.01:
        prompt = prompt * 200
    constraint = None
    if fate > 0.8:
        constraint = Constraint("json_schema", json.dumps(SCHEMA))
    elif fate > 0.78:
        constraint = Constraint("choice", '["calm", "rough"]')
    elif fate > 0.77:
        constraint = Constraint("json_schema", '{"type": "nonsense"}')
    params = SamplingParams(
        max_tokens=rng.choice([1, 8, 40, 120]),
        temperature=rng.choice([0.0, 0.0, 0.8, 1.5]),
        top_p=rng.choice([None, 0.9]),
        frequency_penalty=rng.choice([0.0, 0.0, 0.5]),
        seed=7,
        stop=() if constraint else rng.choice([(), (), (" boat",)]),
        constraint=constraint,
    )
    return prompt, params, fate > 0.8


def check(outcome: Outcome) -> list[str]:
    """What was unsound, as sentences; empty where all was well."""
    counts, memory = outcome.counts, outcome.memory_mb
    faults = [f"{counts[name]:,} {name}." for name in counts if "changed" in name or "without a reason" in name]
    faults += [f"{counts[name]:,} answers failed." for name in ("ended: failed",) if counts[name]]
    if counts["blocks left in use"]:
        faults.append(f"{counts['blocks left in use']:,} blocks were left in use.")
    growth_mb = max(memory[-5:]) - max(memory[: max(1, len(memory) // 4)])
    if growth_mb > MOST_GROWTH_MB:
        faults.append(f"Memory grew by {growth_mb:.0f} MB after the first quarter.")
    return faults


def report(outcome: Outcome, faults: list[str], args: argparse.Namespace, seconds: float) -> str:
    """The result as Markdown."""
    memory = outcome.memory_mb
    quarter = max(memory[: max(1, len(memory) // 4)])
    lines = [
        f"# Soak, {args.hardware}, {datetime.date.today().isoformat()}",
        "",
        f"`python benchmarks/soak.py --minutes {args.minutes:g} --seed {args.seed}`, `{args.model}`, "
        f"{args.at_once} clients, {seconds:,.0f} s, Python {platform.python_version()}.",
        "",
        *(f"- {name}: {count:,}" for name, count in sorted(outcome.counts.items())),
        f"- different requests, each compared with itself where it came again: {len(outcome.repeated):,}",
        f"- resident memory: {quarter:.0f} MB at most in the first quarter, {max(memory[-5:]):.0f} MB at the end, "
        f"{resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MB peak",
        "",
        "**Sound.**" if not faults else "**Unsound:** " + " ".join(faults),
    ]
    return "\n".join(lines) + "\n"


def resident_mb() -> float:
    """Memory of this process that is in RAM now, MB."""
    with open("/proc/self/statm", encoding="ascii") as file:
        return int(file.read().split()[1]) * resource.getpagesize() / 1e6


if __name__ == "__main__":
    main()
