"""The command line, given what people give it by mistake: one sentence, no traceback, and not exit code 0."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest

PROGRAM = """
import contextlib, io, json, sys
from seatrial.cli.main import run

told = []
for words in json.loads(sys.argv[1]):
    sys.argv = ["seatrial", *words]
    err = io.StringIO()
    with contextlib.redirect_stderr(err), contextlib.redirect_stdout(io.StringIO()):
        try:
            run()
            code = 0
        except SystemExit as ending:
            code = ending.code
    told.append((code, err.getvalue()))
print(json.dumps(told))
"""


class Mistake(NamedTuple):
    candidate: str
    code: int
    says: tuple[str, ...]


MISTAKES = [
    Mistake("./cut.gguf", 1, ("cut.gguf", "cut off", "Fetch the file again.")),
    Mistake("./text.gguf", 1, ("text.gguf", "does not begin with `GGUF`", "Name another file")),
    Mistake("./zero.gguf", 1, ("zero.gguf", "empty", "Fetch the file again.")),
    Mistake("./empty", 1, ("empty", "neither a config.json nor a .gguf file")),
    Mistake("./config_only", 1, ("config_only/tokenizer.json", "missing", ".safetensors")),
    Mistake("./other_model", 1, ("other_model/config.json", "`qwen2`", "`llama`", "`smollm3`")),
    Mistake("./other_tensors", 1, ("other_tensors", "model.embed_tokens.weight", "missing")),
    Mistake("./quantised", 1, ("quantised/config.json", "gptq", "F32, F16 or BF16")),
    Mistake("./two", 1, ("two", "2 .gguf files", "two/a.gguf")),
    Mistake("./absent.gguf", 2, ("absent.gguf", "no checkpoint")),
    Mistake("./whole@int3", 2, ("`int3`", "`int8`", "`int4`", "may set")),
    Mistake("./whole@threads=0", 2, ("`threads`", "`0`", "1 to 1,024")),
    Mistake("./whole@context=10", 2, ("`context`", "`10`", "16 to 16,777,216")),
    Mistake("./whole@context=99999999", 2, ("`context`", "`99999999`", "16 to 16,777,216")),
]
TOO_LONG = Mistake("./whole@context=100000", 2, ("100,000 tokens", "`./whole@context=100000`", "from 1 to 256"))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, tiny: Callable[..., Any]) -> Path:
    folder, model = tmp_path_factory.mktemp("careless"), tiny(num_hidden_layers=1)
    data = model.write_gguf(folder / "cut.gguf").read_bytes()
    (folder / "cut.gguf").write_bytes(data[: len(data) // 2])
    (folder / "text.gguf").write_text("These are my notes on models.\n")
    (folder / "zero.gguf").touch()
    (folder / "empty").mkdir()
    for name in ("whole", "config_only", "other_model", "other_tensors", "quantised"):
        model.write_folder(folder / name)
    for name in ("tokenizer.json", "tokenizer_config.json", "model.safetensors"):
        (folder / "config_only" / name).unlink()
    (folder / "other_model" / "config.json").write_text(json.dumps(model.raw | {"model_type": "qwen2"}))
    (folder / "quantised" / "config.json").write_text(
        json.dumps(model.raw | {"quantization_config": {"quant_method": "gptq"}})
    )
    other = tiny(num_hidden_layers=1)
    other.tensors = {"transformer.wte.weight": other.tensors["model.norm.weight"]}
    other.write_folder(folder / "other_tensors")
    (folder / "two").mkdir()
    for name in ("a", "b"):
        model.write_gguf(folder / "two" / f"{name}.gguf")
    return folder


def told(folder: Path, commands: list[list[str]]) -> list[tuple[int, str]]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("OPENAI_", "SEATRIAL_"))}
    ended = subprocess.run(
        [sys.executable, "-c", PROGRAM, json.dumps(commands)],
        cwd=folder,
        env=kept | {"SEATRIAL_HOME": str(folder / "home"), "COLUMNS": "200"},
        capture_output=True,
        text=True,
        timeout=100,
    )
    assert ended.returncode == 0, ended.stderr
    found: list[tuple[int, str]] = json.loads(ended.stdout)
    return found


def test_every_mistake_is_answered_with_its_reason(folder: Path) -> None:
    quick = ["--prompt", "16", "--generate", "2", "--batch", "1", "--repeats", "1"]
    compared = [*MISTAKES, TOO_LONG]
    commands = [["bench", mistake.candidate, *quick] for mistake in MISTAKES]
    commands += [
        ["compare", mistake.candidate, "--on", "triage", "--limit", "1", "--out", f"run-{index}"]
        for index, mistake in enumerate(compared)
    ]
    for words, mistake, (code, said) in zip(commands, [*MISTAKES, *compared], told(folder, commands), strict=True):
        assert code == mistake.code, (words, said)
        assert "Traceback" not in said
        for part in mistake.says:
            assert part in said, (words, said)
