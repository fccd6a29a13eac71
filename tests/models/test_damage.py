"""Checkpoints with anything wrong, all the way to an answer: an error by name, soon, and without much memory.

What is made wrong is in `damage/gguf_damage.py` and `damage/folder_damage.py`, what must come of it in
`damage/loading.py`. `damage/campaign.py` does the same thousands of times in a process of bounded memory.
"""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import tracemalloc
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seatrial.engine.native_runner import open_native, why_not_native
from seatrial.errors import SeatrialError
from seatrial.kernels import cpu
from seatrial.models.checkpoint import open_checkpoint

CAMPAIGN = Path(__file__).parent / "damage" / "campaign.py"

FORMATS = ("gguf", "folder")
DTYPES = ("auto", "int8", "float32")
# Python's own objects of a header take several times their bytes: an empty text is 8 bytes there and 49 here.
TIMES_FILE, AND_BYTES = 12, 2_000_000


@pytest.fixture(scope="module")
def write(tmp_path_factory: pytest.TempPathFactory, tiny: Callable[..., Any]) -> dict[str, Callable[..., Path]]:
    """For each format a function that writes a damaged checkpoint."""
    import campaign

    assert tiny  # `campaign` finds the tiny models where this fixture has put them
    return {each: campaign.damage(each, tmp_path_factory.mktemp(each)) for each in FORMATS}


@pytest.mark.parametrize("format", FORMATS)
@settings(max_examples=150, deadline=None)
@given(rng=st.randoms(use_true_random=False), dtype=st.sampled_from(DTYPES))
def test_whatever_is_wrong_is_an_error_of_ours_that_names_the_file(
    write: dict[str, Callable[..., Path]], format: str, rng: random.Random, dtype: str
) -> None:
    from loading import load_and_ask

    load_and_ask(write[format](rng), dtype=dtype)


@pytest.mark.skipif(cpu.why_absent() is not None, reason="the native kernels are not built")
@pytest.mark.parametrize("format", FORMATS)
def test_reading_and_packing_take_a_few_times_the_size_of_the_file(
    write: dict[str, Callable[..., Path]], format: str
) -> None:
    num_packed = 0
    for seed in range(150):
        path = write[format](random.Random(seed))
        size = sum(file.stat().st_size for file in path.iterdir()) if path.is_dir() else path.stat().st_size
        tracemalloc.start()
        try:
            checkpoint = open_checkpoint(path, now=datetime.now)
            if why_not_native(checkpoint.config, "auto") is None:
                open_native(checkpoint, threads=1).close()
                num_packed += 1
        except SeatrialError:
            pass
        most = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert most < TIMES_FILE * size + AND_BYTES, f"seed {seed}: {most:,} bytes for a file of {size:,}"
    assert num_packed > 5


def run_campaign(format: str, folder: Path, *, seed: int, count: int, timeout_s: float) -> dict[str, Any]:
    """`count` damaged checkpoints in a process of bounded memory; its report, once it holds no failure."""
    program = [sys.executable, "-W", "error::RuntimeWarning", str(CAMPAIGN)]
    ended = subprocess.run(
        [*program, format, str(seed), str(count), str(folder)],
        env=os.environ | {"MALLOC_ARENA_MAX": "1"},
        capture_output=True,
        text=True,
        timeout=timeout_s,
    )
    assert ended.returncode == 0, ended.stderr[-3000:]
    report: dict[str, Any] = json.loads(ended.stdout)
    assert not report["failures"], report["failures"][:3]
    assert sum(report["outcomes"].values()) == count
    return report


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="memory is bounded by Linux's limits")
def test_some_in_little_memory(tmp_path: Path) -> None:
    report = run_campaign("both", tmp_path, seed=0, count=200, timeout_s=120)
    assert report["outcomes"]["CheckpointError"] > 70
    assert report["outcomes"]["answered"] > 7


@pytest.mark.slow
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="memory is bounded by Linux's limits")
@pytest.mark.parametrize("format", FORMATS)
def test_twenty_thousand_in_little_memory(tmp_path: Path, format: str) -> None:
    report = run_campaign(format, tmp_path, seed=1_000_000, count=20_000, timeout_s=840)
    assert report["slowest_s"] < 5
    assert report["growth_mb"] < 200
