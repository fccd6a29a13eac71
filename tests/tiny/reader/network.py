"""A model of exactly SmolVLM's architecture at a recipe's size, and its two halves as the training calls them.

Shapes: B batch, M tiles, K cells (tokens) of a tile, T tokens of a prompt, D width of the decoder, V vocabulary.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from transformers import SmolVLMConfig, SmolVLMForConditionalGeneration
from transformers.utils import logging

if TYPE_CHECKING:
    from tokenizers import Tokenizer

from .recipe import Recipe
from .vocabulary import END, IMAGE

CONTEXT = 2048


def make_model(recipe: Recipe, tokenizer: Tokenizer) -> SmolVLMForConditionalGeneration:
    """Random weights from torch's seed."""
    logging.set_verbosity_error()
    size, vocabulary = recipe.size, tokenizer.get_vocab_size(with_added_tokens=True)
    end, blank = tokenizer.token_to_id(END), tokenizer.token_to_id("<|im_end|>")
    named = {"bos_token_id": tokenizer.token_to_id("<|im_start|>"), "eos_token_id": end, "pad_token_id": blank}
    text = {
        "model_type": "llama",
        "vocab_size": vocabulary,
        "hidden_size": size.text_hidden,
        "intermediate_size": size.text_inner,
        "num_hidden_layers": size.text_layers,
        "num_attention_heads": size.text_heads,
        "num_key_value_heads": size.text_kv_heads,
        "head_dim": size.text_hidden // size.text_heads,
        "max_position_embeddings": CONTEXT,
        "rms_norm_eps": 1e-5,
        "rope_theta": 10_000.0,
        "initializer_range": size.text_hidden**-0.5,
        **named,
    }
    vision = {
        "model_type": "smolvlm_vision",
        "image_size": recipe.layout.tile,
        "patch_size": size.patch,
        "hidden_size": size.vision_hidden,
        "intermediate_size": size.vision_inner,
        "num_hidden_layers": size.vision_layers,
        "num_attention_heads": size.vision_heads,
        "initializer_range": size.vision_hidden**-0.5,
    }
    config = SmolVLMConfig(
        text_config=text,
        vision_config=vision,
        scale_factor=size.scale_factor,
        image_token_id=tokenizer.token_to_id(IMAGE),
        tie_word_embeddings=False,
        **named,
    )
    return SmolVLMForConditionalGeneration(config)


def encode(model: SmolVLMForConditionalGeneration, tiles_MCEE: torch.Tensor) -> torch.Tensor:
    """Tiles as bytes to the rows that stand for their cells, [M, K, D]."""
    pixels = tiles_MCEE.float() / 127.5 - 1
    hidden = model.model.vision_model(pixel_values=pixels).last_hidden_state
    rows_MKD: torch.Tensor = model.model.connector(hidden)
    return rows_MKD


def scores(
    model: SmolVLMForConditionalGeneration, tokens_BT: torch.Tensor, rows_MKD: torch.Tensor, num_last: int
) -> torch.Tensor:
    """Scores of what follows each of the last tokens, [B, num_last, V]; `rows_MKD` stand at the image tokens."""
    embedded_BTD = model.model.text_model.get_input_embeddings()(tokens_BT)
    places_BT = tokens_BT == model.config.image_token_id
    embedded_BTD = embedded_BTD.masked_scatter(places_BT[..., None], rows_MKD)
    hidden_BTD = model.model.text_model(inputs_embeds=embedded_BTD, use_cache=False).last_hidden_state
    scores_BLV: torch.Tensor = model.lm_head(hidden_BTD[:, -num_last:])
    return scores_BLV
