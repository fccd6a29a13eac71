"""Constrained output: whatever a model picks from the masks fits; what cannot be held to is refused with a reason."""

from __future__ import annotations

import json
import random
import re
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import pytest
import tokenizers
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from tokenizers import AddedToken, decoders, models, pre_tokenizers

from seatrial.engine import grammar
from seatrial.engine.grammar import GrammarCompiler, Matcher
from seatrial.engine.request import Constraint
from seatrial.errors import UsageError
from seatrial.models.tokenizer import Tokenizer

ADDED = ["<|endoftext|>", "<|im_start|>", "<|im_end|>", "<think>"]
MERGES = ['{ "', '" :', '" ,', '" }', "t r", "u e", "tr ue", "1 2", "Ġ Ġ", "Ċ Ġ", ": Ġ", "a b", "Ã ©", "} }"]
STOPS = (0, 2)


def small_tokenizer(words: Sequence[str] = ()) -> Tokenizer:
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    spellings = [*ADDED, *alphabet, *(merge.replace(" ", "") for merge in MERGES), *words]
    pairs = [tuple(merge.split(" ")) for merge in MERGES]
    backend = tokenizers.Tokenizer(models.BPE(vocab={text: i for i, text in enumerate(spellings)}, merges=pairs))
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    backend.decoder = decoders.ByteLevel()
    backend.add_tokens([AddedToken(text, special=text != "<think>", normalized=False) for text in ADDED])
    return Tokenizer(backend, ())


TOKENIZER = small_tokenizer()
SIZE = TOKENIZER.num_tokens
COMPILER = GrammarCompiler(TOKENIZER, SIZE, STOPS)


def follow(kind: Any, value: Any = "", compiler: GrammarCompiler = COMPILER) -> Matcher:
    return compiler.compile(Constraint(kind, value if isinstance(value, str) else json.dumps(value)))


def schema(value: Any) -> Matcher:
    return follow("json_schema", json.dumps(value))


def allowed(mask: np.ndarray) -> list[int]:
    return np.flatnonzero(np.unpackbits(mask.view(np.uint8), bitorder="little")).tolist()


def takes(matcher: Matcher, text: str) -> bool:
    """Whether a text fits as a whole, token by token along the masks."""
    for token in TOKENIZER.encode(text):
        if token not in allowed(matcher.mask()):
            return False
        matcher.accept(token)
    return set(STOPS) <= set(allowed(matcher.mask()))


def babble(matcher: Matcher, rng: random.Random, *, wild: int = 120, most: int = 3_000) -> str:
    """The text of a model that picks allowed tokens at random, and after a while those that bring it to an end."""
    tokens: list[int] = []
    closing = [*STOPS, *(TOKENIZER.encode(sign)[0] for sign in '"}],:0')]
    while not matcher.finished:
        assert len(tokens) < most, f"does not come to an end: {TOKENIZER.decode(tokens)[-200:]!r}"
        options = allowed(matcher.mask())
        ends = [token for token in closing if token in options]
        in_haste = rng.random() < (0.8 if len(tokens) > wild else 0.3)
        token = ends[0] if ends and in_haste else rng.choice(options)
        tokens.append(token)
        matcher.accept(token)
    assert not set(tokens) & {1, 3}, "a role or a marker stands in the answer"
    return TOKENIZER.decode([token for token in tokens if token not in STOPS])


# --- random schemas ---------------------------------------------------------------------------------------------------

plain_json = st.recursive(
    st.none() | st.booleans() | st.integers(-1000, 1000) | st.text(st.characters(codec="utf-8"), max_size=6),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text('aé "\\\n{', max_size=4), inner, max_size=3),
    max_leaves=5,
)


@st.composite
def strings(draw: st.DrawFn) -> dict[str, Any]:
    kind = draw(st.sampled_from(["free", "bounded", "pattern", "format"]))
    if kind == "bounded":
        least = draw(st.integers(0, 5))
        return {"type": "string", "minLength": least, "maxLength": least + draw(st.integers(0, 6))}
    if kind == "pattern":
        return {"type": "string", "pattern": draw(st.sampled_from([r"^[a-z]{2,4}$", r"\d+", "^é+ü?$", r"^(ab|c)*$"]))}
    if kind == "format":
        return {"type": "string", "format": draw(st.sampled_from(["date", "time", "date-time", "ipv4", "uuid"]))}
    return {"type": "string"}


@st.composite
def numbers(draw: st.DrawFn) -> dict[str, Any]:
    made: dict[str, Any] = {"type": draw(st.sampled_from(["integer", "number"]))}
    least = draw(st.integers(-200, 200))
    if draw(st.booleans()):
        made[draw(st.sampled_from(["minimum", "exclusiveMinimum"]))] = least
    if draw(st.booleans()):
        made[draw(st.sampled_from(["maximum", "exclusiveMaximum"]))] = least + draw(st.integers(2, 300))
    return made


@st.composite
def arrays(draw: st.DrawFn, inner: st.SearchStrategy[Any]) -> dict[str, Any]:
    least = draw(st.integers(0, 2))
    made = {"type": "array", "items": draw(inner), "minItems": least, "maxItems": least + draw(st.integers(0, 2))}
    if draw(st.booleans()):
        made["prefixItems"] = draw(st.lists(inner, min_size=1, max_size=2))
    return made


@st.composite
def objects(draw: st.DrawFn, inner: st.SearchStrategy[Any]) -> dict[str, Any]:
    names = draw(st.lists(st.sampled_from(["a", "b", "é", "long name", 'quo"te', "properties"]), unique=True))
    made: dict[str, Any] = {"type": "object", "properties": {name: draw(inner) for name in names}}
    made["required"] = [name for name in names if draw(st.booleans())]
    others = draw(st.sampled_from(["left out", False, True, "a schema"]))
    if others != "left out":
        made["additionalProperties"] = draw(inner) if others == "a schema" else others
    return made


leaves = (
    strings()
    | numbers()
    | st.sampled_from(
        [{"type": "boolean"}, {"type": "null"}, {"type": ["string", "null"]}, {}, True, {"$ref": "#/$defs/n"}]
    )
    | plain_json.map(lambda value: {"const": value})
    | st.lists(plain_json, min_size=1, max_size=4).map(lambda values: {"enum": values})
)
subschemas = st.recursive(
    leaves,
    lambda inner: (
        arrays(inner) | objects(inner) | st.lists(inner, min_size=1, max_size=3).map(lambda of: {"anyOf": of})
    ),
    max_leaves=6,
)
RECURSIVE = {
    "type": "object",
    "properties": {"value": {"type": "integer"}, "below": {"type": "array", "items": {"$ref": "#/$defs/n"}}},
    "required": ["value"],
}


@settings(max_examples=120, deadline=None)
@given(subschemas, st.integers(0, 2**32))
def test_what_comes_parses_and_fits_the_schema(subschema: Any, seed: int) -> None:
    whole = {"$defs": {"n": RECURSIVE}, "anyOf": [subschema]}
    text = babble(schema(whole), random.Random(seed))
    # A leap second is a time by RFC 3339, section 5.6; the checker knows none.
    told = json.loads(re.sub(r"(\d\d:\d\d):60", r"\1:59", text))
    Draft202012Validator(whole, format_checker=Draft202012Validator.FORMAT_CHECKER).validate(told)
    assert not re.search(r"\s{34}", re.sub(r'"(\\.|[^"\\])*"', "", text))


@pytest.mark.parametrize("seed", range(30))
def test_free_json_is_an_object(seed: int) -> None:
    assert isinstance(json.loads(babble(follow("json"), random.Random(seed))), dict)


@pytest.mark.parametrize("pattern", [r"[a-c]{2,5}", r"(yes|no), because .{1,20}", r"\d{4}-\d\d", "é+|ü", "a(b|ab)*c?"])
@pytest.mark.parametrize("seed", range(5))
def test_a_regex_is_matched_as_a_whole(pattern: str, seed: int) -> None:
    assert re.fullmatch(pattern, babble(follow("regex", pattern), random.Random(seed)))


CHOICES = [
    "yes",
    "no",
    "nothing",
    "a b",
    'with "quotes"',
    "back\\slash",
    "new\nline",
    "é😀",
    "(a|b)*",
    "<|im_end|>",
    "{",
]


@given(
    st.lists(st.sampled_from(CHOICES) | st.text(st.characters(codec="utf-8"), min_size=1), min_size=1), st.integers()
)
@settings(deadline=None)
def test_one_of_the_choices_comes_and_each_can(choices: list[str], seed: int) -> None:
    assert babble(follow("choice", choices), random.Random(seed)) in choices
    chosen = choices[seed % len(choices)]
    assert "<|" in chosen or takes(follow("choice", choices), chosen)


def test_stop_tokens_may_come_exactly_when_the_text_may_end() -> None:
    matcher, seen = follow("regex", "a{2,3}"), []
    for _ in range(3):
        seen.append(set(STOPS) <= set(allowed(matcher.mask())))
        assert not matcher.finished
        matcher.accept(TOKENIZER.encode("a")[0])
    assert seen == [False, False, True]
    assert matcher.finished
    assert allowed(matcher.mask()) == sorted(STOPS)


def test_a_stop_token_finishes() -> None:
    matcher = follow("regex", "a+")
    matcher.accept(TOKENIZER.encode("a")[0])
    assert not matcher.finished
    matcher.accept(2)
    assert matcher.finished


def test_white_space_is_what_models_write_and_bounded() -> None:
    point = {
        "type": "object",
        "properties": {"x": {"type": "integer"}, "y": {"type": "integer"}},
        "required": ["x", "y"],
    }
    for indent in (None, 2, 4):
        assert takes(schema(point), json.dumps({"x": 1, "y": 2}, indent=indent))
    assert takes(schema(point), '{"x":1,"y":2}')
    assert not takes(schema(point), '{  "x":1,"y":2}')
    assert not takes(schema(point), '{\n\n"x":1,"y":2}')


NAMED = {"type": "object", "properties": {"a": {"type": "integer"}}}


class TestAdditionalProperties:
    def test_left_out_means_none_beside_named_ones(self) -> None:
        assert takes(schema(NAMED), '{"a":1}')
        assert not takes(schema(NAMED), '{"b":1}')

    def test_are_taken_where_asked_for_or_nothing_is_named(self) -> None:
        assert takes(schema({**NAMED, "additionalProperties": True}), '{"b":1}')
        assert takes(schema({"type": "object"}), '{"b":1}')
        assert takes(schema({**NAMED, "required": ["b"]}), '{"a":1,"b":1}')

    def test_stay_open_where_schemas_are_composed(self) -> None:
        other = {"type": "object", "properties": {"b": {"type": "integer"}}, "required": ["b"]}
        assert takes(schema({"allOf": [NAMED, other]}), '{"a":1,"b":2}')

    def test_data_that_looks_like_a_schema_is_left_alone(self) -> None:
        data = {"properties": {"a": 1}}
        assert takes(schema({"const": data}), json.dumps(data))


def test_properties_come_in_the_order_of_the_schema() -> None:
    both = {"type": "object", "properties": {"z": {"type": "null"}, "a": {"type": "null"}}, "required": ["a", "z"]}
    assert takes(schema(both), '{"z":null,"a":null}')
    assert not takes(schema(both), '{"a":null,"z":null}')


# --- what is refused --------------------------------------------------------------------------------------------------


def nested(levels: int) -> Any:
    made: Any = {"type": "string"}
    for _ in range(levels):
        made = {"type": "array", "items": made}
    return made


def wide(count: int) -> dict[str, Any]:
    return {"type": "object", "properties": {f"p{i}": {"type": "string"} for i in range(count)}}


@pytest.mark.parametrize(
    ("kind", "value", "reason"),
    [
        ("json_schema", "{", "not valid JSON"),
        ("json_schema", '{"minimum": NaN}', "NaN"),
        ("json_schema", '{"minimum": 1e999}', "too large"),
        ("json_schema", "[" * 60_000, "nested too deep"),
        ("json_schema", [], "is []; it must be an object"),
        ("json_schema", {"type": "strin"}, "strin"),
        ("json_schema", False, "is false"),
        ("json_schema", {"anyOf": [False]}, "Unsatisfiable"),
        ("json_schema", {"type": "array", "uniqueItems": True}, "uniqueItems"),
        ("json_schema", {"x-guidance": {"lenient": True}, "type": "array", "uniqueItems": True}, "uniqueItems"),
        ("json_schema", {"not": {"type": "string"}}, "not"),
        ("json_schema", {"type": "object", "dependentRequired": {"a": ["b"]}}, "dependentRequired"),
        ("json_schema", {"type": "string", "format": "colour"}, "colour"),
        ("json_schema", {"oneOf": [{"type": "number"}, {"type": "integer"}]}, "oneOf"),
        ("json_schema", {"$ref": "https://example.com/schema.json"}, "example.com"),
        ("json_schema", {"$ref": "#/$defs/absent"}, "absent"),
        ("json_schema", {"$defs": {"n": {"$ref": "#/$defs/n"}}, "$ref": "#/$defs/n"}, "no text can satisfy"),
        ("json_schema", {"type": "integer", "minimum": 5, "maximum": 3}, "minimum"),
        ("json_schema", {"type": "integer", "minimum": 5, "exclusiveMinimum": True}, "exclusiveMinimum"),
        ("json_schema", {"type": "object", "minProperties": 2}, "minProperties"),
        ("json_schema", {"enum": []}, "Unsatisfiable"),
        ("json_schema", {"type": "string", "pattern": "(?=a)b"}, "look-around"),
        ("json_schema", nested(100), "nested too deep; 64"),
        ("json_schema", wide(257), "256 in one object"),
        ("json_schema", {"anyOf": [wide(200)] * 6}, "1,024 in all"),
        ("json_schema", {"enum": ["x" * 20 + str(i) for i in range(10_000)]}, "65,536"),
        ("regex", "(a", "unclosed group"),
        ("regex", r"(a)\1", "backreferences"),
        ("regex", r"\bword\b", "lookarounds"),
        ("regex", "a" * 8_193, "8,193 characters; 8,192"),
        ("regex", r"[^\x00-\x{10FFFF}]", "no text can satisfy"),
        ("regex", "\ud800", "surrogate"),
        ("regex", "(" * 4_000 + ")" * 4_000, "regex"),
        ("choice", [], "at least one"),
        ("choice", {"a": 1}, "JSON list"),
        ("choice", ["a", ""], "''"),
        ("choice", ["a", 7], "7"),
        ("choice", ["a", None], "None"),
        ("choice", '["\\ud800"]', "ud800"),
        ("choice", [str(i) for i in range(4_097)], "4,097 entries; 4,096"),
        ("choice", "yes, no", "not valid JSON"),
    ],
)
def test_is_refused_quickly_with_the_reason(kind: Any, value: Any, reason: str) -> None:
    begun = time.process_time()
    with pytest.raises(UsageError, match=re.escape(reason)):
        follow(kind, value)
    assert time.process_time() - begun < 0.5


def doubling(keyword: str) -> dict[str, Any]:
    defs: dict[str, Any] = {"d0": {"type": "string"}}
    for i in range(1, 40):
        both = {"$ref": f"#/$defs/d{i - 1}"}
        defs[f"d{i}"] = {keyword: [both, both]} if keyword != "properties" else {"properties": {"a": both, "b": both}}
    return {"$defs": defs, "$ref": "#/$defs/d39"}


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("regex", "(a{1,1000}){1,1000}"),
        ("regex", "(?:(?:(?:x{0,100}){0,100}){0,100}){0,100}"),
        ("regex", "(.*a){50}"),
        ("regex", "(a|b)*a(a|b){20}"),
        ("regex", "|".join(f"(a|b)*{i}(a|b){{20}}" for i in range(200))),
        ("json_schema", {"type": "string", "maxLength": 10**9}),
        ("json_schema", {"type": "array", "minItems": 10**6, "items": {"type": "array", "maxItems": 10**6}}),
        ("json_schema", doubling("properties")),
        ("json_schema", doubling("anyOf")),
        ("json_schema", {"allOf": [{"anyOf": [{"pattern": f"{i}.*{j}"} for i in range(9)]} for j in range(9)]}),
        ("json_schema", {"allOf": [{"type": "string", "pattern": f"(.*{sign}.*){{5}}"} for sign in "abcdefghij"]}),
        ("json_schema", wide(256)),
        ("choice", [f"label {i * 7919}" for i in range(4_000)]),
    ],
)
def test_a_bomb_is_refused_or_bounded(kind: Any, value: Any) -> None:
    rng, begun = random.Random(1), time.process_time()
    try:
        matcher = follow(kind, value)
        for _ in range(200):
            if matcher.finished:
                break
            matcher.accept(rng.choice([token for token in allowed(matcher.mask()) if token not in STOPS] or STOPS))
    except UsageError:
        pass
    assert time.process_time() - begun < 3


def test_a_lexer_that_outgrows_its_limit_fails_with_the_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(grammar, "_MOST_LEXER_STATES", 300)
    matcher, rng = follow("regex", "(a|b)*a(a|b){30}", GrammarCompiler(TOKENIZER, SIZE, STOPS)), random.Random(3)
    a, b = TOKENIZER.encode("a")[0], TOKENIZER.encode("b")[0]

    def go_on() -> None:
        for _ in range(2_000):
            matcher.accept(rng.choice([token for token in allowed(matcher.mask()) if token in (a, b)]))

    with pytest.raises(UsageError, match="too many states"):
        go_on()


def test_a_model_without_stop_tokens_is_told() -> None:
    with pytest.raises(UsageError, match="stop token"):
        GrammarCompiler(TOKENIZER, SIZE, ()).compile(Constraint("json"))


# --- following --------------------------------------------------------------------------------------------------------


def test_a_token_that_may_not_come_is_an_error() -> None:
    with pytest.raises(UsageError, match="does not fit"):
        follow("json").accept(TOKENIZER.encode("x")[0])


def test_forced_tokens_can_come_and_are_no_added_ones() -> None:
    fixed = "say <|im_end|> and <think> <|im_start|>"
    matcher = schema({"type": "object", "properties": {"text": {"const": fixed}}, "required": ["text"]})
    tokens: list[int] = []
    num_forced = 0
    while not matcher.finished:
        forced = matcher.forced()
        num_forced += len(forced)
        for token in forced or allowed(matcher.mask())[:1]:
            assert token in allowed(matcher.mask())
            matcher.accept(token)
            tokens.append(token)
    assert json.loads(TOKENIZER.decode(tokens)) == {"text": fixed}
    assert not set(tokens) & set(range(len(ADDED)))
    assert num_forced > len(tokens) / 2


@pytest.mark.parametrize("size", [SIZE - 3, SIZE + 1, SIZE + 37, 320])
def test_the_mask_is_as_wide_as_the_model(size: int) -> None:
    matcher = follow("regex", ".*", GrammarCompiler(TOKENIZER, size, [*STOPS, size + 5]))
    options = allowed(matcher.mask())
    assert len(matcher.mask()) == (size + 31) // 32
    assert max(options) < min(size, SIZE)
    assert {*STOPS} <= {*options}


def test_requests_share_what_was_compiled_and_not_their_state() -> None:
    first, second = follow("regex", "abc"), follow("regex", "abc")
    first.accept(TOKENIZER.encode("ab")[0])
    assert second.mask().tolist() != first.mask().tolist()
    assert second.mask().tolist() == follow("regex", "abc").mask().tolist()


def test_many_threads_may_compile_at_once() -> None:
    compiler = GrammarCompiler(TOKENIZER, SIZE, STOPS)
    texts: list[str] = []

    def work(seed: int) -> None:
        rng = random.Random(seed)
        texts.extend(babble(follow("regex", f"[ab]{{{1 + i % 7}}}", compiler), rng) for i in range(20))

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(texts) == 120


@pytest.fixture
def other_thread() -> Iterator[Callable[[], int]]:
    """How much another thread has done, while Python by itself switches threads only every half second."""
    ticks, stop, interval = [0], threading.Event(), sys.getswitchinterval()

    def tick() -> None:
        while not stop.is_set():
            ticks[0] += 1
            time.sleep(0)

    thread = threading.Thread(target=tick)
    thread.start()
    sys.setswitchinterval(0.5)
    yield lambda: ticks[0]
    sys.setswitchinterval(interval)
    stop.set()
    thread.join()


def test_other_threads_run_while_a_mask_is_computed(other_thread: Callable[[], int]) -> None:
    rng = random.Random(0)
    words = ["".join(rng.choices("abcdefghijklmnop", k=6)) for _ in range(30_000)]
    matcher = follow("regex", "(.*a){50}", GrammarCompiler(small_tokenizer(words), SIZE + len(words), STOPS))
    before = other_thread()
    for _ in range(40):
        matcher.mask()
        matcher.accept(TOKENIZER.encode("a")[0])
    assert other_thread() > before
