"""`POST /v1/embeddings`: the mean of a model's hidden states over each text, at length 1."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from typing import Annotated, Literal

import msgspec
from msgspec import Meta, Struct

from seatrial.chat import Usage
from seatrial.errors import ContextTooLong
from seatrial.providers.base import Embeddings, Embeds
from seatrial.server.errors import Failure, bad_request
from seatrial.server.http import Call, Reply, Route
from seatrial.server.served import Models
from seatrial.server.wire.decoding import BodyDecoder

MOST_TEXTS = 2048


class EmbeddingsBody(Struct, forbid_unknown_fields=True):
    """A request. `input` is a text, token ids, or a list of either."""

    model: str
    input: str | Annotated[list[str | int | list[int]], Meta(min_length=1)]
    encoding_format: Literal["float", "base64"] = "float"
    dimensions: Annotated[int, Meta(ge=1)] | None = None
    user: str | None = None


class EmbeddingBody(Struct, frozen=True):
    """One text's vector: numbers, or its float32 bytes, little-endian, in base64."""

    object: Literal["embedding"]
    index: int
    embedding: list[float] | str


class EmbeddingUsage(Struct, frozen=True):
    """Tokens that were read."""

    prompt_tokens: int
    total_tokens: int


class EmbeddingList(Struct, frozen=True):
    """The reply."""

    object: Literal["list"]
    data: list[EmbeddingBody]
    model: str
    usage: EmbeddingUsage


_decoder = BodyDecoder(EmbeddingsBody)


def embedding_routes(models: Models) -> tuple[Route, ...]:
    """The route."""

    async def embed(call: Call) -> Reply:
        body = _decoder.decode(call.body)
        texts = _texts(body.input)
        async with models.use(body.model) as served:
            call.tally.model = served.card.id
            provider = served.provider
            if not isinstance(provider, Embeds):
                raise bad_request(
                    f"`{body.model}` gives no embeddings: it answers elsewhere, or its runner cannot. "
                    "Ask a model that runs on this server.",
                    param="model",
                    code="model_not_supported",
                )
            try:
                embeddings = await provider.embed(texts)
            except ContextTooLong as error:
                raise bad_request(str(error), param="input", code="context_length_exceeded") from error
        call.tally.usage = Usage(embeddings.num_tokens, 0)
        _check_dimensions(body, embeddings)
        return Reply(msgspec.json.encode(_list(served.card.id, body, embeddings)))

    return (Route("POST", "/v1/embeddings", embed, is_generation=True),)


def _texts(given: str | list[str | int | list[int]]) -> Sequence[str | Sequence[int]]:
    """Each text, or its token ids. Raises Failure 400 for none, too many, empty ones, and kinds that are mixed."""
    if isinstance(given, str):
        texts: list[str | list[int]] = [given]
    elif all(isinstance(part, int) for part in given):
        texts = [[part for part in given if isinstance(part, int)]]
    else:
        texts = [part for part in given if not isinstance(part, int)]
        if len(texts) < len(given) or len({type(text) for text in texts}) > 1:
            raise bad_request(
                "'input' mixes texts and token ids. Send a text, token ids, a list of texts, or a list of token ids.",
                param="input",
                code="invalid_type",
            )
    if len(texts) > MOST_TEXTS:
        raise bad_request(
            f"'input' holds {len(texts):,} texts; one request takes {MOST_TEXTS:,}. Send several requests.",
            param="input",
            code="array_above_max_length",
        )
    empty = next((at for at, text in enumerate(texts) if not text), None)
    if empty is not None:
        raise bad_request(f"'input[{empty}]' is empty; there is nothing to embed.", param="input", code="invalid_value")
    if any(token < 0 for text in texts if not isinstance(text, str) for token in text):
        raise bad_request("'input' holds a token id below 0.", param="input", code="invalid_value")
    return texts


def _check_dimensions(body: EmbeddingsBody, embeddings: Embeddings) -> None:
    num_dimensions = embeddings.vectors_ND.shape[1]
    if body.dimensions is not None and body.dimensions != num_dimensions:
        raise Failure(
            400,
            f"'dimensions' is {body.dimensions:,}; the vectors of `{body.model}` have {num_dimensions:,} and are not "
            "shortened. Leave it out.",
            param="dimensions",
            code="unsupported_value",
        )


def _list(name: str, body: EmbeddingsBody, embeddings: Embeddings) -> EmbeddingList:
    vectors: list[list[float] | str]
    if body.encoding_format == "base64":
        vectors = [base64.b64encode(row.astype("<f4").tobytes()).decode() for row in embeddings.vectors_ND]
    else:
        vectors = embeddings.vectors_ND.tolist()
    data = [EmbeddingBody("embedding", index, vector) for index, vector in enumerate(vectors)]
    return EmbeddingList("list", data, name, EmbeddingUsage(embeddings.num_tokens, embeddings.num_tokens))
