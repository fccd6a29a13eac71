"""Workloads as tests write them: a folder with its files, and lines of JSON."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

TOML = """
name = "tickets"
version = "2.1.0"
title = "Support tickets"
task = "classification"
description = "Which desk?"
licence = "CC0-1.0"
cluster = "customer"

[prompt]
system = "Pick a desk."
user = "Ticket: {input}"
shots = 1
max_tokens = 16

[scorer]
name = "label"
labels = ["billing", "returns"]
"""
ITEMS = [
    {"id": "a", "input": "charged twice", "expected": "billing", "customer": "Harrow"},
    {"id": "b", "input": "it came broken", "expected": "returns", "customer": "Pell"},
]
EXAMPLES = [{"id": "x", "input": "wrong invoice", "expected": "billing"}]


def write_lines(path: Path, records: list[dict[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(record) + "\n" for record in records), encoding="utf-8")
    return path


def write_folder(
    folder: Path,
    toml: str = TOML,
    items: list[dict[str, Any]] = ITEMS,
    examples: list[dict[str, Any]] | None = EXAMPLES,
) -> str:
    folder.mkdir(exist_ok=True)
    (folder / "workload.toml").write_text(toml, encoding="utf-8")
    write_lines(folder / "items.jsonl", items)
    if examples is not None:
        write_lines(folder / "examples.jsonl", examples)
    return str(folder)
