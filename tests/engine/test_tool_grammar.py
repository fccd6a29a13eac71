"""Tool calls by grammar: whatever a model picks from the masks is calls that fit, or text around them."""

from __future__ import annotations

import json
import random
import re
from typing import Any

import numpy as np
import pytest
import tokenizers
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from tokenizers import AddedToken, decoders, models, pre_tokenizers

from seatrial.engine.grammar import GrammarCompiler, Matcher
from seatrial.engine.tool_grammar import CLOSING, OPENING, HeldTool, tools_constraint
from seatrial.errors import UsageError
from seatrial.models.tokenizer import Tokenizer

MERGES = ['{ "', '" :', '" ,', '" }', "t o", "< t", ": Ġ", "} }", "o o", "a b"]
STOPS = (0,)
AB = {"type": "object", "properties": {"a": {"type": "integer", "maximum": 99}, "b": {"type": "boolean"}}}
AB |= {"required": ["a"]}
REFERRING = {
    "type": "object",
    "properties": {"n": {"$ref": "#/$defs/n"}},
    "required": ["n"],
    "$defs": {"n": {"enum": ["x", "y</tool_call>"]}},
}
TOOLS = {"add": AB, "address": REFERRING, "now": {}}
HELD = [HeldTool(name, schema) for name, schema in TOOLS.items()]


def vocabulary(added: list[str]) -> Tokenizer:
    spellings = ["<|im_end|>", "<|im_start|>", "<think>", *added, *sorted(pre_tokenizers.ByteLevel.alphabet())]
    spellings += [merge.replace(" ", "") for merge in MERGES]
    pairs = [tuple(merge.split(" ")) for merge in MERGES]
    backend = tokenizers.Tokenizer(models.BPE(vocab={text: i for i, text in enumerate(spellings)}, merges=pairs))
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    backend.decoder = decoders.ByteLevel()
    backend.add_tokens([AddedToken(text, special=True, normalized=False) for text in spellings[: 3 + len(added)]])
    return Tokenizer(backend, ())


def compiler(tokenizer: Tokenizer) -> GrammarCompiler:
    return GrammarCompiler(tokenizer, tokenizer.num_tokens, STOPS)


VOCABULARIES = [vocabulary([]), vocabulary([OPENING, CLOSING])]
COMPILERS = [compiler(each) for each in VOCABULARIES]


def allowed(matcher: Matcher) -> list[int]:
    return np.flatnonzero(np.unpackbits(matcher.mask().view(np.uint8), bitorder="little")).tolist()


def babble(matcher: Matcher, tokenizer: Tokenizer, rng: random.Random) -> str:
    """What a model says that picks allowed tokens at random, brings what it opened to an end and stops when it can."""
    closing = [*STOPS, *(tokenizer.encode(sign)[0] for sign in '"}],:0')]
    tokens: list[int] = []
    while not matcher.finished:
        assert len(tokens) < 3000, tokenizer.decode(tokens)[-200:]
        options = allowed(matcher)
        ends = [token for token in closing if token in options]
        token = ends[0] if ends and rng.random() < (0.3 if len(tokens) < 150 else 0.9) else rng.choice(options)
        tokens.append(token)
        matcher.accept(token)
    assert not {1, 2} & set(tokens), "a role or a marker stands in the answer"
    return tokenizer.decode(token for token in tokens if token not in STOPS)


def checked(text: str) -> list[str]:
    """The names of the calls in a text; each must be in the form, and fit its tool's schema."""
    names = []
    for body in re.findall(r"<tool_call>\n(.*?)\n</tool_call>", text, re.DOTALL):
        # A closing tag may stand in a string, so a body is tried as it is and then with the rest of that string.
        call = json.loads(body if body.endswith("}}") else body + '\n</tool_call>"}}')
        assert list(call) == ["name", "arguments"]
        Draft202012Validator(TOOLS[call["name"]]).validate(call["arguments"])
        names.append(call["name"])
    return names


@settings(max_examples=60, deadline=None)
@given(st.sampled_from([0, 1]), st.booleans(), st.integers(0, 2**32))
def test_calls_that_must_come_are_all_that_comes(which: int, parallel: bool, seed: int) -> None:
    matcher = COMPILERS[which].compile(tools_constraint(HELD[::2], must_call=True, parallel=parallel))
    text = babble(matcher, VOCABULARIES[which], random.Random(seed))
    names = checked(text)
    assert names
    assert parallel or len(names) == 1
    assert re.sub(r"<tool_call>\n.*?\n</tool_call>", "", text, flags=re.DOTALL).strip("\n") == ""


def walk(matcher: Matcher, tokenizer: Tokenizer, text: str) -> bool:
    """Whether a text fits so far, its drafts included: what can only come next is what comes."""
    ids = tokenizer.encode(text)
    for token in ids:
        forced = matcher.forced()
        may_come = token in allowed(matcher)
        assert forced[:1] in ([], [token]) or not may_come
        if not may_come:
            return False
        matcher.accept(token)
    return True


def ends(matcher: Matcher) -> bool:
    return matcher.finished or STOPS[0] in allowed(matcher)


CALL = '<tool_call>\n{"name": "add", "arguments": {"a": 7, "b": true}}\n</tool_call>'
OTHER = '<tool_call>\n{"name": "address", "arguments": {"n": "x"}}\n</tool_call>'


@pytest.mark.parametrize("which", [0, 1])
class TestAuto:
    def test_text_is_free_and_a_call_once_begun_is_held_to(self, which: int) -> None:
        def fits(text: str, **how: Any) -> bool:
            matcher = COMPILERS[which].compile(tools_constraint(HELD, must_call=False, **how))
            return walk(matcher, VOCABULARIES[which], text)

        assert fits("Just text. <b> <tool {")
        assert fits(f"I look: {CALL}\nand {OTHER} there")
        assert fits(CALL + OTHER)
        assert not fits("So <tool_call>\n{'name'")
        assert not fits('<tool_call>\n{"name": "absent"')
        assert not fits(CALL.replace("7", '"seven"'))
        assert not fits(CALL.replace("7", "100"))
        assert fits(f"One: {CALL}", parallel=False)
        assert fits("None.", parallel=False)
        assert not fits(f"One: {CALL} and", parallel=False)

    def test_it_may_end_where_no_call_is_open(self, which: int) -> None:
        tokenizer = VOCABULARIES[which]
        matcher = COMPILERS[which].compile(tools_constraint(HELD, must_call=False))
        assert ends(matcher)
        assert walk(matcher, tokenizer, "Hm.")
        assert ends(matcher)
        assert walk(matcher, tokenizer, CALL[:-1] if which == 0 else CALL[: -len(CLOSING)])
        assert not ends(matcher)

    def test_or_json(self, which: int) -> None:
        constraint = tools_constraint(HELD, must_call=False, content={"type": "object"})
        for text, fit in (('{"any": 1}', True), (CALL, True), ("text", False)):
            assert walk(COMPILERS[which].compile(constraint), VOCABULARIES[which], text) is fit


@pytest.mark.parametrize("which", [0, 1])
def test_required_calls_and_nothing_else(which: int) -> None:
    for text, parallel, fit in (
        (CALL, False, True),
        (f"{CALL}\n{OTHER}", True, True),
        (f"{CALL}\n{OTHER}", False, False),
        (f"Well: {CALL}", True, False),
        (f"{CALL} and", True, False),
    ):
        matcher = COMPILERS[which].compile(tools_constraint(HELD, must_call=True, parallel=parallel))
        assert walk(matcher, VOCABULARIES[which], text) is fit


@pytest.mark.parametrize(
    "parameters", [{}, {"type": "object", "properties": {}}, {"properties": {}, "required": [], "title": "None"}]
)
def test_a_tool_without_arguments_gets_none(parameters: dict[str, Any]) -> None:
    matcher = COMPILERS[0].compile(tools_constraint([HeldTool("f", parameters)], must_call=True, parallel=False))
    assert walk(matcher, VOCABULARIES[0], '<tool_call>\n{"name": "f", "arguments": {}}\n</tool_call>')


UNKNOWN = {"type": "object", "properties": {"a": {"type": "array", "uniqueItems": True}}}


@pytest.mark.parametrize("parameters", [UNKNOWN, {"type": "string"}, {"type": 7}, {"$ref": "#/$defs/absent"}])
def test_what_cannot_be_followed_is_refused_where_it_is_strict(parameters: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match="parameters of the tool `f` cannot be held to") as refused:
        COMPILERS[0].compile(tools_constraint([HeldTool("f", parameters, strict=True)], must_call=True))
    assert refused.value.field == "tools"
    loose = COMPILERS[0].compile(tools_constraint([HeldTool("f", parameters)], must_call=True))
    assert walk(loose, VOCABULARIES[0], '<tool_call>\n{"name": "f", "arguments": {"any": [1, 1]}}\n</tool_call>')


def test_limits_and_whose_fault_it_is() -> None:
    with pytest.raises(UsageError, match="129 tools; calls can be held to 1 to 128"):
        COMPILERS[0].compile(tools_constraint([HeldTool(f"f{i}", {}) for i in range(129)], must_call=True))
    with pytest.raises(UsageError, match="characters; calls can be held to"):
        COMPILERS[0].compile(tools_constraint([HeldTool("f", {"title": "x" * 300_000})], must_call=True))
    with pytest.raises(UsageError, match="strin") as refused:
        COMPILERS[0].compile(tools_constraint(HELD, must_call=False, content={"type": "strin"}))
    assert refused.value.field == "json_schema"


def test_names_are_quoted() -> None:
    name = 'a"b\\é\n'
    matcher = COMPILERS[0].compile(tools_constraint([HeldTool(name, {})], must_call=True, parallel=False))
    said = babble(matcher, VOCABULARIES[0], random.Random(0))
    assert json.loads(said.removeprefix(OPENING).removesuffix(CLOSING)) == {"name": name, "arguments": {}}
