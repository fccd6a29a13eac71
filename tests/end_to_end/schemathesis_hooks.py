"""What schemathesis loads beside the server's document: requests ask for the model that there is."""

from __future__ import annotations

from typing import Any

import schemathesis


@schemathesis.hook  # type: ignore[untyped-decorator]
def map_body(context: Any, body: Any) -> Any:
    """Names of models come from nowhere, and would end nearly every request with a 404."""
    if isinstance(body, dict) and isinstance(body.get("model"), str):
        return body | {"model": "scripted"}
    return body
