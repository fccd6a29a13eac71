"""Puts the makers of damaged files where tests find them."""

from __future__ import annotations

import sys
from pathlib import Path

DAMAGE = str(Path(__file__).parent / "damage")
if DAMAGE not in sys.path:
    sys.path.insert(0, DAMAGE)
