"""What a comparison page costs, with 1,000 comparisons and 1,000,000 votes in the database, beside Next.js.

    python benchmarks/site.py --peers --hardware epyc-milan-2c --write

serves the site on the first core and makes the load on the last one: a page that is warm, over 32 connections; pages
that nobody asked for before; and how many bytes a reader loads. The same is measured on a database without votes and
with a single comparison. The peer is a Next.js page of the same data, rendered for each request, and kept for a second.
Every answer is checked before it is timed. Medians with least and most.
"""

from __future__ import annotations

import argparse
import datetime
import os
import platform
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
import site_filling as filling
import site_load as load
import site_peers as peers
from result_page import machine
from site_report import PageRow, report

ROOT = Path(__file__).resolve().parents[1]
CONNECTIONS = 32
NUM_COLD = 60


def main() -> None:
    """Parse, fill, measure, print, and write the result file where asked."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--hardware", default=platform.machine())
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=5.0, help="of load, for each repetition")
    parser.add_argument("--comparisons", type=int, default=1_000)
    parser.add_argument("--votes", type=int, default=1_000_000)
    parser.add_argument("--peers", action="store_true", help="measure Next.js too; installs and builds it first")
    parser.add_argument("--write", action="store_true")
    args = parser.parse_args()
    if args.peers:
        peers.install_next()
    before = machine()
    small = filling.fill(1, 0)
    large = filling.fill(args.comparisons, args.votes)
    everywhere = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(0, everywhere[-1:])
    try:
        rows = [
            _seatrial("**Seatrial**, 1 comparison, no votes", small, everywhere[:1], args),
            _seatrial(
                f"**Seatrial**, {args.comparisons:,} comparisons, {args.votes:,} votes", large, everywhere[:1], args
            ),
        ]
        if args.peers:
            rows += _next(large, everywhere[:1], args)
    finally:
        os.sched_setaffinity(0, everywhere)
    text = report(args, before, rows, CONNECTIONS, NUM_COLD)
    print(text)
    if args.write:
        day = datetime.date.today().isoformat()
        (ROOT / "benchmarks" / "results" / f"site_{args.hardware}_{day}.md").write_text(text)


def _seatrial(name: str, filled: filling.Filled, cores: list[int], args: argparse.Namespace) -> PageRow:
    row = PageRow(name)
    path = f"/compare/{filled.slugs[0]}"
    with peers.seatrial_site(filled.url, cores=cores) as server:
        page = load.get(server.url + path)
        _check(page, filled, name)
        voters = load.json_of(server.url + path + ".json")["community"]["models"]
        if sum(each["num_voters"] for each in voters.values()) != filled.num_votes_on_page:
            raise SystemExit(f"{name} counts {voters}, not {filled.num_votes_on_page:,} votes")
        row.html_kb, row.assets_kb = load.weights_kb(server.url, page)
        _measure(row, server, path, page, args)
        row.cold_s = [load.once_s(server.url + f"/compare/{slug}") for slug in filled.cold_slugs[:NUM_COLD]]
    return row


def _next(filled: filling.Filled, cores: list[int], args: argparse.Namespace) -> list[PageRow]:
    slug = filled.slugs[0]
    with peers.seatrial_site(filled.url, cores=cores) as server:
        pages = {
            each: load.get(f"{server.url}/compare/{each}.json").body for each in (slug, *filled.cold_slugs[:NUM_COLD])
        }
    rows = []
    with peers.next_site(pages, cores=cores) as server:
        for name, folder in (("Next.js, rendered for each request", "compare"), ("Next.js, kept for a second", "kept")):
            row = PageRow(name)
            load.get(f"{server.url}/{folder}/{slug}")
            page = load.get(f"{server.url}/{folder}/{slug}")
            _check(page, filled, name)
            row.html_kb, row.assets_kb = load.weights_kb(server.url, page)
            _measure(row, server, f"/{folder}/{slug}", page, args)
            row.cold_s = [load.once_s(f"{server.url}/{folder}/{each}") for each in filled.cold_slugs[:NUM_COLD]]
            rows.append(row)
    return rows


def _measure(row: PageRow, server: peers.Server, path: str, page: load.Page, args: argparse.Namespace) -> None:
    load.rate(server.url + path, connections=CONNECTIONS, seconds=max(1.0, args.seconds / 5))  # warms up
    for _ in range(args.repeats):
        cpu_s = server.cpu_s()
        found = load.rate(server.url + path, connections=CONNECTIONS, seconds=args.seconds)
        row.cpu_s.append((server.cpu_s() - cpu_s) / max(1.0, found.per_s * args.seconds))
        row.per_s.append(found.per_s)
        row.p50_s.append(found.p50_s)
        row.p99_s.append(found.p99_s)
    row.resident_mb = server.resident_mb()
    if abs(len(load.get(server.url + path).body) - len(page.body)) > 64:
        raise SystemExit(f"{row.name} answers something else after the load than before")


def _check(page: load.Page, filled: filling.Filled, name: str) -> None:
    for text in filled.on_page:
        if text not in page.text:
            raise SystemExit(f"{name}: `{text}` is not on the page:\n{page.text[:2000]}")


if __name__ == "__main__":
    main()
