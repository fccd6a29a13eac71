"""What operators and their tools ask: `GET /healthz`, `GET /readyz`, `GET /metrics`."""

from __future__ import annotations

import msgspec

from seatrial.server.http import Call, Reply, Route
from seatrial.server.metrics import MEDIA_TYPE, Metrics
from seatrial.server.readiness import Readiness

_OK = msgspec.json.encode({"status": "ok"})


def operation_routes(metrics: Metrics, readiness: Readiness, *, open_metrics: bool = True) -> tuple[Route, ...]:
    """The routes.

    `/healthz` says that the process answers at all, `/readyz` that requests belong here. Unless `open_metrics`,
    metrics need an API key where the server asks for keys.
    """

    async def health(call: Call) -> Reply:
        return Reply(_OK)

    async def ready(call: Call) -> Reply:
        readiness.check()
        return Reply(_OK)

    async def count(call: Call) -> Reply:
        return Reply(metrics.render(), media_type=MEDIA_TYPE)

    return (
        Route("GET", "/healthz", health, is_open=True),
        Route("GET", "/readyz", ready, is_open=True),
        Route("GET", "/metrics", count, is_open=open_metrics),
    )
