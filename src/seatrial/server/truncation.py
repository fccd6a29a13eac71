"""`truncation: auto`: a conversation too long for its model loses its oldest turns.

In: a request and a provider that counts tokens. Out: the request with as many of its last turns as fit. Instructions
stay, and so does the last turn. A turn goes whole, so that no result of a tool is left without its call.
"""

from __future__ import annotations

import bisect
from dataclasses import replace

from seatrial.chat import ChatRequest, Message
from seatrial.providers.base import CountsTokens

_ROOM_FOR_ANSWER = 256


def truncated(request: ChatRequest, provider: CountsTokens) -> ChatRequest:
    """Leaves at least 256 tokens for the answer, or `max_tokens`, or half of the context if that is less.

    What cannot be made to fit comes back as short as it can be. Raises RequestRejected as `count_tokens` does.
    """
    length = provider.context_length
    most_tokens = length - min(request.max_tokens or _ROOM_FOR_ANSWER, length // 2)
    if provider.count_tokens(request) <= most_tokens:
        return request
    shorter = [replace(request, messages=messages) for messages in _from_each_turn(request.messages)]
    if not shorter:
        return request
    fits = bisect.bisect_left(shorter, True, key=lambda each: provider.count_tokens(each) <= most_tokens)
    return shorter[min(fits, len(shorter) - 1)]


def _from_each_turn(messages: tuple[Message, ...]) -> list[tuple[Message, ...]]:
    """The conversation without its first turn, without its first two, … down to its last one alone."""
    kept = tuple([each for each in messages if each.role == "system"])
    rest = [each for each in messages if each.role != "system"]
    turns = [at for at, each in enumerate(rest) if each.role == "user"]
    return [(*kept, *rest[at:]) for at in turns if at > 0]
