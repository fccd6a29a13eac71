"""Makes importable by name the modules beside this file and the stand-in upstream; OpenAI's published document."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

HERE = Path(__file__).resolve().parent
for folder in (str(HERE), str(HERE.parent / "contract")):
    if folder not in sys.path:
        sys.path.insert(0, folder)


@pytest.fixture(scope="session")
def openai_document(reference_data: Path) -> Any:
    """See `openai_document.py`; a test that asks for it is skipped where the document is absent."""
    from openai_document import OpenAIDocument

    return OpenAIDocument(reference_data / "openai-openapi.json")


@pytest.fixture(scope="session")
def fits_document(request: pytest.FixtureRequest) -> Callable[[str, Any], None]:
    """Holds a value against a named schema of the document; where that is absent, anything fits."""
    try:
        document = request.getfixturevalue("openai_document")
    except pytest.skip.Exception:
        return lambda schema, value: None
    return document.check  # type: ignore[no-any-return]


@pytest.fixture(scope="session")
def responses_client(fits_document: Callable[[str, Any], None]) -> Callable[..., Any]:
    """Makes clients of the endpoints of responses, see `responses_client.py`."""
    from responses_client import ResponsesClient

    return lambda provider=None, **options: ResponsesClient(provider, fits_document, **options)
