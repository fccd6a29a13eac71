"""Checkpoints that were put together wrongly, one fault at a time: what the message says, and that it can be shown."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import gguf
import pytest
import torch
from safetensors.torch import save_file

from seatrial.engine.model import Model
from seatrial.errors import CheckpointError, UnsupportedModel, UsageError
from seatrial.models.checkpoint import Checkpoint, open_checkpoint
from seatrial.models.weights.gguf_header import BLOCK_TYPES, read_header


def opened(path: Path) -> Checkpoint:
    return open_checkpoint(path, now=datetime.now)


@pytest.fixture
def folder(tmp_path: Path, tiny: Callable[..., Any]) -> Path:
    return tiny(num_hidden_layers=1).write_folder(tmp_path / "model")


def edit(path: Path, **changes: Any) -> None:
    raw = json.loads(path.read_text()) if path.exists() else {}
    path.write_text(json.dumps(raw | changes))


def test_a_folder_without_a_model_says_what_one_holds(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"neither a config\.json nor a \.gguf file"):
        opened(tmp_path)


def test_a_folder_with_a_configuration_alone_names_what_is_missing(folder: Path) -> None:
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    with pytest.raises(CheckpointError, match=r"model\.safetensors: .*missing; `pytorch_model\.bin` is not read"):
        opened(folder)
    (folder / "pytorch_model.bin").unlink()
    with pytest.raises(CheckpointError, match=r"model\.safetensors: this file is missing$"):
        opened(folder)
    (folder / "tokenizer.json").unlink()
    with pytest.raises(CheckpointError, match=r"tokenizer\.json: this file is missing; a checkpoint folder holds"):
        opened(folder)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes here")
def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "model.gguf")
    with pytest.raises(CheckpointError, match=r"model\.gguf: not a file"):
        opened(tmp_path)


def test_names_that_a_terminal_would_obey_are_shown_escaped(tmp_path: Path, tiny: Callable[..., Any]) -> None:
    model = tiny(num_hidden_layers=1)
    data = model.write_gguf(tmp_path / "whole.gguf").read_bytes()
    for old, new, error in (
        (b"output_norm.weight", b"output\x1b[2J.weight", CheckpointError),
        (b"llama.block_count", b"llama\nblock_count", CheckpointError),
        (b"\x05\0\0\0\0\0\0\0llama", b"\x05\0\0\0\0\0\0\0\x1b[2Jx", UnsupportedModel),
        (b"\x06\0\0\0\0\0\0\0smollm", b"\x06\0\0\0\0\0\0\0\x1b[2J\x07x", UnsupportedModel),
    ):
        assert data.count(old) == 1
        (tmp_path / "model.gguf").write_bytes(data.replace(old, new))
        with pytest.raises(error) as caught:
            opened(tmp_path / "model.gguf")
        assert str(caught.value).isprintable()
        assert "\\x1b[2J" in str(caught.value) or "\\n" in str(caught.value)


def test_names_in_a_hub_folder_are_shown_escaped(folder: Path, tiny: Callable[..., Any]) -> None:
    tensors = tiny(num_hidden_layers=1).tensors | {"\x1b[2J": torch.zeros(2)}
    save_file(tensors, folder / "model.safetensors")
    with pytest.raises(UnsupportedModel, match=r"\\x1b\[2J.*not one we compute with"):
        opened(folder)
    tokenizer = json.loads((folder / "tokenizer.json").read_text())
    (folder / "tokenizer.json").write_text(json.dumps(tokenizer | {"decoder": {"type": "\ud800"}}))
    with pytest.raises(UnsupportedModel, match=r"decoder '\\ud800'"):
        opened(folder)
    edit(folder / "config.json", model_type="\x1b[2J")
    with pytest.raises(UnsupportedModel, match=r"architecture `'\\x1b\[2J'`"):
        opened(folder)


@pytest.mark.parametrize(
    ("rope", "field"),
    [
        ({"factor": 1e-310}, "factor"),
        ({"factor": 0.5}, "factor"),
        ({"factor": 1e30}, "factor"),
        ({"factor": 100_000.0, "original_max_position_embeddings": 256}, "factor"),
        ({"factor": 2.0, "beta_fast": 1e-310}, "beta_fast"),
        ({"factor": 2.0, "beta_slow": 1e-320}, "beta_slow"),
        ({"factor": 2.0, "attention_factor": 1e29}, "attention_factor"),
        ({"factor": 2.0, "mscale": 1e29, "mscale_all_dim": 1.0}, "mscale"),
    ],
)
def test_stretches_that_no_model_has(folder: Path, rope: dict[str, Any], field: str) -> None:
    edit(folder / "config.json", rope_scaling={"rope_type": "yarn"} | rope)
    with pytest.raises(CheckpointError, match=rf"config\.json, `{field}`"):
        opened(folder)


def test_a_long_list_is_not_quoted_whole(folder: Path) -> None:
    edit(folder / "config.json", hidden_size=[0] * 100_000)
    with pytest.raises(CheckpointError, match=r"`hidden_size`.*found a list of 100,000$"):
        opened(folder)


def test_a_first_token_outside_the_embedding_is_refused(folder: Path) -> None:
    path = folder / "tokenizer.json"
    raw = json.loads(path.read_text())
    raw["post_processor"] = {
        "type": "TemplateProcessing",
        "single": [{"SpecialToken": {"id": "<s>", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}],
        "pair": [{"Sequence": {"id": "A", "type_id": 0}}, {"Sequence": {"id": "B", "type_id": 1}}],
        "special_tokens": {"<s>": {"id": "<s>", "ids": [99_999], "tokens": ["<s>"]}},
    }
    path.write_text(json.dumps(raw))
    with pytest.raises(CheckpointError, match=r"opens texts with token 99,999, the embedding has 266"):
        opened(folder)


@pytest.mark.parametrize(("field", "value"), [("temperature", 500), ("top_k", -1), ("top_p", float("nan"))])
def test_sampling_defaults_that_no_request_could_have(folder: Path, field: str, value: float) -> None:
    edit(folder / "generation_config.json", do_sample=True, **{field: value})
    with pytest.raises(CheckpointError, match=rf"generation_config\.json, `{field}`.*not a number from 0 to"):
        opened(folder)


def test_a_fraction_of_a_token_is_no_bound(folder: Path) -> None:
    edit(folder / "generation_config.json", do_sample=True, temperature=0.5, top_k=0.5)
    assert opened(folder).sampling.top_k is None


@pytest.mark.parametrize("method", ["gptq", "awq", {"quant_method": "bitsandbytes"}])
def test_an_unknown_quantisation_of_a_hub_folder_names_what_is_known(folder: Path, method: Any) -> None:
    edit(folder / "config.json", quantization_config=method)
    with pytest.raises(UnsupportedModel, match=r"quantization_config.*F32, F16 or BF16, or a GGUF file"):
        Model.from_pretrained(folder)


def test_an_unknown_quantisation_of_a_gguf_file_names_what_is_known(tmp_path: Path, tiny: Callable[..., Any]) -> None:
    path = tiny(num_hidden_layers=1, hidden_size=256, intermediate_size=256).write_gguf(
        tmp_path / "model.gguf", "TQ2_0"
    )
    with pytest.raises(UnsupportedModel, match=r"model\.gguf, `.*quantisation TQ2_0 is not one we read; known: F32,"):
        Model.from_pretrained(path)


def test_half_a_character_in_a_prompt_is_the_callers_fault(folder: Path) -> None:
    model = Model.from_pretrained(folder, device="cpu", threads=1)
    with pytest.raises(UsageError, match=r"half of a surrogate pair \('\\ud83d'\) at character 3"):
        model.generate("abc\ud83d")


def test_every_type_of_the_gguf_package_is_known_by_name(tmp_path: Path) -> None:
    """A newer type than ours is told from a damaged number."""
    import gguf_damage

    for kind in gguf.GGMLQuantizationType:
        if kind.value in BLOCK_TYPES:
            assert BLOCK_TYPES[kind.value].name == kind.name
            continue
        parts = gguf_damage.Parts(3, [], [gguf_damage.Tensor(b"t", [256], kind.value, 0)], b"\0" * 4096)
        (tmp_path / "model.gguf").write_bytes(parts.bytes())
        with pytest.raises(UnsupportedModel, match=rf"`t`: quantisation {kind.name} is not one we read"):
            read_header(tmp_path / "model.gguf")
