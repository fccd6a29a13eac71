"""The ladder's lint must fail on a planted violation, or it proves nothing."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]

VIOLATIONS = {
    "a lower row imports a higher one": ("stats/planted.py", "import seatrial.trial.record", "Each row of the ladder"),
    "siblings import each other": ("catalog/planted.py", "import seatrial.workload.specification", "Each row"),
    "torch above the providers": ("verdict/planted.py", "import torch", "Torch stays below"),
    "torch through the models": ("trial/planted.py", "import seatrial.models.smollm", "Torch stays below"),
}


@pytest.mark.parametrize("violation", VIOLATIONS)
def test_planted_violation_is_caught(violation: str, tmp_path: Path) -> None:
    module, line, contract = VIOLATIONS[violation]
    tree = _copy_of_the_tree(tmp_path)
    (tree / "src/seatrial" / module).write_text(f"{line}\n")

    linted = _lint(tree)

    assert linted.returncode == 1, linted.stdout + linted.stderr
    assert "BROKEN" in linted.stdout
    assert contract in linted.stdout
    assert "planted" in linted.stdout


def test_the_tree_itself_is_clean(tmp_path: Path) -> None:
    linted = _lint(_copy_of_the_tree(tmp_path))
    assert linted.returncode == 0, linted.stdout + linted.stderr


def _copy_of_the_tree(tmp_path: Path) -> Path:
    tree = tmp_path / "tree"
    shutil.copytree(ROOT / "src", tree / "src", ignore=shutil.ignore_patterns("__pycache__", "*.jsonl"))
    shutil.copy(ROOT / ".importlinter", tree)
    return tree


def _lint(tree: Path) -> subprocess.CompletedProcess[str]:
    # The copy must win over the installed package, whichever way that one is found.
    command = (
        "import sys; sys.meta_path = [f for f in sys.meta_path if 'Inplace' not in type(f).__name__];"
        "from importlinter.cli import lint_imports_command as lint; lint(['--no-cache'])"
    )
    return subprocess.run(
        [sys.executable, "-c", command],
        cwd=tree,
        env={**os.environ, "PYTHONPATH": "src"},
        capture_output=True,
        text=True,
        timeout=100,
    )
