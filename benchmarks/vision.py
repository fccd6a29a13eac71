"""A page to the first token: Seatrial beside transformers and llama.cpp, the same files, the same page, the same cores.

    python benchmarks/vision.py --peers --hardware epyc-milan-2c --write

measures the shapes of SmolVLM2-256M and 2.2B with random weights (text in Q4_0, eyes in Q8_0; written once under
.cache/) on one drawn page of 1536 x 1152 pixels, which is split into tiles: from its bytes to the first token of a
question, then a second question about it, the encoder by itself, and the most memory. Every repetition looks at
another page, so that no cache helps. Without `--peers` Seatrial runs alone; `--quick` measures the small model once.
Engines are processes that take turns, and before anything is timed their answers are held against Seatrial's.
"""

from __future__ import annotations

import argparse
import datetime
import os
import platform
import shlex
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "benchmarks" / "peers"))

from process import CACHE, PEERS, Peer, measured_limits  # noqa: E402
from random_mmproj import write_random_pair  # noqa: E402
from vision_llama import LlamaEyes  # noqa: E402
from vision_report import OURS, PEER, Found, markdown  # noqa: E402

from seatrial.engine.random_model import eyes  # noqa: E402
from seatrial.kernels import cpu  # noqa: E402
from seatrial.trial.environment import read_environment  # noqa: E402

_MODELS = ("smolvlm2-256m", "smolvlm2-2.2b")
_ENGINES = (OURS, PEER, "transformers bf16", "transformers f32")
_DTYPES = {"transformers bf16": "bfloat16", "transformers f32": "float32"}
_CONTEXT = 2048
# Of all scores, where weights are the same numbers; and the place that llama.cpp's best token has among Seatrial's.
_LEAST_COSINE, _WORST_PLACE = 0.97, 100


def main() -> None:
    """Parse, measure, print, and write the result file where asked."""
    args = _arguments()
    CACHE.mkdir(parents=True, exist_ok=True)
    names = [name for name in _ENGINES if (args.peers or name == OURS) and name not in args.without]
    start_load = os.getloadavg()
    limits = [measured_limits(args.threads)]
    found = []
    for model in _MODELS[:1] if args.quick else args.models:
        found.append(_measure(model, names, args))
        limits.append(measured_limits(args.threads))
    day = datetime.date.today().isoformat()
    text = markdown(
        found,
        title=f"Looking at a page, {args.hardware}, {day}",
        how=f"`{shlex.join(['python', 'benchmarks/vision.py', *sys.argv[1:]])}`, {platform.platform()}, "
        f"{read_environment(datetime.datetime.now).cpu}, {args.threads} threads, "
        f"level {args.level or cpu.levels()[0]}, "
        f"load averages before: {', '.join(f'{value:.1f}' for value in start_load)}.",
        limits={kind: max(each[kind] for each in limits) for kind in limits[0]},
        omitted=[name for name in _ENGINES if name not in names],
    )
    print(text)
    if args.write:
        (ROOT / "benchmarks" / "results" / f"vision_{args.hardware}_{day}.md").write_text(text)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--hardware", default=platform.machine(), help="what the result file is called after")
    parser.add_argument("--peers", action="store_true", help="measure llama.cpp and transformers too")
    parser.add_argument("--without", action="append", default=[], choices=_ENGINES[1:], help="leave a peer out")
    parser.add_argument("--models", nargs="+", choices=_MODELS, default=_MODELS)
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--level", help="force a level of Seatrial's kernels")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--write", action="store_true")
    args = parser.parse_args()
    if args.quick:
        args.repeats = 1
    return args


@dataclass
class _Engine:
    """One engine that is open."""

    name: str
    peer: Any
    looks: list[dict[str, float]] = field(default_factory=list)


def _measure(model: str, names: Sequence[str], args: argparse.Namespace) -> Found:
    """All engines on one model. Seatrial stays open to be compared with; peers come one after another beside it."""
    path = write_random_pair(CACHE / "models", model)
    found = Found(model, eyes()[model])
    ours = _open(OURS, path, found, args)
    try:
        for name in names[1:] or [None]:
            other = None if name is None else _open(name, path, found, args)
            try:
                if other is not None:
                    found.checks.append(_checked(ours, other))
                _turns([engine for engine in (ours, other) if engine is not None], args.repeats, model)
                if other is not None:
                    found.looks[other.name] = other.looks
                    found.peaks[other.name] = other.peer.call("memory").value["peak"]
            finally:
                if other is not None:
                    other.peer.close()
        found.looks[OURS] = ours.looks
        _say(f"{model}: the encoder by itself")
        found.encoders = [ours.peer.call("encoder", num_tiles=4).value for _ in range(args.repeats)]
    finally:
        ours.peer.close()
    found.peaks[OURS] = _peak(path, found, args)
    return found


def _open(name: str, path: Path, found: Found, args: argparse.Namespace) -> _Engine:
    _say(f"{found.model}: {name} loads")
    peer: Any
    if name == PEER:
        peer = LlamaEyes(path, next(path.parent.glob("mmproj*.gguf")), args.threads)
    else:
        script = "vision_worker.py" if name == OURS else "vision_transformers_worker.py"
        more = [_DTYPES[name]] if name in _DTYPES else [args.level] if args.level else []
        peer = Peer(name, [sys.executable, str(PEERS / script), str(path), str(args.threads), *more], args.threads)
    found.loads[name] = peer.call("load", context=_CONTEXT).value
    return _Engine(name, peer)


def _checked(ours: _Engine, other: _Engine) -> str:
    """Hold what an engine makes of page 0 against Seatrial's. Raises AssertionError where they saw something else.

    With random weights the scores hardly depend on the page, so rows of the picture are compared too where they can be
    had; of llama.cpp's server they cannot.
    """
    scores_V = np.array(ours.peer.call("scores", seed=0).value)
    if other.name == PEER:
        best = other.peer.call("likeliest", seed=0, count=1).value[0]
        place = int((scores_V > scores_V[best]).sum()) + 1
        assert place <= _WORST_PLACE, f"{PEER}'s best token is Seatrial's number {place:,}"
        return f"{PEER}'s best next token is number {place} of {len(scores_V):,} for Seatrial."
    same = _cosine(scores_V, np.array(other.peer.call("scores", seed=0).value))
    mine, another = (_centred(ours.peer.call("rows", seed=seed).value) for seed in (0, 1))
    theirs = _centred(other.peer.call("rows", seed=0).value)
    rows = _cosine(mine, theirs)
    assert min(same, rows) >= _LEAST_COSINE, f"{other.name} differs: scores {same:.4f}, rows {rows:.4f}"
    return (
        f"scores after the page have cosine {same:.5f} with {other.name}'s, the page's rows {rows:.5f} "
        f"(another page's {_cosine(another, theirs):.2f})."
    )


def _centred(rows: list[list[float]]) -> np.ndarray:
    """Rows without what all of them have in common."""
    array = np.array(rows)
    return (array - array.mean(axis=0)).reshape(-1)


def _cosine(one: np.ndarray, other: np.ndarray) -> float:
    return float(one @ other / np.linalg.norm(one) / np.linalg.norm(other))


def _turns(engines: list[_Engine], repeats: int, model: str) -> None:
    """One page of each engine after the other; the check before has warmed them up."""
    for turn in range(repeats):
        for engine in engines:
            _say(f"{model}: {engine.name} looks, {turn + 1} of {repeats}")
            engine.looks.append(engine.peer.call("look", seed=1000 + len(engine.looks)).value)


def _peak(path: Path, found: Found, args: argparse.Namespace) -> int:
    """What a process takes that did nothing but load and look at one page."""
    ours = _open(OURS, path, found, args)
    try:
        ours.peer.call("look", seed=1)
        peak: int = ours.peer.call("memory").value["peak"]
    finally:
        ours.peer.close()
    return peak


def _say(text: str) -> None:
    print(f"{time.strftime('%H:%M:%S')} {text}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
