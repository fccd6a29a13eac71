"""Checkpoints of models that see: hub folders in both layouts, GGUF pairs, and what is refused by name."""

from __future__ import annotations

import contextlib
import json
import re
import shutil
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file

from seatrial.errors import CheckpointError, UnsupportedModel
from seatrial.models.checkpoint import Checkpoint, VisionParts, open_checkpoint
from seatrial.models.tensors import expected_shapes, vision_shapes
from seatrial.models.vision_config import VideoRules


@pytest.fixture(scope="module")
def made(tiny_vision: Callable[..., Any]) -> Any:
    return tiny_vision()


@pytest.fixture(scope="module")
def whole(made: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder: Path = made.write_folder(tmp_path_factory.mktemp("seeing") / "model")
    return folder


@pytest.fixture
def folder(whole: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(whole, tmp_path / "model"))


def opened(path: Path) -> Checkpoint:
    return open_checkpoint(path, now=datetime.now)


def eyes(path: Path) -> VisionParts:
    found = opened(path).vision
    assert found is not None
    return found


def change(path: Path, *keys: str, to: Any) -> None:
    raw = json.loads(path.read_text())
    inner = raw
    for key in keys[:-1]:
        inner = inner[key]
    inner[keys[-1]] = to
    path.write_text(json.dumps(raw))


def test_a_hub_folder(made: Any, whole: Path) -> None:
    checkpoint = opened(whole)
    parts, raw = eyes(whole), made.reference.config
    assert checkpoint.config.architecture == "llama"
    assert checkpoint.config.num_layers == 2
    assert not checkpoint.config.tied_embeddings
    assert checkpoint.tokenizer.token_id("<end_of_utterance>") in checkpoint.config.stop_ids
    assert checkpoint.chat_template is not None
    assert (parts.config.image_size, parts.config.patch_size, parts.config.scale_factor) == (32, 8, 2)
    assert (parts.config.tokens_per_tile, parts.config.image_token_id) == (4, raw.image_token_id)
    assert parts.rules.longest_edge == 128
    assert parts.rules.tile_edge == 32
    assert parts.rules.splits
    assert set(checkpoint.tensors) == set(expected_shapes(checkpoint.config))
    assert set(parts.tensors) == set(vision_shapes(parts.config))
    assert len(parts.tensors) == len(set(parts.tensors))
    for name, tensor in {**made.text_tensors(), **made.vision_tensors()}.items():
        held = parts.tensors if name in parts.tensors else checkpoint.tensors
        assert torch.equal(held[name], tensor), name
    with pytest.raises(KeyError):
        parts.tensors["model.norm.weight"]
    assert parts.num_weights == sum(tensor.numel() for tensor in made.vision_tensors().values())


def test_a_folder_in_shards_with_nested_processors(made: Any, tmp_path: Path) -> None:
    folder = made.write_folder(tmp_path / "model", nested=True, num_shards=3)
    assert len(list(folder.glob("*.safetensors"))) > 1
    assert eyes(folder).rules == eyes(made.write_folder(tmp_path / "flat")).rules


def test_tied_embeddings_are_said_outside(tiny_vision: Callable[..., Any], tmp_path: Path) -> None:
    checkpoint = opened(tiny_vision(tie_word_embeddings=True).write_folder(tmp_path / "model"))
    assert checkpoint.config.tied_embeddings
    assert "lm_head.weight" not in checkpoint.tensors


def test_fields_that_equal_the_defaults_may_be_absent(folder: Path) -> None:
    """Published files leave some out; what is then wrong is a shape, not a missing field."""
    raw = json.loads((folder / "config.json").read_text())
    for key in ("hidden_size", "num_attention_heads", "layer_norm_eps"):
        raw["vision_config"].pop(key, None)
    (folder / "config.json").write_text(json.dumps(raw))
    with pytest.raises(CheckpointError, match=r"patch_embedding.*shape \[64, 3, 8, 8\] .* says \[1152, 3, 8, 8\]"):
        opened(folder)


def test_published_rules_hold_where_the_files_are_absent(folder: Path) -> None:
    (folder / "preprocessor_config.json").unlink()
    rules = eyes(folder).rules
    assert (rules.longest_edge, rules.tile_edge, rules.splits, rules.mean) == (128, 32, True, (0.5, 0.5, 0.5))
    assert rules.video == VideoRules(fps=1.0, max_frames=64, longest_edge=128)


def test_rules_for_videos(folder: Path) -> None:
    path = folder / "preprocessor_config.json"
    assert eyes(folder).rules.video == VideoRules(fps=1.0, max_frames=8, longest_edge=128)
    of_videos = {"video_sampling": {"fps": 2, "max_frames": 5, "video_size": {"longest_edge": 64}}}
    (folder / "video_preprocessor_config.json").write_text(json.dumps(of_videos))
    assert eyes(folder).rules.video == VideoRules(fps=2.0, max_frames=5, longest_edge=64)
    change(path, "do_image_splitting", to=False)
    assert not eyes(folder).rules.splits
    assert eyes(folder).rules.video.max_frames == 5


def test_the_template_from_the_processors_own_file(folder: Path) -> None:
    (folder / "chat_template.jinja").unlink()
    (folder / "chat_template.json").write_text(json.dumps({"chat_template": "own {{ messages[0].content }}"}))
    template = opened(folder).chat_template
    assert template is not None
    assert template.source.startswith("own")


@pytest.mark.parametrize(
    ("keys", "value", "said"),
    [
        (("model_type",), "qwen2_vl", r"qwen2_vl.*not one we compute"),
        (("vision_config",), None, r"`vision_config`.*expected an object"),
        (("vision_config", "model_type"), "clip_vision_model", r"picture encoder 'clip_vision_model'.*smolvlm_vision"),
        (("vision_config", "hidden_act"), "quick_gelu", r"activation 'quick_gelu'"),
        (("vision_config", "num_channels"), 1, r"1 channels"),
        (("vision_config", "image_size"), 1 << 14, r"exceeds 2,048 pixels"),
        (("vision_config", "patch_size"), 64, r"exceeds the picture"),
        (("vision_config", "num_attention_heads"), 5, r"64 does not divide among 5 heads"),
        (("scale_factor",), 3, r"4 patches per side do not divide by 3"),
        (("scale_factor",), 0, r"`scale_factor`: expected a whole number"),
        (("image_token_id",), 7, r"pictures stand at token 7.*`<image>` is 5"),
        (("image_token_id",), None, r"`image_token_id`: expected the id"),
        (("text_config", "model_type"), "phi3", r"architecture `phi3`"),
        (("text_config", "attention_bias"), True, r"`attention_bias`"),
        (("quantization_config",), {"quant_method": "bitsandbytes"}, r"quantisation 'bitsandbytes'"),
    ],
)
def test_configurations_that_are_refused(folder: Path, keys: tuple[str, ...], value: Any, said: str) -> None:
    change(folder / "config.json", *keys, to=value)
    with pytest.raises(CheckpointError, match=said):
        opened(folder)


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("size", {"height": 64, "width": 64}, r"`size`.*known: `longest_edge`"),
        ("size", {"longest_edge": 0}, r"`longest_edge` from 1"),
        ("max_image_size", {"longest_edge": 64}, r"tiles of 64 pixels for an encoder of 32"),
        ("resample", 3, r"filter 3 for resizing"),
        ("rescale_factor", 0.5, r"known: 1/255"),
        ("do_normalize", False, r"`do_normalize`"),
        ("image_mean", [0.5, 0.5], r"three numbers"),
        ("image_std", [0.5, 0.0, 0.5], r"`image_std`"),
        ("video_sampling", 3, r"`video_sampling`: expected an object"),
        ("video_sampling", {"fps": -1, "max_frames": 8}, r"`fps`"),
        ("video_sampling", {"fps": 1, "max_frames": 0}, r"`max_frames`"),
    ],
)
def test_processing_that_is_refused(folder: Path, key: str, value: Any, said: str) -> None:
    change(folder / "preprocessor_config.json", key, to=value)
    with pytest.raises(CheckpointError, match=r"/preprocessor_config\.json.*" + said):
        opened(folder)


def test_tensors_that_do_not_fit(folder: Path) -> None:
    tensors = load_file(folder / "model.safetensors")
    position = "model.vision_model.embeddings.position_embedding.weight"
    save_file({name: t for name, t in tensors.items() if name != position}, folder / "model.safetensors")
    with pytest.raises(CheckpointError, match=rf"{re.escape(position)}.*missing"):
        opened(folder)
    save_file({**tensors, position: torch.zeros(9, 64)}, folder / "model.safetensors")
    with pytest.raises(CheckpointError, match=r"shape \[9, 64\] where the configuration says \[16, 64\]"):
        opened(folder)
    save_file({**tensors, "model.vision_model.head.probe": torch.zeros(1)}, folder / "model.safetensors")
    with pytest.raises(UnsupportedModel, match=r"head\.probe"):
        opened(folder)


@pytest.mark.parametrize("kind", ["F32", "F16", "BF16", "Q8_0"])
@pytest.mark.parametrize("exchanged", [False, True])
def test_a_gguf_pair(made: Any, tmp_path: Path, kind: str, exchanged: bool) -> None:
    made.write_ggufs(tmp_path, kind, exchanged=exchanged)
    checkpoint, parts = opened(tmp_path), eyes(tmp_path / "tiny-F32.gguf")
    assert checkpoint.vision is not None
    assert checkpoint.vision.config == parts.config
    assert (parts.config.tokens_per_tile, parts.config.text_hidden_size, parts.config.norm_eps) == (
        4,
        64,
        pytest.approx(1e-6),
    )
    assert (parts.rules.longest_edge, parts.rules.tile_edge, parts.rules.splits) == (128, 32, True)
    assert checkpoint.tokenizer.token_id("<end_of_utterance>") in checkpoint.config.stop_ids
    tolerance = {"F32": 0.0, "F16": 2e-3, "BF16": 2e-2, "Q8_0": 3e-2}[kind]
    for name, tensor in made.vision_tensors().items():
        torch.testing.assert_close(parts.tensors[name], tensor, atol=tolerance, rtol=0, msg=name)
    for name, tensor in made.text_tensors().items():
        assert torch.equal(checkpoint.tensors[name], tensor), name


def test_which_eyes_belong_to_which_model(made: Any, tmp_path: Path) -> None:
    made.write_ggufs(tmp_path / "pair")
    text, own = tmp_path / "pair" / "tiny-F32.gguf", tmp_path / "pair" / "mmproj-tiny-F16.gguf"
    many = tmp_path / "many"
    many.mkdir()
    for name in ("SmolVLM2-2.2B-Instruct-Q4_K_M.gguf", "other-Q8_0.gguf"):
        shutil.copy(text, many / name)
    shutil.copy(own, many / "mmproj-SmolVLM2-2.2B-Instruct-Q8_0.gguf")
    made.write_mmproj(many / "mmproj-SmolVLM2-2.2B-Instruct-f32.gguf", "F32")
    assert opened(many / "other-Q8_0.gguf").vision is None
    best = eyes(many / "SmolVLM2-2.2B-Instruct-Q4_K_M.gguf").tensors
    assert torch.equal(best["connector.proj.weight"], made.vision_tensors()["connector.proj.weight"])
    with pytest.raises(CheckpointError, match=r"holds 2 \.gguf files"):
        opened(many)
    with pytest.raises(CheckpointError, match="eyes of a model alone"):
        opened(own)
    (tmp_path / "alone").mkdir()
    shutil.copy(own, tmp_path / "alone")
    with pytest.raises(CheckpointError, match=r"holds no model"):
        opened(tmp_path / "alone")


def test_eyes_of_another_model(made: Any, tiny: Callable[..., Any], tmp_path: Path) -> None:
    tiny().write_gguf(tmp_path / "text.gguf")
    made.write_mmproj(tmp_path / "mmproj-model-f16.gguf")
    with pytest.raises(CheckpointError, match="vocabulary has no `<image>`"):
        opened(tmp_path)
    made.write_ggufs(tmp_path / "pair")
    made.write_mmproj(tmp_path / "pair" / "mmproj-tiny-F16.gguf", projection_dim=96)
    with pytest.raises(CheckpointError, match="makes rows of 96 numbers, the text model beside it takes 64"):
        opened(tmp_path / "pair")


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"projector": "gemma3"}, r"projector 'gemma3'.*known: `idefics3`"),
        ({"clip_has_audio_encoder": True}, r"clip.has_audio_encoder"),
        ({"use_gelu": False}, r"clip.use_gelu"),
    ],
)
def test_mmproj_files_that_are_refused(made: Any, tmp_path: Path, changes: dict[str, Any], said: str) -> None:
    made.write_ggufs(tmp_path)
    made.write_mmproj(tmp_path / "mmproj-tiny-F16.gguf", **changes)
    with pytest.raises(UnsupportedModel, match=said):
        opened(tmp_path)


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_flipped_json(whole: Path, tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    """A damaged word of a file is read as it stands, or refused; nothing else comes out."""
    folder = tmp_path_factory.getbasetemp() / "damaged_eyes"
    shutil.copytree(whole, folder, dirs_exist_ok=True)
    name = data.draw(st.sampled_from(["config.json", "preprocessor_config.json", "processor_config.json"]))
    damaged = bytearray((whole / name).read_bytes())
    for _ in range(data.draw(st.integers(1, 3))):
        damaged[data.draw(st.integers(0, len(damaged) - 1))] = data.draw(
            st.sampled_from(list(b'0123456789-.[]{}",:nul'))
        )
    (folder / name).write_bytes(bytes(damaged))
    with contextlib.suppress(CheckpointError):
        checkpoint = opened(folder)
        assert checkpoint.vision is None or checkpoint.vision.config.tokens_per_tile >= 1


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_flipped_mmproj(made: Any, tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    """Mostly in the header. What still opens has the shapes that the sizes say."""
    folder = tmp_path_factory.getbasetemp() / "damaged_mmproj"
    if not folder.exists():
        made.write_ggufs(folder)
        shutil.copy(folder / "mmproj-tiny-F16.gguf", folder / "whole")
    damaged = bytearray((folder / "whole").read_bytes())
    for _ in range(data.draw(st.integers(1, 3))):
        damaged[data.draw(st.integers(0, 4_000))] ^= 1 << data.draw(st.integers(0, 7))
    end = data.draw(st.one_of(st.just(len(damaged)), st.integers(0, len(damaged))))
    (folder / "mmproj-tiny-F16.gguf").write_bytes(bytes(damaged[:end]))
    with contextlib.suppress(CheckpointError):
        parts = eyes(folder)
        for name, shape in vision_shapes(parts.config).items():
            assert tuple(parts.tensors[name].shape) == shape
