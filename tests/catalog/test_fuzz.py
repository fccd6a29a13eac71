"""Whatever stands in an entry's file, it is read or refused with a `CatalogError`: nothing else."""

from __future__ import annotations

import copy
import datetime
from pathlib import Path
from typing import Any

import msgspec
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from seatrial.catalog.loading import BUILTIN_FOLDER
from seatrial.catalog.reading import entry_from_table, parse_table, read_table
from seatrial.errors import CatalogError

FILES = [BUILTIN_FOLDER / f"{name}.toml" for name in ("gpt-5-mini", "smollm3-3b", "smollm2-135m", "claude-haiku-5.5")]
KNOWN = {path.stem for path in BUILTIN_FOLDER.glob("*.toml")}
TEXTS = {path: path.read_bytes() for path in FILES}
TABLES = {path: read_table(path) for path in FILES}

junk = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.integers(min_value=-(10**30), max_value=10**30),
    st.floats(),
    st.text(max_size=20),
    st.dates(),
    st.datetimes(timezones=st.sampled_from([None, datetime.UTC])),
    st.times(),
    st.lists(st.integers() | st.text(max_size=3), max_size=3),
    st.dictionaries(st.text(max_size=5), st.integers() | st.text(max_size=3), max_size=3),
)
quick = settings(max_examples=250, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def read_or_refuse(table: dict[str, Any], path: Path) -> None:
    try:
        entry = entry_from_table(table, path, KNOWN)
    except CatalogError as error:
        message = str(error)
    else:
        msgspec.json.encode(entry)
        return
    assert message.startswith(f"{path}, `")
    assert len(message) < 2_000


@quick
@given(
    st.sampled_from(FILES),
    st.lists(st.tuples(st.integers(min_value=0), st.integers(0, 40), st.binary(max_size=12)), min_size=1, max_size=4),
)
def test_bytes_changed_anywhere(path: Path, edits: list[tuple[int, int, bytes]]) -> None:
    data = TEXTS[path]
    for start, length, new in edits:
        at = start % len(data)
        data = data[:at] + new + data[at + length :]
    try:
        table = parse_table(data, path)
    except CatalogError:
        return
    read_or_refuse(table, path)


@quick
@given(st.sampled_from(FILES), st.text(max_size=300))
def test_any_text(path: Path, text: str) -> None:
    try:
        table = parse_table(text.encode("utf-8", "surrogatepass"), path)
    except CatalogError:
        return
    read_or_refuse(table, path)


@quick
@given(st.sampled_from(FILES), st.data())
def test_values_changed_anywhere(path: Path, data: st.DataObject) -> None:
    table = copy.deepcopy(TABLES[path])
    for _ in range(data.draw(st.integers(1, 3))):
        node: Any = table
        while True:
            keys = list(node) if isinstance(node, dict) else range(len(node))
            if not keys:
                break
            key = data.draw(st.sampled_from(keys))
            if isinstance(node[key], dict | list) and data.draw(st.booleans()):
                node = node[key]
                continue
            match data.draw(st.sampled_from(["replace", "delete", "add"])):
                case "replace":
                    node[key] = data.draw(junk)
                case "delete":
                    del node[key]
                case "add" if isinstance(node, dict):
                    node[data.draw(st.text(max_size=8))] = data.draw(junk)
                case "add":
                    node.append(copy.deepcopy(node[key]))
            break
    read_or_refuse(table, path)
