"""Token counts as chat and text completions give them."""

from __future__ import annotations

from msgspec import Struct

from seatrial.chat import Usage


class PromptDetails(Struct):
    """Of the prompt's tokens. Nothing here is sound."""

    cached_tokens: int = 0
    audio_tokens: int = 0


class CompletionDetails(Struct):
    """Of the answer's tokens. Nothing here is sound, and nothing is predicted."""

    reasoning_tokens: int = 0
    audio_tokens: int = 0
    accepted_prediction_tokens: int = 0
    rejected_prediction_tokens: int = 0


class UsageBody(Struct):
    """`usage` of a reply, all choices together."""

    prompt_tokens: int
    completion_tokens: int
    total_tokens: int
    prompt_tokens_details: PromptDetails
    completion_tokens_details: CompletionDetails


def usage_body(usage: Usage | None) -> UsageBody | None:
    """None where the model told none."""
    if usage is None:
        return None
    return UsageBody(
        usage.prompt_tokens,
        usage.completion_tokens,
        usage.prompt_tokens + usage.completion_tokens,
        PromptDetails(usage.cached_tokens),
        CompletionDetails(usage.reasoning_tokens),
    )
