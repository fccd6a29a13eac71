"""`POST /v1/completions`, the body: prompts that are continued as they stand.

In: bytes. Out: a `CompletionBody`, and one `ChatRequest` for each of its prompts.
"""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from seatrial.chat import ChatRequest
from seatrial.server.errors import Failure, bad_request, unsupported
from seatrial.server.wire.decoding import BodyDecoder
from seatrial.server.wire.limits import WireLimits
from seatrial.server.wire.sampling import GenerationFields, TokenId, answer_tokens, num_choices, sampling_of, stops_of

DEFAULT_MAX_TOKENS = 16

Tokens = Annotated[list[TokenId], Meta(min_length=1)]
Prompt = str | tuple[int, ...]


class CompletionBody(GenerationFields, kw_only=True, forbid_unknown_fields=True):
    """A completion request. `prompt` is a text, several texts, token ids, or several lists of token ids."""

    prompt: str | Annotated[list[str | TokenId | Tokens], Meta(min_length=1)]
    best_of: Annotated[int, Meta(ge=1, le=128)] | None = None
    echo: bool | None = None
    logprobs: Annotated[int, Meta(ge=0, le=5)] | None = None
    suffix: str | None = None


decode_completion = BodyDecoder(CompletionBody).decode


def prompts_of(body: CompletionBody) -> tuple[Prompt, ...]:
    """What is continued. Raises Failure `invalid_type` for texts and token ids in one list."""
    if isinstance(body.prompt, str):
        return (body.prompt,)
    kind = type(body.prompt[0])
    for at, item in enumerate(body.prompt):
        if type(item) is not kind:
            raise bad_request(
                f"Invalid type: 'prompt[{at}]' must be as the first item of 'prompt'; texts, token ids and lists of "
                "token ids cannot be mixed.",
                param=f"prompt[{at}]",
                code="invalid_type",
            )
    if kind is int:
        return (tuple(body.prompt),)  # type: ignore[arg-type]
    return tuple([item if isinstance(item, str) else tuple(item) for item in body.prompt])  # type: ignore[arg-type]


def completion_requests(body: CompletionBody, limits: WireLimits) -> tuple[ChatRequest, ...]:
    """What a provider is asked, one request for each prompt. Raises Failure naming the field."""
    prompts = prompts_of(body)
    _check(body, prompts, limits)
    max_tokens = answer_tokens(body.max_tokens, limits, "max_tokens")
    if body.max_tokens is None:
        max_tokens = min(DEFAULT_MAX_TOKENS, limits.max_answer_tokens or DEFAULT_MAX_TOKENS)
    sampling, stop = sampling_of(body), stops_of(body)
    return tuple(
        [
            ChatRequest(
                (), prompt=prompt, max_tokens=max_tokens, sampling=sampling, stop=stop, num_logprobs=body.logprobs
            )
            for prompt in prompts
        ]
    )


def _check(body: CompletionBody, prompts: tuple[Prompt, ...], limits: WireLimits) -> None:
    num = num_choices(body, limits)
    if body.suffix is not None:
        raise unsupported("suffix", "The models served here continue a text and fill no gaps.")
    if body.best_of is not None and body.best_of != num:
        raise unsupported("best_of", f"Every answer is returned: leave it out, or send 'n', which is {num}.")
    if body.echo and body.logprobs is not None:
        raise unsupported("echo", "Log-probabilities are given of the answer alone: send 'echo' or 'logprobs'.")
    if body.echo and not isinstance(prompts[0], str):
        raise unsupported("echo", "Token ids are not turned back into text here: send the prompt as text.")
    if len(prompts) * num > limits.max_answers:
        raise _too_many(len(prompts), num, limits)


def _too_many(num_prompts: int, num: int, limits: WireLimits) -> Failure:
    return bad_request(
        f"{num_prompts} prompts with {num} choices each are {num_prompts * num} answers; this server gives at most "
        f"{limits.max_answers} for one request. Send fewer prompts at once.",
        param="prompt",
        code="array_above_max_length",
    )
