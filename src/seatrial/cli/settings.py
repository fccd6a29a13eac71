"""What the environment says, read once: the only module that looks at environment variables.

SEATRIAL_HOME     where pulled models lie (default: ~/.cache/seatrial)
SEATRIAL_CATALOG  a folder of catalog entries of your own, laid over the built-in ones
OPENAI_API_KEY    the key for hosted models
OPENAI_BASE_URL   another server or gateway with the OpenAI API (default: OpenAI's own)
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

OPENAI_BASE_URL = "https://api.openai.com/v1"


@dataclass(frozen=True, slots=True)
class Settings:
    """Settings of this process. Keys never appear in `repr`, logs or run folders."""

    home: Path
    catalog: Path | None
    openai_api_key: str | None
    openai_base_url: str
    openai_base_url_is_default: bool

    def __repr__(self) -> str:
        return f"Settings(home={self.home!s}, openai_base_url={self.openai_base_url!r})"


def read_settings(environ: Mapping[str, str] | None = None) -> Settings:
    """The settings that `environ` (default: the process's environment) holds."""
    values = os.environ if environ is None else environ
    base_url = values.get("OPENAI_BASE_URL") or OPENAI_BASE_URL
    catalog = values.get("SEATRIAL_CATALOG")
    return Settings(
        home=Path(values.get("SEATRIAL_HOME") or Path.home() / ".cache" / "seatrial").expanduser(),
        catalog=Path(catalog).expanduser() if catalog else None,
        openai_api_key=values.get("OPENAI_API_KEY") or None,
        openai_base_url=base_url.rstrip("/"),
        openai_base_url_is_default=base_url.rstrip("/") == OPENAI_BASE_URL,
    )
