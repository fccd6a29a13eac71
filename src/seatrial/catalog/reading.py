"""One entry's file, read and checked: TOML bytes in, an `Entry` out.

Everything a file can get wrong ends in a `CatalogError` that names the file, the key and the way out. Facts get their
ids here: the first of a field is `<entry>/<field>`, those after it `<entry>/<field>/<source>`; prices, scores and other
facts of which many stand side by side carry what tells them apart (`smollm3-3b/scores/ifeval-no-think`).
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Collection, Iterator
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from seatrial.catalog.checks import check_claim, check_entry, check_header, check_source, check_weights
from seatrial.catalog.entry import (
    Entry,
    Fact,
    Licence,
    MarketingClaim,
    Price,
    PublishedScore,
    Retirement,
    Source,
    Weights,
)
from seatrial.catalog.rows import Place, check_keys, listed, read_row
from seatrial.catalog.schema import FACT_ROWS, TABLES, Header, SourceRow
from seatrial.errors import CatalogError, nearest_names

LARGEST_FILE_BYTES = 1_000_000

T = TypeVar("T")


def read_entry(path: Path, known: Collection[str]) -> Entry:
    """The entry in `path`. `known` are the ids of the catalog, which competitors must be among.

    Raises `CatalogError` (file, key, reason, way out).
    """
    return entry_from_table(read_table(path), path, known)


def read_table(path: Path) -> dict[str, Any]:
    """The TOML table in `path`, unchecked. Raises `CatalogError` if it cannot be read or is not TOML."""
    try:
        with path.open("rb") as file:
            data = file.read(LARGEST_FILE_BYTES + 1)
    except OSError as error:
        raise CatalogError(f"cannot be read: {error.strerror}.", path=path) from None
    return parse_table(data, path)


def parse_table(data: bytes, path: Path) -> dict[str, Any]:
    """The TOML table in `data`, unchecked. Raises `CatalogError`."""
    if len(data) > LARGEST_FILE_BYTES:
        raise CatalogError(f"is larger than {LARGEST_FILE_BYTES:,} bytes; an entry is a few thousand.", path=path)
    try:
        return tomllib.loads(data.decode("utf-8"))
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise CatalogError("is not UTF-8. Save it as UTF-8.", path=path, line=line) from None
    except RecursionError:
        raise CatalogError("is nested too deeply for an entry.", path=path) from None
    except (ValueError, OverflowError) as error:
        raise CatalogError(f"is not TOML: {error}.", path=path) from None


def entry_from_table(table: dict[str, Any], path: Path, known: Collection[str]) -> Entry:
    """The entry that `table` (a parsed file) states. Raises `CatalogError`."""
    top = Place(path)
    check_keys(table, {*Header.__struct_fields__, "sources", *FACT_ROWS, *TABLES}, top)
    header = read_row(table, Header, top, also_allowed=table)
    check_header(header, top)
    for name, kind in TABLES.items():
        if name in table:
            read_row(table[name], kind, top.inside(name))
    facts = _FactReader(table, header.id, _sources(table, top), top)
    entry = Entry(
        id=header.id,
        name=header.name,
        maker=header.maker,
        tagline=header.tagline,
        description=header.description,
        category=header.category,
        modalities=tuple(header.modalities),
        entry=header.entry,
        runs=header.runs,
        api_name=header.api_name,
        weights=_weights(table, top),
        licence=facts.read("licence", lambda row: Licence(row.name, row.spdx, row.commercial)),
        parameters=facts.read("parameters", _value),
        context_tokens=facts.read("context_tokens", _value),
        max_output_tokens=facts.read("max_output_tokens", _value),
        memory_bytes=facts.read("memory_bytes", _value),
        released=facts.read("released", _value),
        retirement=facts.read("retirement", lambda row: Retirement(row.on, row.replacement)),
        prices=facts.read("prices", _price, _price_key),
        scores=facts.read("scores", lambda row: _own_score(row, header.id), _score_key),
        rival_scores=facts.read("rival_scores", _rival_score, lambda row: f"{row.subject}-{_score_key(row)}"),
        ttft_s=facts.read("ttft_s", _value),
        output_tokens_per_s=facts.read("output_tokens_per_s", _value),
        unsupported_parameters=facts.read("unsupported_parameters", _value, _value),
        competitors=tuple(header.competitors),
        marketing=tuple(_claims(facts)),
        notes=facts.read("notes", _value, lambda row: row.source),
    )
    check_entry(entry, known, top)
    return entry


class _Row(NamedTuple):
    row: Any
    source: Source
    place: Place


class _FactReader:
    """Reads the fact lists of one file; gives every fact its source and an id of its own."""

    def __init__(self, table: dict[str, Any], entry_id: str, sources: dict[str, Source], top: Place) -> None:
        self._table, self._entry_id, self._sources, self._top = table, entry_id, sources, top
        self._taken: set[str] = set()

    def read(
        self, field: str, value_of: Callable[[Any], T], key_of: Callable[[Any], str] | None = None
    ) -> tuple[Fact[T], ...]:
        """The facts of a field. Without `key_of` the first has the field's plain id, the others add their source."""
        facts: list[Fact[T]] = []
        for row, source, _ in self.rows(field):
            key = key_of(row) if key_of else (row.source if facts else "")
            facts.append(Fact(self.new_id(field, key), value_of(row), source, row.note))
        return tuple(facts)

    def rows(self, field: str) -> Iterator[_Row]:
        """The rows of a field, each with its source and place."""
        rows, place = self._table.get(field, []), self._top.inside(field)
        if not isinstance(rows, list):
            raise place.error('expected a list of tables, such as [ { …, source = "card" } ].')
        for index, raw in enumerate(rows):
            at = place.item(index)
            row = read_row(raw, FACT_ROWS[field], at)
            if row.source not in self._sources:
                nearest = nearest_names(row.source, self._sources)
                offer = f"Did you mean {listed(nearest)}?" if nearest else "Add it to `sources`."
                raise at.inside("source").error(f"no source is called `{row.source}`. {offer}")
            yield _Row(row, self._sources[row.source], at)

    def new_id(self, field: str, key: str) -> str:
        """An id that no other fact of the file has; a second one alike ends in `-2`."""
        plain = f"{self._entry_id}/{field}" + (f"/{_slug(key)}" if key else "")
        name, count = plain, 1
        while name in self._taken:
            count += 1
            name = f"{plain}-{count}"
        self._taken.add(name)
        return name


def _sources(table: dict[str, Any], top: Place) -> dict[str, Source]:
    place, rows = top.inside("sources"), table.get("sources", {})
    if not isinstance(rows, dict):
        raise place.error("expected a table of sources, such as sources.card = { title = …, url = …, … }.")
    sources = {}
    for key, raw in rows.items():
        row = read_row(raw, SourceRow, place.inside(key))
        check_source(row, place.inside(key))
        sources[key] = Source(key, row.title, row.url, row.as_of, row.kind)
    return sources


def _weights(table: dict[str, Any], top: Place) -> Weights | None:
    if "weights" not in table:
        return None
    weights = read_row(table["weights"], Weights, top.inside("weights"))
    check_weights(weights, top.inside("weights"))
    return weights


def _claims(facts: _FactReader) -> Iterator[MarketingClaim]:
    for row, source, place in facts.rows("marketing"):
        check_claim(row, source, place)
        yield MarketingClaim(facts.new_id("marketing", row.line), row.line, source, row.check, row.terms, row.note)


def _value(row: Any) -> Any:
    return row.value


def _price(row: Any) -> Price:
    return Price(row.input_usd, row.output_usd, row.cached_input_usd, row.valid_from, row.above_prompt_tokens)


def _price_key(row: Any) -> str:
    start = str(row.valid_from) if row.valid_from else "since-release"
    return start if row.above_prompt_tokens is None else f"{start}-above-{row.above_prompt_tokens}"


def _own_score(row: Any, entry_id: str) -> PublishedScore:
    return PublishedScore(row.benchmark, row.variant, row.setting, row.value, row.unit, entry_id)


def _rival_score(row: Any) -> PublishedScore:
    return PublishedScore(row.benchmark, row.variant, row.setting, row.value, row.unit, row.subject)


def _score_key(row: Any) -> str:
    return "-".join(part for part in (row.benchmark, row.variant, row.setting) if part)


def _slug(text: str) -> str:
    return re.sub(r"[^a-z0-9.+]+", "-", text.casefold()).strip("-") or "other"
