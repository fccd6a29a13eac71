"""The official client beside real server processes; every reply that it gets is held against OpenAI's document."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

TESTS = Path(__file__).resolve().parents[1]
for folder in ("end_to_end", "server", "contract"):
    if str(TESTS / folder) not in sys.path:
        sys.path.insert(0, str(TESTS / folder))

openai = pytest.importorskip("openai")


@pytest.fixture(scope="session")
def check_document(request: pytest.FixtureRequest) -> Callable[[str, Any], None]:
    """Holds a value against a schema of OpenAI's document; where that is absent, anything fits."""
    from openai_document import OpenAIDocument

    try:
        folder: Path = request.getfixturevalue("reference_data")
    except pytest.skip.Exception:
        return lambda schema, value: None
    return OpenAIDocument(folder / "openai-openapi.json").check


@pytest.fixture
def recorder(check_document: Callable[[str, Any], None]) -> Iterator[Any]:
    """What the test's clients were answered; the test fails where a reply did not fit."""
    from recording import Recorder

    recorder = Recorder(check_document)
    yield recorder
    assert recorder.faults == []


@pytest.fixture(scope="session")
def server(smollm2_gguf: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """SmolLM2-135M behind the API, under an alias too."""
    from server_process import ServerProcess

    log = tmp_path_factory.mktemp("server") / "server.log"
    server = ServerProcess("smollm2-135m", "--port", "0", "--alias", "gpt-5-mini=smollm2-135m", log=log)
    yield server
    assert "Traceback" not in server.said()
    assert server.stop() == 0


@pytest.fixture(scope="session")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """See `gateway.py`."""
    from gateway import Gateway

    gateway = Gateway(tmp_path_factory.mktemp("gateway"))
    yield gateway
    gateway.close()


@pytest.fixture
def connect(recorder: Any) -> Iterator[Callable[..., Any]]:
    """Makes synchronous clients of a URL: `connect(server.url, api_key=…, max_retries=…)`."""
    import httpx2
    from recording import RecordingTransport

    clients = []

    def make(url: str, **options: Any) -> Any:
        http_client = httpx2.Client(transport=RecordingTransport(recorder))
        given = {"api_key": "none", "max_retries": 0, "timeout": 60.0} | options
        clients.append(openai.OpenAI(base_url=f"{url}/v1", http_client=http_client, **given))
        return clients[-1]

    yield make
    for client in clients:
        client.close()


@pytest.fixture
def client(server: Any, connect: Callable[..., Any]) -> Any:
    """A synchronous client of the real model that refuses replies of other types than it knows."""
    return connect(server.url, _strict_response_validation=True)


@pytest.fixture
async def async_client(server: Any, recorder: Any) -> AsyncIterator[Any]:
    """An asynchronous one."""
    import httpx2
    from recording import AsyncRecordingTransport

    http_client = httpx2.AsyncClient(transport=AsyncRecordingTransport(recorder))
    options: dict[str, Any] = {"api_key": "none", "max_retries": 0, "timeout": 60.0, "http_client": http_client}
    async with openai.AsyncOpenAI(
        base_url=f"{server.url}/v1", _strict_response_validation=True, **options
    ) as async_client:
        yield async_client
