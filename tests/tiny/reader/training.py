"""Trains a reader: the encoder to read characters, the decoder to find totals, then both together.

In: a recipe. Out: a `Trained` model, and how many unseen receipts it reads. Answers alone teach a model of this size
very slowly: an encoder that cannot read gives the decoder nothing to find, and a decoder that cannot find tells the
encoder nothing. So they meet at a **codebook**, a fixed code for each character in the left and in the right half of a
cell. The encoder learns to turn a cell into the sum of the codes of what stands in it; meanwhile the decoder learns to
answer from such sums, made from receipts that were typeset and never drawn. Then the encoder takes the codebook's
place, and a short course of questions and answers about pictures makes them fit.

Shapes: as in `network` and `preparing`; G tokens of an answer, 2 halves of a cell.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from tokenizers import Tokenizer
from torch.nn import functional
from transformers import SmolVLMForConditionalGeneration

from seatrial.models.pictures import placeholder

from .network import encode, make_model, scores
from .preparing import NUM_CLASSES, Receipts, plan_of, prepare, typeset
from .recipe import UNSEEN, Recipe, Stage
from .vocabulary import QUESTIONS, answer_text, make_tokenizer, prompt_text

NUM_CHECKED = 256
_CODE_LENGTH = 3.0
_HAZE = 0.2  # what is added to each number of a code, so that the decoder does not rely on exact ones
_NEARNESS = 4.0  # the weight of how far rows are from their codes, beside which code is the nearest
_WARM_UP = 0.08  # of a stage's steps
_CHARACTERS_SHARE = 0.3  # of the characters' loss beside the answer's, in the last stage
_MOST_CHECKS = 10  # per stage

Say = Callable[[str], None]
Change = Callable[[NDArray[np.uint8]], NDArray[np.uint8]]


class Trained(NamedTuple):
    """A model with its tokenizer, and the share of `NUM_CHECKED` unseen receipts that it reads."""

    model: SmolVLMForConditionalGeneration
    tokenizer: Tokenizer
    accuracy: float


def train(recipe: Recipe, *, threads: int, say: Say) -> Trained:
    """Train from scratch; `say` gets a line now and then.

    On the same machine the same recipe and threads give the same model.
    """
    started_s = time.monotonic()
    torch.manual_seed(recipe.seed)
    tokenizer = make_tokenizer()
    course = Course(recipe, make_model(recipe, tokenizer), tokenizer)

    def timed(line: str) -> None:
        say(f"{time.monotonic() - started_s:5.0f} s  {line}")

    timed(f"{recipe.name}: {sum(p.numel() for p in course.model.parameters()):,} parameters")
    torch.set_num_threads(1)
    with ThreadPoolExecutor(2) as pool:
        finding = pool.submit(course.learn_to_find, timed)
        cell = recipe.size.patch * recipe.size.scale_factor
        receipts = prepare(recipe.layout, cell, range(recipe.num_pictures))
        unseen = prepare(recipe.layout, cell, range(UNSEEN, UNSEEN + NUM_CHECKED))
        timed(f"{recipe.num_pictures:,} receipts drawn")
        course.learn_characters(receipts, unseen, timed)
        finding.result()
    torch.set_num_threads(threads)
    course.learn_to_read(receipts, unseen, timed)
    accuracy = course.share_read(unseen)
    timed(f"reads {accuracy:.1%} of {NUM_CHECKED} unseen receipts")
    return Trained(course.model.eval(), tokenizer, accuracy)


class Course:
    """The three stages over one model."""

    def __init__(self, recipe: Recipe, model: SmolVLMForConditionalGeneration, tokenizer: Tokenizer) -> None:
        self.recipe, self.model = recipe, model
        cells = (recipe.layout.tile // recipe.size.patch // recipe.size.scale_factor) ** 2
        picture = placeholder(plan_of(recipe.layout), cells)
        texts = [prompt_text(question, picture) for question in QUESTIONS]
        self._prompts = [tokenizer.encode(text, add_special_tokens=False).ids for text in texts]
        self._tokenizer = tokenizer
        self._codes_2XD = _codebook(recipe.size.text_hidden)

    def learn_characters(self, receipts: Receipts, unseen: Receipts, say: Say) -> None:
        """The encoder and the connector: from a tile to the codes of what its cells show."""
        stage, model = self.recipe.tiles, self.model
        rng = np.random.default_rng(self.recipe.seed)
        tiles = receipts.tiles[:, :-1].reshape(-1, *receipts.tiles.shape[2:])
        marks = receipts.marks[:, :-1].reshape(-1, *receipts.marks.shape[2:])
        descent = _Descent([*model.model.vision_model.parameters(), *model.model.connector.parameters()], stage)
        for step in descent.steps():
            chosen = rng.integers(len(tiles), size=stage.batch)
            rows_MKD = encode(model, torch.from_numpy(tiles[chosen]))
            descent.descend(self._characters_loss(rows_MKD, torch.from_numpy(marks[chosen]).long()))
            if descent.checks(step):
                say(f"characters: step {step:,}, loss {descent.loss:.3f}, {self.characters_read(unseen):.1%} right")

    def learn_to_find(self, say: Say) -> None:
        """The decoder: from the codes of a typeset receipt to its total."""
        stage, model, recipe = self.recipe.sheets, self.model, self.recipe
        rng = np.random.default_rng(recipe.seed + 1)
        sheets = typeset(recipe.layout, recipe.size.patch * recipe.size.scale_factor, range(recipe.num_sheets))
        descent = _Descent([*model.model.text_model.parameters(), *model.lm_head.parameters()], stage)
        for step in descent.steps():
            chosen = rng.integers(len(sheets.totals), size=stage.batch)
            rows_PNKD = self._codes(torch.from_numpy(sheets.marks[chosen]).long())
            # Of the whole view the encoder makes what it can; here it is a tile of another receipt.
            rows_PNKD[:, -1] = rows_PNKD[:, rng.integers(rows_PNKD.shape[1] - 1)].roll(1, dims=0)
            haze = rng.standard_normal(rows_PNKD.shape, dtype=np.float32) * _HAZE
            rows_MKD = (rows_PNKD + torch.from_numpy(haze)).flatten(0, 1)
            scores_BGV, answers_BG = self._answered(rows_MKD, self._prompt(rng), sheets.totals[chosen])
            descent.descend(functional.cross_entropy(scores_BGV.flatten(0, 1), answers_BG.flatten()))
            if descent.checks(step):
                right = (scores_BGV.argmax(-1) == answers_BG).all(-1).float().mean().item()
                say(f"finding: step {step:,}, loss {descent.loss:.3f}, {right:.0%} of the batch right")

    def learn_to_read(self, receipts: Receipts, unseen: Receipts, say: Say) -> None:
        """The whole model: from a picture and a question to the answer."""
        stage, model = self.recipe.receipts, self.model
        rng = np.random.default_rng(self.recipe.seed + 2)
        say(f"together: at first {self.share_read(unseen):.1%} read")
        descent = _Descent(list(model.parameters()), stage)
        for step in descent.steps():
            chosen = rng.integers(len(receipts.totals), size=stage.batch)
            rows_MKD = encode(model, torch.from_numpy(receipts.tiles[chosen]).flatten(0, 1))
            scores_BGV, answers_BG = self._answered(rows_MKD, self._prompt(rng), receipts.totals[chosen])
            loss = functional.cross_entropy(scores_BGV.flatten(0, 1), answers_BG.flatten())
            marks_PNK2 = torch.from_numpy(receipts.marks[chosen]).long()
            rows_PNKD = rows_MKD.unflatten(0, marks_PNK2.shape[:2])
            characters = self._characters_loss(rows_PNKD[:, :-1].flatten(0, 1), marks_PNK2[:, :-1].flatten(0, 1))
            descent.descend(loss + _CHARACTERS_SHARE * characters)
            if descent.checks(step):
                say(f"together: step {step:,}, loss {descent.loss:.3f}, {self.share_read(unseen):.1%} read")

    @torch.no_grad()
    def characters_read(self, receipts: Receipts) -> float:
        """The share of printed characters whose code is the nearest one."""
        tiles = torch.from_numpy(receipts.tiles[:, :-1]).flatten(0, 1)
        marks = torch.from_numpy(receipts.marks[:, :-1]).flatten(0, 1).long()
        named = self._likeness(encode(self.model, tiles)).argmax(-1)
        return (named == marks)[marks > 0].float().mean().item()

    @torch.no_grad()
    def share_read(self, receipts: Receipts, change: Change = lambda tiles: tiles) -> float:
        """The share of receipts whose every token of the answer is the best one, as greedy decoding would choose.

        `change` is done to the tiles first, [P, N, C, E, E].
        """
        right = 0
        for start in range(0, len(receipts.totals), 64):
            part = slice(start, start + 64)
            tiles = torch.from_numpy(np.ascontiguousarray(change(receipts.tiles[part]))).flatten(0, 1)
            rows_MKD = encode(self.model, tiles)
            scores_BGV, answers_BG = self._answered(rows_MKD, self._prompts[0], receipts.totals[part])
            right += int((scores_BGV.argmax(-1) == answers_BG).all(-1).sum())
        return right / len(receipts.totals)

    def _prompt(self, rng: np.random.Generator) -> list[int]:
        """Half of the time the first question, else any."""
        return self._prompts[rng.integers(len(self._prompts)) if rng.random() < 0.5 else 0]

    def _answered(
        self, rows_MKD: torch.Tensor, prompt: list[int], totals: NDArray[np.int64]
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Scores of the answers' tokens, [B, G, V], and the tokens that are right, [B, G]."""
        texts = [answer_text(int(total)) for total in totals]
        answers_BG = torch.tensor([self._tokenizer.encode(text, add_special_tokens=False).ids for text in texts])
        tokens_BT = torch.cat([torch.tensor(prompt).expand(len(totals), -1), answers_BG[:, :-1]], dim=1)
        return scores(self.model, tokens_BT, rows_MKD, answers_BG.shape[1]), answers_BG

    def _characters_loss(self, rows_MKD: torch.Tensor, marks_MK2: torch.Tensor) -> torch.Tensor:
        """How unlike their codes rows are. Characters and empty places weigh alike, though most places are empty."""
        likeness = self._likeness(rows_MKD).flatten(0, 2)
        losses = functional.cross_entropy(likeness, marks_MK2.flatten(), reduction="none")
        printed = marks_MK2.flatten() > 0
        apart = functional.mse_loss(rows_MKD, self._codes(marks_MK2))
        return 0.8 * losses[printed].mean() + 0.2 * losses[~printed].mean() + _NEARNESS * apart

    def _codes(self, marks_2: torch.Tensor) -> torch.Tensor:
        """[..., 2] classes to the sum of their codes, [..., D]."""
        return self._codes_2XD[0][marks_2[..., 0]] + self._codes_2XD[1][marks_2[..., 1]]

    def _likeness(self, rows_MKD: torch.Tensor) -> torch.Tensor:
        """Of rows to each code of either half, [M, K, 2, X]."""
        return torch.einsum("mkd,hxd->mkhx", rows_MKD, self._codes_2XD)


def _codebook(width: int) -> torch.Tensor:
    """Codes at right angles, [2, X, D]."""
    square, _ = torch.linalg.qr(torch.randn(width, width))
    return square[: 2 * NUM_CLASSES].reshape(2, NUM_CLASSES, width) * _CODE_LENGTH


class _Descent:
    """AdamW over some parameters through one stage."""

    def __init__(self, parameters: list[torch.nn.Parameter], stage: Stage) -> None:
        self._stage, self._parameters, self._losses = stage, parameters, [0.0]
        matrices = [p for p in parameters if p.dim() > 1]
        others = [p for p in parameters if p.dim() <= 1]
        groups = [{"params": matrices, "weight_decay": 0.01}, {"params": others, "weight_decay": 0.0}]
        self._optimiser = torch.optim.AdamW(groups, lr=stage.rate, betas=(0.9, 0.98), fused=True)

    def steps(self) -> Iterator[int]:
        """1, 2, …, with the rate set for each."""
        warm = max(_WARM_UP * self._stage.steps, 1.0)
        for step in range(1, self._stage.steps + 1):
            done = max(step - warm, 0.0) / max(self._stage.steps - warm, 1.0)
            for group in self._optimiser.param_groups:
                group["lr"] = self._stage.rate * min(step / warm, 0.5 * (1 + math.cos(math.pi * done)) + 0.01)
            yield step

    def descend(self, loss: torch.Tensor) -> None:
        """One step down."""
        self._optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self._parameters, 1.0)
        self._optimiser.step()
        self._losses.append(loss.item())

    def checks(self, step: int) -> bool:
        """Whether it is time to say something."""
        return step % max(self._stage.steps // _MOST_CHECKS, 1) == 0

    @property
    def loss(self) -> float:
        """The mean of the last ones."""
        return float(np.mean(self._losses[-20:]))
