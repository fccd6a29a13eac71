"""The machine as a run remembers it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from trial_values import NOON

from seatrial.trial import environment
from seatrial.trial.environment import read_environment


def test_this_machine() -> None:
    machine = read_environment(lambda: NOON)
    assert machine.started_at == NOON
    assert machine.cpu
    assert machine.num_cpus >= 1
    assert machine.memory_bytes > 2**28
    assert {"python", "seatrial", "aiohttp", "torch"} <= set(machine.versions)


def test_an_accelerator_by_its_driver(tmp_path: Path) -> None:
    (tmp_path / "0000:01:00.0").mkdir()
    (tmp_path / "0000:01:00.0" / "information").write_text("Model: \t\t NVIDIA H100 80GB HBM3\nIRQ:   7\n")
    assert environment._accelerator(tmp_path) == "NVIDIA H100 80GB HBM3"
    assert environment._accelerator(tmp_path / "none") is None


def test_nothing_heavy_is_imported_for_a_trial() -> None:
    code = (
        "import sys, seatrial.trial.runner, seatrial.trial.environment, seatrial.providers.openai_http, "
        "seatrial.providers.baseline\n"
        "print(sorted({'torch', 'numpy', 'scipy', 'sklearn', 'jsonschema'} & set(sys.modules)))"
    )
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "[]"
