"""Tells a candidate that never gets in (key, address, model name, settings, quota) from one that fails on items.

A wrong key fails every item in the same way, and says nothing about the model. Until a candidate's first answer in a
session, such failures are held back; the third, or the candidate's end, stops it with NotRunnable, and none of them is
written: its items stay unasked, and the next session asks them. Once it has answered, they were failures of their
items, and are written like any other.
"""

from __future__ import annotations

import re

from seatrial.errors import NotRunnable
from seatrial.trial.record import Failure, Observation

MAX_HELD = 3
_READS_TEXT_ONLY = re.compile(
    r"(?i)not (?:a |an )?(?:multi-?modal|vision)|reads text only|(?:image|vision|multi-?modal)\w*(?: input| content)?s?"
    r"(?: is| are)? (?:not supported|only supported by|unsupported)|(?:not|n.t) support \w{0,20} ?(?:image|vision)"
    r"|at most 0 image"
)


class Door:
    """One candidate's door, in one session."""

    def __init__(self, candidate: str, command: str) -> None:
        self._candidate = candidate
        self._command = command
        self._has_answered = False
        self._held: list[Observation] = []

    def admit(self, observation: Observation) -> list[Observation]:
        """The observations to write, now that this one has come. Raises NotRunnable at the third at a closed door."""
        if self._has_answered or (observation.failure is not None and _problem(observation.failure) is None):
            return [observation]
        if observation.failure is None:
            self._has_answered = True
            held, self._held = self._held, []
            return [*held, observation]
        self._held.append(observation)
        if len(self._held) >= MAX_HELD:
            self.leave()
        return []

    def leave(self) -> None:
        """No more will come. Raises NotRunnable where the door was still closed."""
        failure = self._held[-1].failure if self._held else None
        if failure is not None:
            reason = f"`{self._candidate}` gave no answer and was stopped: {failure.message}"
            raise NotRunnable(reason, f"{_problem(failure)}, then run the same command again: {self._command}")


def _problem(failure: Failure) -> str | None:
    """What to see to, where the failure is one of the door; None where it is the item's."""
    if failure.type == "AuthenticationFailed":
        return "Check the API key"
    if failure.type == "ProviderUnavailable" and failure.status is None:
        return "Start the server, or correct its address"
    if failure.type == "RequestRejected" and failure.status is not None and failure.status in (301, 302, 307, 308, 404):
        return "Check the address and the model's name"
    if failure.code == "insufficient_quota":
        return "Add credit to the account"
    if failure.type in ("RequestRejected", "ProviderUnavailable") and _READS_TEXT_ONLY.search(failure.message):
        return "Ask a model that takes pictures"
    if failure.code == "unsupported_parameter":
        return "Leave that setting out of the candidate or the workload"
    return None
