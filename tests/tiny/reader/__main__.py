"""`python -m reader [NAME] --out FOLDER`, run in `tests/tiny`: trains a reader and writes its checkpoint."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from .folder import write_folder
from .recipe import READER, SMALL
from .training import train

_RECIPES = {recipe.name: recipe for recipe in (READER, SMALL)}


def main() -> int:
    """0 where the reader reads as much as its recipe promises, else 1."""
    words = argparse.ArgumentParser(prog="reader", description="Train a tiny SmolVLM that reads totals on receipts.")
    words.add_argument("recipe", nargs="?", default=READER.name, choices=sorted(_RECIPES))
    words.add_argument("--out", type=Path, required=True, help="where the checkpoint goes")
    words.add_argument("--threads", type=int, default=min(2, os.cpu_count() or 1))
    asked = words.parse_args()
    recipe = _RECIPES[asked.recipe]
    trained = train(recipe, threads=asked.threads, say=lambda line: print(line, flush=True))
    kept = trained.accuracy >= recipe.promise
    out: Path = asked.out if kept else asked.out.with_name(f"{asked.out.name}.poor")
    write_folder(trained, recipe, out)
    print(f"{out}: written. Try: seatrial ask {out} 'What is the total?' --image RECEIPT.png")
    if not kept:
        print(f"It reads {trained.accuracy:.1%}; {recipe.promise:.0%} were promised.", file=sys.stderr)
    return 0 if kept else 1


if __name__ == "__main__":
    sys.exit(main())
