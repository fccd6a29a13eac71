"""What changes a fingerprint, and what does not."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from seatrial.workload.loading import load_workload

MANIFEST = """
name = "orders"
[prompt]
system = "Read the order."
shots = 1
[scorer]
name = "json_fields"
[scorer.fields]
who = "string"
total = { type = "number", tolerance = 0.01 }
"""
ITEM = {"id": "a", "input": "Ann, 3 dollars", "expected": {"who": "Ann", "total": 3}, "cluster": "c"}
EXAMPLE = {"id": "x", "input": "Bo, 4.50 dollars", "expected": {"who": "Bo", "total": 4.5}}


def fingerprint(folder: Path, manifest: str = MANIFEST, items: list[Any] | None = None, example: Any = EXAMPLE) -> str:
    folder.mkdir(exist_ok=True)
    (folder / "workload.toml").write_text(manifest)
    (folder / "items.jsonl").write_text("\n".join(json.dumps(item) for item in items or [ITEM]))
    (folder / "examples.jsonl").write_text(json.dumps(example))
    return load_workload(str(folder)).fingerprint


def test_it_is_the_same_everywhere(tmp_path: Path) -> None:
    assert fingerprint(tmp_path / "w") == "797478e03005e51d46379a62ebd49ecc2abdb2646ad256bce664c861e2a3f1c1"


@pytest.mark.parametrize(
    "change",
    [
        {"items": [{**ITEM, "note": "only for people"}]},
        {"items": [dict(reversed(ITEM.items()))]},
        {"items": [{**ITEM, "expected": {"total": 3.0, "who": "Ann"}}]},
        {"manifest": MANIFEST.replace('"orders"', '"other"') + "\n\n# a comment\n"},
        {"manifest": 'licence = "CC0-1.0"\nversion = "3"\ntitle = "t"\ndescription = "d"' + MANIFEST},
        {"manifest": MANIFEST.replace("shots = 1", "").replace("[prompt]", "[prompt]\nshots = 1\nmax_tokens = 256")},
        {
            "manifest": MANIFEST.replace(
                '[scorer]\nname = "json_fields"', '[scorer]\naverage = "mean"\nname = "json_fields"'
            )
        },
    ],
)
def test_what_makes_no_difference(tmp_path: Path, change: dict[str, Any]) -> None:
    assert fingerprint(tmp_path / "w", **change) == fingerprint(tmp_path / "other")


@pytest.mark.parametrize(
    "change",
    [
        {"items": [{**ITEM, "input": "Ann,  3 dollars"}]},
        {"items": [{**ITEM, "expected": {"who": "Ann", "total": 3.5}}]},
        {"items": [{**ITEM, "id": "b"}]},
        {"items": [{**ITEM, "cluster": "d"}]},
        {"items": [ITEM, {**ITEM, "id": "b"}]},
        {"example": {**EXAMPLE, "input": "Bo, four fifty"}},
        {"manifest": MANIFEST.replace("Read", "Reread")},
        {"manifest": MANIFEST.replace("shots = 1", "shots = 0")},
        {"manifest": MANIFEST.replace("[prompt]", "[prompt]\nmax_tokens = 9")},
        {"manifest": MANIFEST.replace("0.01", "0.02")},
        {"manifest": MANIFEST.replace('name = "json_fields"', 'name = "json_fields"\naverage = "micro"')},
        {"manifest": MANIFEST.replace('who = "string"\n', "") + 'who = "string"\n'},
    ],
)
def test_what_makes_a_difference(tmp_path: Path, change: dict[str, Any]) -> None:
    assert fingerprint(tmp_path / "w", **change) != fingerprint(tmp_path / "other")


def test_the_order_of_items_counts(tmp_path: Path) -> None:
    other = {**ITEM, "id": "b", "input": "Cy, 1 dollar", "expected": {"who": "Cy", "total": 1}}
    assert fingerprint(tmp_path / "w", items=[ITEM, other]) != fingerprint(tmp_path / "x", items=[other, ITEM])
