"""A measurement of speed put together: a name becomes weights, real or random, and the engine's bench runs them."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from seatrial.cli.wiring import now, open_catalog, open_store, runs_here
from seatrial.errors import NotRunnable, UsageError

if TYPE_CHECKING:
    from seatrial.cli.settings import Settings
    from seatrial.engine.bench_report import BenchReport, BenchSettings


def bench_model(
    settings: Settings,
    model: str,
    ask: BenchSettings,
    *,
    dtype: str,
    device: str,
    threads: int | None,
    level: str | None,
    on_stage: Callable[[str], None],
) -> BenchReport:
    """Measure how fast a model runs here.

    `model` is a catalog id, `hf:owner/name`, a folder, a `.gguf` file, or `random:ID[@STORED]`: the shape of a catalog
    model with random weights, stored as `q4_0`, `q4_1`, `q8_0` or `f32`. Raises UnknownName, NotRunnable,
    CheckpointError, ContextTooLong.
    """
    source = None if model.startswith("random:") else _weights_of(settings, model)

    from seatrial.engine.bench import bench
    from seatrial.engine.bench_report import Circumstances
    from seatrial.engine.random_model import random_checkpoint
    from seatrial.models.checkpoint import Checkpoint, open_checkpoint
    from seatrial.trial.environment import read_environment

    machine = read_environment(now)
    threads = threads or machine.num_cpus

    def open_it() -> Checkpoint:
        if source is not None:
            return open_checkpoint(source, now=now)
        shape, _, stored = model.removeprefix("random:").partition("@")
        return random_checkpoint(shape, dtype=dtype, stored=stored.upper() or None, seed=ask.seed)

    circumstances = Circumstances(dtype, threads, machine.cpu, machine.versions, now().isoformat(timespec="seconds"))
    return bench(
        open_it,
        ask,
        circumstances,
        name=model,
        device=device,
        level=level,
        is_random=source is None,
        clock=time.perf_counter,
        on_stage=on_stage,
    )


def _weights_of(settings: Settings, model: str) -> Path:
    """Where a model's files lie. Raises UnknownName, or NotRunnable with the command that brings them."""
    from seatrial.trial.candidates import parse_candidate

    catalog = open_catalog(settings)
    candidate = parse_candidate(model, catalog)
    if candidate.settings:
        raise UsageError(
            f"`{model}` carries settings, which `seatrial bench` takes as options: `--dtype`, `--threads`. Name the "
            "model alone."
        )
    if candidate.kind == "catalog":
        entry = catalog.get(candidate.model or candidate.target)
        path = open_store(settings).path(entry.id)
        if path is None and runs_here(entry):
            raise NotRunnable(
                f"The weights of `{entry.id}` are not on this machine.",
                f"Run `seatrial pull {entry.id}`, or measure `random:{entry.id}`: its shape with random weights.",
            )
        if path is not None:
            return path
    if candidate.kind in ("path", "hub"):
        source = candidate.target if candidate.kind == "path" else f"hf:{candidate.target}"
        return open_store(settings).resolve(source, revision=candidate.revision)
    raise UsageError(
        f"`{model}` does not run on this machine itself, so there is nothing to measure. Name a local model."
    )
