"""Whether prompt and answer fit a model's context, before anything is computed.

As OpenAI has it: a prompt that leaves no room is refused, an answer that would reach past the end is bounded to it.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Literal, cast

from seatrial.chat import ChatRequest, TextPart
from seatrial.errors import ContextTooLong
from seatrial.providers.base import CountsTokens, Provider
from seatrial.server.errors import Failure, bad_request

# A token is a byte of text at least, so a short body cannot fill a context and need not be counted. Twice: a template
# may spread tools over indented lines. The rest: what templates say of their own accord.
_TOKENS_PER_BODY_BYTE = 2
_MOST_TEMPLATE_TOKENS = 2048


async def fitting(provider: Provider, request: ChatRequest, *, body_bytes: int) -> ChatRequest:
    """What `fitted` says; where pictures have to be looked at for it, other requests go on meanwhile."""
    if _has_pictures(request):
        return await asyncio.to_thread(fitted, provider, request, body_bytes=body_bytes)
    return fitted(provider, request, body_bytes=body_bytes)


def fitted(provider: Provider, request: ChatRequest, *, body_bytes: int) -> ChatRequest:
    """The request with an answer that fits. `body_bytes` is the length of the body that it came in.

    Raises Failure `context_length_exceeded`. Where the provider counts no tokens, or the answer has no bound of its
    own, the provider sees to it; of pictures that do not fit it says how many would.
    """
    if request.max_tokens is None or not hasattr(provider, "count_tokens"):
        return request
    counting = cast(CountsTokens, provider)  # `isinstance` of a protocol costs more than all the rest here
    length = counting.context_length
    has_pictures = _has_pictures(request)
    most_prompt_tokens = _TOKENS_PER_BODY_BYTE * body_bytes + _MOST_TEMPLATE_TOKENS
    if most_prompt_tokens + request.max_tokens <= length and not has_pictures:
        return request
    num_tokens = counting.count_tokens(request)
    if num_tokens + request.max_tokens <= length or (num_tokens >= length and has_pictures):
        return request
    if num_tokens >= length:
        what: Literal["messages", "prompt"] = "messages" if request.prompt is None else "prompt"
        raise _too_long(
            f"This model's context holds {length:,} tokens, prompt and answer together, and the prompt alone has "
            f"{num_tokens:,}. Shorten the {what}.",
            what,
        )
    return replace(request, max_tokens=length - num_tokens)


def prompt_too_long(error: ContextTooLong) -> Failure:
    """The same, as a provider says it of a `prompt`."""
    return _too_long(str(error), "prompt")


def _too_long(message: str, param: str) -> Failure:
    return bad_request(message, param=param, code="context_length_exceeded")


def _has_pictures(request: ChatRequest) -> bool:
    return any(not isinstance(part, TextPart) for message in request.messages for part in message.parts)
