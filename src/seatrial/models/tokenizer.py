"""Text to token ids and back, for byte-level BPE vocabularies.

In: a `tokenizer.json`, or the vocabulary in a GGUF file's metadata. Out: a `Tokenizer`. Which pre-tokenizer a GGUF
vocabulary wants is only known by name; an unknown name is refused, because a wrong split changes every answer
without any error. Torch-free.
"""

from __future__ import annotations

import contextlib
import functools
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import tokenizers
from tokenizers import AddedToken, Regex, decoders, models, pre_tokenizers

from seatrial.errors import CheckpointError, UnsupportedModel, UsageError
from seatrial.models.quoting import named, one_line, quoted

_MOST_BYTES = 256 << 20
_LONG_CHARACTERS = 4_096
_CONTROL, _USER_DEFINED = 3, 4
_SURROGATE = re.compile("[\ud800-\udfff]")
_LLAMA3_SPLIT = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*"
    r"|\s*[\r\n]+|\s+(?!\S)|\s+"
)
# Special tokens that carry meaning for whoever reads the answer, so decoding keeps them.
_MARKERS = frozenset({"<think>", "</think>", "<tool_call>", "</tool_call>", "<code>", "</code>"})


class Tokenizer:
    """A vocabulary. `prefix_ids` open a plain text (a beginning-of-text token) where the model was trained so."""

    def __init__(self, backend: tokenizers.Tokenizer, prefix_ids: tuple[int, ...]) -> None:
        backend.no_padding()
        backend.no_truncation()
        self.backend, self.prefix_ids = backend, prefix_ids
        added = backend.get_added_tokens_decoder()
        self._added = {token_id: token.content for token_id, token in added.items()}
        self._added_ids = {content: token_id for token_id, content in self._added.items()}
        self._silent = {i for i, token in added.items() if token.special and token.content not in _MARKERS}
        self.num_tokens = max(backend.get_vocab(with_added_tokens=True).values(), default=-1) + 1

    def encode(self, text: str, *, with_prefix: bool = False) -> list[int]:
        """Token ids of a text; special tokens written out in it are recognised, as transformers does.

        Raises UsageError for half of a surrogate pair, which JSON can write and UTF-8 cannot, CheckpointError where the
        tokenizer fails.
        """
        half = _SURROGATE.search(text)
        if half is not None:
            raise UsageError(
                f"The prompt holds half of a surrogate pair ({half[0]!a}) at character {half.start():,}, which is no "
                "character. Leave it out."
            )
        with _failures_as("fails on this text"):
            if len(text) < _LONG_CHARACTERS:
                ids = self.backend.encode(text, add_special_tokens=False).ids
            else:  # other threads go on meanwhile
                ids = self.backend.encode_batch_fast([text], add_special_tokens=False)[0].ids
        return [*self.prefix_ids, *ids] if with_prefix else ids

    def decode(self, ids: Iterable[int]) -> str:
        """The text of token ids, special tokens left out; bytes that are no UTF-8 become U+FFFD."""
        return b"".join(map(self.token_bytes, ids)).decode("utf-8", errors="replace")

    def token_bytes(self, token_id: int) -> bytes:
        """The bytes one token stands for: none for a special token or an id outside the vocabulary."""
        if token_id in self._silent:
            return b""
        if token_id in self._added:
            return self._added[token_id].encode()
        token = self.backend.id_to_token(token_id)
        if token is None:
            return b""
        alphabet = _byte_of_character()
        return b"".join(bytes([alphabet[c]]) if c in alphabet else c.encode() for c in token)

    def token_id(self, token: str) -> int | None:
        """The id of a token by its spelling in the vocabulary."""
        found: int | None = self.backend.token_to_id(token)
        return found

    def added_id(self, text: str) -> int | None:
        """The id of a token that was added to the vocabulary, and so is never made of pieces, by its text."""
        return self._added_ids.get(text)

    def token_text(self, token_id: int | None) -> str | None:
        """The spelling of a token in the vocabulary."""
        return None if token_id is None else self.backend.id_to_token(token_id)


def tokenizer_from_json(path: Path) -> Tokenizer:
    """Read a `tokenizer.json`. Raises CheckpointError, or UnsupportedModel where it is not byte-level BPE."""
    try:
        if path.stat().st_size > _MOST_BYTES:
            raise CheckpointError(f"larger than {_MOST_BYTES:,} bytes", path=path)
        text = path.read_text(encoding="utf-8")
        raw = json.loads(text)
    except FileNotFoundError as error:
        raise CheckpointError(
            "this file is missing; a checkpoint folder holds config.json, tokenizer.json and .safetensors files",
            path=path,
        ) from error
    except (OSError, ValueError, RecursionError) as error:
        raise CheckpointError(f"not readable JSON: {error}", path=path) from error
    model, decoder = _type_of(raw, "model"), _type_of(raw, "decoder")
    if (model, decoder) != ("BPE", "ByteLevel"):
        raise UnsupportedModel(f"tokenizer {model} with decoder {decoder}; known: BPE with ByteLevel", path=path)
    for option in ("dropout", "continuing_subword_prefix", "end_of_word_suffix"):
        if raw["model"].get(option):
            raise UnsupportedModel("this option is not one we know", path=path, field=option)
    with _failures_as("is not one", path):
        backend = tokenizers.Tokenizer.from_str(text)
        return Tokenizer(backend, tuple(backend.encode("", add_special_tokens=True).ids))


def tokenizer_from_gguf(metadata: Mapping[str, Any], path: Path) -> Tokenizer:
    """Build the tokenizer that GGUF metadata describes. Raises CheckpointError or UnsupportedModel."""
    kind = metadata.get("tokenizer.ggml.model")
    if kind != "gpt2":
        raise UnsupportedModel(
            f"vocabulary of kind {quoted(kind)}; known: `gpt2` (byte-level BPE)",
            path=path,
            field="tokenizer.ggml.model",
        )
    pre = metadata.get("tokenizer.ggml.pre")
    splits = _pre_tokenizers()
    if not isinstance(pre, str) or pre not in splits:
        known = ", ".join(f"`{name}`" for name in splits)
        raise UnsupportedModel(
            f"pre-tokenizer {quoted(pre)} is not one we know; known: {known}", path=path, field="tokenizer.ggml.pre"
        )
    tokens = _texts(metadata, "tokenizer.ggml.tokens", path)
    vocabulary = {token: token_id for token_id, token in enumerate(tokens)}
    if len(vocabulary) != len(tokens):
        raise CheckpointError("a token stands twice", path=path, field="tokenizer.ggml.tokens")
    merges = _merges(metadata, path)
    with _failures_as("cannot be built, the merges do not fit the tokens", path):
        # llama.cpp takes a whole word that is in the vocabulary as it stands for `llama-bpe` alone.
        backend = tokenizers.Tokenizer(models.BPE(vocab=vocabulary, merges=merges, ignore_merges=pre == "llama-bpe"))
    backend.pre_tokenizer = splits[pre]
    backend.decoder = decoders.ByteLevel()
    _add_special(backend, tokens, metadata, path)
    return Tokenizer(backend, _gguf_prefix(metadata, pre, path))


@contextlib.contextmanager
def _failures_as(what: str, path: Path | None = None) -> Iterator[None]:
    """The library's errors as CheckpointError. It has none of its own, and panics that are no `Exception`."""
    try:
        yield
    except BaseException as error:
        if not isinstance(error, Exception) and type(error).__name__ != "PanicException":
            raise
        raise CheckpointError(f"the tokenizer {what}: {one_line(error)}", path=path) from error


def _pre_tokenizers() -> dict[str, pre_tokenizers.PreTokenizer]:
    """How text is cut before merging, by llama.cpp's names."""
    llama3 = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(_LLAMA3_SPLIT), behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    smollm = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Digits(individual_digits=True),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True),
        ]
    )
    gpt2 = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)
    return {"smollm": smollm, "llama-bpe": llama3, "smaug-bpe": llama3, "gpt-2": gpt2}


def _type_of(raw: Any, part: str) -> str | None:
    section = raw.get(part) if isinstance(raw, dict) else None
    kind = section.get("type") if isinstance(section, dict) else None
    return named(kind) if isinstance(kind, str) else None


def _texts(metadata: Mapping[str, Any], key: str, path: Path) -> list[str]:
    value = metadata.get(key)
    if not isinstance(value, list) or not value or not all(isinstance(text, str) for text in value):
        raise CheckpointError("expected a list of texts", path=path, field=key)
    return value


def _merges(metadata: Mapping[str, Any], path: Path) -> list[tuple[str, str]]:
    key = "tokenizer.ggml.merges"
    pairs = [tuple(merge.split(" ")) for merge in _texts(metadata, key, path)]
    wrong = next((pair for pair in pairs if len(pair) != 2), None)
    if wrong is not None:
        raise CheckpointError(f"{quoted(' '.join(wrong))} is not a pair", path=path, field=key)
    return [(pair[0], pair[1]) for pair in pairs]


def _add_special(backend: tokenizers.Tokenizer, tokens: list[str], metadata: Mapping[str, Any], path: Path) -> None:
    key = "tokenizer.ggml.token_type"
    kinds = metadata.get(key, [])
    if not isinstance(kinds, list) or len(kinds) not in (0, len(tokens)):
        raise CheckpointError(f"expected {len(tokens):,} token types", path=path, field=key)
    added = [
        AddedToken(token, special=kind == _CONTROL, normalized=False)
        for token, kind in zip(tokens, kinds, strict=False)
        if kind in (_CONTROL, _USER_DEFINED) and token
    ]
    backend.add_tokens(added)
    if backend.get_vocab_size(with_added_tokens=True) != len(tokens):
        raise CheckpointError("a special token is not in the vocabulary", path=path, field=key)


def _gguf_prefix(metadata: Mapping[str, Any], pre: str, path: Path) -> tuple[int, ...]:
    wanted = metadata.get("tokenizer.ggml.add_bos_token", pre == "llama-bpe")
    bos_id = metadata.get("tokenizer.ggml.bos_token_id")
    if wanted is not True or bos_id is None:
        return ()
    if not isinstance(bos_id, int):
        raise CheckpointError(f"{quoted(bos_id)} is not a token id", path=path, field="tokenizer.ggml.bos_token_id")
    return (bos_id,)


@functools.cache
def _byte_of_character() -> dict[str, int]:
    """The printable stand-in of each byte in GPT-2's vocabularies.

    Printable Latin-1 stands for itself; the other 68 bytes take the code points from 256 on, in order: byte 0 is
    U+0100, byte 32 (a space) is U+0120.
    """
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [byte for byte in range(256) if byte not in set(printable)]
    return {chr(byte): byte for byte in printable} | {chr(256 + i): byte for i, byte in enumerate(others)}
