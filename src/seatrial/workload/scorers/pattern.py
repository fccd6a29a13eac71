"""The `regex` scorer, and the one way in which a pattern from a workload meets the text of a model.

Python's `re` cannot be interrupted, and a pattern such as `(a+)+$` takes longer than the universe has. So patterns run
in a small process of their own, which is killed after `DEADLINE_S` and started again at the next question.
"""

from __future__ import annotations

import atexit
import json
import re
import subprocess
import sys
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from seatrial.workload.scorers.settings import Setting, boolean, show
from seatrial.workload.scorers.text import check_texts, exact
from seatrial.workload.specification import Score

DEADLINE_S = 2.0
_LONGEST_PATTERN = 1000


class PatternTooSlowError(Exception):
    """The pattern was given up on this text."""


class Match(NamedTuple):
    """The last match of a pattern: its text, and its groups by number (as text) and name."""

    text: str
    groups: Mapping[str, str | None]


def regex(settings: Mapping[str, Any], expected: Any, text: str) -> Score:
    """1 where the captured text is the expected one or, with no `pattern` set, where the expected pattern matches."""
    if not text.strip():
        return Score(0.0, None, "empty answer")
    try:
        match = search(settings["pattern"] or expected, text, _flags(settings))
    except PatternTooSlowError:
        return Score(0.0, None, f"the pattern took more than {DEADLINE_S:g} s on this answer and was given up")
    if match is None:
        return Score(0.0, None, "no match")
    if settings["pattern"] is None:
        return Score(1.0, match.text, "matches")
    captured = match.groups.get("answer", match.groups.get("1")) or ""
    return exact({}, expected, captured)


def check_settings(settings: Mapping[str, Any]) -> None:
    """A pattern, where there is one, with a group that holds the answer.

    Raises:
        ValueError: it has no group, or several of which none is called `answer`.
    """
    if settings["pattern"] is None:
        return
    compiled = re.compile(settings["pattern"])
    if compiled.groups != 1 and "answer" not in compiled.groupindex:
        raise ValueError(
            f"`pattern` has {compiled.groups} groups: put the answer in the only one, or in one named `(?P<answer>…)`"
        )


def check_expected(settings: Mapping[str, Any], expected: Any) -> Any:
    """A text to equal what is captured or, where the scorer has no pattern, a pattern.

    Raises:
        ValueError: it is neither.
    """
    if settings["pattern"] is not None:
        return check_texts({}, expected)
    return read_pattern(expected)


def read_pattern(value: Any) -> str:
    """A pattern that compiles and is no longer than the limit.

    Raises:
        ValueError: it does not, with the place where it goes wrong.
    """
    if not isinstance(value, str) or not value:
        raise ValueError(f"must be a pattern, is {show(value)}")
    if len(value) > _LONGEST_PATTERN:
        raise ValueError(f"is {len(value):,} characters long; a pattern may have {_LONGEST_PATTERN:,}")
    try:
        re.compile(value)
    except (re.error, OverflowError, RecursionError) as error:
        raise ValueError(f"{show(value)} is not a pattern ({error})") from None
    return value


REGEX_SETTINGS = {
    "pattern": Setting(read_pattern),
    "ignore_case": Setting(boolean, False),
    "multiline": Setting(boolean, False),
    "dotall": Setting(boolean, False),
}


def search(pattern: str, text: str, flags: int = 0) -> Match | None:
    """The last match of `pattern` in `text`, None where there is none.

    Raises:
        PatternTooSlowError: it took longer than `DEADLINE_S`.
    """
    reply = _PATTERNS.ask(json.dumps({"pattern": pattern, "flags": flags, "text": text}))
    found = json.loads(reply)
    return Match(found["match"], found["groups"]) if found is not None else None


def _flags(settings: Mapping[str, Any]) -> int:
    flags = re.IGNORECASE if settings["ignore_case"] else re.NOFLAG
    flags |= re.MULTILINE if settings["multiline"] else re.NOFLAG
    flags |= re.DOTALL if settings["dotall"] else re.NOFLAG
    return int(flags)


class _PatternProcess:
    """The process, started at the first question. One question at a time; safe to call from threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._process: subprocess.Popen[str] | None = None

    def ask(self, question: str) -> str:
        with self._lock:
            process = self._running()
            assert process.stdin is not None
            assert process.stdout is not None
            timer = threading.Timer(DEADLINE_S, process.kill)
            timer.start()
            try:
                process.stdin.write(question + "\n")
                process.stdin.flush()
                reply = process.stdout.readline()
            except OSError:
                reply = ""
            finally:
                timer.cancel()
            if not reply.endswith("\n"):
                self.stop()
                raise PatternTooSlowError
            return reply

    def stop(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.communicate()

    def _running(self) -> subprocess.Popen[str]:
        if self._process is None or self._process.poll() is not None:
            self.stop()
            self._process = subprocess.Popen(
                [sys.executable, "-I", "-S", str(Path(__file__).with_name("pattern_process.py"))],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                encoding="utf-8",
            )
            assert self._process.stdout is not None
            self._process.stdout.readline()  # it says that it is up, so that its start is not in the deadline
        return self._process


_PATTERNS = _PatternProcess()
atexit.register(_PATTERNS.stop)
