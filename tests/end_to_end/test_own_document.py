"""The server keeps to its own OpenAPI document, whatever it is sent: schemathesis reads the one and calls the other."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
SERVER = HERE.parents[1] / "benchmarks" / "scripted_server.py"
# More find more: 2,000 take an hour.
NUM_EXAMPLES = os.environ.get("SCHEMATHESIS_EXAMPLES", "25")
# Rules between two fields (`top_logprobs` needs `logprobs`) are kept by the server, and no JSON schema says them.
UNSAID = "positive_data_acceptance"


@pytest.fixture
def scripted_url() -> Iterator[str]:
    with subprocess.Popen(
        [sys.executable, str(SERVER), "--pieces", "3"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as process:
        assert process.stdout is not None
        yield json.loads(process.stdout.readline())["url"]
        process.terminate()
        assert process.wait(20) == 0


@pytest.mark.slow
@pytest.mark.timeout(36_000)
def test_schemathesis_finds_nothing(scripted_url: str, tmp_path: Path) -> None:
    pytest.importorskip("schemathesis")
    config = tmp_path / "schemathesis.toml"
    config.write_text(f"hooks = {json.dumps(str(HERE / 'schemathesis_hooks.py'))}\n")
    options = ["--max-examples", NUM_EXAMPLES, "--exclude-checks", UNSAID, "--request-timeout", "20", "--no-color"]
    program = Path(sys.executable).with_name("schemathesis")
    done = subprocess.run(
        [program, "--config-file", config, "run", f"{scripted_url}/openapi.json", *options, "--continue-on-failure"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-8000:] + done.stderr[-2000:]
    assert re.search(r"Selected: (\d+)/\1\s+Tested: \1\s", done.stdout), done.stdout[-3000:]
