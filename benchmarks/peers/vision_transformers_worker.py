"""transformers looking at a page: `python vision_transformers_worker.py FILE.gguf THREADS bfloat16|float32`.

The weights are the files' own numbers, put into transformers' model class. Pixels are prepared by transformers' own
processor (the one on Pillow); ids, which are the same by test, by Seatrial's. The second question goes on behind the
page's keys and values, which are kept: better than transformers does by itself.
"""

from __future__ import annotations

import io
import sys
import time
from datetime import datetime
from pathlib import Path
from typing import Any

import torch
import transformers
from page import QUESTIONS, ROW_STEP, page_png, prompt_around
from PIL import Image
from transformers.models.smolvlm.image_processing_pil_smolvlm import SmolVLMImageProcessorPil
from worker import peak_bytes, serve

from seatrial.models.checkpoint import open_checkpoint
from seatrial.models.config import ModelConfig
from seatrial.models.pictures.plan import placeholder, plan_tiles
from seatrial.models.tensors import name_beside_eyes
from seatrial.models.vision_config import VisionConfig


class TransformersEyes:
    """One model that sees, in one number format."""

    def __init__(self, path: str, threads: int, dtype: str) -> None:
        self._path, self._dtype = path, getattr(torch, dtype)
        torch.set_num_threads(threads)
        torch.set_grad_enabled(False)

    def load(self, context: int) -> dict[str, object]:
        """Open the model."""
        checkpoint = open_checkpoint(Path(self._path), now=datetime.now)
        assert checkpoint.vision is not None
        self._checkpoint, self._parts = checkpoint, checkpoint.vision
        config = _config(checkpoint.config, self._parts.config)
        with torch.device("meta"):
            self._model = transformers.SmolVLMForConditionalGeneration(config).to(self._dtype)
        self._fill()
        self._model.eval()
        rules = self._parts.rules
        self._processor = SmolVLMImageProcessorPil(
            size={"longest_edge": rules.longest_edge},
            max_image_size={"longest_edge": rules.tile_edge},
            do_image_splitting=rules.splits,
            image_mean=list(rules.mean),
            image_std=list(rules.std),
        )
        return {"load_s": None, "runner": f"transformers {transformers.__version__}"}

    def look(self, seed: int) -> dict[str, float]:
        """Seconds from a page's bytes to the first token of the first question, and of the second about the same."""
        data = page_png(seed)
        start = time.perf_counter()
        ids, out = self._first(data)
        int(out.logits[0, -1].argmax())
        first_s = time.perf_counter() - start
        start = time.perf_counter()
        others = self._ids(data, QUESTIONS[1])
        shared = next(at for at, (one, two) in enumerate(zip(ids, others, strict=False)) if one != two)
        out.past_key_values.crop(shared - len(ids))
        again = self._model(
            input_ids=torch.tensor([others[shared:]]), past_key_values=out.past_key_values, logits_to_keep=1
        )
        int(again.logits[0, -1].argmax())
        return {"first_s": first_s, "second_s": time.perf_counter() - start, "tokens": len(ids)}

    def scores(self, seed: int) -> list[float]:
        """The scores after the first question about a page."""
        scores: list[float] = self._first(page_png(seed))[1].logits[0, -1].float().tolist()
        return scores

    def rows(self, seed: int) -> list[list[float]]:
        """Some of the rows that a page becomes, evenly over all tiles, for checks."""
        pixels = self._pixels(page_png(seed))
        tiles = self._model.model.get_image_features(pixels, return_dict=True).pooler_output
        some: list[list[float]] = torch.cat(list(tiles)).float()[::ROW_STEP].tolist()
        return some

    def memory(self) -> dict[str, int]:
        """The most that was resident, bytes."""
        return {"peak": peak_bytes()}

    def close(self) -> None:
        """Give everything back."""
        del self._model

    def _first(self, data: bytes) -> tuple[list[int], Any]:
        ids = self._ids(data, QUESTIONS[0])
        out = self._model(
            input_ids=torch.tensor([ids]),
            pixel_values=self._pixels(data),
            use_cache=True,
            logits_to_keep=1,
        )
        return ids, out

    def _pixels(self, data: bytes) -> torch.Tensor:
        pictures = self._processor([[Image.open(io.BytesIO(data)).convert("RGB")]], return_tensors="pt")
        pixels: torch.Tensor = pictures["pixel_values"].to(self._dtype)
        return pixels

    def _ids(self, data: bytes, question: str) -> list[int]:
        with Image.open(io.BytesIO(data)) as picture:
            plan = plan_tiles(*picture.size, self._parts.rules)
        text = placeholder(plan, self._parts.config.tokens_per_tile)
        return self._checkpoint.tokenizer.encode(prompt_around(text, question))

    def _fill(self) -> None:
        """Put the files' numbers into the model's parameters, and make what is computed once."""
        sources = {name_beside_eyes(name): (self._checkpoint.tensors, name) for name in self._checkpoint.tensors}
        sources |= {name_beside_eyes(name): (self._parts.tensors, name) for name in self._parts.tensors}
        for name, parameter in list(self._model.named_parameters()):
            owner, last = self._model.get_submodule(name.rpartition(".")[0]), name.rpartition(".")[2]
            tensors, own = sources[name]
            value = tensors[own].to(self._dtype)
            assert value.shape == parameter.shape, name
            setattr(owner, last, torch.nn.Parameter(value, requires_grad=False))
        text = self._model.model.text_model
        text.rotary_emb = type(text.rotary_emb)(text.config)


def _config(text: ModelConfig, eyes: VisionConfig) -> Any:
    """Our description of both sides as transformers'."""
    return transformers.SmolVLMConfig(
        text_config={
            "model_type": "llama",
            "vocab_size": text.vocab_size,
            "hidden_size": text.hidden_size,
            "intermediate_size": text.intermediate_size,
            "num_hidden_layers": text.num_layers,
            "num_attention_heads": text.num_heads,
            "num_key_value_heads": text.num_kv_heads,
            "head_dim": text.head_dim,
            "rms_norm_eps": text.norm_eps,
            "max_position_embeddings": text.context_length,
            "rope_parameters": {"rope_type": "default", "rope_theta": text.rope_theta},
            "pad_token_id": None,
        },
        vision_config={
            "hidden_size": eyes.hidden_size,
            "intermediate_size": eyes.intermediate_size,
            "num_hidden_layers": eyes.num_layers,
            "num_attention_heads": eyes.num_heads,
            "image_size": eyes.image_size,
            "patch_size": eyes.patch_size,
            "layer_norm_eps": eyes.norm_eps,
        },
        scale_factor=eyes.scale_factor,
        image_token_id=eyes.image_token_id,
        tie_word_embeddings=text.tied_embeddings,
    )


if __name__ == "__main__":
    serve(TransformersEyes(sys.argv[1], int(sys.argv[2]), sys.argv[3]))
