"""Every error that Seatrial raises on purpose, in one tree.

    SeatrialError                      the command failed                                   exit 1
    ├── UsageError                     what was asked for cannot be                         exit 2
    │   ├── UnknownName                no such model, workload, option; offers the nearest
    │   └── RunFolderError             the output folder holds something else
    ├── InputError                     a file from outside is not what it should be; names file, line, field
    │   ├── CatalogError               a catalog entry
    │   ├── WorkloadError              a workload or its items
    │   └── CheckpointError            weights, tokenizer or configuration of a model
    │       └── UnsupportedModel       well-formed, but an architecture or option we do not know
    ├── NotRunnable                    a candidate cannot run here; says what would make it run
    ├── ContextTooLong                 the prompt does not fit the model
    ├── StorageError                   the disk is full, or a file cannot be written
    ├── TooManyRequests                more is asked than is taken at once; carries `retry_after_s`
    │   └── ProofWanted                under attack: work or waiting comes first; carries the challenge
    └── ProviderError                  a provider did not answer as it should; kept as an observation
        ├── AuthenticationFailed       401, 403
        ├── RequestRejected            other 4xx: asking again will not help
        ├── RateLimited                429; carries `retry_after_s`
        ├── ProviderUnavailable        5xx, refused or reset connections
        ├── ProviderTimeout            no answer, or no further token, in time
        └── BadReply                   malformed JSON, or a stream that was cut

A message names the thing, the value, the limit and the way out; it is shown to users as it stands.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path


class SeatrialError(Exception):
    """Root of the tree. `str(error)` is fit to show to a user."""

    exit_code = 1


class UsageError(SeatrialError):
    """What was asked for cannot be; asking differently helps. `field` names the value at fault, where it is one."""

    exit_code = 2

    def __init__(self, message: str, *, field: str | None = None) -> None:
        self.field = field
        super().__init__(message)


class UnknownName(UsageError):
    """A name that is not in a known set. The message offers the nearest ones."""

    def __init__(self, what: str, name: str, known: Iterable[str], way_out: str = "") -> None:
        self.name = name
        nearest = nearest_names(name, known)
        offer = f" Did you mean {_join_or(nearest)}?" if nearest else ""
        super().__init__(f"Unknown {what} `{name}`.{offer}{' ' + way_out if way_out else ''}")


class RunFolderError(UsageError):
    """An output folder that cannot take this run."""


class InputError(SeatrialError):
    """A file from outside is not what it should be."""

    def __init__(
        self, reason: str, *, path: Path | str | None = None, line: int | None = None, field: str | None = None
    ) -> None:
        self.reason, self.path, self.line, self.field = reason, path, line, field
        place = str(path) if path is not None else ""
        if line is not None:
            place += f", line {line}" if place else f"line {line}"
        if field is not None:
            place += f", `{field}`" if place else f"`{field}`"
        super().__init__(f"{place}: {reason}" if place else reason)


class CatalogError(InputError):
    """A catalog entry that does not hold what an entry must."""


class WorkloadError(InputError):
    """A workload, or one of its items, that cannot be used."""


class CheckpointError(InputError):
    """A model's weights, tokenizer or configuration that cannot be read."""


class UnsupportedModel(CheckpointError):
    """A well-formed checkpoint of an architecture, type or option we do not know. Never guessed."""


class NotRunnable(SeatrialError):
    """A candidate cannot run on this machine, now. `way_out` is the command or setting that would change that."""

    def __init__(self, reason: str, way_out: str) -> None:
        self.reason, self.way_out = reason, way_out
        super().__init__(f"{reason} {way_out}".strip())


@dataclass(frozen=True, slots=True)
class UpstreamReply:
    """What a server said of an error, keys blanked, for whoever passes it on. `status` is an HTTP status from 400 on.

    `headers`, with lower-case names, are those that tell a client when to ask again and what its limits are.
    """

    status: int
    message: str
    type: str | None = None
    param: str | None = None
    code: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)


class ContextTooLong(SeatrialError):
    """The prompt does not fit the model. `upstream` as in `ProviderError`.

    `option` is how the message calls an option of the request that would help, as it stands in there.
    """

    def __init__(self, message: str, *, option: str | None = None, upstream: UpstreamReply | None = None) -> None:
        self.option, self.upstream = option, upstream
        super().__init__(message)

    def calling(self, option: str) -> ContextTooLong:
        """The same, said to someone to whom that option is called otherwise."""
        message = str(self).replace(self.option, option) if self.option else str(self)
        return ContextTooLong(message, option=self.option and option, upstream=self.upstream)


class StorageError(SeatrialError):
    """A file could not be written: disk full, no permission."""


class TooManyRequests(SeatrialError):
    """More is asked than is taken at once. `retry_after_s` says when to ask again, seconds."""

    def __init__(self, message: str, *, retry_after_s: float) -> None:
        self.retry_after_s = retry_after_s
        super().__init__(message)


class ProofWanted(TooManyRequests):
    """The site is under attack: a vote counts once the work for `challenge` is done, of `num_bits` leading zero bits.

    Who cannot do it presents the challenge again after `retry_after_s` seconds.
    """

    def __init__(self, message: str, *, challenge: str, num_bits: int, retry_after_s: float) -> None:
        self.challenge, self.num_bits = challenge, num_bits
        super().__init__(message, retry_after_s=retry_after_s)


class ProviderError(SeatrialError):
    """A provider did not answer as it should. `status` is the HTTP status where there was one.

    `param` names the part of the request that is at fault, as the OpenAI API calls it; `upstream` is what a server
    said, where it was one.
    """

    def __init__(
        self,
        message: str,
        *,
        status: int | None = None,
        code: str | None = None,
        param: str | None = None,
        upstream: UpstreamReply | None = None,
    ) -> None:
        self.status, self.code, self.param, self.upstream = status, code, param, upstream
        super().__init__(message)


class AuthenticationFailed(ProviderError):
    """401 or 403: the key is missing, wrong or not allowed."""


class RequestRejected(ProviderError):
    """Another 4xx: the same request will be rejected again."""


class RateLimited(ProviderError):
    """429. `retry_after_s` is what the provider asked for, seconds."""

    def __init__(
        self,
        message: str,
        *,
        status: int | None = 429,
        code: str | None = None,
        retry_after_s: float | None = None,
        upstream: UpstreamReply | None = None,
    ) -> None:
        super().__init__(message, status=status, code=code, upstream=upstream)
        self.retry_after_s = retry_after_s


class ProviderUnavailable(ProviderError):
    """5xx, or a connection that was refused or reset. `retry_after_s` as in `RateLimited`."""

    def __init__(
        self,
        message: str,
        *,
        status: int | None = None,
        code: str | None = None,
        retry_after_s: float | None = None,
        upstream: UpstreamReply | None = None,
    ) -> None:
        super().__init__(message, status=status, code=code, upstream=upstream)
        self.retry_after_s = retry_after_s


class ProviderTimeout(ProviderError):
    """No answer, or no further token, within the time allowed."""


class BadReply(ProviderError):
    """A reply that is not what the protocol promises: malformed JSON, a cut stream."""


def nearest_names(name: str, known: Iterable[str], limit: int = 3) -> list[str]:
    """The known names most like `name`, best first."""
    by_folded = {candidate.casefold(): candidate for candidate in known}
    return [by_folded[match] for match in difflib.get_close_matches(name.casefold(), by_folded, n=limit, cutoff=0.5)]


def _join_or(names: list[str]) -> str:
    quoted = [f"`{name}`" for name in names]
    return quoted[0] if len(quoted) == 1 else f"{', '.join(quoted[:-1])} or {quoted[-1]}"
