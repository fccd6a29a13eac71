"""Texts to vectors with a model of this machine.

In: texts, or their token ids. Out: for each the mean of the model's hidden states over its tokens, after the last norm,
scaled to length 1 (see `engine.embedding`). The model was made to continue text, not for this: such vectors tell what
texts are about, and less well than those of a model that was trained to.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from seatrial.engine.model import Model
from seatrial.engine.service import EngineService
from seatrial.errors import RequestRejected, UsageError
from seatrial.providers.base import Embeddings


async def embed_texts(
    model: Model, service: EngineService, texts: Sequence[str | Sequence[int]], *, name: str
) -> Embeddings:
    """See `Embeds`. `name` is what messages call the model.

    Raises RequestRejected (an empty text, ids outside the vocabulary), ContextTooLong, ProviderError.
    """
    try:
        ids = await asyncio.to_thread(lambda: [model.prompt_ids(text) for text in texts])
        vectors_ND = await service.embed(ids)
    except UsageError as error:
        raise RequestRejected(f"`{name}`: {error}", param="input") from error
    return Embeddings(vectors_ND, sum(map(len, ids)))
