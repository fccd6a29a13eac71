"""What a user types, and what comes back: help, errors with their exit codes, and what is never loaded."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

COMMANDS = ("compare", "trial", "verdict", "report", "ask", "chat", "models", "pull", "bench", "doctor")


def test_help_lists_every_command(seatrial) -> None:
    ran = seatrial("--help")
    assert ran.code == 0
    for command in COMMANDS:
        assert f"  {command} " in ran.out


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help(seatrial, command: str) -> None:
    ran = seatrial(command, "--help")
    assert ran.code == 0
    assert "Usage: " in ran.out


def test_help_loads_nothing_heavy() -> None:
    heavy = {"torch", "numpy", "scipy", "aiohttp", "asyncio", "rich.console", "msgspec", "jinja2"}
    script = "import sys, seatrial.cli.main; print(' '.join(sys.modules))"
    loaded = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout.split()
    assert not heavy & set(loaded)


def test_published_evidence_needs_neither_torch_nor_scipy(tmp_path: Path) -> None:
    words = ["seatrial", "compare", "smollm3-3b", "gpt-5-mini", "--out", str(tmp_path / "run")]
    script = (
        f"import sys; sys.argv = {words!r}\nfrom seatrial.cli.main import app\n"
        "app(standalone_mode=False); print('LOADED', *sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    loaded = set(done.stdout.rpartition("LOADED")[2].split())
    assert not {"torch", "scipy", "sklearn", "aiohttp", "transformers", "genai_prices"} & loaded


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (("compare", "smolm3-3b"), 2, ["`smolm3-3b`", "`smollm3-3b`"]),
        (("compare", "baseline:nearst"), 2, ["`nearst`", "`nearest`"]),
        (("compare", "smollm2-135m@f33"), 2, ["f33"]),
        (("compare", "baseline:nearest", "--on", "triag"), 2, ["`triag`", "`triage`"]),
        (("compare", "baseline:nearest", "--on", "absent.jsonl"), 2, ["absent.jsonl"]),
        (("compare", "baseline:nearest", "baseline:nearest", "--on", "triage"), 2, ["twice"]),
        (("compare", "./absent.gguf", "--on", "triage"), 2, ["absent.gguf"]),
        (("compare",), 2, ["CANDIDATE"]),
        (("compare", "gpt-5-mini", "--margin", "3"), 2, ["--margin"]),
        (("trial", "gpt-5-mini"), 2, ["--on"]),
        (("ask", "baseline:nearest", "hello"), 2, ["baseline:nearest", "--on"]),
        (("ask", "gpt-5-mini", "hello"), 1, ["OPENAI_API_KEY"]),
        (("ask", "smollm3-3b", "hello"), 1, ["seatrial pull smollm3-3b"]),
        (("pull", "gpt-5-mini"), 2, ["OPENAI_API_KEY"]),
        (("pull", "phi-4-mini"), 2, ["http://host:port/v1#phi-4-mini"]),
        (("models", "show", "smolm3"), 2, ["`smollm3-3b`"]),
        (("verdict", "nowhere"), 2, ["nowhere"]),
        (("report", "nowhere"), 1, ["nowhere", "seatrial verdict"]),
        (("frobnicate",), 2, ["frobnicate"]),
    ],
)
def test_what_cannot_be_done_is_said(seatrial, words: tuple[str, ...], code: int, says: list[str]) -> None:
    ran = seatrial(*words)
    assert ran.code == code, ran
    for part in says:
        assert part in ran.err


def test_models_show_gives_every_fact_its_source(seatrial) -> None:
    ran = seatrial("models", "show", "gpt-5-mini")
    assert "2026-12-11" in ran.out
    assert "OpenAI, deprecations" in ran.out
    shown = json.loads(seatrial("models", "show", "gpt-5-mini", "--json").out)
    assert shown["id"] == "gpt-5-mini"
    assert len(json.loads(seatrial("models", "list", "--json").out)) >= 20


def test_doctor_says_what_is_missing_and_the_way_out(seatrial) -> None:
    ran = seatrial("doctor")
    assert ran.code == 0
    assert "OPENAI_API_KEY is not set" in ran.out
    assert "kernels" in ran.out
    assert "seatrial pull smollm2-135m" in ran.out
    assert "sk-secret" not in seatrial("doctor", env={"OPENAI_API_KEY": "sk-secret"}).out


def test_a_question_without_pictures_loads_no_library_for_them() -> None:
    modules = "seatrial.cli.attachments, seatrial.cli.wiring_server, seatrial.providers.local"
    script = f"import sys, {modules}; from seatrial.server.endpoints import chat, responses; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout.split()
    assert not {"PIL", "av"} & set(loaded)
