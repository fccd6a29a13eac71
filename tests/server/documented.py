"""The document of the API, and the routes that it is of."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from scripted import (
    ScriptedModels,
    clock,
    counted_ids,
)

from seatrial.server.endpoints.chat import chat_routes
from seatrial.server.endpoints.completions import completion_routes
from seatrial.server.endpoints.documents import document_routes
from seatrial.server.endpoints.embeddings import embedding_routes
from seatrial.server.endpoints.models import model_routes
from seatrial.server.endpoints.operation import operation_routes
from seatrial.server.endpoints.responses import response_routes
from seatrial.server.http import Route
from seatrial.server.metrics import Metrics
from seatrial.server.openapi import openapi_document
from seatrial.server.readiness import Readiness

DOCUMENT = openapi_document("m")


def all_routes(models: ScriptedModels) -> dict[tuple[str, str], Route]:
    """Every route of the server, by method and by path as the document writes it."""
    options: dict[str, Any] = {"clock": clock, "new_id": counted_ids()}
    routes = (
        *chat_routes(models, **options),
        *completion_routes(models, **options),
        *response_routes(models, **options),
        *embedding_routes(models),
        *model_routes(models),
        *operation_routes(Metrics(), Readiness()),
        *document_routes(example_model="m"),
    )
    return {(route.method, route.path.replace("*}", "}")): route for route in routes}


def operations() -> Iterator[tuple[str, str, Mapping[str, Any]]]:
    for path, methods in DOCUMENT["paths"].items():
        for method, operation in methods.items():
            yield method.upper(), path, operation
