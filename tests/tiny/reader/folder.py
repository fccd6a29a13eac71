"""A trained reader as a checkpoint folder, with the files that SmolVLM2's repositories on the hub have."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from pathlib import Path
from typing import Any

from .network import CONTEXT
from .recipe import Recipe
from .training import NUM_CHECKED, Trained
from .vocabulary import END, IMAGE, TEMPLATE


def write_folder(trained: Trained, recipe: Recipe, folder: Path) -> None:
    """Write beside `folder` and put it in place whole; what was there before is replaced."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    draft = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    try:
        trained.model.save_pretrained(draft)
        trained.tokenizer.save(str(draft / "tokenizer.json"))
        (draft / "chat_template.jinja").write_text(TEMPLATE)
        for name, fields in _descriptions(recipe).items():
            (draft / name).write_text(json.dumps(fields, indent=2) + "\n")
        results = {"recipe": recipe.name, "unseen_read": trained.accuracy, "num_unseen": NUM_CHECKED}
        (draft / "training.json").write_text(json.dumps(results, indent=2) + "\n")
        draft.chmod(0o755)
        if folder.exists():
            shutil.rmtree(folder)
        os.replace(draft, folder)
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def _descriptions(recipe: Recipe) -> dict[str, dict[str, Any]]:
    layout, size = recipe.layout, recipe.size
    half = [0.5, 0.5, 0.5]
    preprocessor = {
        "image_processor_type": "SmolVLMImageProcessor",
        "processor_class": "SmolVLMProcessor",
        "do_convert_rgb": True,
        "do_image_splitting": True,
        "do_normalize": True,
        "do_pad": True,
        "do_rescale": True,
        "do_resize": True,
        "image_mean": half,
        "image_std": half,
        "max_image_size": {"longest_edge": layout.tile},
        "resample": 1,
        "rescale_factor": 1 / 255,
        "size": {"longest_edge": max(layout.width, layout.height)},
        "video_sampling": {"fps": 1, "max_frames": 8, "video_size": {"longest_edge": layout.tile}},
    }
    tokens_per_tile = (layout.tile // size.patch // size.scale_factor) ** 2
    tokenizer = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "processor_class": "SmolVLMProcessor",
        "bos_token": "<|im_start|>",
        "eos_token": END,
        "pad_token": "<|im_end|>",
        "model_max_length": CONTEXT,
        "clean_up_tokenization_spaces": False,
        "end_of_utterance_token": END,
        "fake_image_token": "<fake_token_around_image>",
        "global_image_token": "<global-img>",
        "image_token": IMAGE,
    }
    return {
        "preprocessor_config.json": preprocessor,
        "processor_config.json": {"image_seq_len": tokens_per_tile, "processor_class": "SmolVLMProcessor"},
        "tokenizer_config.json": tokenizer,
    }
