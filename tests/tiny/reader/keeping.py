"""Readers that were trained before, kept by what they were trained with.

In: a recipe. Out: the folder of its checkpoint: the one that this very recipe and script made, or a new one.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import subprocess
import sys
from pathlib import Path

from .recipe import Recipe

_HERE = Path(__file__).parent


def kept_reader(recipe: Recipe) -> Path:
    """The folder of a trained reader, under `$SEATRIAL_HOME/readers`; trained first where there is none.

    Raises CalledProcessError where the training fails.
    """
    home = Path(os.environ.get("SEATRIAL_HOME", Path.home() / ".cache" / "seatrial")) / "readers"
    folder = home / f"{recipe.name}-{_fingerprint(recipe)}"
    if folder.is_dir():
        return folder
    home.mkdir(parents=True, exist_ok=True)
    with (home / f"{folder.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not folder.is_dir():
            command = [sys.executable, "-m", "reader", recipe.name, "--threads", "1", "--out", str(folder)]
            environment = {name: value for name, value in os.environ.items() if name != "OMP_NUM_THREADS"}
            subprocess.run(command, cwd=_HERE.parent, env=environment, check=True)
    return folder


def _fingerprint(recipe: Recipe) -> str:
    """Of everything that decides what is learnt, but for the preprocessing: a reader notices when that goes wrong."""
    digest = hashlib.sha256(repr(recipe).encode())
    for name in ("drawing", "preparing", "vocabulary", "network", "training", "folder"):
        digest.update((_HERE / f"{name}.py").read_bytes())
    return digest.hexdigest()[:12]
