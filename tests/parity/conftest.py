"""Puts what measures the native picture encoder where tests find it."""

from __future__ import annotations

import sys
from pathlib import Path

SEEING = str(Path(__file__).parents[1] / "engine" / "seeing")
if SEEING not in sys.path:
    sys.path.insert(0, SEEING)
