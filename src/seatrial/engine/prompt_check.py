"""Whether a prompt is one that a model takes: its ids, its length, and how much of what it shows would fit.

In: token ids and what is shown among them. Out, before anything is computed: the ids to compute, or an error.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import accumulate
from typing import Literal, NamedTuple

from seatrial.engine.request import SamplingParams
from seatrial.errors import ContextTooLong, UsageError

_LOW_DETAIL = '`detail` "low"'


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
        shown = [Shown("picture", num_tokens, num_tokens) for num_tokens in picture_tokens]
        raise too_much_shown(len(tokens), shown, limit=limit, name=name)
    if params.truncate == "left":
        return tokens[-max(1, limit - params.max_tokens) :]
    raise ContextTooLong(
        f"Prompt has {len(tokens):,} tokens; `{name}` takes {limit:,}, its answer included. "
        'Shorten it or pass `truncate="left"`.'
    )


class Shown(NamedTuple):
    """A picture or video of a prompt: the tokens that it takes, and those that it takes with `detail` "low"."""

    kind: Literal["picture", "video"]
    num_tokens: int
    least_tokens: int


def too_much_shown(num_tokens: int, shown: Sequence[Shown], *, limit: int, name: str) -> ContextTooLong:
    """The error for a prompt of `num_tokens` that is too long with what it shows; says how much of that fits.

    Example: 1,000 tokens of which pictures take 400, 300 and 250; of 800 the last may hold the answer's first. The text
    takes 50, so 749 are left for pictures: the first two fit.
    """
    costs = [each.num_tokens for each in shown]
    room = limit - 1 - (num_tokens - sum(costs))
    num_fit = sum(total <= room for total in accumulate(costs))
    fit = "None of them fits" if num_fit == 0 else "The first one fits" if num_fit == 1 else f"The first {num_fit} fit"
    if room <= 0:
        fit = "The text alone is too long"
    elif len(shown) == 1:
        fit = "It does not fit"
    return ContextTooLong(
        f"Prompt has {num_tokens:,} tokens, {sum(costs):,} of them for {_named(shown)}; `{name}` takes {limit:,}, "
        f"its answer included. {fit}. {_way_out(shown, room)}",
        option=_LOW_DETAIL,
    )


def _named(shown: Sequence[Shown]) -> str:
    """Such as `3 pictures and a video`."""
    counts = Counter(each.kind for each in shown)
    return " and ".join(f"a {kind}" if count == 1 else f"{count:,} {kind}s" for kind, count in counts.items())


def _way_out(shown: Sequence[Shown], room: int) -> str:
    """What helps where `room` tokens are left for what is shown. Of a video nobody can choose how closely to look."""
    if room <= 0:
        return "Shorten it."
    ways = []
    if any(each.kind == "video" for each in shown):
        ways.append("show a shorter part of the video")
    if len(shown) > 1:
        ways.append("leave something out")
    if sum(each.least_tokens for each in shown) <= room:
        ways.append(f"ask with {_LOW_DETAIL}")
    ways = ways or ["shorten the text, or ask a model with a longer context"]
    return f"{ways[0][0].upper()}{', or '.join(ways)[1:]}."
