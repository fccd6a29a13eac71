"""A GGUF file as a model's tensors: llama.cpp's text models, and its `mmproj` files with the eyes of one.

In: a checked header and a configuration. Out: a lazy mapping from Hugging Face names to float32 tensors, and the same
tensors as NumPy arrays or as the blocks they are stored in, for which PyTorch is not needed. llama.cpp stores the rows
of the query and key matrices in another order (its rotation pairs neighbours, ours pairs halves); they are put back
here, whole rows of blocks at a time.
"""

from __future__ import annotations

import math
import mmap
import re
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

import numpy as np

from seatrial.errors import CheckpointError, UnsupportedModel
from seatrial.models.config import ModelConfig
from seatrial.models.tensors import Shapes, expected_shapes, mmproj_name, vision_shapes
from seatrial.models.vision_config import VisionConfig
from seatrial.models.weights.blocks import Blocks, Bytes
from seatrial.models.weights.dequantise import Floats, dequantise
from seatrial.models.weights.gguf_header import GGUFHeader

if TYPE_CHECKING:
    import torch

_PARTS = {
    "input_layernorm": "attn_norm",
    "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output",
    "post_attention_layernorm": "ffn_norm",
    "mlp.gate_proj": "ffn_gate",
    "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down",
}
_OUTER = {
    "model.embed_tokens.weight": "token_embd.weight",
    "model.norm.weight": "output_norm.weight",
    "lm_head.weight": "output.weight",
}
# Numbers that are dequantised at once: what is made on the way stays in the caches.
_CHUNK = 1 << 19
_LAYER_NAME = re.compile(r"model\.layers\.(\d+)\.(.+)\.weight")


class GGUFTensors(Mapping[str, "torch.Tensor"]):
    """Tensors by Hugging Face name, dequantised to float32 when asked for.

    `shapes` says what must be there, `names` what the file calls it; `heads` has the number of heads of each tensor
    whose rows are stored in pairs.

    Raises at once: CheckpointError for an absent tensor or a wrong shape, UnsupportedModel for tensors that the
    configuration has no place for (biases, rope factors, experts).
    """

    def __init__(
        self, header: GGUFHeader, shapes: Shapes, names: Mapping[str, str], heads: Mapping[str, int] | None = None
    ) -> None:
        self.header, self.names, self.heads = header, names, heads or {}
        for name, shape in shapes.items():
            place = header.tensors.get(names[name])
            if place is None:
                raise CheckpointError("this tensor is missing", path=header.path, field=names[name])
            if place.shape != shape:
                raise CheckpointError(
                    f"shape {list(place.shape)} where the configuration says {list(shape)}",
                    path=header.path,
                    field=place.name,
                )
        unknown = sorted(set(header.tensors) - set(names.values()))
        if unknown:
            raise UnsupportedModel("this tensor is not one we compute with", path=header.path, field=unknown[0])
        with header.path.open("rb") as file:
            self._mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        self.data: Bytes = np.frombuffer(self._mapped, np.uint8)

    def __getitem__(self, name: str) -> torch.Tensor:
        import torch

        return torch.from_numpy(self.numbers(name))

    def numbers(self, name: str) -> Floats:
        """The tensor, dequantised."""
        kind, raw = self.blocks(name)
        shape = self.header.tensors[self.names[name]].shape
        of_row = math.prod(shape) // raw.shape[0]
        numbers = np.empty((raw.shape[0], of_row), np.float32)
        num_rows = max(1, _CHUNK // of_row)
        for start in range(0, raw.shape[0], num_rows):
            some = np.ascontiguousarray(raw[start : start + num_rows]).reshape(-1)
            numbers[start : start + num_rows] = dequantise(some, kind).reshape(-1, of_row)
        return numbers.reshape(shape)

    def kind(self, name: str) -> str:
        """The GGUF type that the tensor is stored in."""
        return self.header.tensors[self.names[name]].type.name

    def blocks(self, name: str) -> Blocks:
        """The tensor as stored, uint8 [rows, bytes of a row]: a view of the file, or a copy of regrouped rows."""
        place = self.header.tensors[self.names[name]]
        num_rows = place.shape[0] if len(place.shape) > 1 else 1
        raw = self.data[place.start : place.start + place.num_bytes].reshape(num_rows, -1)
        if name in self.heads:
            raw = _halves_apart(raw, self.heads[name])
        return Blocks(place.type.name, raw)

    def release(self, name: str) -> None:
        """Let go of the file's pages that hold a tensor: they leave the process, and come back when read again."""
        place = self.header.tensors[self.names[name]]
        start = place.start // mmap.PAGESIZE * mmap.PAGESIZE
        if hasattr(self._mapped, "madvise"):
            self._mapped.madvise(mmap.MADV_DONTNEED, start, place.start + place.num_bytes - start)

    def __iter__(self) -> Iterator[str]:
        return iter(self.names)

    def __len__(self) -> int:
        return len(self.names)


def decoder_tensors(header: GGUFHeader, config: ModelConfig) -> GGUFTensors:
    """The tensors of a text model. Raises as `GGUFTensors`."""
    shapes = expected_shapes(config)
    heads = {name: config.num_heads for name in shapes if name.endswith("q_proj.weight")}
    heads |= {name: config.num_kv_heads for name in shapes if name.endswith("k_proj.weight")}
    return GGUFTensors(header, shapes, {name: gguf_name(name) for name in shapes}, heads)


def vision_tensors(header: GGUFHeader, config: VisionConfig) -> GGUFTensors:
    """The tensors of an `mmproj` file. Raises as `GGUFTensors`.

    Early files have the names of the two feed-forward products exchanged, which their shapes show; llama.cpp puts them
    right in the same way (tools/mtmd/clip.cpp, `is_ffn_swapped`).
    """
    shapes = vision_shapes(config)
    names = {name: mmproj_name(name) for name in shapes}
    first = header.tensors.get("v.blk.0.ffn_down.weight")
    if first is not None and first.shape == (config.intermediate_size, config.hidden_size) != first.shape[::-1]:
        names = {name: mmproj_name(_other_product(name)) for name in shapes}
    return GGUFTensors(header, shapes, names)


def gguf_name(name: str) -> str:
    """The GGUF name of a Hugging Face tensor: `model.layers.3.mlp.up_proj.weight` is `blk.3.ffn_up.weight`."""
    match = _LAYER_NAME.fullmatch(name)
    return f"blk.{match[1]}.{_PARTS[match[2]]}.weight" if match else _OUTER[name]


def _other_product(name: str) -> str:
    """The other of a layer's two feed-forward products; any other name as it stands."""
    return re.sub(r"(?<=\.mlp\.fc)[12]", lambda found: "21"[int(found[0]) - 1], name)


def _halves_apart(raw: Bytes, num_heads: int) -> Bytes:
    """Rows of each head from pairs side by side to halves: of a head of 4, rows (0, 2, 1, 3) become (0, 1, 2, 3)."""
    rows, row_bytes = raw.shape
    return raw.reshape(num_heads, rows // num_heads // 2, 2, row_bytes).swapaxes(1, 2).reshape(rows, row_bytes)
