"""The fields that chat and text completions share: how many answers, how long, and how tokens are chosen."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from typing import Annotated

from msgspec import Meta, Struct

from seatrial.chat import ChatRequest, Sampling
from seatrial.server.errors import bad_request
from seatrial.server.wire.limits import WireLimits

Text = Annotated[str, Meta(min_length=1)]
TokenBias = Annotated[float, Meta(ge=-100, le=100)]
TokenId = Annotated[int, Meta(ge=0, lt=2**31)]
Count = Annotated[int, Meta(ge=1, lt=2**31)]
Penalty = Annotated[float, Meta(ge=-2, le=2)]

_EVERY_TOKEN = 2**31 - 1
_NO_BIAS: dict[int, float] = {}


class StreamOptions(Struct, forbid_unknown_fields=True, frozen=True):
    """`include_obfuscation` pads chunks on OpenAI's servers; it is accepted and has no effect."""

    include_usage: bool | None = None
    include_obfuscation: bool | None = None


class GenerationFields(Struct, kw_only=True, forbid_unknown_fields=True):
    """What a body of either kind may say about its answers."""

    model: str
    n: Annotated[int, Meta(ge=1, le=128)] | None = None
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    max_tokens: Count | None = None
    temperature: Annotated[float, Meta(ge=0, le=2)] | None = None
    top_p: Annotated[float, Meta(ge=0, le=1)] | None = None
    seed: Annotated[int, Meta(ge=-(2**63), le=2**63 - 1)] | None = None
    stop: Text | Annotated[list[Text], Meta(min_length=1, max_length=4)] | None = None
    frequency_penalty: Penalty | None = None
    presence_penalty: Penalty | None = None
    logit_bias: dict[TokenId, TokenBias] | None = None
    user: str | None = None
    top_k: Annotated[int, Meta(ge=-1, lt=2**31)] | None = None
    min_p: Annotated[float, Meta(ge=0, le=1)] | None = None
    repetition_penalty: Annotated[float, Meta(gt=0, le=100)] | None = None
    ignore_eos: bool | None = None


def sampling_of(body: GenerationFields) -> Sampling:
    """How the body wants tokens chosen.

    A `top_p` of 0 leaves the best token alone, which is greedy choice. A `top_k` of 0 or -1 leaves every token, as
    vLLM and llama.cpp mean it.
    """
    greedy = body.top_p == 0
    return Sampling(
        temperature=0.0 if greedy else body.temperature,
        top_p=None if greedy else body.top_p,
        top_k=_EVERY_TOKEN if body.top_k is not None and body.top_k < 1 else body.top_k,
        min_p=body.min_p,
        seed=body.seed,
        frequency_penalty=body.frequency_penalty,
        presence_penalty=body.presence_penalty,
        repetition_penalty=body.repetition_penalty,
        logit_bias=body.logit_bias or _NO_BIAS,
        ignore_eos=body.ignore_eos or False,
    )


def stops_of(body: GenerationFields) -> tuple[str, ...]:
    """The texts that end an answer."""
    stop = body.stop
    if stop is None:
        return ()
    return (stop,) if isinstance(stop, str) else tuple(stop)


def num_choices(body: GenerationFields, limits: WireLimits) -> int:
    """How many answers are wanted. Raises Failure where this server gives fewer."""
    num = body.n or 1
    if num > limits.max_choices:
        raise bad_request(
            f"'n' is {num}; this server gives at most {limits.max_choices} choices for one request.",
            param="n",
            code="integer_above_max_value",
        )
    return num


def answer_tokens(asked: int | None, limits: WireLimits, param: str) -> int | None:
    """The longest answer, tokens. Raises Failure where this server gives less."""
    most = limits.max_answer_tokens
    if asked is not None and most is not None and asked > most:
        raise bad_request(
            f"'{param}' is {asked}; this server gives at most {most} tokens in one answer.",
            param=param,
            code="integer_above_max_value",
        )
    return most if asked is None else asked


def includes_usage(body: GenerationFields) -> bool:
    """Whether a stream shall end with its usage. Raises Failure for stream options without a stream."""
    if body.stream_options is None:
        return False
    if not body.stream:
        raise bad_request(
            "'stream_options' has a meaning only with 'stream': true. Set it, or leave the options out.",
            param="stream_options",
            code="invalid_value",
        )
    return body.stream_options.include_usage or False


def choices_of(request: ChatRequest, num: int) -> tuple[ChatRequest, ...]:
    """The same request once for each choice. With a seed each choice gets its own, the first the one that was sent."""
    seed = request.sampling.seed
    if num == 1 or seed is None:
        return (request,) * num
    return (request, *(_seeded(request, _derived_seed(seed, index)) for index in range(1, num)))


def _seeded(request: ChatRequest, seed: int) -> ChatRequest:
    return replace(request, sampling=replace(request.sampling, seed=seed))


def _derived_seed(seed: int, index: int) -> int:
    """63 bits that depend on seed and index alone, on every machine."""
    return int.from_bytes(hashlib.blake2b(f"{seed}/{index}".encode(), digest_size=8).digest()) >> 1
