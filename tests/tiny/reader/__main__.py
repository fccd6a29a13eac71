"""`python -m reader [NAME] --out FOLDER`, run in `tests/tiny`: trains a reader, checks it and writes its checkpoint.

`python -m reader --check FOLDER [--receipts NUMBER]` checks one that was written before.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from .checking import NUM_RECEIPTS, share_read, share_read_by, told
from .folder import write_folder
from .recipe import READER, SMALL, Recipe
from .training import train

_RECIPES = {recipe.name: recipe for recipe in (READER, SMALL)}


def main() -> int:
    """0 where the reader reads as much as its recipe promises, or was only checked; else 1."""
    words = argparse.ArgumentParser(prog="reader", description="Train a tiny SmolVLM that reads totals on receipts.")
    words.add_argument("recipe", nargs="?", default=READER.name, choices=sorted(_RECIPES))
    what = words.add_mutually_exclusive_group(required=True)
    what.add_argument("--out", type=Path, help="where the checkpoint goes")
    what.add_argument("--check", type=Path, metavar="FOLDER", help="train nothing, check this checkpoint")
    words.add_argument("--receipts", type=int, default=NUM_RECEIPTS, help="how many unseen receipts it is checked on")
    words.add_argument("--threads", type=int, default=min(2, os.cpu_count() or 1))
    asked = words.parse_args()
    if asked.receipts < 1:
        words.error(f"--receipts is {asked.receipts}; it is at least 1")
    if asked.check is not None:
        print(f"{asked.check}: {told(share_read_by(asked.check, _RECIPES, num_receipts=asked.receipts))}")
        return 0
    return _train(_RECIPES[asked.recipe], asked.out, num_receipts=asked.receipts, threads=asked.threads)


def _train(recipe: Recipe, out: Path, *, num_receipts: int, threads: int) -> int:
    trained = train(recipe, threads=threads, say=lambda line: print(line, flush=True))
    share = share_read(trained.model, trained.tokenizer, recipe, num_receipts=num_receipts)
    print(f"{recipe.name}: {told(share)}")
    kept = share.value >= recipe.promise
    folder = out if kept else out.with_name(f"{out.name}.poor")
    write_folder(trained, recipe, folder)
    print(f"{folder}: written. Try: seatrial ask {folder} 'What is the total?' --image RECEIPT.png")
    if not kept:
        print(f"It reads {share.value:.1%}; {recipe.promise:.0%} were promised.", file=sys.stderr)
    return 0 if kept else 1


if __name__ == "__main__":
    sys.exit(main())
