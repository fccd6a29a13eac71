"""Which number format each matrix of a model takes in the native kernels, and what it takes in memory.

In: a configuration, how the checkpoint stores each tensor, and the dtype that was asked for. Out: the matrices that
the kernels multiply by (queries, keys and values are one, so are gate and up) with a format each. Nothing is read but
names: what a model will take is known before any of it is taken. Torch-free.

| asked | layers' matrices | embedding and output |
|---|---|---|
| `auto` | as stored; F32, F16 and BF16 become bf16 | the same |
| `bfloat16` | bf16 | bf16 |
| `int8` | q8_0 | q8_0 |
| `int4` | q4_1, or as stored where that has 4 bits | q8_0, or as stored where that is no wider |

`float32` and `float16` are the plain path's.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal, NamedTuple, cast

from seatrial.errors import UnknownName
from seatrial.models.config import ModelConfig

Format = Literal["q4_0", "q4_1", "q8_0", "bf16"]

DTYPES = ("auto", "float32", "bfloat16", "float16", "int8", "int4")
NATIVE_DTYPES = ("auto", "bfloat16", "int8", "int4")
_SHORT = {"f32": "float32", "bf16": "bfloat16", "f16": "float16"}

# The narrowest format that holds a stored type: exactly, or as near as the type's own steps (see `weights.blocks`).
_STORED: Mapping[str, Format] = {
    "Q4_0": "q4_0",
    "Q4_1": "q4_1",
    "Q4_K": "q4_1",
    "Q5_0": "q8_0",
    "Q5_1": "q8_0",
    "Q5_K": "q8_0",
    "Q6_K": "q8_0",
    "Q8_0": "q8_0",
    "F16": "bf16",
    "BF16": "bf16",
    "F32": "bf16",
}
_WIDTHS: Sequence[Format] = ("q4_0", "q4_1", "q8_0", "bf16")
GROUP = 32
_PANEL_ROWS = 16
_GROUP_BYTES: Mapping[Format, int] = {"q4_0": 288, "q4_1": 320, "q8_0": 544, "bf16": 1024}


class Matrix(NamedTuple):
    """One matrix of the kernels: the tensors that are stacked in it (Hugging Face names), rows and columns in all."""

    parts: tuple[str, ...]
    rows: int
    columns: int


def dtype_by_name(name: str) -> str:
    """The full name of a dtype: `bf16` is `bfloat16`. Raises UnknownName."""
    full = _SHORT.get(name, name)
    if full not in DTYPES:
        raise UnknownName("dtype", name, DTYPES)
    return full


def choose_formats(config: ModelConfig, kinds: Mapping[str, str], dtype: str) -> dict[str, Format]:
    """The format of each of `matrices(config)`, by its name. `dtype` is one of NATIVE_DTYPES."""
    return {
        name: choose_format([kinds[part] for part in matrix.parts], dtype, outer=name in ("embedding", "output"))
        for name, matrix in matrices(config).items()
    }


def choose_format(kinds: Sequence[str], dtype: str, *, outer: bool) -> Format:
    """The format of a matrix whose parts are stored as `kinds`: the widest that any part needs, bounded by `dtype`.

    `outer`: the embedding or the output, which decide over every token and bear 8 bits better than 4.
    """
    stored = max((_STORED[kind] for kind in kinds), key=_WIDTHS.index)
    if dtype == "auto":
        return stored
    if dtype in ("bfloat16", "int8"):
        return cast(Format, {"bfloat16": "bf16", "int8": "q8_0"}[dtype])
    widest: Format = "q8_0" if outer else "q4_1"
    return min(stored, widest, key=_WIDTHS.index)


def matrices(config: ModelConfig) -> dict[str, Matrix]:
    """Every matrix that the kernels hold, by name: `embedding`, `3.qkv`, …, and `output` where it is not tied.

    The embedding and the output come first: they are by far the largest, and need the most room while they are read.
    """
    hidden, inner = config.hidden_size, config.intermediate_size
    queries, keys = config.num_heads * config.head_dim, config.num_kv_heads * config.head_dim
    found = {"embedding": Matrix(("model.embed_tokens.weight",), config.vocab_size, hidden)}
    if not config.tied_embeddings:
        found["output"] = Matrix(("lm_head.weight",), config.vocab_size, hidden)
    for layer in range(config.num_layers):
        at = f"model.layers.{layer}."
        projections = tuple(f"{at}self_attn.{part}_proj.weight" for part in "qkv")
        found[f"{layer}.qkv"] = Matrix(projections, queries + 2 * keys, hidden)
        found[f"{layer}.output"] = Matrix((f"{at}self_attn.o_proj.weight",), hidden, queries)
        gate_up = (f"{at}mlp.gate_proj.weight", f"{at}mlp.up_proj.weight")
        found[f"{layer}.gate_up"] = Matrix(gate_up, 2 * inner, hidden)
        found[f"{layer}.down"] = Matrix((f"{at}mlp.down_proj.weight",), hidden, inner)
    return found


def packed_bytes(matrix: Matrix, format: Format) -> int:
    """What the kernels take for a matrix: rows in panels of 16, columns in groups of 32.

    Example: 20 rows of 64 columns in q4_1 are 2 panels of 2 groups of 320 bytes, 1,280 in all.
    """
    panels = -(-matrix.rows // _PANEL_ROWS)
    return panels * (matrix.columns // GROUP) * _GROUP_BYTES[format]
