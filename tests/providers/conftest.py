"""Makes the stand-in server importable by its own name."""

from __future__ import annotations

import sys
from pathlib import Path

CONTRACT = str(Path(__file__).resolve().parents[1] / "contract")
if CONTRACT not in sys.path:
    sys.path.insert(0, CONTRACT)
