"""Constrained output: which tokens may come next so that the answer fits a JSON schema, a regex or a list of choices.

In: a `Constraint` and the model's tokenizer. Out: a `Matcher` per answer, which follows the tokens and gives a mask
before each. llguidance does the parsing; it lets go of the interpreter lock while it computes a mask, so masks can be
computed on another thread while the model runs. What it does not support is refused with its reason, and its own
limits are set so that a grammar which grows without end fails one answer and costs no more.

Tokens that were added to the vocabulary (roles, markers) never stand in a constrained answer, but for the tags around
tool calls where those are asked for.
"""

from __future__ import annotations

import json
import threading
from collections import OrderedDict
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from llguidance import LLMatcher, LLParserLimits, LLTokenizer, TokenizerWrapper
from numpy.typing import NDArray

from seatrial.engine.constraint import NAMES, grammar_of
from seatrial.engine.request import Constraint
from seatrial.engine.tool_grammar import tool_grammar_of
from seatrial.errors import UsageError
from seatrial.models.tokenizer import Tokenizer

# Followers of one grammar share its lexer, which grows with the texts it has seen: a kilobyte or two a state.
_MOST_LEXER_STATES = 50_000
_MOST_COPIES = 256
_MOST_KEPT = 32


class GrammarCompiler:
    """Makes matchers for one model. Thread-safe. `stop_ids` are the tokens that end an answer.

    The first call reads the vocabulary (0.4 s for 49,152 tokens, 1.2 s for 128,256). What was compiled is kept, so
    that the requests of a workload share it.
    """

    def __init__(self, tokenizer: Tokenizer, vocab_size: int, stop_ids: Sequence[int]) -> None:
        self._tokenizer, self._vocab_size = tokenizer, vocab_size
        self._stop_ids = sorted({token_id for token_id in stop_ids if 0 <= token_id < vocab_size})
        self._lock = threading.Lock()
        self._vocabulary: LLTokenizer | None = None
        self._kept: OrderedDict[Constraint, _Compiled] = OrderedDict()

    def compile(self, constraint: Constraint) -> Matcher:
        """A matcher at the beginning of an answer. Raises UsageError where the constraint is not one we can follow."""
        with self._lock:
            kept = self._kept.pop(constraint, None)
            if kept is not None:
                if kept.num_copies < _MOST_COPIES:
                    self._kept[constraint] = _Compiled(kept.matcher, kept.num_copies + 1)
                return self._follow(kept.matcher)
        try:
            matcher = self._compiled(constraint)
        except UsageError as error:
            error.field = error.field or constraint.kind
            raise
        with self._lock:
            self._kept[constraint] = _Compiled(matcher, 1)
            if len(self._kept) > _MOST_KEPT:
                self._kept.popitem(last=False)
        return self._follow(matcher)

    def _compiled(self, constraint: Constraint) -> LLMatcher:
        grammar = self._grammar_of(constraint)
        if not self._stop_ids:
            raise UsageError("A constraint needs a model with a stop token; this one names none.")
        matcher = LLMatcher(self._read_vocabulary(), grammar, log_level=0, limits=_limits())
        if matcher.is_error():
            raise UsageError(f"The {NAMES[constraint.kind]} cannot be followed: {_reason(matcher)}")
        self._follow(matcher.deep_copy()).mask()  # raises where nothing can satisfy it
        return matcher

    def _grammar_of(self, constraint: Constraint) -> str:
        return (
            tool_grammar_of(constraint.value, self._spelled) if constraint.kind == "tools" else grammar_of(constraint)
        )

    def _spelled(self, tag: str) -> str:
        """A tag as Lark writes it: the token of that name where the vocabulary has one, else its text.

        By name, because the mask of llguidance 1.9 takes a token that is given by number for any other special one.
        """
        token_id = self._tokenizer.added_id(tag)
        return json.dumps(tag) if token_id is None or token_id >= self._vocab_size else tag

    def _follow(self, matcher: LLMatcher) -> Matcher:
        return Matcher(matcher.deep_copy(), self._vocab_size, self._stop_ids)

    def _read_vocabulary(self) -> LLTokenizer:
        with self._lock:
            if self._vocabulary is None:
                words = TokenizerWrapper(_Vocabulary(self._tokenizer, self._vocab_size, self._stop_ids))
                self._vocabulary = LLTokenizer(words, n_vocab=self._vocab_size, eos_token=self._stop_ids)
            return self._vocabulary


class Matcher:
    """Follows one answer. Made by `GrammarCompiler.compile`; used by one thread at a time.

    Masks are int32 words [(vocabulary + 31) // 32]: bit i % 32 of word i // 32 says whether token i may come. Stop
    tokens may come exactly when the text may end.
    """

    def __init__(self, matcher: LLMatcher, vocab_size: int, stop_ids: Sequence[int]) -> None:
        self._matcher, self._vocab_size, self._stop_ids = matcher, vocab_size, stop_ids

    @property
    def finished(self) -> bool:
        """Whether the answer is whole: a stop token came, or nothing but one can come."""
        return self._matcher.is_stopped() and not self._matcher.is_error()

    def mask(self) -> NDArray[np.int32]:
        """What may come next. Raises UsageError where the grammar has become too complex, or cannot be met at all."""
        words = np.zeros((self._vocab_size + 31) // 32, np.int32)
        if self.finished:
            for token_id in self._stop_ids:
                words.view(np.uint32)[token_id // 32] |= np.uint32(1 << token_id % 32)
            return words
        self._matcher.unsafe_compute_mask_ptr(words.ctypes.data, words.nbytes)
        if self._matcher.is_error():
            raise UsageError(f"The constraint cannot be followed further: {_reason(self._matcher)}")
        return words

    def accept(self, token_id: int) -> None:
        """The next token. Raises UsageError where it may not come; the matcher is of no use then."""
        if not self._matcher.consume_token(token_id):
            raise UsageError(f"Token {token_id} does not fit the constraint: {_reason(self._matcher)}")

    def forced(self) -> list[int]:
        """Tokens that can only come next, split as the tokenizer would: a draft that cannot fail. [] where none can.

        Such a text may end in the middle of a token that the tokenizer would make of it and what follows; that end is
        left out.
        """
        tokens = self._matcher.compute_ff_tokens()
        return tokens[: self._matcher.validate_tokens(tokens)]


class _Compiled(NamedTuple):
    """A matcher that stays at the beginning, and how many were copied from it."""

    matcher: LLMatcher
    num_copies: int


class _Vocabulary:
    """The tokenizer as llguidance reads it."""

    bos_token_id = None

    def __init__(self, tokenizer: Tokenizer, vocab_size: int, stop_ids: Sequence[int]) -> None:
        self._tokenizer = tokenizer
        self._added = {i: token.content for i, token in tokenizer.backend.get_added_tokens_decoder().items()}
        self.eos_token_id = stop_ids[0]
        self.special_token_ids = sorted({*stop_ids, *(i for i in self._added if i < vocab_size)})
        named = {i: (tokenizer.token_text(i) or "").encode() for i in self.special_token_ids}
        self.tokens = [named[i] if i in named else tokenizer.token_bytes(i) for i in range(vocab_size)]

    def __call__(self, text: str) -> list[int]:
        """Token ids of a text, without added tokens: where one is spelled out in it, it is cut after its first sign."""
        ids: list[int] = []
        for token_id in self._tokenizer.encode(text):
            content = self._added.get(token_id)
            ids += [token_id] if content is None else [*self(content[:1]), *self(content[1:])]
        return ids


def _limits() -> LLParserLimits:
    """At most 20 ms or so for a mask; 100 MB or so for a lexer that grows without end."""
    return LLParserLimits(max_lexer_states=_MOST_LEXER_STATES, verbose_errors=False)


def _reason(matcher: LLMatcher) -> str:
    """What llguidance has against it, in one line."""
    lines = matcher.get_error().replace("<non-verbose/>", "").strip().splitlines() or ["it gave no reason"]
    if lines[0].startswith("NoExtension"):
        return "no text can satisfy it."
    told = next((line.removeprefix("error: ") for line in lines if line.startswith("error: ")), lines[0])
    return told.partition("(in regex): ")[2][:300] or told[:300]
