"""Models that do not fit this machine or are asked for too much: said before memory is taken, or once it is out."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from seatrial.engine import Model, native_runner
from seatrial.engine import model as model_module
from seatrial.engine.memory import out_of_memory, usual_context
from seatrial.errors import NotRunnable, UsageError
from seatrial.kernels import cpu
from seatrial.models.config import config_from_hf

native = pytest.mark.skipif(cpu.why_absent() is not None, reason="the native kernels are not built")

LOADING = """
import json, os, resource, sys
from seatrial.engine import Model, SamplingParams
from seatrial.errors import SeatrialError
import seatrial.engine.torch_runner

path, told = sys.argv[1], []
for dtype in ("auto", "float32"):
    for room_mb in (4, 40, 75, 150, 2000):
        read, write = os.pipe()
        child = os.fork()
        if not child:
            pages = int(open("/proc/self/statm").read().split()[0])
            most = pages * resource.getpagesize() + (room_mb << 20)
            resource.setrlimit(resource.RLIMIT_AS, (most, most))
            try:
                model = Model.from_pretrained(path, dtype=dtype, device="cpu", threads=1, name="some-model")
                model.generate("hello", SamplingParams(max_tokens=2))
                said = "answered"
            except SeatrialError as error:
                said = f"{type(error).__name__}: {error}"
            except BaseException as error:
                said = f"!!! {error!r}"
            os.write(write, said.encode())
            os._exit(0)
        os.close(write)
        told.append((dtype, room_mb, os.read(read, 9999).decode()))
        os.waitpid(child, 0)
print(json.dumps(told))
"""


@pytest.mark.slow
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="memory is bounded by Linux's limits")
def test_memory_that_is_short_or_runs_out_is_said_with_what_would_fit(tmp_path: Path, tiny: Callable[..., Any]) -> None:
    """23 million weights, in a process that may take so many megabytes: every outcome is a sentence or an answer."""
    shape = {"hidden_size": 512, "intermediate_size": 2048, "num_attention_heads": 8, "num_hidden_layers": 6}
    path = tiny(**shape).write_gguf(tmp_path / "model.gguf", "F16")
    ended = subprocess.run([sys.executable, "-c", LOADING, str(path)], capture_output=True, text=True, timeout=100)
    assert ended.returncode == 0, ended.stderr
    told = {(dtype, room): said for dtype, room, said in json.loads(ended.stdout)}
    assert len(told) == 10
    for (dtype, room), said in told.items():
        expected = r"answered|NotRunnable: .*`some-model`.*(free|smaller|fits|Ask for).*"
        assert re.fullmatch(expected, said), (dtype, room, said)
    for dtype in ("auto", "float32"):
        assert told[dtype, 2000] == "answered"
        assert told[dtype, 40] != "answered"
    beforehand = r"The weights of `some-model` take .* MB as \w+; .* MB are free\. (As `int[48]` they|Free memory)"
    assert any(re.search(beforehand, said) for said in told.values())


@pytest.fixture
def file(tmp_path: Path, tiny: Callable[..., Any]) -> Path:
    path: Path = tiny(num_hidden_layers=1).write_gguf(tmp_path / "model.gguf", "Q8_0")
    return path


def test_a_context_that_the_model_does_not_take_names_both(file: Path) -> None:
    for wrong in (257, 100_000, 0, -1):
        with pytest.raises(
            UsageError, match=rf"A context of {wrong:,} tokens was asked for; `tiny` takes from 1 to 256"
        ):
            Model.from_pretrained(file, context_length=wrong, name="tiny")
    assert Model.from_pretrained(file, context_length=256, name="tiny").engine.limits.context_length == 256


@native
def test_a_cache_that_does_not_fit_is_refused_before_the_weights_are_read(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(native_runner, "free_bytes", lambda device: 80_000)
    monkeypatch.setattr(native_runner, "pack_weights", lambda *a, **k: pytest.fail("weights were taken"))
    with pytest.raises(NotRunnable, match=r"`tiny`: a context of 256 tokens takes .* of KV cache; .* are free\."):
        Model.from_pretrained(file, name="tiny", device="cpu")


def test_a_cache_that_no_longer_fits_is_refused_when_it_is_taken(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = Model.from_pretrained(file, name="tiny", device="cpu", dtype="float32")
    monkeypatch.setattr(model_module, "free_bytes", lambda device: 40_000)
    with pytest.raises(NotRunnable, match=r"`tiny`: a context of 256 tokens takes .*; .* are free\. A context of \d+ "):
        model.generate("hello")
    monkeypatch.undo()
    assert model.generate("hello").num_prompt > 0


def test_a_file_that_claims_an_endless_context_takes_no_more_memory_for_it() -> None:
    raw = {"hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 32}
    raw |= {"model_type": "llama", "vocab_size": 9, "max_position_embeddings": 1 << 24}
    config = config_from_hf(raw)
    assert usual_context(config, 1024, None) == usual_context(config, 1024, 1 << 40) == 131_072


@pytest.mark.parametrize(
    ("model", "dtype", "way_out"),
    [
        ("smollm3-3b", "auto", "ask for `smollm3-3b@int4`"),
        ("smollm3-3b@bf16,seed=1", "bfloat16", "ask for `smollm3-3b@seed=1,int4`"),
        ("hf:owner/name@main", "auto", "ask for `hf:owner/name@main,int4`"),
        ("smollm3-3b@int4", "int4", "or take a smaller model."),
    ],
)
def test_the_way_out_can_be_typed(model: str, dtype: str, way_out: str) -> None:
    for error in (MemoryError(), RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried")):
        refusal = out_of_memory(error, model=model, dtype=dtype, free_bytes=5_000_000)
        assert f"`{model}` was loaded; 5.0 MB are free" in str(refusal)
        assert str(refusal).rstrip(".").endswith(way_out.rstrip("."))
    assert out_of_memory(RuntimeError("shape mismatch"), model=model, dtype=dtype, free_bytes=None) is None


def test_what_only_the_native_kernels_have_says_what_to_leave_out(file: Path) -> None:
    with pytest.raises(NotRunnable, match=r"with cache `int8` here: .*Leave it out, or the dtype `float32`"):
        Model.from_pretrained(file, name="tiny", device="cpu", dtype="float32", cache="int8")
