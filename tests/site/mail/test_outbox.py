"""The outbox: a file for each message, whole or not there, and the same message twice is one file."""

from __future__ import annotations

import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from seatrial.errors import StorageError
from seatrial.site.mail.outbox import OutboxFolder, file_stem


def test_a_message_is_a_file_named_after_its_id(tmp_path: Path, new_message: Callable[..., Any]) -> None:
    outbox, message = OutboxFolder(tmp_path / "new" / "outbox"), new_message()
    assert outbox.holds(message.id) is False
    outbox.send(message)
    outbox.send(message)
    (file,) = outbox.folder.iterdir()
    assert file.name == "digest-2026-W47-1@site.example.eml"
    assert file.read_bytes() == message.content
    assert outbox.holds(message.id) is True
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(outbox.folder.stat().st_mode) == 0o700


def test_a_folder_that_cannot_be_written_says_so_and_holds_nothing(
    tmp_path: Path, new_message: Callable[..., Any]
) -> None:
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(StorageError, match="another folder"):
        OutboxFolder(tmp_path / "file" / "outbox").send(new_message())


@pytest.mark.parametrize("call", ["fsync", "replace"])
def test_a_full_disk_leaves_no_half_of_a_message(
    tmp_path: Path, new_message: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    outbox, message = OutboxFolder(tmp_path / "outbox"), new_message()
    with monkeypatch.context() as patched:
        patched.setattr(f"os.{call}", fail)
        with pytest.raises(StorageError, match="No space left"):
            outbox.send(message)
    assert list(outbox.folder.iterdir()) == []
    assert outbox.holds(message.id) is False
    outbox.send(message)
    assert outbox.holds(message.id) is True


def test_no_id_leaves_the_folder() -> None:
    for hostile in ("../../etc/passwd", "a/b@c", "a\x00b", "a b"):
        assert "/" not in file_stem(hostile)
        assert "\x00" not in file_stem(hostile)
