"""What the server costs, beside LiteLLM's proxy and llama.cpp's server in the same run.

    python benchmarks/server.py --peers --hardware epyc-milan-2c --write

measures three things: the HTTP layer alone, on one core, over a model that answers by a script, with the load made on
another core; how soon a server is ready and what memory it takes; and 16 chats at once with SmolLM2-135M, beside
`seatrial bench` at the same batch. Every answer is checked, before it is timed or while. Medians with least and most.
"""

from __future__ import annotations

import argparse
import asyncio
import datetime
import json
import os
import platform
import statistics
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
import server_load as load
import server_peers as servers
from result_page import machine
from server_peers import Server
from server_report import (
    CHATS,
    CONNECTIONS,
    NUM_TOKENS,
    PACED_PIECES,
    PAUSE_S,
    PIECES,
    STREAMS,
    ChatRow,
    HttpRow,
    StartRow,
    decoding_rate,
    report,
)

ROOT = Path(__file__).resolve().parents[1]
REPLY = "".join(f" {number}" for number in range(PIECES))
ASK = load.chat_body("scripted", "Say something.")
SENTENCE = "The sea was calm and a small boat went out past the harbour wall to where two buoys marked the channel."


def main() -> None:
    """Parse, measure, print, and write the result file where asked."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--hardware", default=platform.machine())
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=5.0, help="of load, for each repetition")
    parser.add_argument("--peers", action="store_true", help="measure LiteLLM and llama.cpp too; installs them first")
    parser.add_argument("--only", choices=["http", "start", "chats"], help="one of the three things")
    parser.add_argument("--write", action="store_true")
    args = parser.parse_args()
    if args.peers:
        servers.install_litellm()
        servers.install_llama_server()
    before = machine()
    wanted = [args.only] if args.only else ["http", "start", "chats"]
    http = measure_http(args) if "http" in wanted else []
    starts = measure_starts(args) if "start" in wanted else []
    chats, bench_per_s = measure_chats(args) if "chats" in wanted else ([], [])
    text = report(args, before, http, starts, chats, bench_per_s)
    print(text)
    if args.write:
        day = datetime.date.today().isoformat()
        (ROOT / "benchmarks" / "results" / f"server_{args.hardware}_{day}.md").write_text(text)


def measure_http(args: argparse.Namespace) -> list[HttpRow]:
    """The HTTP layer on the first core, load from the last one."""
    everywhere = sorted(os.sched_getaffinity(0))
    core = everywhere[:1]
    os.sched_setaffinity(0, everywhere[-1:])
    rows = []
    try:
        with servers.bare(cores=core) as server:
            rows.append(_whole_answers("a bare socket", server, "something.", args))
        with servers.bare(cores=core, pieces=PACED_PIECES, pause_s=PAUSE_S) as server:
            _paced_streams(rows[-1], server, args)
        with servers.scripted(cores=core, pieces=PIECES) as server:
            rows.append(_whole_answers("**Seatrial**", server, REPLY, args))
        with servers.scripted(cores=core, pieces=PACED_PIECES, pause_s=PAUSE_S) as server:
            _paced_streams(rows[-1], server, args)
        if args.peers:
            with servers.litellm(REPLY, cores=core) as server:
                rows.append(_whole_answers("LiteLLM", server, REPLY, args))
            with servers.litellm("".join(f" {n}" for n in range(PACED_PIECES)), cores=core) as server:
                _paced_streams(rows[-1], server, args)
    finally:
        os.sched_setaffinity(0, everywhere)
    return rows


def _whole_answers(name: str, server: Server, expected: str, args: argparse.Namespace) -> HttpRow:
    row = HttpRow(name)
    if (said := load.answer(server.url, ASK)) != expected:
        raise SystemExit(f"{name} says {said!r}, not {expected!r}")
    load.rate(server.url, ASK, connections=CONNECTIONS, seconds=max(1.0, args.seconds / 5))  # warms up
    for _ in range(args.repeats):
        cpu_s = server.cpu_s()
        found = load.rate(server.url, ASK, connections=CONNECTIONS, seconds=args.seconds)
        row.request_cpu_s.append((server.cpu_s() - cpu_s) / (found.per_s * args.seconds))
        row.per_s.append(found.per_s)
        row.p99_s.append(found.p99_s)
        num = max(50, min(2000, int(found.per_s)))
        row.alone_s.append(statistics.median(load.latencies_s(server.url, ASK, num)))
    return row


def _paced_streams(row: HttpRow, server: Server, args: argparse.Namespace) -> None:
    """32 streams of 50 pieces a second. LiteLLM's mock of a model writes its pieces as fast as it can."""
    expected = "".join(f" {number}" for number in range(PACED_PIECES))
    body = load.chat_body("scripted", "Say something.", stream=True)
    for repeat in range(args.repeats + 1):
        cpu_s = server.cpu_s()
        streams = asyncio.run(load.streams(server.url, [body] * STREAMS))
        cpu_s = server.cpu_s() - cpu_s
        if any(stream.text != expected for stream in streams):
            raise SystemExit(f"{row.name} streams {streams[0].text[:200]!r}")
        if repeat:
            row.chunk_cpu_s.append(cpu_s / sum(len(stream.arrivals_s) for stream in streams))
            row.first_s.append(statistics.median(stream.first_s for stream in streams))


def measure_starts(args: argparse.Namespace) -> list[StartRow]:
    """From nothing to the first answer of `/readyz`."""
    cores = sorted(os.sched_getaffinity(0))
    kinds = {
        "**Seatrial**, models elsewhere": lambda: servers.seatrial("http://127.0.0.1:9/v1#none", cores=cores),
        "**Seatrial**, smollm2-135m": lambda: servers.seatrial("smollm2-135m", cores=cores),
    }
    if args.peers:
        kinds["LiteLLM, models elsewhere"] = lambda: servers.litellm(REPLY, cores=cores)
        kinds["llama.cpp, smollm2-135m"] = lambda: servers.llama_server(_model(), slots=CHATS, context=512, cores=cores)
    rows = []
    for name, start in kinds.items():
        row = StartRow(name)
        for repeat in range(args.repeats + 1):
            with start() as server:
                if repeat:
                    row.ready_s.append(server.ready_s)
                    row.resident_mb.append(server.resident_mb())
        rows.append(row)
    return rows


def measure_chats(args: argparse.Namespace) -> tuple[list[ChatRow], list[float]]:
    """16 chats at once, and what `seatrial bench` finds for a batch of 16 without a server."""
    cores = sorted(os.sched_getaffinity(0))
    rows = []
    with servers.seatrial("smollm2-135m", "--batch", str(CHATS), cores=cores) as server:
        rows.append(_chats("**Seatrial**", server, "smollm2-135m", args))
    bench_per_s = _bench(args)
    if args.peers:
        with servers.llama_server(_model(), slots=CHATS, context=512, cores=cores) as server:
            rows.append(_chats("llama.cpp", server, "smollm2-135m", args))
    return rows, bench_per_s


def _chats(name: str, server: Server, model: str, args: argparse.Namespace) -> ChatRow:
    row = ChatRow(name)
    for repeat in range(args.repeats + 1):
        bodies = [_chat(model, f"{repeat}-{number}") for number in range(CHATS)]
        streams = asyncio.run(load.streams(server.url, bodies))
        if any(stream.num_tokens != NUM_TOKENS or stream.finish != "length" for stream in streams):
            raise SystemExit(f"{name} gave {[(stream.num_tokens, stream.finish) for stream in streams]}")
        if repeat:
            end_s = max(stream.arrivals_s[-1] for stream in streams)
            row.overall_per_s.append(CHATS * NUM_TOKENS / (end_s - streams[0].asked_s))
            row.decoding_per_s.append(decoding_rate(streams))
            row.first_s.append(statistics.median(stream.first_s for stream in streams))
    return row


def _chat(model: str, name: str) -> bytes:
    """A prompt of about 128 tokens that begins unlike any other, so that nothing is answered from a cache."""
    content = f"{name}: {' '.join([SENTENCE] * 5)} Go on with the story of {name}."
    options = {"temperature": 0, "max_tokens": NUM_TOKENS, "ignore_eos": True, "stream": True}
    return load.chat_body(model, content, **options, stream_options={"include_usage": True})


def _bench(args: argparse.Namespace) -> list[float]:
    """Tokens a second of a batch of 16: the median, the least and the most that `seatrial bench` found."""
    program = str(Path(sys.executable).with_name("seatrial"))
    options = ["--batch", str(CHATS), "--prompt", str(NUM_TOKENS), "--generate", str(NUM_TOKENS)]
    command = [program, "bench", "smollm2-135m", *options, "--repeats", str(args.repeats), "--json"]
    found = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    (decode,) = found["decode"]
    return [decode["tokens_per_s"][name] for name in ("least", "median", "most")]


def _model() -> Path:
    home = Path(os.environ.get("SEATRIAL_HOME", Path.home() / ".cache" / "seatrial"))
    return home / "models" / "smollm2-135m" / "SmolLM2-135M-Instruct.Q4_1.gguf"


if __name__ == "__main__":
    main()
