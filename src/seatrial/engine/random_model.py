"""A model of the catalog's shape with random weights, for benchmarks: true size, no checkpoint, nonsense answers.

In: a model's id and a seed. Out: a `Checkpoint`, to be opened like one from disk. Weights are made when they are asked
for, directly as the blocks that they are stored in: three billion of them never exist as floats.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import tokenizers
from numpy.typing import NDArray
from tokenizers import AddedToken, decoders, models, pre_tokenizers

from seatrial.errors import UnknownName
from seatrial.models.checkpoint import Checkpoint, SamplingDefaults, VisionParts
from seatrial.models.config import ModelConfig
from seatrial.models.precision import choose_format, dtype_by_name
from seatrial.models.tensors import expected_shapes, vision_shapes
from seatrial.models.tokenizer import Tokenizer
from seatrial.models.vision_config import PictureRules, VideoRules, VisionConfig
from seatrial.models.weights.blocks import Blocks, Bytes
from seatrial.models.weights.dequantise import dequantise

if TYPE_CHECKING:
    import torch

STORED = ("Q4_0", "Q4_1", "Q8_0", "F32")
_GROUP = 32
# Groups that are made at once: little memory beside the result.
_CHUNK_GROUPS = 1 << 16
_EMBEDDING = "model.embed_tokens.weight"
_BIAS = 0.02
# Standard deviation of the codes as they are drawn, see `_centred`.
_DEVIATIONS = {"Q4_0": 4.18, "Q4_1": 4.61, "Q8_0": 73.3}
# Where SmolVLM2's vocabulary has its marks, from the published `tokenizer_config.json`.
_FIRST_MARK, _PICTURE, _END = 49_152, 49_190, 49_279
_MARKS = (
    "<global-img>",
    *(f"<row_{row}_col_{column}>" for row in range(1, 7) for column in range(1, 7)),
    "<fake_token_around_image>",
    "<image>",
)


def shapes() -> dict[str, ModelConfig]:
    """The architectures that random weights can be had for, by catalog id."""
    return {
        "smollm2-135m": _smollm2(hidden=576, inner=1536, layers=30, heads=9, kv_heads=3, vocab=49_152),
        "smollm2-360m": _smollm2(hidden=960, inner=2560, layers=32, heads=15, kv_heads=5, vocab=49_152),
        "smollm2-1.7b": _smollm2(hidden=2048, inner=8192, layers=24, heads=32, kv_heads=32, vocab=49_152),
        "smollm3-3b": ModelConfig(
            architecture="smollm3",
            vocab_size=128_256,
            hidden_size=2048,
            intermediate_size=11_008,
            num_layers=36,
            num_heads=16,
            num_kv_heads=4,
            head_dim=128,
            norm_eps=1e-6,
            context_length=65_536,
            rope_theta=5_000_000.0,
            rope_layers=tuple((layer + 1) % 4 != 0 for layer in range(36)),
            yarn=None,
            tied_embeddings=True,
            stop_ids=(),
            bos_id=None,
        ),
        "smolvlm2-256m": _smolvlm2(hidden=576, inner=1536, layers=30, heads=9, kv_heads=3),
        "smolvlm2-500m": _smolvlm2(hidden=960, inner=2560, layers=32, heads=15, kv_heads=5),
        "smolvlm2-2.2b": _smolvlm2(hidden=2048, inner=8192, layers=24, heads=32, kv_heads=32),
    }


def eyes() -> dict[str, VisionConfig]:
    """The picture encoders of those that see: SigLIP B/16 at 512 pixels, and SO400M/14 at 384."""
    base = VisionConfig(512, 16, 768, 3072, 12, 12, 1e-6, 4, 576, _PICTURE)
    return {
        "smolvlm2-256m": base,
        "smolvlm2-500m": replace(base, text_hidden_size=960),
        "smolvlm2-2.2b": VisionConfig(384, 14, 1152, 4304, 27, 16, 1e-6, 3, 2048, _PICTURE),
    }


def random_checkpoint(name: str, *, dtype: str = "auto", stored: str | None = None, seed: int = 0) -> Checkpoint:
    """A checkpoint of the shape of `name`, a key of `shapes()`.

    Matrices are stored as `stored` (one of STORED), or as `dtype` would have them: `int4` as Q4_1 with an 8-bit
    embedding, `int8` as Q8_0, anything else as F32. Raises UnknownName.
    """
    known = shapes()
    if name not in known:
        raise UnknownName("shape for random weights", name, known, f"There are {', '.join(known)}.")
    if stored is not None and stored not in STORED:
        raise UnknownName("way to store random weights", stored, STORED, f"There are {', '.join(STORED)}.")
    return checkpoint_of(
        known[name], name=f"random:{name}", dtype=dtype, stored=stored, seed=seed, vision=eyes().get(name)
    )


def checkpoint_of(
    config: ModelConfig,
    *,
    name: str,
    dtype: str,
    stored: str | None,
    seed: int,
    vision: VisionConfig | None = None,
) -> Checkpoint:
    """A checkpoint of any shape; the rest as `random_checkpoint`."""
    inner, outer = (stored, stored) if stored else _stored_for(dtype)
    return Checkpoint(
        path=Path(name),
        config=config,
        tokenizer=plain_tokenizer(config.vocab_size, marked=vision is not None),
        chat_template=None,
        sampling=SamplingDefaults(),
        tensors=RandomTensors(config, inner=inner, outer=outer, seed=seed),
        vision=None if vision is None else _random_eyes(vision, stored=inner, seed=seed),
    )


def _random_eyes(config: VisionConfig, *, stored: str, seed: int) -> VisionParts:
    """Matrices of whole groups in 8 bits where the decoder's are quantised at all, as llama.cpp's files have them."""
    edge = 4 * config.image_size
    half = (0.5, 0.5, 0.5)
    rules = PictureRules(edge, config.image_size, True, half, half, VideoRules(1.0, 64, edge))
    inner = "F32" if stored == "F32" else "Q8_0"
    return VisionParts(config, rules, RandomTensors(config, inner=inner, outer=inner, seed=seed))


class RandomTensors(Mapping[str, "torch.Tensor"]):
    """Tensors by Hugging Face name, as numbers or as the blocks they are stored in; see `weights.packed.Quantised`.

    `inner` is how the layers' matrices are stored, `outer` embedding and output; norms are all ones, biases small. Rows
    that are no whole groups, and the embeddings of patches, are F32. A tensor depends on its name and the seed, so that
    it is the same whenever it is made.
    """

    def __init__(self, config: ModelConfig | VisionConfig, *, inner: str, outer: str, seed: int) -> None:
        self._shapes = expected_shapes(config) if isinstance(config, ModelConfig) else vision_shapes(config)
        self._inner, self._outer, self._seed = inner, outer, seed

    def kind(self, name: str) -> str:
        """The GGUF type of a tensor."""
        shape = self._shapes[name]
        if len(shape) != 2 or shape[1] % _GROUP or ".embeddings." in name:
            return "F32"
        return self._outer if name in (_EMBEDDING, "lm_head.weight") else self._inner

    def blocks(self, name: str) -> Blocks:
        """The tensor as stored, uint8 [rows, bytes of a row]."""
        kind, shape = self.kind(name), self._shapes[name]
        if kind == "F32":
            return Blocks(kind, self._drawn(name).reshape(shape[0], -1).view(np.uint8))
        rows, columns = shape
        groups = rows * columns // _GROUP
        return Blocks(kind, _random_blocks(kind, groups, columns, self._generator(name)).reshape(rows, -1))

    def release(self, name: str) -> None:
        """Nothing is kept."""

    def __getitem__(self, name: str) -> torch.Tensor:
        import torch

        return torch.from_numpy(self.numbers(name))

    def numbers(self, name: str) -> NDArray[np.float32]:
        """The tensor, dequantised."""
        kind, raw = self.blocks(name)
        if kind == "F32":
            return self._drawn(name)
        return dequantise(raw.reshape(-1), kind).reshape(self._shapes[name])

    def __iter__(self) -> Iterator[str]:
        return iter(self._shapes)

    def __len__(self) -> int:
        return len(self._shapes)

    def _drawn(self, name: str) -> NDArray[np.float32]:
        shape = self._shapes[name]
        if len(shape) == 1 and not name.endswith(".bias"):
            return np.ones(shape, np.float32)
        numbers = self._generator(name).standard_normal(shape, np.float32)
        numbers *= np.float32(math.prod(shape[1:]) ** -0.5 if len(shape) > 1 else _BIAS)
        return numbers

    def _generator(self, name: str) -> np.random.Generator:
        digest = hashlib.blake2b(name.encode(), digest_size=8, key=self._seed.to_bytes(8, "little", signed=True))
        return np.random.default_rng(int.from_bytes(digest.digest(), "little"))


def plain_tokenizer(num_tokens: int, *, marked: bool = False) -> Tokenizer:
    """A vocabulary of bytes and made-up words, `num_tokens` in all (no fewer than 256).

    `marked`: with the marks of pictures, in the places where SmolVLM2 has them.
    """
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    words = [f"word{number}" for number in range(num_tokens - len(alphabet))]
    tokens = [*alphabet, *words]
    if marked:
        tokens[_FIRST_MARK : _FIRST_MARK + len(_MARKS)], tokens[_END] = _MARKS, "<end_of_utterance>"
    vocabulary = {token: token_id for token_id, token in enumerate(tokens)}
    backend = tokenizers.Tokenizer(models.BPE(vocab=vocabulary, merges=[]))
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    backend.decoder = decoders.ByteLevel()
    if marked:
        backend.add_tokens([AddedToken(mark, special=True, normalized=False) for mark in (*_MARKS, tokens[_END])])
    return Tokenizer(backend, ())


def _stored_for(dtype: str) -> tuple[str, str]:
    """How layers and embedding are stored so that the kernels take them as they are."""
    dtype = dtype_by_name(dtype)
    if dtype not in ("int4", "int8"):
        return "F32", "F32"
    return choose_format(["F32"], dtype, outer=False).upper(), choose_format(["F32"], dtype, outer=True).upper()


def _random_blocks(kind: str, groups: int, columns: int, generator: np.random.Generator) -> Bytes:
    """Groups of 32 weights with mean 0 and variance 1 / `columns`, uint8 [groups, bytes of a block].

    The scales are halves; those of the groups differ a little, as real ones do.
    """
    num_codes = _GROUP if kind == "Q8_0" else _GROUP // 2
    num_halves = 2 if kind == "Q4_1" else 1
    blocks = np.empty((groups, 2 * num_halves + num_codes), np.uint8)
    deviation = _DEVIATIONS[kind] * columns**0.5
    for start in range(0, groups, _CHUNK_GROUPS):
        some = blocks[start : start + _CHUNK_GROUPS]
        spread_G1 = generator.uniform(0.8, 1.2, (len(some), 1)).astype(np.float32)
        scales_G1 = (spread_G1 / np.float32(deviation)).astype(np.float16)
        some[:, :2] = scales_G1.view(np.uint8)
        if kind == "Q4_1":
            some[:, 2:4] = (scales_G1 * np.float16(-7.5)).view(np.uint8)
        codes = np.frombuffer(generator.bytes(len(some) * num_codes), np.uint8).reshape(-1, num_codes)
        some[:, 2 * num_halves :] = _centred(codes, kind)
    return blocks


def _centred(codes: Bytes, kind: str) -> Bytes:
    """Codes whose mean is 0: the least of Q4_0 (0, for -8) and of Q8_0 (128, for -128) have none opposite and become 0.

    A mean would put the same direction into every matrix, and scores would depend on little else.
    """
    if kind == "Q8_0":
        return np.where(codes == 128, np.uint8(0), codes)
    if kind == "Q4_0":
        codes = np.where(codes & 15 == 0, codes | np.uint8(8), codes)
        return np.where(codes & 240 == 0, codes | np.uint8(128), codes)
    return codes


def _smollm2(*, hidden: int, inner: int, layers: int, heads: int, kv_heads: int, vocab: int) -> ModelConfig:
    return ModelConfig(
        architecture="llama",
        vocab_size=vocab,
        hidden_size=hidden,
        intermediate_size=inner,
        num_layers=layers,
        num_heads=heads,
        num_kv_heads=kv_heads,
        head_dim=64,
        norm_eps=1e-5,
        context_length=8192,
        rope_theta=100_000.0 if hidden < 2048 else 130_000.0,
        rope_layers=(True,) * layers,
        yarn=None,
        tied_embeddings=True,
        stop_ids=(),
        bos_id=None,
    )


def _smolvlm2(*, hidden: int, inner: int, layers: int, heads: int, kv_heads: int) -> ModelConfig:
    """SmolLM2 with the marks of pictures in its vocabulary, and an output matrix of its own."""
    config = _smollm2(hidden=hidden, inner=inner, layers=layers, heads=heads, kv_heads=kv_heads, vocab=49_280)
    return replace(config, tied_embeddings=False)
