"""Writes the dated list prices of the installed genai-prices package into the built-in entries.

    python -m seatrial.catalog.refresh_prices [--check] [FOLDER]

An entry that names its line of the package (`genai_prices = { provider, model }`) gets two statements rewritten: the
source `genai-prices` and the `prices` that have it. Prices from other sources stay, behind them. `--check` writes
nothing and fails if something would change. Why a snapshot and not the package itself at run time: `docs/catalog.md`.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Sequence
from datetime import date
from decimal import Decimal
from importlib.metadata import version
from pathlib import Path
from typing import Any

from seatrial.catalog.loading import BUILTIN_FOLDER
from seatrial.catalog.reading import read_table
from seatrial.catalog.rows import Place, read_row
from seatrial.catalog.schema import PriceListRow
from seatrial.errors import CatalogError, SeatrialError

SOURCE_KEY = "genai-prices"
SOURCE_URL = "https://github.com/pydantic/genai-prices"

_SOURCE_LINE = re.compile(rf"^sources\.{SOURCE_KEY} = .*$", re.MULTILINE)
_PRICES_BLOCK = re.compile(r"^prices = (\[\]|\[\n.*?^\])$", re.MULTILINE | re.DOTALL)


def refresh(folder: Path, today: date, check: bool = False) -> list[Path]:
    """Rewrite the prices of the entries in `folder`; the files that changed (with `check`: that would change).

    `today` becomes the as-of date of prices that changed. Raises `CatalogError`: an entry names a line that the package
    lacks, a price this catalog cannot express, or a file without the two statements to rewrite.
    """
    changed = []
    for path in sorted(folder.glob("*.toml")):
        table = read_table(path)
        if "genai_prices" not in table:
            continue
        line = read_row(table["genai_prices"], PriceListRow, Place(path, "genai_prices"))
        rows = package_rows(line.provider, line.model, path)
        if _snapshot(table) == (source_title(), rows):
            continue
        changed.append(path)
        if not check:
            _write(path, _rewritten(path, rows, today))
    return changed


def source_title() -> str:
    """The source's title: the package and its installed version."""
    return f"genai-prices {version('genai-prices')}"


def package_rows(provider: str, model: str, path: Path) -> list[dict[str, Any]]:
    """The list prices that the package holds for a model, as rows of `prices` without their source; oldest first.

    Tiers become rows with `above_prompt_tokens`: the package's tiers, too, hold for every token of a longer prompt.
    """
    from genai_prices.data_snapshot import get_snapshot
    from genai_prices.types import ModelPrice, StartDateConstraint

    found = [
        candidate
        for holder in get_snapshot().providers
        if holder.id == provider
        for candidate in holder.models
        if candidate.id == model
    ]
    if not found:
        raise CatalogError(
            f"genai-prices has no `{model}` of `{provider}`. Correct the names or take the key out.",
            path=path,
            field="genai_prices",
        )
    prices = found[0].prices
    if isinstance(prices, ModelPrice):
        return _tiers(prices, None)
    rows = []
    for conditional in prices:
        constraint = conditional.constraint
        if constraint is not None and not isinstance(constraint, StartDateConstraint):
            raise CatalogError(
                "genai-prices has a price that depends on the hour, which `prices` cannot state. Enter it by hand.",
                path=path,
                field="genai_prices",
            )
        rows += _tiers(conditional.prices, constraint.start_date if constraint else None)
    return rows


def own_rows(prices: object) -> list[dict[str, Any]]:
    """The rows of `prices` that this script wrote, without their source."""
    rows = [row for row in prices if isinstance(row, dict)] if isinstance(prices, list) else []
    return [
        {key: value for key, value in row.items() if key != "source"} for row in rows if row.get("source") == SOURCE_KEY
    ]


def _snapshot(table: dict[str, Any]) -> tuple[object, list[dict[str, Any]]]:
    """What the file holds now: the source's title and the rows."""
    sources = table.get("sources")
    source = sources.get(SOURCE_KEY) if isinstance(sources, dict) else None
    return (source.get("title") if isinstance(source, dict) else None, own_rows(table.get("prices")))


def _tiers(price: Any, valid_from: date | None) -> list[dict[str, Any]]:
    parts = {
        "input_usd": price.input_mtok,
        "output_usd": price.output_mtok,
        "cached_input_usd": price.cache_read_mtok,
    }
    starts = {tier.start for part in parts.values() for tier in getattr(part, "tiers", ())}
    rows = []
    for start in (None, *sorted(starts)):
        row: dict[str, Any] = {key: _at(part, start) for key, part in parts.items() if part is not None}
        if valid_from is not None:
            row["valid_from"] = valid_from
        if start is not None:
            row["above_prompt_tokens"] = start
        rows.append(row)
    return rows


def _at(part: Any, start: int | None) -> float:
    """A price in the tier that begins above `start` tokens (None: the lowest)."""
    if isinstance(part, Decimal):
        return float(part)
    held = part.base
    for tier in part.tiers:
        if start is not None and tier.start <= start:
            held = tier.price
    return float(held)


def _rewritten(path: Path, rows: list[dict[str, Any]], today: date) -> str:
    text = path.read_text("utf-8")
    block = _PRICES_BLOCK.search(text)
    if block is None or not _SOURCE_LINE.search(text):
        raise CatalogError(
            f"has no line `sources.{SOURCE_KEY} = …` or no list `prices = [` to write to. "
            f"Add `sources.{SOURCE_KEY} = {{}}` and `prices = []`, each on a line of its own.",
            path=path,
        )
    others = [line for line in block[1].splitlines()[1:-1] if f'source = "{SOURCE_KEY}"' not in line]
    stated = f'title = "{source_title()}", url = "{SOURCE_URL}", as_of = {today}, kind = "published"'
    source = f"sources.{SOURCE_KEY} = {{ {stated} }}"
    prices = "\n".join(["prices = [", *(_row_line(row) for row in rows), *others, "]"])
    text = text[: block.start()] + prices + text[block.end() :]
    return _SOURCE_LINE.sub(lambda _: source, text)


def _row_line(row: dict[str, Any]) -> str:
    stated = ", ".join(f"{key} = {value}" for key, value in row.items())
    return f'  {{ {stated}, source = "{SOURCE_KEY}" }},'


def _write(path: Path, text: str) -> None:
    temporary = path.with_name(path.name + ".new")
    temporary.write_text(text, "utf-8")
    temporary.replace(path)


def main(arguments: Sequence[str], today: date) -> int:
    """The command; its exit code."""
    parser = argparse.ArgumentParser(prog="python -m seatrial.catalog.refresh_prices", description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; fail if a price would change")
    parser.add_argument("folder", nargs="?", type=Path, default=BUILTIN_FOLDER, help="entries (default: the built-in)")
    options = parser.parse_args(arguments)
    try:
        changed = refresh(options.folder, today, options.check)
    except SeatrialError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    for path in changed:
        print(f"{'would change' if options.check else 'changed'} {path.name}")
    print(f"{len(changed)} of {len(list(options.folder.glob('*.toml')))} entries, by {source_title()}")
    return int(options.check and bool(changed))


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:], date.today()))
