"""Makes the stand-in server and the tiny chat models importable by their own names."""

from __future__ import annotations

import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
for folder in (str(HERE), str(HERE.parent / "contract")):
    if folder not in sys.path:
        sys.path.insert(0, folder)
