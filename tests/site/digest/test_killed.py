"""A sender that is killed (SIGKILL) over and over and resumed: one message each in the folder, at most one by SMTP."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from mail_server import Inbox
from readers import sends_of

from seatrial.site.digest.progress import Progress, progress_of

NUM_READERS = 40
PROCESS = Path(__file__).with_name("sender_process.py")


def run_to_the_end(url: str, carrier: str, seed: int) -> int:
    """How often the sender was killed before one came through."""
    done = subprocess.run(
        [sys.executable, str(PROCESS), url, carrier, str(seed)], capture_output=True, text=True, timeout=100
    )
    assert done.returncode == 0, done.stderr
    return int(done.stdout)


def test_each_subscriber_has_one_message_in_the_folder(
    database: Any, database_url: str, tmp_path: Path, issue: Any, add_readers: Callable[..., list[int]]
) -> None:
    ids = add_readers(NUM_READERS)
    num_kills = run_to_the_end(database_url, f"outbox:{tmp_path / 'outbox'}", 1)
    assert num_kills >= 5
    mails = [path for path in (tmp_path / "outbox").iterdir() if path.suffix == ".eml"]
    assert {path.name for path in mails} == {f"digest-2026-W46-{reader}@site.example.eml" for reader in ids}
    assert all(path.read_bytes().rstrip().endswith(b"--") for path in mails)
    assert progress_of(database, issue) == Progress(sent=NUM_READERS, failed=0, unknown=0, waiting=0)


def test_nobody_is_written_to_twice_by_smtp(
    database: Any, database_url: str, inbox: Inbox, issue: Any, add_readers: Callable[..., list[int]]
) -> None:
    ids = add_readers(NUM_READERS)
    num_kills = run_to_the_end(database_url, inbox.url, 3)
    assert num_kills >= 5
    got = Counter(inbox.recipients)
    assert set(got.values()) == {1}
    states = {f"r{ids.index(reader)}@example.org": state for reader, (state, _) in sends_of(database).items()}
    assert len(states) == NUM_READERS
    assert all(reader in got for reader, state in states.items() if state == "sent")
    assert {reader for reader in states if reader not in got} <= {
        reader for reader, state in states.items() if state == "claimed"
    }
    assert Counter(states.values())["claimed"] <= num_kills
