"""Blocks that go to the kernels as they are stored hold the numbers that the plain path reads, and formats are chosen
as the table says."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from seatrial.errors import UnknownName
from seatrial.models.checkpoint import open_checkpoint
from seatrial.models.precision import Matrix, choose_format, choose_formats, dtype_by_name, matrices, packed_bytes
from seatrial.models.tensors import expected_shapes
from seatrial.models.weights.blocks import Blocks, convert
from seatrial.models.weights.dequantise import dequantise
from seatrial.models.weights.gguf import GGUFTensors
from seatrial.models.weights.packed import stored_kinds


def numbers(blocks: Blocks) -> torch.Tensor:
    """[rows, columns], by the plain path."""
    flat = dequantise(np.ascontiguousarray(blocks.raw).reshape(-1), blocks.kind)
    return torch.from_numpy(flat).view(blocks.raw.shape[0], -1)


def gguf_tensors(path: Path) -> GGUFTensors:
    tensors = open_checkpoint(path, now=datetime.now).tensors
    assert isinstance(tensors, GGUFTensors)
    return tensors


@pytest.mark.parametrize("kind", ["F32", "F16", "BF16", "Q8_0", "Q4_0", "Q4_1", "Q5_0", "Q5_1"])
@pytest.mark.parametrize("changes", [{}, {"num_attention_heads": 2, "head_dim": 48, "num_key_value_heads": 1}])
def test_blocks_of_every_tensor_hold_its_numbers_in_our_order(
    tmp_path: Path, tiny: Callable[..., Any], kind: str, changes: dict[str, Any]
) -> None:
    model = tiny(num_hidden_layers=1, **changes)
    extra = {"key_length": changes["head_dim"], "rope_dimension_count": changes["head_dim"]} if changes else {}
    tensors = gguf_tensors(model.write_gguf(tmp_path / "model.gguf", kind, extra=extra))
    expected = model.rounded(kind).tensors
    for name, tensor in expected.items():
        blocks = tensors.blocks(name)
        assert blocks.kind == tensors.kind(name) == (kind if tensor.dim() == 2 else "F32")
        assert len(blocks.raw) == (tensor.shape[0] if tensor.dim() == 2 else 1)
        torch.testing.assert_close(numbers(blocks).view(tensor.shape), tensor, atol=1e-7, rtol=0)
        torch.testing.assert_close(tensors[name], tensor, atol=1e-7, rtol=0)


def test_only_regrouped_rows_are_copied_and_released_pages_come_back(tmp_path: Path, tiny: Callable[..., Any]) -> None:
    tensors = gguf_tensors(tiny().write_gguf(tmp_path / "model.gguf", "Q4_1"))
    at = "model.layers.1.self_attn."
    assert np.shares_memory(tensors.blocks(f"{at}v_proj.weight").raw, tensors.data)
    assert not np.shares_memory(tensors.blocks(f"{at}q_proj.weight").raw, tensors.data)
    before = {name: tensors[name] for name in tensors}
    for name in tensors:
        tensors.release(name)
    assert all(torch.equal(tensors[name], before[name]) for name in tensors)


def test_a_tensor_of_many_chunks_is_read_as_a_whole(
    tmp_path: Path, tiny: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    tensors = gguf_tensors(tiny().write_gguf(tmp_path / "model.gguf", "Q5_1"))
    name = "model.embed_tokens.weight"
    whole = tensors[name]
    monkeypatch.setattr("seatrial.models.weights.gguf._CHUNK", 7 * 64)
    assert torch.equal(tensors[name], whole)


HALVES = st.floats(-2.0, 2.0, width=16)


def random_blocks(kind: str, num_bytes: int, halves: list[int], seed: int, scales: list[float]) -> Blocks:
    """Four rows of three blocks of random codes, with the given halves at the given places."""
    raw = np.random.default_rng(seed).integers(0, 256, (12, num_bytes), dtype=np.uint8)
    for place, at in enumerate(halves):
        raw[:, at : at + 2] = np.array(scales, np.float16).reshape(-1, 12)[place].view(np.uint8).reshape(12, 2)
    return Blocks(kind, raw.reshape(4, -1))


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 1 << 32),
    scales=arrays.arrays(np.float16, 12, elements=HALVES),
    form=st.sampled_from([("Q4_0", 18, "Q4_1"), ("Q4_0", 18, "Q8_0"), ("Q5_0", 22, "Q8_0")]),
)
def test_wider_blocks_hold_the_same_numbers(seed: int, scales: Any, form: tuple[str, int, str]) -> None:
    kind, num_bytes, wider = form
    blocks = random_blocks(kind, num_bytes, [0], seed, scales)
    found = convert(blocks, wider)
    assert found is not None
    assert found.kind == wider
    assert torch.equal(numbers(found), numbers(blocks))


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 1 << 32), scales=arrays.arrays(np.float16, 24, elements=HALVES))
def test_q4_k_becomes_q4_1_but_for_the_rounding_of_scale_and_minimum(seed: int, scales: Any) -> None:
    """Each value is off by at most half a step of a half: of the scale, 15 times, and of the minimum."""
    blocks = random_blocks("Q4_K", 144, [0, 2], seed, scales)
    found = convert(blocks, "Q4_1")
    assert found is not None
    exact, rounded = numbers(blocks), numbers(found)
    groups = found.raw.reshape(-1, 20)[:, :4].copy().view(np.float16).astype(np.float64)
    bound = (15 * np.maximum(np.abs(groups[:, 0]) * 2**-11, 2**-25)) + np.maximum(np.abs(groups[:, 1]) * 2**-11, 2**-25)
    off = (rounded.double() - exact.double()).abs().view(-1, 32).amax(1).numpy()
    assert (off <= bound * 1.001 + 1e-6 * np.abs(groups).sum(1)).all()


def test_what_is_no_matter_of_codes_goes_through_numbers() -> None:
    for kind, wider in (("Q6_K", "Q8_0"), ("Q5_1", "Q8_0"), ("Q4_1", "Q8_0"), ("F16", "Q4_1"), ("Q8_0", "Q4_1")):
        assert convert(Blocks(kind, np.zeros((1, 1), np.uint8)), wider) is None


def test_scales_beyond_a_half_become_infinite_not_wrong() -> None:
    raw = np.full((1, 144), 255, np.uint8)
    raw[0, :4] = np.array([60_000, 60_000], np.float16).view(np.uint8)
    found = convert(Blocks("Q4_K", raw), "Q4_1")
    assert found is not None
    assert not torch.isfinite(numbers(found)).any()


# How the parts of a matrix are stored, what is asked, what it takes inside a layer, and as embedding or output.
TABLE = [
    (["Q4_1"], "auto", "q4_1", "q4_1"),
    (["Q4_0"], "auto", "q4_0", "q4_0"),
    (["Q8_0"], "auto", "q8_0", "q8_0"),
    (["Q4_K"], "auto", "q4_1", "q4_1"),
    (["Q5_0"], "auto", "q8_0", "q8_0"),
    (["Q5_1"], "auto", "q8_0", "q8_0"),
    (["Q5_K"], "auto", "q8_0", "q8_0"),
    (["Q6_K"], "auto", "q8_0", "q8_0"),
    (["F32"], "auto", "bf16", "bf16"),
    (["F16"], "auto", "bf16", "bf16"),
    (["BF16"], "auto", "bf16", "bf16"),
    (["Q4_0", "Q4_1"], "auto", "q4_1", "q4_1"),
    (["Q4_K", "Q4_K", "Q6_K"], "auto", "q8_0", "q8_0"),
    (["Q4_0", "F16"], "auto", "bf16", "bf16"),
    (["Q4_1"], "bfloat16", "bf16", "bf16"),
    (["F32"], "int8", "q8_0", "q8_0"),
    (["Q4_0"], "int8", "q8_0", "q8_0"),
    (["F32"], "int4", "q4_1", "q8_0"),
    (["Q8_0"], "int4", "q4_1", "q8_0"),
    (["Q6_K", "Q4_K"], "int4", "q4_1", "q8_0"),
    (["Q4_0"], "int4", "q4_0", "q4_0"),
    (["Q4_K"], "int4", "q4_1", "q4_1"),
]


@pytest.mark.parametrize(("kinds", "dtype", "inner", "outer"), TABLE)
def test_the_format_of_a_matrix(kinds: list[str], dtype: str, inner: str, outer: str) -> None:
    assert choose_format(kinds, dtype, outer=False) == inner
    assert choose_format(kinds, dtype, outer=True) == outer


def test_formats_of_a_whole_file(tmp_path: Path, tiny: Callable[..., Any]) -> None:
    checkpoint = open_checkpoint(tiny().write_gguf(tmp_path / "model.gguf", "Q4_1"), now=datetime.now)
    kinds = stored_kinds(checkpoint.config, checkpoint.tensors)
    assert set(choose_formats(checkpoint.config, kinds, "auto").values()) == {"q4_1"}
    found = choose_formats(checkpoint.config, kinds, "bfloat16")
    assert set(found.values()) == {"bf16"}
    assert list(found) == list(matrices(checkpoint.config))
    folder = open_checkpoint(tiny(tie_word_embeddings=False).write_folder(tmp_path / "folder"), now=datetime.now)
    found = choose_formats(folder.config, stored_kinds(folder.config, folder.tensors), "int4")
    assert (found["embedding"], found["output"], found["3.down"]) == ("q8_0", "q8_0", "q4_1")


@pytest.mark.parametrize("changes", [{}, {"tie_word_embeddings": False}, {"head_dim": 32}])
def test_the_matrices_are_all_tensors_but_the_norms(
    tmp_path: Path, tiny: Callable[..., Any], changes: dict[str, Any]
) -> None:
    config = open_checkpoint(tiny(**changes).write_folder(tmp_path / "model"), now=datetime.now).config
    shapes = {name: shape for name, shape in expected_shapes(config).items() if len(shape) == 2}
    held = [part for matrix in matrices(config).values() for part in matrix.parts]
    assert sorted(held) == sorted(shapes)
    for matrix in matrices(config).values():
        assert matrix.rows == sum(shapes[part][0] for part in matrix.parts)
        assert {shapes[part][1] for part in matrix.parts} == {matrix.columns}


def test_bytes_and_names() -> None:
    matrix = Matrix(("x",), rows=20, columns=64)
    assert [packed_bytes(matrix, form) for form in ("q4_0", "q4_1", "q8_0", "bf16")] == [1152, 1280, 2176, 4096]
    assert dtype_by_name("bf16") == "bfloat16"
    assert dtype_by_name("int4") == "int4"
    with pytest.raises(UnknownName, match="`int4`"):
        dtype_by_name("int44")
