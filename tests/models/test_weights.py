"""The same weights from every kind of file give the same answers; damaged files are refused."""

from __future__ import annotations

import contextlib
import json
import shutil
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import save_file

from seatrial.engine.model import Model
from seatrial.engine.request import SamplingParams
from seatrial.engine.runner import BLOCK_TOKENS, whole_prompt
from seatrial.errors import CheckpointError, ContextTooLong, UnsupportedModel
from seatrial.models.checkpoint import open_checkpoint
from seatrial.models.smollm import decoder_weights
from seatrial.models.weights.dequantise import dequantise
from seatrial.models.weights.gguf_header import BLOCK_TYPES

TOKENS = [1, 77, 9, 200, 33, 34, 35, 120, 2, 5]


def logits(path: Path) -> torch.Tensor:
    model = Model.from_pretrained(path, dtype="float32", device="cpu")
    num_blocks = -(-len(TOKENS) // BLOCK_TOKENS)
    model.runner.allocate(num_blocks)
    return torch.as_tensor(model.runner.forward(whole_prompt(TOKENS, range(num_blocks))))


@pytest.mark.parametrize("changes", [{}, {"tie_word_embeddings": False}, {"model_type": "smollm3"}])
def test_single_sharded_and_gguf_files_agree(tmp_path: Path, tiny: Callable[..., Any], changes: dict[str, Any]) -> None:
    model = tiny(**changes)
    single = logits(model.write_folder(tmp_path / "single"))
    assert single.std() > 0.1
    assert torch.equal(logits(model.write_folder(tmp_path / "sharded", num_shards=3)), single)
    assert torch.equal(logits(model.write_gguf(tmp_path / "model.gguf")), single)


@pytest.mark.parametrize("kind", ["F16", "BF16", "Q8_0", "Q4_0", "Q4_1", "Q5_0", "Q5_1"])
def test_quantised_gguf_gives_the_logits_of_its_rounded_weights(
    tmp_path: Path, tiny: Callable[..., Any], kind: str
) -> None:
    model = tiny()
    found = logits(model.write_gguf(tmp_path / "model.gguf", kind))
    expected = logits(model.rounded(kind).write_folder(tmp_path / "rounded"))
    torch.testing.assert_close(found, expected, atol=1e-6, rtol=0)
    assert not torch.equal(found, logits(model.write_folder(tmp_path / "exact")))


@pytest.mark.parametrize("kind", [block.name for block in BLOCK_TYPES.values()])
def test_every_block_format_is_read_as_the_gguf_package_reads_it(kind: str) -> None:
    """Random bytes use every code, scale and minimum; scales that come out as NaN or infinite are made finite."""
    block = next(block for block in BLOCK_TYPES.values() if block.name == kind)
    rng = np.random.default_rng(3)
    raw = rng.integers(0, 256, (64, block.num_bytes), dtype=np.uint8)
    halves = {"Q4_0": [0], "Q5_0": [0], "Q8_0": [0], "Q6_K": [208]}.get(kind, [0, 2] if kind[0] == "Q" else [])
    for at in halves:
        raw[:, at : at + 2] = rng.normal(size=64).astype(np.float16)[:, None].view(np.uint8).reshape(64, 2)
    if kind in ("F32", "F16", "BF16"):
        numbers = rng.normal(size=64).astype(np.float32)
        raw = gguf.quantize(numbers[None], gguf.GGMLQuantizationType[kind]).view(np.uint8).reshape(64, -1)
    expected = gguf.dequantize(raw.reshape(1, -1), gguf.GGMLQuantizationType[kind]).astype(np.float32).flatten()
    found = torch.from_numpy(dequantise(raw.flatten(), kind))
    assert found.shape == (64 * block.size,)
    torch.testing.assert_close(found, torch.from_numpy(expected.copy()), rtol=1e-6, atol=1e-6)


def test_loading_in_bfloat16_rounds_the_same_weights(tmp_path: Path, tiny: Callable[..., Any]) -> None:
    folder = tiny().write_folder(tmp_path)
    checkpoint = open_checkpoint(folder, now=datetime.now)
    weights = decoder_weights(checkpoint.config, checkpoint.tensors, dtype=torch.bfloat16, device=torch.device("cpu"))
    assert weights.embedding_VD.dtype == torch.bfloat16
    expected = checkpoint.tensors["model.embed_tokens.weight"].to(torch.bfloat16)
    assert torch.equal(weights.embedding_VD, expected)


def opened(path: Path) -> None:
    open_checkpoint(path, now=datetime.now)


def test_folder_with_neither_kind_of_weights(tmp_path: Path, tiny: Callable[..., Any]) -> None:
    with pytest.raises(CheckpointError, match=r"neither a config\.json nor a \.gguf file"):
        opened(tmp_path)
    model = tiny()
    model.write_gguf(tmp_path / "a.gguf")
    opened(tmp_path)
    model.write_gguf(tmp_path / "b.gguf")
    with pytest.raises(CheckpointError, match=r"2 .gguf files.*Name the one to load, such as `.*a\.gguf`"):
        opened(tmp_path)


@pytest.mark.parametrize("file", ["config.json", "tokenizer.json", "model.safetensors"])
def test_missing_truncated_and_empty_files(tmp_path: Path, tiny: Callable[..., Any], file: str) -> None:
    folder = tiny().write_folder(tmp_path / "model")
    data = (folder / file).read_bytes()
    for damaged in (data[: len(data) // 2], b"", data[:7], b"\xff" * 100, b"[" * 100_000):
        (folder / file).write_bytes(damaged)
        with pytest.raises(CheckpointError, match=r"model"):
            opened(folder)
    (folder / file).unlink()
    with pytest.raises(CheckpointError):
        opened(folder)


def test_wrong_shapes_types_and_names_are_named(tmp_path: Path, tiny: Callable[..., Any]) -> None:
    model = tiny()
    name = "model.layers.1.mlp.up_proj.weight"

    def with_tensors(**changes: torch.Tensor | None) -> Path:
        tensors = {key: tensor for key, tensor in (model.tensors | changes).items() if tensor is not None}
        folder = model.write_folder(tmp_path / "model")
        save_file(tensors, folder / "model.safetensors")
        return folder

    with pytest.raises(CheckpointError, match=rf"{name}.*missing"):
        opened(with_tensors(**{name: None}))
    with pytest.raises(CheckpointError, match=rf"{name}.*\[96, 65\].*\[96, 64\]"):
        opened(with_tensors(**{name: torch.zeros(96, 65)}))
    with pytest.raises(UnsupportedModel, match=rf"{name}.*I8.*F32, F16, BF16"):
        opened(with_tensors(**{name: torch.zeros(96, 64, dtype=torch.int8)}))
    with pytest.raises(UnsupportedModel, match=r"q_proj\.bias"):
        opened(with_tensors(**{"model.layers.0.self_attn.q_proj.bias": torch.zeros(64)}))


def test_index_may_not_leave_its_folder_or_name_absent_shards(tmp_path: Path, tiny: Callable[..., Any]) -> None:
    folder = tiny().write_folder(tmp_path / "model", num_shards=2)
    path = folder / "model.safetensors.index.json"
    index = json.loads(path.read_text())
    first = next(iter(index["weight_map"]))
    for file in ("../model-00001.safetensors", "/etc/passwd", "model-00009.safetensors", 3, "config.json"):
        path.write_text(json.dumps({"weight_map": index["weight_map"] | {first: file}}))
        with pytest.raises(CheckpointError):
            opened(folder)
    path.write_text(json.dumps({"weight_map": {}}))
    with pytest.raises(CheckpointError, match="weight_map"):
        opened(folder)
    path.write_text(json.dumps(index))
    shard = folder / "model-00002.safetensors"
    shutil.copy(folder / "model-00001.safetensors", shard)
    with pytest.raises(CheckpointError, match="missing"):
        opened(folder)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory, tiny: Callable[..., Any]) -> Path:
    return tiny(num_hidden_layers=1).write_folder(tmp_path_factory.mktemp("fuzz") / "model")


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_flipped_and_truncated_safetensors(
    whole: Path, tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    """Header bytes mostly; what still opens must answer or fail as a damaged model does."""
    folder = tmp_path_factory.getbasetemp() / "damaged"
    shutil.copytree(whole, folder, dirs_exist_ok=True)
    damaged = bytearray((whole / "model.safetensors").read_bytes())
    for _ in range(data.draw(st.integers(0, 3))):
        damaged[data.draw(st.integers(0, 1200))] ^= 1 << data.draw(st.integers(0, 7))
    end = data.draw(st.one_of(st.just(len(damaged)), st.integers(0, len(damaged))))
    (folder / "model.safetensors").write_bytes(bytes(damaged[:end]))
    with contextlib.suppress(CheckpointError):
        Model.from_pretrained(folder, dtype="float32", device="cpu").generate("hello", SamplingParams(max_tokens=2))


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_flipped_json(whole: Path, tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    folder = tmp_path_factory.getbasetemp() / "damaged_json"
    shutil.copytree(whole, folder, dirs_exist_ok=True)
    name = data.draw(st.sampled_from(["config.json", "tokenizer_config.json", "generation_config.json"]))
    raw = (whole / name).read_bytes() if (whole / name).exists() else b'{"do_sample": true, "temperature": 0.6}'
    damaged = bytearray(raw)
    for _ in range(data.draw(st.integers(0, 3))):
        damaged[data.draw(st.integers(0, len(damaged) - 1))] = data.draw(
            st.sampled_from(list(b'0123456789-.[]{}",:null'))
        )
    (folder / name).write_bytes(bytes(damaged[: data.draw(st.integers(len(raw) - 5, len(raw)))]))
    with contextlib.suppress(CheckpointError, ContextTooLong):
        Model.from_pretrained(folder, dtype="float32", device="cpu").generate("hello", SamplingParams(max_tokens=2))
