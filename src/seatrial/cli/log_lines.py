"""Warnings and errors of a server as lines on standard error, text or JSON, like its log of requests."""

from __future__ import annotations

import json
import logging
from datetime import UTC, datetime
from typing import Literal


def log_problems(form: Literal["text", "json"]) -> None:
    """From now on. Under `--debug`, which shows everything already, nothing changes."""
    if logging.getLogger().handlers:
        return
    handler = logging.StreamHandler()
    handler.setFormatter(_AsJson() if form == "json" else _AsText())
    logger = logging.getLogger("seatrial")
    logger.addHandler(handler)
    logger.propagate = False


class _AsText(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        return f"{_at(record)} {record.levelname} {super().format(record)}"


class _AsJson(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        line = {
            "at": _at(record),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        if record.exc_info:
            line["trace"] = self.formatException(record.exc_info)
        return json.dumps(line)


def _at(record: logging.LogRecord) -> str:
    return datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
