"""Whether a prompt is one that a model takes: its ids, its length, and how many pictures would fit.

In: token ids and the pictures among them. Out, before anything is computed: the ids to compute, or an error.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate

from seatrial.engine.request import SamplingParams
from seatrial.errors import ContextTooLong, UsageError


def fitted(
    tokens: list[int],
    params: SamplingParams,
    *,
    vocab_size: int,
    limit: int,
    name: str,
    picture_tokens: Sequence[int] = (),
) -> list[int]:
    """The prompt as it is computed, cut on the left where it may be. `limit` is the model's context, tokens.

    `picture_tokens` are those of each picture; a prompt that holds pictures is never cut.

    Raises UsageError for an empty prompt and ids outside the vocabulary, ContextTooLong where no token of an answer
    would fit.
    """
    if not tokens:
        raise UsageError("The prompt is empty; give it at least one character.", field="prompt")
    wrong = next((token for token in tokens if not 0 <= token < vocab_size), None)
    if wrong is not None:
        raise UsageError(f"Token id {wrong} is outside the vocabulary of {vocab_size:,}.", field="prompt")
    if len(tokens) < limit:
        return tokens
    if picture_tokens:
        raise too_many_pictures(len(tokens), picture_tokens, limit=limit, name=name)
    if params.truncate == "left":
        return tokens[-max(1, limit - params.max_tokens) :]
    raise ContextTooLong(
        f"Prompt has {len(tokens):,} tokens; `{name}` takes {limit:,}, its answer included. "
        'Shorten it or pass `truncate="left"`.'
    )


def too_many_pictures(num_tokens: int, picture_tokens: Sequence[int], *, limit: int, name: str) -> ContextTooLong:
    """The error for a prompt of `num_tokens` that is too long with its pictures; says how many of them fit.

    Example: 1,000 tokens of which pictures take 400, 300 and 250; of 800 the last may hold the answer's first. The text
    takes 50, so 749 are left for pictures: the first two fit.
    """
    room = limit - 1 - (num_tokens - sum(picture_tokens))
    num_fit = sum(total <= room for total in accumulate(picture_tokens))
    count = len(picture_tokens)
    fit = "None of them fits" if num_fit == 0 else "The first one fits" if num_fit == 1 else f"The first {num_fit} fit"
    if room <= 0:
        fit = "The text alone is too long"
    elif count == 1:
        fit = "It does not fit"
    pictures = "a picture" if count == 1 else f"{count:,} pictures"
    return ContextTooLong(
        f"Prompt has {num_tokens:,} tokens, {sum(picture_tokens):,} of them for {pictures}; `{name}` takes {limit:,}, "
        f'its answer included. {fit}. Leave something out, or ask with `detail` "low".'
    )
