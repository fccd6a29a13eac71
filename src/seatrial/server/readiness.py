"""Whether requests belong here now."""

from __future__ import annotations

from dataclasses import dataclass

from seatrial.server.errors import Failure

_RETRY_S = 2.0


@dataclass(slots=True)
class Readiness:
    """`reason` is what keeps this server from answering, None while nothing does."""

    reason: str | None = None

    def check(self) -> None:
        """Raises Failure 503 with the reason."""
        if self.reason is not None:
            raise Failure(503, self.reason, "api_error", "not_ready", retry_after_s=_RETRY_S)
