"""The engine beside llama.cpp and transformers: the same file, the same prompts, the same threads, in the same run.

    python benchmarks/engine.py --peers --hardware epyc-milan-2c --write

measures SmolLM2-135M (its real Q4_1 file) and the shape of SmolLM3-3B (random weights in two INT4 formats, written
once under .cache/; llama.cpp's quantiser makes its Q4_K_M of one of them, in minutes). Without `--peers` Seatrial runs
alone; `--quick` makes all of it small, to see that it works. Each engine is a process of its own, on the same cores
with the same number of threads; before anything is timed its answers are checked. Engines take turns, row by row and
repetition by repetition, so that all see the same machine. llama.cpp is built with clang 16 from its source package
when first asked for (10 to 30 minutes).
"""

from __future__ import annotations

import argparse
import datetime
import os
import platform
import shlex
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "benchmarks" / "peers"))

from cases import ALL, OURS, PEER, SAME_FILE, Case, Row, better_case, large_case, small_case  # noqa: E402
from checks import check  # noqa: E402
from omissions import aims_elsewhere, left_out, missing_levels  # noqa: E402
from outcome import Machine, markdown  # noqa: E402
from process import CACHE, Peer, command, install_llama_cpp, measured_limits  # noqa: E402
from products import measure_products  # noqa: E402

from seatrial.kernels import cpu  # noqa: E402
from seatrial.trial.environment import read_environment  # noqa: E402

_MODELS = ("135m", "3b")
# An engine that takes this long for a row's repetitions is asked no more of it, and one so slow gets no warm-up.
_PATIENCE_S, _SLOW_S = 300.0, 30.0


def main() -> None:
    """Parse, measure, print, and write the result file where asked."""
    args = _arguments()
    CACHE.mkdir(parents=True, exist_ok=True)
    names = [name for name in ALL if (args.peers or name == OURS) and name not in args.without]
    if PEER in names:
        install_llama_cpp(args.llama)
        names.append(SAME_FILE)
    start_load = os.getloadavg()
    cases = _cases(args, args.llama if PEER in names else None)
    reading, multiplying = [cpu.read_bandwidth(args.threads)], [measured_limits(args.threads)]
    for case in cases:
        _measure(case, names, args)
        reading.append(cpu.read_bandwidth(args.threads))
        multiplying.append(measured_limits(args.threads))
    machine = Machine(
        hardware=args.hardware,
        date=datetime.date.today().isoformat(),
        command=shlex.join(["python", "benchmarks/engine.py", *sys.argv[1:]]),
        platform=platform.platform(),
        cpu=read_environment(datetime.datetime.now).cpu,
        threads=args.threads,
        load=start_load,
        read_bytes_per_s=max(reading),
        operations_per_s={kind: max(found[kind] for found in multiplying) for kind in multiplying[0]},
    )
    omitted = left_out(args.without, args.models, _MODELS, peers=args.peers)
    text = markdown(
        machine, cases, [*aims_elsewhere(args.level or cpu.levels()[0]), *missing_levels(), *omitted], quick=args.quick
    )
    print(text)
    if args.write:
        path = ROOT / "benchmarks" / "results" / f"engine_{args.hardware}_{machine.date}.md"
        path.write_text(text)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--hardware", default=platform.machine(), help="what the result file is called after")
    parser.add_argument("--peers", action="store_true", help="measure llama.cpp and transformers too")
    parser.add_argument("--without", action="append", default=[], choices=ALL[1:], help="leave a peer out")
    parser.add_argument("--models", type=_models, default=_MODELS, help="135m, 3b, or both with a comma")
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--level", help="force a level of Seatrial's kernels")
    parser.add_argument("--llama", type=Path, default=CACHE / "llama-cpp", help="the environment that llama.cpp is in")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--write", action="store_true")
    return parser.parse_args()


def _models(text: str) -> list[str]:
    wanted = text.split(",")
    if not set(wanted) <= set(_MODELS):
        raise argparse.ArgumentTypeError(f"`{text}` is not of {','.join(_MODELS)}")
    return wanted


def _cases(args: argparse.Namespace, llama: Path | None) -> list[Case]:
    cases = [small_case(args.quick)] if "135m" in args.models else []
    if "3b" in args.models:
        cases += [large_case(args.quick), better_case(args.quick, llama, args.threads)]
    return cases


def _measure(case: Case, names: list[str], args: argparse.Namespace) -> None:
    """Fill the case's values, group by group. Seatrial goes first and stays, to be compared with."""
    ours = _open(case, OURS, args)
    try:
        for number, group in enumerate(case.groups):
            others = [_open(case, name, args) for name in group if name in names and name != OURS]
            try:
                check(case, ours, others, quick=args.quick)
                engines = [ours, *others] if number == 0 else others
                for row in case.rows:
                    _turns(case, row, engines, args.repeats)
                for engine in engines:
                    if engine.name in (OURS, SAME_FILE):
                        _costs(case, engine)
                for engine in others:
                    case.facts[engine.name]["memory"] = engine.call("memory").value
            finally:
                for other in others:
                    other.close()
    finally:
        ours.close()
    fresh = [name for name in (OURS, PEER) if name in case.facts]
    _loads(case, fresh, args)
    for name in fresh:
        _memory(case, name, args)
    _products(case, args)


def _open(case: Case, name: str, args: argparse.Namespace) -> Peer:
    _say(f"{case.title}: {name} loads")
    peer = Peer(name, _command(case, name, args), args.threads)
    case.facts[name] = peer.call("load", positions=case.positions, sequences=case.sequences).value
    return peer


def _command(case: Case, name: str, args: argparse.Namespace) -> list[str]:
    return command(name, case.files.get(name, case.path), args.threads, level=args.level, llama=args.llama)


def _turns(case: Case, row: Row, engines: list[Peer], repeats: int) -> None:
    """One repetition of each engine after the other. The first does not count, unless it took long."""
    spent_s = {engine.name: 0.0 for engine in engines if engine.name in row.engines}
    for turn in range(repeats + 1):
        for engine in engines:
            if spent_s.get(engine.name, _PATIENCE_S) >= _PATIENCE_S:
                continue
            _say(f"{case.title}: {row.title}, {engine.name}, {turn} of {repeats}")
            seed = {"seed": turn if row.call != "decode" else 0} if row.call != "copying" else {}
            reply = engine.call(row.call, **row.args, **seed)
            spent_s[engine.name] += reply.seconds
            if turn or reply.seconds > _SLOW_S:
                value = row.tokens_per_reply / reply.value if row.tokens_per_reply else reply.value
                case.values.setdefault((row.title, engine.name), []).append(value)


def _costs(case: Case, engine: Peer) -> None:
    """What the physical limits are worked out from."""
    batches = [row.args["batch"] for row in case.rows if row.call == "decode"]
    prompts = [1, *(row.args["num_tokens"] for row in case.rows if row.call == "prefill")]
    asked = {"prompts": prompts, "batches": batches, "context": case.context}
    case.facts[engine.name]["costs"] = engine.call("costs", **asked).value


def _loads(case: Case, names: list[str], args: argparse.Namespace) -> None:
    """Fresh processes, in turns; the file is in the page cache by now."""
    for turn in range(args.repeats):
        for name in names:
            _say(f"{case.title}: load, {name}, {turn + 1} of {args.repeats}")
            peer = Peer(name, _command(case, name, args), args.threads)
            try:
                reply = peer.call("load", positions=case.positions, sequences=case.sequences).value
            finally:
                peer.close()
            case.values.setdefault(("load", name), []).append(reply["load_s"])


def _memory(case: Case, name: str, args: argparse.Namespace) -> None:
    """What a process takes that did nothing but load, read the long prompt and decode the largest batch."""
    facts, peer = case.facts[name], _open(case, name, args)
    try:
        rows = {row.call: row for row in case.rows if row.call in ("prefill", "decode")}
        for row in rows.values():
            peer.call(row.call, **row.args, seed=0)
        case.facts[name] = facts | {"memory": peer.call("memory").value}
    finally:
        peer.close()


def _products(case: Case, args: argparse.Namespace) -> None:
    """What the model's largest product reaches by itself, with nobody else at work: no engine is open by now."""
    tokens = [row.tokens_at_once for row in case.rows if row.call in ("prefill", "decode")]
    level = args.level or cpu.levels()[0]
    _say(f"{case.title}: products alone")
    asked = {"threads": args.threads, "repeats": args.repeats}
    for product in measure_products(level, case.format, case.product, tokens, **asked):
        case.products[product.tokens] = product


def _say(text: str) -> None:
    print(f"{time.strftime('%H:%M:%S')} {text}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
