"""Our picture encoder beside transformers': the same float32 weights must give the same rows, and the same logits."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers
from numpy.typing import NDArray

from seatrial.engine.runner import BLOCK_TOKENS, StepInput
from seatrial.engine.torch_runner import TorchRunner
from seatrial.engine.torch_vision import TorchVision, open_plain_vision
from seatrial.models.checkpoint import Checkpoint, open_checkpoint
from seatrial.models.siglip import Siglip, siglip_weights
from seatrial.models.smollm import Decoder, decoder_weights
from seatrial.models.vision_config import VisionConfig

TOLERANCE = 2e-5
VARIANTS: dict[str, dict[str, Any]] = {
    "4 by 4 patches, 2": {},
    "edge that patches do not divide, 3": {"vision": {"image_size": 48, "patch_size": 5}, "scale_factor": 3},
    "one token a tile": {"scale_factor": 4},
    "wide decoder, other norm": {"text": {"hidden_size": 96}, "vision": {"layer_norm_eps": 1e-2}},
    "27 per side, as the 2.2B": {"vision": {"image_size": 384, "patch_size": 14}, "scale_factor": 3},
}


@pytest.fixture(scope="module", params=list(VARIANTS))
def pair(request: pytest.FixtureRequest, tiny_vision: Callable[..., Any], tmp_path_factory: Any) -> tuple[Any, Any]:
    """transformers' model, and its folder opened by us."""
    made = tiny_vision(**VARIANTS[request.param])
    folder = made.write_folder(tmp_path_factory.mktemp("parity") / "model")
    return made.reference, open_checkpoint(folder, now=datetime.now)


def drawn(config: VisionConfig, num_tiles: int) -> NDArray[np.float32]:
    shape = (num_tiles, 3, config.image_size, config.image_size)
    return np.random.default_rng(3).uniform(-1, 1, shape).astype(np.float32)


def with_rows(checkpoint: Checkpoint, tokens: torch.Tensor, rows: torch.Tensor) -> torch.Tensor:
    """Logits of our decoder, [tokens, V], with rows wherever the picture's token stands."""
    config, seeing = checkpoint.config, checkpoint.vision
    assert seeing is not None
    weights = decoder_weights(config, checkpoint.tensors, dtype=torch.float32, device=torch.device("cpu"))
    words_and_rows = torch.cat((weights.embedding_VD, rows))
    runner = TorchRunner(Decoder(config, weights._replace(embedding_VD=words_and_rows)))
    num_blocks = -(-len(tokens) // BLOCK_TOKENS)
    runner.allocate(num_blocks)
    ids = tokens.clone()
    ids[tokens == seeing.config.image_token_id] = config.vocab_size + torch.arange(len(rows))
    everything = np.arange(len(tokens), dtype=np.int32)
    step = StepInput(
        tokens_T=ids.numpy().astype(np.int32),
        positions_T=everything,
        starts_S1=np.array([0, len(tokens)], np.int32),
        tables_SB=np.arange(num_blocks, dtype=np.int32)[None],
        rows_R=everything,
    )
    return torch.tensor(runner.forward(step))


def plain(checkpoint: Any) -> TorchVision:
    return open_plain_vision(checkpoint.vision, dtype="float32", device="cpu", name="tiny")


@torch.inference_mode()
def test_hidden_states_of_the_encoder(pair: tuple[Any, Any]) -> None:
    reference, checkpoint = pair
    parts, tiles = checkpoint.vision, torch.from_numpy(drawn(checkpoint.vision.config, 3))
    weights = siglip_weights(parts.config, parts.tensors, dtype=torch.float32, device=torch.device("cpu"))
    expected = reference.model.vision_model(tiles).last_hidden_state
    assert expected.std() > 0.3  # the weights are large enough for the comparison to mean something
    torch.testing.assert_close(Siglip(parts.config, weights)(tiles), expected, atol=TOLERANCE, rtol=TOLERANCE)


@torch.inference_mode()
def test_rows_for_the_decoder(pair: tuple[Any, Any]) -> None:
    reference, checkpoint = pair
    tiles = drawn(checkpoint.vision.config, 5)
    rows = plain(checkpoint).encode(tiles)
    expected = torch.cat(reference.get_image_features(torch.from_numpy(tiles)[None]).pooler_output)
    assert rows.shape == (5, checkpoint.vision.config.tokens_per_tile, checkpoint.config.hidden_size)
    torch.testing.assert_close(torch.from_numpy(rows).flatten(0, 1), expected, atol=TOLERANCE, rtol=TOLERANCE)


def test_a_tile_does_not_depend_on_the_others(pair: tuple[Any, Any]) -> None:
    encoder = plain(pair[1])
    tiles = drawn(encoder.config, 4)
    together = encoder.encode(tiles)
    for index in range(4):
        np.testing.assert_allclose(encoder.encode(tiles[index, None])[0], together[index], atol=TOLERANCE)
    encoder._tiles_at_once = 3
    np.testing.assert_allclose(encoder.encode(tiles), together, atol=TOLERANCE)
    assert encoder.encode(tiles[:0]).shape == (0, *together.shape[1:])


@torch.inference_mode()
def test_logits_with_rows_in_place_of_tokens(pair: tuple[Any, Any]) -> None:
    """Our decoder over our rows, as if they were embeddings of further words, gives transformers' logits."""
    reference, checkpoint = pair
    seeing = checkpoint.vision.config
    tiles = drawn(seeing, 2)
    rows = torch.from_numpy(plain(checkpoint).encode(tiles)).flatten(0, 1)
    before, between, after = torch.arange(60, 75), torch.arange(90, 93), torch.arange(80, 88)
    picture = torch.full((seeing.tokens_per_tile,), seeing.image_token_id)
    tokens = torch.cat((before, picture, between, picture, after))
    expected = reference(tokens[None], pixel_values=torch.from_numpy(tiles)[None]).logits[0]
    logits = with_rows(checkpoint, tokens, rows)
    torch.testing.assert_close(logits, expected, atol=2e-4, rtol=1e-4)


@pytest.mark.parametrize("side", [1, 2, 4, 8, 9, 16, 27, 32])
def test_transformers_gives_each_patch_its_own_row(side: int) -> None:
    """It looks rows up by fractions in single precision; for the published sizes that comes to the same as ours."""
    borders = torch.arange(1 / side, 1.0, 1 / side)
    places = torch.clamp(torch.arange(side, dtype=torch.float32) * (1.0 / torch.tensor(side)), max=1.0 - 1e-6)
    assert torch.bucketize(places, borders, right=True).tolist() == list(range(side))


def test_a_folder_opened_by_both(tiny_vision: Callable[..., Any], tmp_path: Path) -> None:
    """transformers reads back what the fixture writes, so that tests against it stand on the same files."""
    made = tiny_vision()
    folder = made.write_folder(tmp_path / "model")
    again = transformers.SmolVLMForConditionalGeneration.from_pretrained(folder, dtype=torch.float32)
    for (name, one), (_, other) in zip(made.reference.named_parameters(), again.named_parameters(), strict=True):
        assert torch.equal(one, other), name
    ours, theirs = (
        open_checkpoint(folder, now=datetime.now).tokenizer,
        transformers.AutoTokenizer.from_pretrained(folder),
    )
    text = "<|im_start|>User:<fake_token_around_image><row_1_col_2><image><image>\n hello 12<end_of_utterance>"
    assert ours.encode(text) == theirs.encode(text, add_special_tokens=False)
