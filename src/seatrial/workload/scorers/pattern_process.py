"""The process in which patterns run, so that one that backtracks without end can be given up. Standard library only.

Run by path, not as a part of the package. A line of JSON comes in on standard input, `{"pattern", "flags", "text"}`;
a line goes out: null where nothing matches, else `{"match": text, "groups": {number or name: text}}` of the last match.
It says `ready` once, ends when its input does, and kills itself should a match outlive the process that asked.
"""

from __future__ import annotations

import json
import re
import signal
import sys

LONGEST_MATCH_S = 10


def serve() -> None:
    """Answer questions until there are no more."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    print("ready", flush=True)
    for line in sys.stdin:
        question = json.loads(line)
        if hasattr(signal, "alarm"):
            signal.alarm(LONGEST_MATCH_S)
        last = None
        for last in re.finditer(question["pattern"], question["text"], question["flags"]):  # noqa: B007
            pass
        if hasattr(signal, "alarm"):
            signal.alarm(0)
        found = None
        if last is not None:
            by_number = {str(number): text for number, text in enumerate(last.groups(), start=1)}
            found = {"match": last.group(), "groups": by_number | last.groupdict()}
        print(json.dumps(found), flush=True)


if __name__ == "__main__":
    serve()
