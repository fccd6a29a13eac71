"""Text to ids and back: GGUF vocabularies, `tokenizer.json`, refusals, and pieces of text while tokens arrive."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import tokenizers
from hypothesis import given, settings
from hypothesis import strategies as st

from seatrial.errors import CheckpointError, UnsupportedModel
from seatrial.models.detokenizer import Detokenizer
from seatrial.models.tokenizer import Tokenizer, tokenizer_from_gguf, tokenizer_from_json
from seatrial.models.weights.gguf_header import read_header

TEXTS = [
    "Hello, world!",
    "  leading and trailing  ",
    "It's 2024-12-31 and WE'LL pay 1234567.89 €",
    "line\n\nbreaks\r\n\tand tabs",
    "Größe 你好 мир שלום مرحبا हिन्दी ١٢٣ ½ Ⅷ",
    "🙂🙃 👩‍👩‍👧‍👦 e\u0301 \u200b\u3000",
    "a" * 100 + "0" * 30,
    "",
]


@pytest.fixture(scope="module")
def llama3(reference_data: Path) -> Tokenizer:
    path = reference_data / "tokenizers" / "llama3-bpe-vocab.gguf"
    return tokenizer_from_gguf(read_header(path).metadata, path)


@pytest.fixture(scope="module")
def smollm2(smollm2_gguf: Path) -> Tokenizer:
    return tokenizer_from_gguf(read_header(smollm2_gguf).metadata, smollm2_gguf)


@pytest.mark.parametrize("text", TEXTS)
def test_decoding_gives_the_text_back(llama3: Tokenizer, smollm2: Tokenizer, text: str) -> None:
    for tokenizer in (llama3, smollm2):
        ids = tokenizer.encode(text)
        assert tokenizer.decode(ids) == text
        assert tokenizer.decode(ids) == tokenizer.backend.decode(ids)


def test_published_llama3_ids(llama3: Tokenizer) -> None:
    """Ids as printed in Meta's and llama.cpp's own examples for this vocabulary."""
    assert llama3.encode("Hello world") == [9906, 1917]
    assert llama3.encode("Hello World!", with_prefix=True) == [128000, 9906, 4435, 0]
    assert llama3.encode("3333333") == [8765, 8765, 18]  # at most three digits to a token
    assert llama3.encode("<|begin_of_text|>") == [128000]


def test_smollm_splits_digits_one_by_one(smollm2: Tokenizer) -> None:
    assert [smollm2.token_text(i) for i in smollm2.encode("a 2024")] == ["a", "Ġ", "2", "0", "2", "4"]
    assert smollm2.encode("<|im_start|>user") == [1, 4093]
    assert smollm2.prefix_ids == ()


def test_special_tokens_are_silent_except_markers() -> None:
    tokens = ["<|end|>", "<think>", "</think>", "a"]
    metadata = {
        "tokenizer.ggml.model": "gpt2",
        "tokenizer.ggml.pre": "smaug-bpe",
        "tokenizer.ggml.tokens": [*tokens, "b", "ab"],
        "tokenizer.ggml.token_type": [3, 3, 4, 1, 1, 1],
        "tokenizer.ggml.merges": ["a b"],
    }
    tokenizer = tokenizer_from_gguf(metadata, Path("x.gguf"))
    assert tokenizer.encode("<think>ab</think><|end|>") == [1, 5, 2, 0]
    assert tokenizer.decode([1, 5, 2, 0, 999]) == "<think>ab</think>"


def metadata_of(tokenizer_pre: Any = "smollm", **changes: Any) -> dict[str, Any]:
    return {
        "tokenizer.ggml.model": "gpt2",
        "tokenizer.ggml.pre": tokenizer_pre,
        "tokenizer.ggml.tokens": ["a", "b", "ab"],
        "tokenizer.ggml.merges": ["a b"],
    } | {f"tokenizer.ggml.{key}": value for key, value in changes.items()}


@pytest.mark.parametrize("pre", ["qwen2", "default", None, 3, ""])
def test_unknown_pre_tokenizer_is_refused_by_name(pre: Any) -> None:
    with pytest.raises(UnsupportedModel, match=rf"tokenizer.ggml.pre.*{pre}.*`smollm`"):
        tokenizer_from_gguf(metadata_of(pre), Path("x.gguf"))


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"model": "llama"}, "vocabulary of kind 'llama'"),
        ({"tokens": []}, "list of texts"),
        ({"tokens": ["a", "b", "a"]}, "stands twice"),
        ({"merges": ["a"]}, "not a pair"),
        ({"merges": ["a b c"]}, "not a pair"),
        ({"merges": ["a z"]}, "merges do not fit"),
        ({"token_type": [1]}, "3 token types"),
        ({"add_bos_token": True, "bos_token_id": "x"}, "not a token id"),
    ],
)
def test_broken_vocabularies(changes: dict[str, Any], reason: str) -> None:
    with pytest.raises(CheckpointError, match=reason):
        tokenizer_from_gguf(metadata_of(**changes), Path("x.gguf"))


def test_tokenizer_json_of_another_kind_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "tokenizer.json"
    tokenizers.Tokenizer(tokenizers.models.WordLevel({"a": 0}, unk_token="a")).save(str(path))
    with pytest.raises(UnsupportedModel, match=r"WordLevel.*known: BPE with ByteLevel"):
        tokenizer_from_json(path)


def test_tokenizer_json_keeps_its_beginning_of_text(tmp_path: Path, tiny: Callable[..., Any]) -> None:
    folder = tiny().write_folder(tmp_path)
    raw = json.loads((folder / "tokenizer.json").read_text())
    raw["post_processor"] = {
        "type": "TemplateProcessing",
        "single": [{"SpecialToken": {"id": "<|im_start|>", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}],
        "pair": [{"Sequence": {"id": "A", "type_id": 0}}, {"Sequence": {"id": "B", "type_id": 1}}],
        "special_tokens": {"<|im_start|>": {"id": "<|im_start|>", "ids": [1], "tokens": ["<|im_start|>"]}},
    }
    raw["truncation"] = {"direction": "Right", "max_length": 2, "strategy": "LongestFirst", "stride": 0}
    (folder / "tokenizer.json").write_text(json.dumps(raw))
    tokenizer = tokenizer_from_json(folder / "tokenizer.json")
    assert tokenizer.encode("hello hello", with_prefix=True)[0] == 1
    assert tokenizer.decode(tokenizer.encode("hello hello")) == "hello hello"


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_damaged_tokenizer_json(
    tmp_path_factory: pytest.TempPathFactory, tiny_json: bytes, data: st.DataObject
) -> None:
    path = tmp_path_factory.getbasetemp() / "damaged_tokenizer.json"
    damaged = bytearray(tiny_json)
    for _ in range(data.draw(st.integers(1, 3))):
        damaged[data.draw(st.integers(0, len(damaged) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    path.write_bytes(bytes(damaged[: data.draw(st.integers(len(damaged) - 40, len(damaged)))]))
    with contextlib.suppress(CheckpointError):
        tokenizer_from_json(path).encode("hello world 123")


@pytest.fixture(scope="module")
def tiny_json(tmp_path_factory: pytest.TempPathFactory, tiny: Callable[..., Any]) -> bytes:
    return (tiny().write_folder(tmp_path_factory.mktemp("tiny")) / "tokenizer.json").read_bytes()


@settings(max_examples=200, deadline=None)
@given(text=st.text(max_size=60))
def test_pieces_join_to_the_text_and_never_hold_half_a_character(smollm2: Tokenizer, text: str) -> None:
    ids = smollm2.encode(text)
    detokenizer = Detokenizer(smollm2)
    pieces = [detokenizer.push(token_id) for token_id in ids] + [detokenizer.finish()]
    # The vocabulary has no token for some control characters, and special ones are silent: encoding may lose a few.
    assert "".join(pieces) == smollm2.decode(ids) == smollm2.backend.decode(ids)
    if "\ufffd" not in smollm2.decode(ids):
        assert not any("\ufffd" in piece for piece in pieces)


def test_an_emoji_of_several_tokens_comes_out_once(smollm2: Tokenizer) -> None:
    ids = smollm2.encode("👩‍👧")
    assert len(ids) > 3
    detokenizer = Detokenizer(smollm2)
    pieces = [detokenizer.push(token_id) for token_id in ids]
    assert [piece for piece in pieces if piece] == ["👩", "\u200d", "👧"]


def test_a_character_that_is_never_finished_is_replaced(smollm2: Tokenizer) -> None:
    detokenizer = Detokenizer(smollm2)
    ids = smollm2.encode("🙂")
    assert detokenizer.push(ids[0]) == ""
    assert detokenizer.finish() == "\ufffd"


@settings(max_examples=200, deadline=None)
@given(text=st.text("abcE N\n", max_size=30), stop=st.text("abE N", min_size=1, max_size=4))
def test_a_stop_text_cuts_wherever_tokens_end(smollm2: Tokenizer, text: str, stop: str) -> None:
    detokenizer = Detokenizer(smollm2, (stop,))
    seen = ""
    for token_id in smollm2.encode(text):
        seen += detokenizer.push(token_id)
        assert stop not in seen
        if detokenizer.stopped:
            break
    seen += detokenizer.finish()
    assert detokenizer.stopped is (stop in text)
    assert seen == text.split(stop)[0]


def test_of_several_stop_texts_the_first_to_be_complete_cuts(smollm2: Tokenizer) -> None:
    detokenizer = Detokenizer(smollm2, ("END", "\n\n", ""))
    pieces = [detokenizer.push(token_id) for token_id in smollm2.encode("one\ntwo EN three END four\n\n")]
    assert "".join(pieces) == "one\ntwo EN three "
