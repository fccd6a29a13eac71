"""The result of `server.py` as a page: what was measured on what, and which aims are met."""

from __future__ import annotations

import argparse
import datetime
import platform
import statistics
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from importlib import metadata

import server_peers
from result_page import met, spread
from server_load import Stream

PIECES, PAUSE_S, PACED_PIECES = 4, 0.02, 100
CONNECTIONS, STREAMS, CHATS = 32, 32, 16
NUM_TOKENS = 128


@dataclass
class HttpRow:
    """One server's HTTP layer. A list holds one figure for each repetition; a server that cannot do it has none."""

    name: str
    per_s: list[float] = field(default_factory=list)
    p99_s: list[float] = field(default_factory=list)
    alone_s: list[float] = field(default_factory=list)
    request_cpu_s: list[float] = field(default_factory=list)
    chunk_cpu_s: list[float] = field(default_factory=list)
    first_s: list[float] = field(default_factory=list)


@dataclass
class ChatRow:
    """One server with the real model. Rates are tokens a second of all answers together."""

    name: str
    decoding_per_s: list[float] = field(default_factory=list)
    overall_per_s: list[float] = field(default_factory=list)
    first_s: list[float] = field(default_factory=list)


@dataclass
class StartRow:
    """How soon a server is ready, and its memory then, MB."""

    name: str
    ready_s: list[float] = field(default_factory=list)
    resident_mb: list[float] = field(default_factory=list)


def decoding_rate(streams: Sequence[Stream]) -> float:
    """Tokens a second while all answers are being written: from the last first piece to the first last one."""
    begin_s = max(stream.arrivals_s[0] for stream in streams)
    end_s = min(stream.arrivals_s[-1] for stream in streams)
    num = 0.0
    for stream in streams:
        inside = sum(begin_s < arrival_s <= end_s for arrival_s in stream.arrivals_s)
        num += inside * stream.num_tokens / len(stream.arrivals_s)
    return num / (end_s - begin_s)


def report(
    args: argparse.Namespace,
    before: str,
    http: Sequence[HttpRow],
    starts: Sequence[StartRow],
    chats: Sequence[ChatRow],
    bench_per_s: Sequence[float],
) -> str:
    """The result as Markdown."""
    versions = [f"Python {platform.python_version()}"]
    versions += [f"{name} {metadata.version(name)}" for name in ("seatrial", "httptools", "uvloop", "msgspec")]
    versions += [f"{name} {version}" for name, version in server_peers.versions().items()]
    lines = [
        f"# Server, {args.hardware}, {datetime.date.today().isoformat()}",
        "",
        f"Command: `python {' '.join(sys.argv)}`  ",
        f"Hardware: {before}  ",
        f"Versions: {', '.join(versions)}",
        "",
        f"Medians of {args.repeats} repetitions with least and most, after one that does not count.",
    ]
    aims: list[str] = []
    if http:
        lines += ["", "## The HTTP layer, on one core", "", *_http_table(http)]
        aims += _http_aims(http)
    if starts:
        lines += ["", "## Start and memory", "", "| server | ready after, s | memory then, MB |", "|---|--:|--:|"]
        lines += [f"| {row.name} | {spread(row.ready_s, 2)} | {spread(row.resident_mb)} |" for row in starts]
        aims += _start_aims(starts)
    if chats:
        lines += ["", f"## {CHATS} chats at once, smollm2-135m", "", *_chat_table(chats, bench_per_s)]
        aims += _chat_aims(chats, bench_per_s)
    return "\n".join([*lines, "", "## Aims", "", *aims]) + "\n"


def _http_table(rows: Sequence[HttpRow]) -> list[str]:
    lines = [
        f"Whole answers of {PIECES} pieces: requests a second over {CONNECTIONS} connections (wrk), latency of one "
        f"connection alone. Streams: {STREAMS} at once, {PACED_PIECES} pieces each, one every {PAUSE_S * 1000:.0f} ms "
        "(LiteLLM's mock of a model writes them as fast as it can). Processor time is the server's. The bare socket "
        "reads no more of a request than its end: it shows what kernel and client cost.",
        "",
        "| server | requests/s | p99, ms | alone p50, ms | CPU per request, µs | CPU per chunk, µs | first piece, ms |",
        "|---|--:|--:|--:|--:|--:|--:|",
    ]
    for row in rows:
        cells = [
            spread(row.per_s),
            spread([1e3 * value for value in row.p99_s], 1),
            spread([1e3 * value for value in row.alone_s], 3),
            spread([1e6 * value for value in row.request_cpu_s]),
            spread([1e6 * value for value in row.chunk_cpu_s]),
            spread([1e3 * value for value in row.first_s], 1),
        ]
        lines.append(f"| {' | '.join([row.name, *cells])} |")
    return lines


def _chat_table(rows: Sequence[ChatRow], bench_per_s: Sequence[float]) -> list[str]:
    lines = [
        f"Prompts of about 128 tokens that share no beginning, {NUM_TOKENS} tokens of each answer, greedy. Decoding: "
        "while all answers are being written. Over all: from the first request to the last piece, prompts included.",
        "",
        "| server | decoding, tokens/s | over all, tokens/s | first piece, s |",
        "|---|--:|--:|--:|",
    ]
    for row in rows:
        cells = [spread(row.decoding_per_s), spread(row.overall_per_s), spread(row.first_s, 2)]
        lines.append(f"| {' | '.join([row.name, *cells])} |")
    return [*lines, f"| `seatrial bench --batch {CHATS}`, no server | {spread(bench_per_s)} | | |"]


def _http_aims(rows: Sequence[HttpRow]) -> list[str]:
    floor, ours = rows[:2]
    added_s = statistics.median(ours.alone_s) - statistics.median(floor.alone_s)
    per_s = statistics.median(ours.per_s)
    of_floor = f"{per_s / statistics.median(floor.per_s):.0%} of what the bare socket answers"
    chunk_us = 1e6 * statistics.median(ours.chunk_cpu_s)
    beside = f"the bare socket {1e6 * statistics.median(floor.chunk_cpu_s):.0f} µs"
    aims = [
        met("≥ 6,000 requests/s", per_s, lambda value: value >= 6000, "{:,.0f}, " + of_floor),
        met("added p50 ≤ 0.4 ms alone", 1e3 * added_s, lambda value: value <= 0.4, "{:.3f} ms over the bare socket"),
        met(
            "≤ 60 µs per chunk",
            chunk_us,
            lambda value: value <= 60,
            "{:.0f} µs, " + beside,
        ),
    ]
    for peer in rows[2:]:
        ratio = statistics.median(ours.per_s) / statistics.median(peer.per_s)
        aims.append(f"- {ratio:,.0f} × the requests/s of {peer.name}.")
    return aims


def _start_aims(rows: Sequence[StartRow]) -> list[str]:
    elsewhere, local = rows[:2]
    return [
        met("ready < 1 s without a local model", statistics.median(elsewhere.ready_s), lambda v: v < 1, "{:.2f} s"),
        met("< 60 MB without a local model", max(elsewhere.resident_mb), lambda v: v < 60, "{:.0f} MB"),
        met("ready < 4 s with smollm2-135m", statistics.median(local.ready_s), lambda v: v < 4, "{:.2f} s"),
    ]


def _chat_aims(rows: Sequence[ChatRow], bench_per_s: Sequence[float]) -> list[str]:
    ours = statistics.median(rows[0].decoding_per_s)
    share = ours / statistics.median(bench_per_s)
    aims = [met("≥ 90 % of `seatrial bench` at the same batch", share, lambda value: value >= 0.9, "{:.0%}")]
    for peer in rows[1:]:
        for what, mine, theirs in (
            ("decoding", rows[0].decoding_per_s, peer.decoding_per_s),
            ("over all", rows[0].overall_per_s, peer.overall_per_s),
        ):
            ratio = statistics.median(mine) / statistics.median(theirs)
            aims.append(met(f"≥ 3 × {peer.name}'s server, {what}", ratio, lambda value: value >= 3, "{:.2f} ×"))
    return aims
