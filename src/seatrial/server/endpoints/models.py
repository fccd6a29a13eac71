"""`GET /v1/models` and `GET /v1/models/{id}`. An id may hold slashes, encoded or not."""

from __future__ import annotations

from typing import Literal

import msgspec

from seatrial.server.http import Call, Reply, Route
from seatrial.server.served import ModelCard, Models


class ModelBody(msgspec.Struct, frozen=True):
    """A model as the API lists it."""

    id: str
    created: int
    object: Literal["model"]
    owned_by: str


class ModelList(msgspec.Struct, frozen=True):
    """All of them."""

    object: Literal["list"]
    data: list[ModelBody]


def model_routes(models: Models) -> tuple[Route, ...]:
    """The routes."""

    async def every(call: Call) -> Reply:
        return Reply(msgspec.json.encode(ModelList("list", [_body(card) for card in models.cards()])))

    async def one(call: Call) -> Reply:
        return Reply(msgspec.json.encode(_body(models.card(call.path_values["id"]))))

    return (Route("GET", "/v1/models", every), Route("GET", "/v1/models/{id*}", one))


def _body(card: ModelCard) -> ModelBody:
    return ModelBody(card.id, card.created, "model", card.owned_by)
