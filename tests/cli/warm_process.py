"""A process that has imported what commands import, and forks for each: none spends a second on imports.

    python warm_process.py SOCKET_FD

In: a JSON object (`words`, `folder`, `environment`) with three files (standard input, output and error). Out: the
command's exit code, as four bytes. The fork has its own folder, environment and files, like any process.
"""

from __future__ import annotations

import importlib
import json
import os
import socket
import struct
import sys
from typing import Any

LIBRARIES = (
    "PIL.Image",
    "PIL.WebPImagePlugin",
    "aiohttp",
    "alembic.command",
    "alembic.runtime.migration",
    "jinja2",
    "msgspec",
    "numpy",
    "rich.table",
    "scipy.stats",
    "sqlalchemy",
    "sqlalchemy.dialects.sqlite",
    "starlette.applications",
    "tokenizers",
    "torch",
    "typer",
    "seatrial.cli.main",
    "seatrial.cli.attachments",
    "seatrial.cli.conversation",
    "seatrial.catalog.reading",
    "seatrial.engine.native_runner",
    "seatrial.engine.native_vision",
    "seatrial.models.pictures",
    "seatrial.models.store",
    "seatrial.providers.local",
    "seatrial.providers.openai_http",
    "seatrial.verdict.judge",
    "seatrial.verdict.report",
)


def main() -> None:
    """Serve until the other end is closed."""
    for library in LIBRARIES:
        importlib.import_module(library)
    asked = socket.socket(fileno=int(sys.argv[1]))
    while True:
        message, files, _, _ = socket.recv_fds(asked, 1 << 20, 3)
        if not message:
            return
        child = os.fork()
        if not child:
            asked.close()
            _become(json.loads(message), files)
        for file in files:
            os.close(file)
        asked.sendall(struct.pack("i", os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])))


def _become(order: dict[str, Any], files: list[int]) -> None:
    """Be the command, to the end of this process."""
    for place, file in enumerate(files):
        os.dup2(file, place)
    os.chdir(order["folder"])
    os.environ.clear()
    os.environ.update(order["environment"])
    sys.argv = ["seatrial", *order["words"]]
    code: Any = 1
    try:
        from seatrial.cli.main import run

        run()
        code = 0
    except SystemExit as end:
        code = end.code
    except BaseException:
        sys.excepthook(*sys.exc_info())
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code if isinstance(code, int) else 0 if code is None else 1)


if __name__ == "__main__":
    main()
