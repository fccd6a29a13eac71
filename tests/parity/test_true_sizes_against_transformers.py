"""SmolVLM2 at its published sizes, a whole page beside transformers: its processor, its encoder, its logits.

Weights are random, since the published ones are not at hand; sizes, number of tiles and the places of the marks in the
vocabulary are the published ones. The largest takes 10.4 GB of memory and five minutes of two cores.
"""

# ruff: noqa: N815 - fields carry shape suffixes

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch
import transformers
from native_eyes import FORMATS, relative_error, rounded, tolerance
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont
from transformers import PreTrainedTokenizerFast
from transformers.models.llama.modeling_llama import LlamaRotaryEmbedding
from transformers.models.smolvlm.image_processing_pil_smolvlm import SmolVLMImageProcessorPil
from transformers.models.smolvlm.processing_smolvlm import DEFAULT_CHAT_TEMPLATE, SmolVLMProcessor

from seatrial.chat import ImagePart, Message, TextPart
from seatrial.engine.native_vision import open_native_vision
from seatrial.engine.opening import usable_cores
from seatrial.engine.picture_prompt import PicturePrompts, parts_to_see, rendered
from seatrial.engine.random_model import checkpoint_of, eyes, shapes
from seatrial.engine.runner import BLOCK_TOKENS, StepInput, StepPictures
from seatrial.engine.torch_runner import TorchRunner
from seatrial.engine.torch_vision import open_plain_vision
from seatrial.kernels import cpu
from seatrial.models.chat_template import ChatTemplate
from seatrial.models.checkpoint import Checkpoint
from seatrial.models.config import ModelConfig
from seatrial.models.devices import free_bytes
from seatrial.models.smollm import Decoder, decoder_weights
from seatrial.models.tensors import name_beside_eyes
from seatrial.models.vision_config import VisionConfig

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1_200)]

QUESTION = "What is the total?"
# Positions at the end whose logits are compared.
LAST = 8
Floats = NDArray[np.float32]


class Prompt(NamedTuple):
    """A prompt with a page in it: token ids, and tiles [N, 3, H, W]."""

    ids: list[int]
    tiles_NCHW: Floats


class Seen(NamedTuple):
    """What a model makes of a prompt: rows of the picture [N, P, D], and logits of the last positions [LAST, V]."""

    rows_NPD: Floats
    logits_RV: Floats


@pytest.fixture(autouse=True)
def all_cores() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(usable_cores())
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def page() -> bytes:
    """1,536 by 1,152 pixels as PNG: lettering, a ruled table, shapes, a shaded ground and grain."""
    rng, (width, height) = np.random.default_rng(7), (1536, 1152)
    ground = np.linspace(250, 190, width)[None, :, None] - np.linspace(0, 40, height)[:, None, None]
    pixels = np.clip(ground + rng.normal(0, 3, (height, width, 3)), 0, 255).astype(np.uint8)
    picture = Image.fromarray(pixels)
    pen = ImageDraw.Draw(picture)
    for line in range(24):
        words = "  ".join(f"{number:06,}" for number in rng.integers(0, 1_000_000, 8))
        pen.text((60, 90 + 42 * line), words, fill=(20, 20, 60), font=ImageFont.load_default(14 + line))
        pen.line([(50, 86 + 42 * line), (1_000, 86 + 42 * line)], fill=(120, 40, 40))
    pen.ellipse((1_060, 120, 1_480, 540), fill=(200, 60, 30), outline=(0, 0, 0), width=5)
    pen.polygon([(1_080, 1_090), (1_270, 640), (1_470, 1_040)], fill=(30, 120, 90))
    file = io.BytesIO()
    picture.save(file, "png")
    return file.getvalue()


@pytest.mark.parametrize(("name", "gigabytes"), [("smolvlm2-256m", 3), ("smolvlm2-500m", 5), ("smolvlm2-2.2b", 12)])
@torch.inference_mode()
def test_a_page(name: str, gigabytes: int, page: bytes) -> None:
    free = free_bytes("cpu")
    if free is not None and free < gigabytes * 1e9:
        pytest.skip(f"takes up to {gigabytes} GB of memory")
    checkpoint = true_checkpoint(name)
    theirs, ours = published_prompt(checkpoint, page), our_prompt(checkpoint, page)
    assert len(ours.tiles_NCHW) == 13
    assert ours.ids == theirs.ids
    np.testing.assert_array_equal(ours.tiles_NCHW, theirs.tiles_NCHW)

    expected, found = seen_by_transformers(checkpoint, theirs), seen_by_us(checkpoint, ours)
    assert expected.logits_RV.std() > 0.3  # the weights are large enough for the comparison to mean something
    assert relative_error(found.rows_NPD, expected.rows_NPD) < 1e-4
    assert relative_error(found.logits_RV, expected.logits_RV) < 1e-4
    np.testing.assert_allclose(found.logits_RV, expected.logits_RV, atol=2e-3, rtol=1e-3)
    second, first = np.sort(expected.logits_RV[-1])[-2:]
    assert first - second > 4e-3  # further apart than what was allowed
    assert found.logits_RV[-1].argmax() == expected.logits_RV[-1].argmax()


@pytest.mark.skipif(cpu.why_absent() is not None, reason="the native kernels are not built")
@pytest.mark.parametrize("dtype", FORMATS)
@pytest.mark.parametrize(("name", "places"), [("smolvlm2-256m", range(13)), ("smolvlm2-2.2b", (5, 12))])
@torch.inference_mode()
def test_rows_of_the_kernels(name: str, places: Sequence[int], dtype: str, page: bytes) -> None:
    """Of the whole page, or of a tile in its middle and the whole view, against the very weights that were packed."""
    checkpoint = true_checkpoint(name)
    parts = checkpoint.vision
    assert parts is not None
    tiles_NCHW = our_prompt(checkpoint, page).tiles_NCHW[list(places)]
    numbers = {each: parts.tensors[each].numpy() for each in parts.tensors}
    with_numbers = replace(parts, tensors={each: torch.from_numpy(array) for each, array in numbers.items()})
    encoder = open_native_vision(with_numbers, dtype=dtype, threads=usable_cores())
    assert encoder is not None
    found_NPD, level = encoder.encode(tiles_NCHW), encoder.level
    encoder.close()
    expected_NPD = rows_of_transformers(checkpoint, rounded(numbers, FORMATS[dtype]), tiles_NCHW)
    assert relative_error(found_NPD, expected_NPD) < tolerance(level, dtype)
    assert relative_error(found_NPD[::-1], expected_NPD) > 0.1


def true_checkpoint(name: str) -> Checkpoint:
    """Float32 weights, made whenever they are asked for."""
    return checkpoint_of(shapes()[name], name=name, dtype="float32", stored=None, seed=1, vision=eyes()[name])


class _WithoutVideo(SmolVLMProcessor):
    """transformers' processor, which otherwise demands torchvision for its videos."""

    def check_argument_for_proper_class(self, *_: object) -> None:
        return None


def published_prompt(checkpoint: Checkpoint, page: bytes) -> Prompt:
    parts = checkpoint.vision
    assert parts is not None
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=checkpoint.tokenizer.backend)
    processor = _WithoutVideo(
        SmolVLMImageProcessorPil(
            size={"longest_edge": parts.rules.longest_edge},
            max_image_size={"longest_edge": parts.rules.tile_edge},
        ),
        tokenizer,
        None,
        image_seq_len=parts.config.tokens_per_tile,
    )
    conversation = [{"role": "user", "content": [{"type": "image"}, {"type": "text", "text": QUESTION}]}]
    text = tokenizer.apply_chat_template(
        conversation, chat_template=DEFAULT_CHAT_TEMPLATE, add_generation_prompt=True, tokenize=False
    )
    found = processor(text=[text], images=[[Image.open(io.BytesIO(page))]], return_tensors="np")
    return Prompt(found["input_ids"][0].tolist(), found["pixel_values"][0])


def our_prompt(checkpoint: Checkpoint, page: bytes) -> Prompt:
    parts = checkpoint.vision
    assert parts is not None
    picture = ImagePart(page, "image/png")
    messages = [Message("user", (picture, TextPart(QUESTION)))]
    prompts = PicturePrompts(parts.config, parts.rules, checkpoint.tokenizer, name="true size")
    template, parts_seen = ChatTemplate(DEFAULT_CHAT_TEMPLATE, now=datetime.now), parts_to_see(messages)
    text = rendered(lambda marks: template.render(messages, marks=marks), parts_seen)
    (prepared,) = prompts.pictures_of(picture)
    return Prompt(prompts.encode(text, parts_seen), prepared.tiles_NCHW)


def seen_by_us(checkpoint: Checkpoint, prompt: Prompt) -> Seen:
    """Through the plain encoder and the plain decoder, all at once."""
    parts = checkpoint.vision
    assert parts is not None
    rows_NPD = open_plain_vision(parts, dtype="float32", device="cpu", name="true size").encode(prompt.tiles_NCHW)
    weights = decoder_weights(checkpoint.config, checkpoint.tensors, dtype=torch.float32, device=torch.device("cpu"))
    runner = TorchRunner(Decoder(checkpoint.config, weights))
    num_blocks = -(-len(prompt.ids) // BLOCK_TOKENS)
    runner.allocate(num_blocks)
    tokens_T = np.array(prompt.ids, np.int32)
    positions_T = np.arange(len(tokens_T), dtype=np.int32)
    places_E = np.flatnonzero(tokens_T == parts.config.image_token_id).astype(np.int32)
    step = StepInput(
        tokens_T=tokens_T,
        positions_T=positions_T,
        starts_S1=np.array([0, len(tokens_T)], np.int32),
        tables_SB=np.arange(num_blocks, dtype=np.int32)[None],
        rows_R=positions_T[-LAST:],
        pictures=StepPictures(places_E, rows_NPD.reshape(len(places_E), -1)),
    )
    return Seen(rows_NPD, np.asarray(runner.forward(step)))


def seen_by_transformers(checkpoint: Checkpoint, prompt: Prompt) -> Seen:
    parts = checkpoint.vision
    assert parts is not None
    both = {name: tensors[name] for tensors in (checkpoint.tensors, parts.tensors) for name in tensors}
    reference = reference_of(checkpoint.config, parts.config, both)
    rows: list[torch.Tensor] = []
    reference.model.connector.register_forward_hook(lambda _, __, out: rows.append(out))
    ids, tiles = torch.tensor([prompt.ids]), torch.from_numpy(prompt.tiles_NCHW)[None]
    logits = reference(ids, pixel_values=tiles, logits_to_keep=LAST).logits[0]
    return Seen(rows[0].numpy(), logits.numpy())


def rows_of_transformers(checkpoint: Checkpoint, tensors: Mapping[str, torch.Tensor], tiles_NCHW: Floats) -> Floats:
    """Of an encoder with these tensors; the text model stays without any."""
    parts = checkpoint.vision
    assert parts is not None
    reference = reference_of(checkpoint.config, parts.config, tensors)
    rows = reference.model.get_image_features(torch.from_numpy(tiles_NCHW)[None]).pooler_output[0]
    shape = (len(tiles_NCHW), parts.config.tokens_per_tile, parts.config.text_hidden_size)
    return rows.numpy().reshape(shape)


def reference_of(config: ModelConfig, seeing: VisionConfig, tensors: Mapping[str, torch.Tensor]) -> Any:
    """transformers' model over the same memory. What there are no tensors for stays without memory."""
    vision = {
        "image_size": seeing.image_size,
        "patch_size": seeing.patch_size,
        "hidden_size": seeing.hidden_size,
        "intermediate_size": seeing.intermediate_size,
        "num_hidden_layers": seeing.num_layers,
        "num_attention_heads": seeing.num_heads,
        "layer_norm_eps": seeing.norm_eps,
    }
    text = {
        "model_type": "llama",
        "vocab_size": config.vocab_size,
        "hidden_size": config.hidden_size,
        "intermediate_size": config.intermediate_size,
        "num_hidden_layers": config.num_layers,
        "num_attention_heads": config.num_heads,
        "num_key_value_heads": config.num_kv_heads,
        "max_position_embeddings": config.context_length,
        "rope_theta": config.rope_theta,
        "rms_norm_eps": config.norm_eps,
    }
    outer = transformers.SmolVLMConfig(
        scale_factor=seeing.scale_factor, image_token_id=seeing.image_token_id, vision_config=vision, text_config=text
    )
    with torch.device("meta"):
        reference = transformers.SmolVLMForConditionalGeneration(outer).eval()
    named = {name_beside_eyes(name): tensor for name, tensor in tensors.items()}
    absent, unknown = reference.load_state_dict(named, assign=True, strict=False)
    assert not unknown
    assert not any("vision" in name or "connector" in name for name in absent)
    reference.model.text_model.rotary_emb = LlamaRotaryEmbedding(outer.text_config)
    return reference
