"""Reasoning followed token by token, whatever the vocabulary makes of its tags, and ended when its budget is spent."""

from __future__ import annotations

import pytest
import tokenizers
from tokenizers import AddedToken, decoders, models, pre_tokenizers

from seatrial.engine.reasoning import Reasoning
from seatrial.engine.request import Thinking
from seatrial.models.tokenizer import Tokenizer

MERGES = ["< /", "t h", "i n", "k >", "> Ċ"]


def vocabulary(added: list[str]) -> Tokenizer:
    spellings = [*added, *sorted(pre_tokenizers.ByteLevel.alphabet()), *(merge.replace(" ", "") for merge in MERGES)]
    pairs = [tuple(merge.split(" ")) for merge in MERGES]
    backend = tokenizers.Tokenizer(models.BPE(vocab={text: i for i, text in enumerate(spellings)}, merges=pairs))
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    backend.decoder = decoders.ByteLevel()
    backend.add_tokens([AddedToken(text, special=True, normalized=False) for text in added])
    return Tokenizer(backend, ())


@pytest.fixture(params=["tokens", "pieces"])
def tokenizer(request: pytest.FixtureRequest) -> Tokenizer:
    return vocabulary(["<think>", "</think>"] if request.param == "tokens" else [])


def follow(tokenizer: Tokenizer, thinking: Thinking, wish: str, *, held: bool = False) -> tuple[str, int]:
    """What a model with this wish is made to write, and how many tokens of it are reasoning."""
    reasoning, written = Reasoning(thinking, tokenizer, then_held=held), []
    wished = tokenizer.encode(wish)
    while wished or reasoning.forced:
        token = reasoning.forced[0] if reasoning.forced else wished.pop(0)
        written.append(token)
        reasoning.take(token)
    return tokenizer.decode(written), reasoning.num_tokens


def test_what_ends_by_itself_is_left_alone(tokenizer: Tokenizer) -> None:
    for wish in ("<think>hm</think>\nyes", "\n <think>hm</think> yes", "no <think>hm", "yes", "<thin"):
        assert follow(tokenizer, Thinking(max_tokens=50), wish)[0] == wish
    assert follow(tokenizer, Thinking(), "no <think>hm</think>")[1] == 0
    assert follow(tokenizer, Thinking(is_open=True), "hm</think>") == (
        "hm</think>",
        2 + len(tokenizer.encode("</think>")),
    )


def test_a_spent_budget_puts_the_tag_in(tokenizer: Tokenizer) -> None:
    assert follow(tokenizer, Thinking(max_tokens=3), "<think>abcdef")[0] == "<think>abc\n</think>\ndef"
    assert follow(tokenizer, Thinking(max_tokens=3), "<think>ab\ndef")[0] == "<think>ab\n</think>\ndef"
    assert follow(tokenizer, Thinking(max_tokens=0), "<think>abc")[0] == "<think>\n</think>\nabc"
    assert follow(tokenizer, Thinking(is_open=True, max_tokens=0), "abc")[0] == "\n</think>\nabc"


def test_no_character_is_cut(tokenizer: Tokenizer) -> None:
    assert follow(tokenizer, Thinking(max_tokens=2), "<think>a😀bc")[0] == "<think>a😀\n</think>\nbc"
    endless = Reasoning(Thinking(is_open=True, max_tokens=2), tokenizer, then_held=False)
    half = tokenizer.encode("😀")[0]
    for _ in range(5):
        assert not endless.forced
        endless.take(half)
    assert endless.forced


def test_a_line_break_follows_where_something_must_come(tokenizer: Tokenizer) -> None:
    opened = Thinking(is_open=True)
    assert follow(tokenizer, opened, "hm</think>", held=True)[0] == "hm</think>\n"


def test_none_follows_where_the_tag_came_with_its_own() -> None:
    tokenizer = vocabulary([])
    reasoning = Reasoning(Thinking(is_open=True), tokenizer, then_held=True)
    for token in [*tokenizer.encode("hm</thin"), tokenizer.token_id("k") or 0, tokenizer.token_id(">Ċ") or 0]:
        reasoning.take(token)
    assert reasoning.is_over


def test_where_something_must_come_only_a_tag_of_one_token_opens() -> None:
    for added, opens in ((["<think>", "</think>"], True), ([], False)):
        tokenizer = vocabulary(added)
        reasoning = Reasoning(Thinking(), tokenizer, then_held=True)
        assert (reasoning.opening_id is not None) is opens
        assert reasoning.take(tokenizer.encode("<think>")[0]) is opens
        assert (reasoning.is_open, reasoning.is_over) == (opens, not opens)


def test_states(tokenizer: Tokenizer) -> None:
    reasoning = Reasoning(Thinking(), tokenizer, then_held=False)
    seen = []
    for token in tokenizer.encode("\n<think>a</think>b"):
        reasoning.take(token)
        state = "head" if reasoning.is_head else "open" if reasoning.is_open else "over"
        if not seen or seen[-1] != state:
            seen.append(state)
    assert seen == ["head", "open", "over"]
    assert reasoning.is_over
