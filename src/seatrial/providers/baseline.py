"""The cheapest models there are: none. Baselines answer from a workload's examples and cost nothing.

What comes in is pairs (user text as the workload renders it, expected answer as text); the last user message of a
request is answered. Sometimes this does the job, and a verdict must know.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from typing import Any

from seatrial.chat import ChatEvent, ChatRequest, Finished, TextDelta, Usage
from seatrial.errors import NotRunnable

_FREE = Usage(0, 0)


class MajorityBaseline:
    """Answers whatever is asked with the examples' most frequent answer (of several, the one seen first).

    Raises NotRunnable where there are no examples.
    """

    def __init__(self, examples: Sequence[tuple[str, str]]) -> None:
        self._answer = _majority(examples)

    async def stream(self, request: ChatRequest) -> AsyncIterator[ChatEvent]:
        """The one answer."""
        await asyncio.sleep(0)  # a candidate that never waits would keep Ctrl-C out
        yield TextDelta(self._answer)
        yield Finished("stop", _FREE)

    async def close(self) -> None:
        """Nothing to release."""


class NearestBaseline:
    """Answers as the most similar example was answered.

    Similarity is the cosine of TF-IDF vectors (Salton & Buckley 1988, sublinear term frequency) over runs of 2 to 4
    characters within words, case folded: they match "paying" to "payment" and survive typing errors. (1-NN on the
    test split of BANKING77, from 800 examples: 0.62 so, 0.55 with words, 0.47 with words and pairs of them.) A text
    that shares nothing with any example gets the majority's answer; of equally near examples the first one answers.
    Raises NotRunnable where there are no examples.
    """

    def __init__(self, examples: Sequence[tuple[str, str]]) -> None:
        self._majority = _majority(examples)
        self._answers = [answer for _, answer in examples]
        self._vectorizer, self._vectors_EV = _fit([text for text, _ in examples])

    async def stream(self, request: ChatRequest) -> AsyncIterator[ChatEvent]:
        """The nearest example's answer."""
        await asyncio.sleep(0)
        yield TextDelta(self._answer(_last_user_text(request)))
        yield Finished("stop", _FREE)

    async def close(self) -> None:
        """Nothing to release."""

    def _answer(self, text: str) -> str:
        if self._vectorizer is None:
            return self._majority
        similarities_E = (self._vectors_EV @ self._vectorizer.transform([text]).T).toarray().ravel()
        nearest = int(similarities_E.argmax())
        return self._answers[nearest] if similarities_E[nearest] > 0.0 else self._majority


def _majority(examples: Sequence[tuple[str, str]]) -> str:
    if not examples:
        raise NotRunnable(
            "A baseline answers from examples, and the workload has none.", "Add an examples.jsonl to it."
        )
    return Counter(answer for _, answer in examples).most_common(1)[0][0]


def _fit(texts: list[str]) -> tuple[Any, Any]:
    """The fitted vectorizer and the examples' vectors, unit rows (E examples × V terms); two Nones if all are blank."""
    from sklearn.feature_extraction.text import TfidfVectorizer

    vectorizer = TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 4), sublinear_tf=True)
    try:
        return vectorizer, vectorizer.fit_transform(texts)
    except ValueError:  # an empty vocabulary
        return None, None


def _last_user_text(request: ChatRequest) -> str:
    return next((message.text for message in reversed(request.messages) if message.role == "user"), "")
