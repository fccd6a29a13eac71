"""The official npm client against the same servers, see `npm_client.mjs`."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx2
import pytest
from gateway import Gateway
from stand_in import answer, in_turn, openai_error, refusal

SCRIPT = Path(__file__).with_name("npm_client.mjs")
FOLDER = Path(__file__).resolve().parents[2] / ".cache" / "npm-openai"
PACKAGES = {"openai": "7.57.0", "zod": "4.6.7"}


@pytest.fixture(scope="session")
def npm_folder() -> Path:
    """Where the packages lie; fetched once. Skips where there is no npm, or nowhere to fetch them from."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None or npm is None:
        pytest.skip("node and npm are absent; they bring the official JavaScript client")
    if not all(_version(name) == version for name, version in PACKAGES.items()):
        FOLDER.mkdir(parents=True, exist_ok=True)
        (FOLDER / "package.json").write_text(json.dumps({"private": True, "dependencies": PACKAGES}))
        command = [npm, "install", "--no-audit", "--no-fund", "--no-package-lock"]
        done = subprocess.run(command, cwd=FOLDER, capture_output=True, text=True, timeout=300, check=False)
        if done.returncode != 0:
            pytest.skip(f"npm cannot fetch the client: {done.stderr[-500:]}")
    return FOLDER


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_the_npm_client(
    npm_folder: Path, server: Any, gateway: Gateway, recorder: Any, tmp_path: Path, check_document: Callable[..., None]
) -> None:
    busy = refusal(429, openai_error("Slow down.", "requests", "rate_limit_exceeded"), retry_after_ms="40")
    gateway.scripts["npm busy twice"] = in_turn(busy, busy, answer("At last."))
    gateway.scripts["npm broken"] = in_turn(refusal(500, openai_error("Broken.", "server_error", None)))
    replies = tmp_path / "replies.jsonl"
    replies.touch()
    shutil.copy(SCRIPT, npm_folder)
    done = subprocess.run(
        ["node", "--test", "--test-reporter=spec", SCRIPT.name],
        cwd=npm_folder,
        env=os.environ
        | {
            "SEATRIAL_URL": server.url,
            "GATEWAY_URL": gateway.server.url,
            "GATEWAY_KEY": gateway.key,
            "REPLIES": str(replies),
        },
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
    assert gateway.num_asked["npm busy twice"] == 3
    _hold(recorder, replies)
    assert recorder.num_checked["CreateChatCompletionStreamResponse"] > 10
    assert recorder.num_checked["ResponseStreamEvent"] > 10
    server.seconds_until(lambda: server.total("engine_running") == 0)


def _hold(recorder: Any, replies: Path) -> None:
    for line in replies.read_text().splitlines():
        reply = json.loads(line)
        request = httpx2.Request(reply["method"], f"http://127.0.0.1{reply['path']}")
        response = httpx2.Response(reply["status"], headers={"content-type": reply["type"] or ""})
        recorder.took(request, response, reply["body"].encode())


def _version(name: str) -> str | None:
    about = FOLDER / "node_modules" / name / "package.json"
    return json.loads(about.read_text())["version"] if about.exists() else None
