"""A prompt with pictures is, token for token and pixel for pixel, what transformers' `SmolVLMProcessor` makes of it."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from odd_pictures import odd
from transformers import PreTrainedTokenizerFast
from transformers.models.smolvlm.image_processing_pil_smolvlm import SmolVLMImageProcessorPil
from transformers.models.smolvlm.processing_smolvlm import SmolVLMProcessor

from seatrial.models.pictures import open_picture, prepare_picture
from seatrial.models.vision_config import PictureRules, VisionConfig

Eyes = tuple[VisionConfig, PictureRules]


class _WithoutVideo(SmolVLMProcessor):
    """transformers' processor, which otherwise demands torchvision for its videos."""

    def check_argument_for_proper_class(self, *_: object) -> None:
        return None


@pytest.fixture(scope="module")
def tokenizer() -> Any:
    tiny = str(Path(__file__).parents[2] / "tiny")
    if tiny not in sys.path:
        sys.path.insert(0, tiny)
    from tiny_models import tiny_tokenizer
    from tiny_vision import VISION_SPECIAL

    return PreTrainedTokenizerFast(tokenizer_object=tiny_tokenizer(VISION_SPECIAL))


@pytest.mark.parametrize(
    "names", [["page"], ["portrait"], ["one pixel"], ["ribbon", "alpha"], ["EXIF 6", "palette", "standing ribbon"]]
)
def test_a_prompt_with_pictures(names: list[str], tiny_eyes: Eyes, tokenizer: Any) -> None:
    config, rules = tiny_eyes
    published = _WithoutVideo(
        SmolVLMImageProcessorPil(
            size={"longest_edge": rules.longest_edge},
            max_image_size={"longest_edge": rules.tile_edge},
            image_mean=list(rules.mean),
            image_std=list(rules.std),
        ),
        tokenizer,
        None,
        image_seq_len=config.tokens_per_tile,
    )
    prompt = "<|im_start|>User:" + "<image>, ".join(["", *["hello world"] * len(names)]) + "<end_of_utterance>\n"
    pictures = [open_picture(odd(name)) for name in names]
    theirs = published(text=[prompt], images=[pictures], return_tensors="np")

    prepared = [prepare_picture(odd(name), config, rules) for name in names]
    before, *rest = prompt.split("<image>")
    text = before + "".join(picture.text + after for picture, after in zip(prepared, rest, strict=True))
    ids = tokenizer(text)["input_ids"]
    assert ids == theirs["input_ids"][0].tolist()
    assert ids.count(tokenizer.convert_tokens_to_ids("<image>")) == sum(each.num_tokens for each in prepared)
    ours = np.concatenate([each.tiles_NCHW for each in prepared])
    np.testing.assert_array_equal(ours, theirs["pixel_values"][0])
