"""openai-python's own tests of its resources, run against the real server.

They were written for a mock that answers everything, by any id. `real_response_ids.py` gives them ids of what exists;
of the rest not all can pass: `EXPECTED` says which do not, and why. `docs/openai-compatibility.md` says how to fetch
them. A test that begins to pass, or ceases to, fails here.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import openai
import pytest
from server_process import ServerProcess

HERE = Path(__file__).resolve().parent
COPY = HERE.parents[1] / ".cache" / f"openai-{openai.__version__}"
FILES = (
    "chat",
    "responses",
    "test_responses.py",
    "test_completions.py",
    "test_models.py",
    "test_embeddings.py",
)
# The names that the tests ask for.
MODELS = ("gpt-6-astra", "gpt-3.5-turbo-instruct", "model", "text-embedding-3-small")

_ANY_OF = r".*::test_(method|raw_response|streaming_response)_"


class Expected(NamedTuple):
    """Tests that fail, by a pattern of their names; why, and what the server or the client says."""

    names: str
    why: str
    says: str


EXPECTED = (
    Expected(
        r"chat\.test_completions .*create_with_all_params.*",
        "send sound, functions, a web search, a bias for no token's id, and 0 as the longest answer",
        "400 - Invalid type: a key of 'logit_bias'",
    ),
    Expected(
        r"chat\.completions\.test_messages .*::test_(method|raw_response|streaming_response)_list\[.*",
        "know listed messages of the assistant alone; the document's own example of the list has a user's",
        r"'user' in \('assistant',\)|APIResponseValidationError",
    ),
    Expected(
        rf"test_responses {_ANY_OF}create_overload_.*|responses\.test_input_tokens {_ANY_OF}count\[.*",
        "send neither a model nor an input",
        "400 - Missing required parameter: 'model'",
    ),
    Expected(
        r"(test_responses|responses\.test_input_tokens) .*(create|count)_with_all_params.*",
        "send conversations, prompts and responses kept elsewhere, moderation, a personality",
        "400 - (Unsupported parameter|Previous response)",
    ),
    Expected(
        r"responses\.test_input_items .*list_with_all_params.*",
        "ask for a page of no items, where OpenAI's document allows 1 to 100",
        "400 - 'limit' is 0",
    ),
    Expected(
        rf"(test_responses {_ANY_OF}compact|test_models {_ANY_OF}delete).*",
        "compact a conversation and delete a model, which are not served",
        "40[45] - (Unknown request URL|Not allowed to)",
    ),
    Expected(
        r"test_completions .*create_with_all_params.*",
        "send 0 for the best of several answers, a suffix, a bias for no token's id",
        "400 - Invalid value: 'best_of' is 0",
    ),
    Expected(r"test_embeddings .*create_with_all_params.*", "ask for vectors of one number", "400 - 'dimensions' is 1"),
    Expected(
        r"test_embeddings .*\[(strict|aiohttp)\]",
        "check types before they decode the base64 that they asked for",
        "APIResponseValidationError",
    ),
)


@pytest.fixture
def aliased(smollm2_gguf: Path, tmp_path: Path) -> Iterator[ServerProcess]:
    """Its answers are short, since most of the tests bound them no further."""
    aliases = [word for name in MODELS for word in ("--alias", f"{name}=smollm2-135m")]
    server = ServerProcess("smollm2-135m", "--port", "0", "--max-tokens", "16", *aliases, log=tmp_path / "server.log")
    yield server
    server.stop()


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_openai_pythons_own_tests(aliased: ServerProcess, tmp_path: Path) -> None:
    if not COPY.is_dir():
        pytest.skip(f"{COPY} is absent; docs/openai-compatibility.md says how to fetch it")
    report = tmp_path / "report.xml"
    options = ["-q", "-o", "addopts=", "-p", "no:cacheprovider", "-p", "no:schemathesis", "-p", "real_response_ids"]
    command = [sys.executable, "-m", "pytest", *options, f"--junitxml={report}"]
    done = subprocess.run(
        [*command, *(f"tests/api_resources/{name}" for name in FILES)],
        cwd=COPY,
        env=os.environ | {"TEST_API_BASE_URL": f"{aliased.url}/v1", "PYTHONPATH": str(HERE)},
        capture_output=True,
        text=True,
        timeout=800,
        check=False,
    )
    assert report.exists(), done.stdout[-3000:] + done.stderr[-3000:]
    outcomes = {_name(case): _failure(case) for case in ElementTree.parse(report).iter("testcase")}
    assert len(outcomes) == 455
    faults = {name: why for name, why in outcomes.items() if not _is_as_expected(name, why)}
    assert faults == {}
    print(f"{sum(why is None for why in outcomes.values())} of {len(outcomes)} pass")


def _is_as_expected(name: str, why: str | None) -> bool:
    expected = next((expected for expected in EXPECTED if re.fullmatch(expected.names, name)), None)
    if expected is None or why is None:
        return expected is None and why is None
    return re.search(expected.says, why) is not None


def _name(case: Any) -> str:
    """Such as `chat.test_completions TestCompletions::test_method_list[loose]`."""
    module, _, kind = case.get("classname").removeprefix("tests.api_resources.").rpartition(".")
    return f"{module} {kind}::{case.get('name')}"


def _failure(case: Any) -> str | None:
    found = case.find("failure") if case.find("failure") is not None else case.find("error")
    return None if found is None else str(found.get("message"))
