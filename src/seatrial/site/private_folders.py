"""What a verdict says of its writer's machine and nobody else's: the folders that its commands name.

In: a document. Out: the same with the last name of every absolute path in its commands and origins. A candidate's id
stays what it was asked as, for votes and links stand on it.
"""

from __future__ import annotations

import re
from pathlib import PurePosixPath

from msgspec.structs import replace

from seatrial.verdict.document import Document

_PATH = re.compile(r"""(?<![^\s=])(?:'((?:~?/)[^']*)'|((?:~?/)[^\s'"]+))""")


def without_folders(document: Document) -> Document:
    """The document as others may see it. Commands keep their shape: `--on /home/me/mails` becomes `--on mails`."""
    return replace(
        document,
        run=replace(document.run, repeat=_named(document.run.repeat)),
        candidates=[replace(card, way_out=_named(card.way_out)) for card in document.candidates],
        workloads=[replace(workload, origin=_last_name(workload.origin)) for workload in document.workloads],
    )


def _named(command: str) -> str:
    return _PATH.sub(lambda found: f"'{_last_name(found[1])}'" if found[1] else _last_name(found[2]), command)


def _last_name(path: str) -> str:
    """Of a path from the root or from a home its last name; anything else as it is."""
    return PurePosixPath(path).name or path if path.startswith(("/", "~/")) else path
