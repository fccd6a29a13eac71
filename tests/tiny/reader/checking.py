"""How much a reader reads of receipts that it has never seen: the closing check, and the same of a kept checkpoint.

In: a model with its tokenizer, or the folder of one. Out: the share that it reads, with a Wilson interval. The receipts
are of seeds that neither training, nor the checks on its way, nor the tests draw. What is here decides nothing that is
learnt, and is no part of the digest by which readers are kept.
"""

from __future__ import annotations

import json
from pathlib import Path

from tokenizers import Tokenizer
from transformers import SmolVLMForConditionalGeneration

from seatrial.stats.estimate import Estimate
from seatrial.stats.intervals import wilson

from .preparing import prepare
from .recipe import UNSEEN, Recipe
from .training import Course

NUM_RECEIPTS = 1_000
_FIRST_SEED = 3 * UNSEEN


def share_read(
    model: SmolVLMForConditionalGeneration, tokenizer: Tokenizer, recipe: Recipe, *, num_receipts: int = NUM_RECEIPTS
) -> Estimate:
    """The share of `num_receipts` receipts whose totals the model says, as greedy decoding would."""
    cell = recipe.size.patch * recipe.size.scale_factor
    receipts = prepare(recipe.layout, cell, range(_FIRST_SEED, _FIRST_SEED + num_receipts))
    share = Course(recipe, model.eval(), tokenizer).share_read(receipts)
    estimate = wilson(round(share * num_receipts), num_receipts)
    assert isinstance(estimate, Estimate), "at least one receipt is read"
    return estimate


def share_read_by(folder: Path, recipes: dict[str, Recipe], *, num_receipts: int = NUM_RECEIPTS) -> Estimate:
    """The same of a checkpoint that was written before; what it was trained on, it says itself."""
    recipe = recipes[json.loads((folder / "training.json").read_text())["recipe"]]
    model = SmolVLMForConditionalGeneration.from_pretrained(folder)
    return share_read(model, Tokenizer.from_file(str(folder / "tokenizer.json")), recipe, num_receipts=num_receipts)


def told(share: Estimate) -> str:
    """In one line, such as `reads 95.9 % of 1,500 unseen receipts (95 % interval 94.8 to 96.8)`."""
    low, high = 100 * share.low, 100 * share.high
    return f"reads {100 * share.value:.1f} % of {share.n:,} unseen receipts (95 % interval {low:.1f} to {high:.1f})"
