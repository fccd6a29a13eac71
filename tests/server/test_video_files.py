"""Videos of requests as files: private, shared by equal content, and gone with the last request that holds them."""

from __future__ import annotations

import errno
import os
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from seatrial.errors import StorageError
from seatrial.server import video_files
from seatrial.server.video_files import VideoFiles


def left_in(folder: Path) -> list[Path]:
    return sorted(folder.rglob("*"))


def test_a_file_is_private_and_gone_with_its_request(tmp_path: Path) -> None:
    with VideoFiles(tmp_path).held() as videos:
        path = videos.keep(b"film")
        assert path.read_bytes() == b"film"
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
        assert left_in(tmp_path) == [path.parent, path]
    assert left_in(tmp_path) == []
    videos.close()


def test_a_file_is_gone_where_the_request_fails(tmp_path: Path) -> None:
    def fail() -> None:
        with VideoFiles(tmp_path).held() as videos:
            videos.keep(b"film")
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    assert left_in(tmp_path) == []


def test_requests_with_the_same_video_share_its_file_until_the_last_has_ended(tmp_path: Path) -> None:
    files = VideoFiles(tmp_path)
    first, second = files.held(), files.held()
    paths = {first.keep(b"film"), first.keep(b"film"), second.keep(b"film")}
    assert len(paths) == 1
    other = second.keep(b"other")
    first.close()
    assert left_in(tmp_path) == sorted([other.parent, other, *paths])
    second.close()
    assert left_in(tmp_path) == []


def test_a_later_request_finds_the_same_name_and_time(tmp_path: Path) -> None:
    """What was prepared for a file is found again by these."""
    files, states = VideoFiles(tmp_path), []
    for _ in range(2):
        with files.held() as videos:
            path = videos.keep(b"film")
            states.append((path, path.stat().st_mtime_ns, path.stat().st_size))
        assert left_in(tmp_path) == []
    assert states[0] == states[1]


def test_a_folder_that_somebody_else_made_under_the_name_is_not_used(tmp_path: Path) -> None:
    files = VideoFiles(tmp_path)
    with files.held() as videos:
        taken = videos.keep(b"film").parent
    taken.mkdir(mode=0o777)
    with files.held() as videos:
        assert videos.keep(b"film").parent != taken
    assert left_in(tmp_path) == [taken]


def test_what_is_kept_after_the_request_has_ended_is_not_left_behind(tmp_path: Path) -> None:
    videos = VideoFiles(tmp_path).held()
    videos.close()
    with pytest.raises(StorageError):
        videos.keep(b"film")
    assert left_in(tmp_path) == []


def test_a_full_disk_is_said_without_a_path_and_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*args: Any, **how: Any) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(tmp_path))

    monkeypatch.setattr(video_files.os, "utime", full)
    files = VideoFiles(tmp_path)
    with pytest.raises(StorageError, match="No space left on device") as caught, files.held() as videos:
        videos.keep(b"film")
    assert str(tmp_path) not in str(caught.value)
    assert left_in(tmp_path) == []
    monkeypatch.undo()
    with files.held() as videos:
        assert videos.keep(b"film").read_bytes() == b"film"


def test_many_threads_at_once(tmp_path: Path) -> None:
    files = VideoFiles(tmp_path)

    def use(number: int) -> None:
        content = b"%d" % (number % 3) * 1000
        with files.held() as videos:
            for _ in range(3):
                assert videos.keep(content).read_bytes() == content

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(use, range(300)))
    assert left_in(tmp_path) == []
