"""Makes the stand-in server, drawn pictures and this folder's own values importable by their names."""

from __future__ import annotations

import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
for folder in (HERE, HERE.parent / "contract", HERE.parent / "verdict" / "report"):
    if str(folder) not in sys.path:
        sys.path.insert(0, str(folder))
