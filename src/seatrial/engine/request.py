"""What the engine is asked, and what it tells: torch-free values that every part of it shares.

A `Request` comes in, a `Sequence` lives inside while it is answered, a `Gain` goes out for each token.
"""

# ruff: noqa: N815 - fields carry shape suffixes

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, NamedTuple

from seatrial.errors import UsageError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Finish = Literal["stop", "length", "failed"]
_MOST_LOGPROBS = 20
_MOST_STOPS = 16


@dataclass(frozen=True, slots=True)
class Constraint:
    """What an answer must look like.

    `json_schema` (value: the schema as JSON text), `json` (any JSON object; value empty), `regex`, `choice`
    (value: a JSON list of texts), or `tools` (value: as `tool_grammar` reads it).
    """

    kind: Literal["json_schema", "json", "regex", "choice", "tools"]
    value: str = ""


@dataclass(frozen=True, slots=True)
class Thinking:
    """Reasoning at the head of an answer, between two tags. `is_open`: the prompt ends inside of it.

    After `max_tokens` of it, the closing tag is put into the model's mouth. What an answer must look like and the
    texts that stop it hold from the end of the reasoning on.
    """

    opening: str = "<think>"
    closing: str = "</think>"
    is_open: bool = False
    max_tokens: int | None = None


@dataclass(frozen=True, slots=True)
class SamplingParams:
    """How one answer is generated. `max_tokens` is also bounded by the context; `stop` texts end it.

    Temperature 0 is greedy. Penalties follow OpenAI (`frequency`, `presence`: over the answer) and CTRL
    (`repetition`: over prompt and answer; Keskar et al. 2019, arXiv 1909.05858, section 4.1). `logit_bias` is added
    to the scores of token ids. `num_logprobs` asks for log-probabilities: of the chosen token and, above 0, of that
    many best ones. `thinking` is given where the model may reason first. `truncate` "left" drops the beginning of a
    prompt that does not fit.
    """

    max_tokens: int = 256
    temperature: float = 0.0
    top_k: int | None = None
    top_p: float | None = None
    min_p: float | None = None
    repetition_penalty: float = 1.0
    frequency_penalty: float = 0.0
    presence_penalty: float = 0.0
    logit_bias: Mapping[int, float] = field(default_factory=dict)
    seed: int = 0
    stop: tuple[str, ...] = ()
    ignore_eos: bool = False
    num_logprobs: int | None = None
    constraint: Constraint | None = None
    thinking: Thinking | None = None
    truncate: Literal["left"] | None = None

    def __post_init__(self) -> None:
        checks: tuple[tuple[str, object, bool, str], ...] = (
            ("max_tokens", self.max_tokens, self.max_tokens >= 1, "at least 1"),
            ("temperature", self.temperature, 0 <= self.temperature <= 100, "from 0 to 100"),
            ("top_k", self.top_k, self.top_k is None or self.top_k >= 1, "at least 1"),
            ("top_p", self.top_p, self.top_p is None or 0 < self.top_p <= 1, "above 0 and at most 1"),
            ("min_p", self.min_p, self.min_p is None or 0 <= self.min_p <= 1, "from 0 to 1"),
            ("repetition_penalty", self.repetition_penalty, 0 < self.repetition_penalty <= 100, "above 0, at most 100"),
            ("frequency_penalty", self.frequency_penalty, -2 <= self.frequency_penalty <= 2, "from -2 to 2"),
            ("presence_penalty", self.presence_penalty, -2 <= self.presence_penalty <= 2, "from -2 to 2"),
            (
                "num_logprobs",
                self.num_logprobs,
                self.num_logprobs is None or 0 <= self.num_logprobs <= _MOST_LOGPROBS,
                f"from 0 to {_MOST_LOGPROBS}",
            ),
            (
                "thinking_tokens",
                self.thinking and self.thinking.max_tokens,
                self.thinking is None or self.thinking.max_tokens is None or self.thinking.max_tokens >= 0,
                "0 or more",
            ),
            ("stop", f"{len(self.stop)} texts", len(self.stop) <= _MOST_STOPS, f"at most {_MOST_STOPS} texts"),
            (
                "logit_bias",
                f"{len(self.logit_bias)} tokens",
                all(-100 <= bias <= 100 for bias in self.logit_bias.values()),
                "from -100 to 100 for each token",
            ),
        )
        for name, value, sound, limit in checks:
            if not sound:
                raise UsageError(f"`{name}` is {value}; it must be {limit}.", field=name)


@dataclass(slots=True, eq=False)
class Sequence:
    """One answer in the making, as the scheduler sees it. The scheduler owns all fields below `max_length`.

    `tokens` is the prompt and the answer so far; keys and values of the first `num_computed` of them lie in `blocks`,
    of which the first `num_cached` prompt tokens were there already when the sequence was first admitted.
    `draft` are guessed next tokens, not part of `tokens`; whoever speculates sets them before each step.
    `is_read_whole`: every position is computed, even where the cache knows it; set for texts that are embedded.
    """

    key: int
    tokens: list[int]
    num_prompt: int
    max_length: int
    num_computed: int = 0
    num_cached: int = 0
    blocks: list[int] = field(default_factory=list)
    draft: list[int] = field(default_factory=list)
    is_read_whole: bool = False


class TokenLogprob(NamedTuple):
    """A token and its natural-log probability under the model, before temperature and penalties."""

    token_id: int
    logprob: float


class Gain(NamedTuple):
    """What one sequence got: one token. `text` may be empty; `finish` is set on the last one.

    `num_cached` prompt tokens were not computed because the prefix cache held them. `finish` "failed" comes without a
    token and says in `error` why; the other sequences go on. `logprob` and `top` are given where they were asked for.
    `reasoning`: the token came while the reasoning was open; its closing tag did, its opening tag did not.
    `vectors_ND` is all that comes of a job of texts to embed, [texts, hidden size].
    """

    key: int
    token_id: int | None
    text: str
    finish: Finish | None
    num_cached: int
    logprob: float | None = None
    top: tuple[TokenLogprob, ...] = ()
    error: str | None = None
    reasoning: bool = False
    vectors_ND: NDArray[np.float32] | None = None
