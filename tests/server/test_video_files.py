"""Videos of requests as files: private, shared by equal content, and gone with the last request that holds them."""

from __future__ import annotations

import contextlib
import errno
import os
import signal
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from seatrial.errors import StorageError
from seatrial.server import video_files
from seatrial.server.video_files import VideoFiles, remove_left_over

# Holds a video in the folder that it is given, and sleeps; what it is told to do before comes first.
HOLDER = """
import os, subprocess, sys, time
from pathlib import Path
from seatrial.server.video_files import VideoFiles
videos = VideoFiles(Path(sys.argv[1])).held()
videos.keep(b"film")
child = None
if "run" in sys.argv:
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"], close_fds=False).pid
if "fork" in sys.argv and not (child := os.fork()):
    time.sleep(60)
print(child, flush=True)
time.sleep(60)
"""


def left_in(folder: Path) -> list[Path]:
    """What lies there, and not what goes while one looks."""
    return sorted(Path(place, name) for place, folders, files in os.walk(folder) for name in (*folders, *files))


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


@pytest.fixture
def holder(tmp_path: Path) -> Iterator[Callable[..., tuple[subprocess.Popen[str], int | None]]]:
    """Starts a process that holds a video, and maybe a child of its own."""
    started: list[subprocess.Popen[str]] = []
    children: list[int] = []

    def start(*how: str) -> tuple[subprocess.Popen[str], int | None]:
        command = [sys.executable, "-c", HOLDER, str(tmp_path), *how]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        started.append(process)
        assert process.stdout is not None
        said = process.stdout.readline().strip()
        if said == "None":
            return process, None
        children.append(int(said))
        return process, int(said)

    yield start
    for process in started:
        process.kill()
    for child in children:
        end(child)
    for process in started:
        process.communicate()


def end(child: int) -> None:
    """Kill a process that is nobody's child any more, and wait until it is gone."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(child, signal.SIGKILL)
    for _ in range(500):
        try:
            state = Path(f"/proc/{child}/stat").read_text().rpartition(")")[2].split()[0]
        except FileNotFoundError:
            return
        if state == "Z":
            return
        time.sleep(0.01)


def folder_of_ours(parent: Path, name: str = "seatrial-videos-abcd_123", *files: str) -> Path:
    """What a killed process leaves."""
    folder = parent / name
    folder.mkdir(mode=0o700)
    for file in files or ("a" * 64, "tmpabcd_123"):
        (folder / file).write_bytes(b"film")
    return folder


needs_locks = pytest.mark.skipif(sys.platform == "win32", reason="folders have no locks there")


@needs_locks
def test_what_a_killed_process_left_is_removed_by_the_next(tmp_path: Path, holder: Callable[..., Any]) -> None:
    process, _ = holder()
    process.kill()
    process.wait()
    assert len(left_in(tmp_path)) == 2
    with VideoFiles(tmp_path).held() as videos:
        videos.keep(b"film")
        remove_left_over(tmp_path)
        assert len(left_in(tmp_path)) == 2
        assert videos.keep(b"film").read_bytes() == b"film"
    assert left_in(tmp_path) == []


@needs_locks
def test_a_process_that_runs_keeps_its_folder(tmp_path: Path, holder: Callable[..., Any]) -> None:
    process, _ = holder()
    with VideoFiles(tmp_path).held() as ours:
        ours.keep(b"film")
        before = left_in(tmp_path)
        remove_left_over(tmp_path)
        assert left_in(tmp_path) == before
        assert len(before) == 4
    assert len(left_in(tmp_path)) == 2
    process.kill()
    process.wait()
    remove_left_over(tmp_path)
    assert left_in(tmp_path) == []


@needs_locks
def test_a_program_that_the_process_started_does_not_keep_its_folder(tmp_path: Path, holder: Any) -> None:
    process, child = holder("run")
    process.kill()
    process.wait()
    os.kill(child, 0)
    remove_left_over(tmp_path)
    assert left_in(tmp_path) == []


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="reads /proc")
def test_a_fork_of_the_process_keeps_its_folder_until_it_ends(tmp_path: Path, holder: Callable[..., Any]) -> None:
    process, child = holder("fork")
    process.kill()
    process.wait()
    remove_left_over(tmp_path)
    assert len(left_in(tmp_path)) == 2
    end(child)
    remove_left_over(tmp_path)
    assert left_in(tmp_path) == []


@needs_locks
def test_what_is_not_ours_stays(tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    folder_of_ours(elsewhere, "linked")
    (tmp_path / "seatrial-videos-linked__").symlink_to(elsewhere / "linked", target_is_directory=True)
    (tmp_path / "seatrial-videos-a_file__").write_bytes(b"film")
    folder_of_ours(tmp_path, "seatrial-videos-of-last-summer")
    folder_of_ours(tmp_path, "our-seatrial-videos-abcd_123")
    folder_of_ours(tmp_path, "seatrial-videos-holiday_", "a" * 64, "beach.mp4")
    before = left_in(tmp_path)
    remove_left_over(tmp_path)
    assert left_in(tmp_path) == before
    mine = folder_of_ours(tmp_path)
    remove_left_over(tmp_path)
    assert not mine.exists()


@needs_locks
def test_what_another_user_left_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = folder_of_ours(tmp_path)
    monkeypatch.setattr(video_files.os, "geteuid", lambda: folder.stat().st_uid + 1)
    remove_left_over(tmp_path)
    assert len(left_in(tmp_path)) == 3
    monkeypatch.undo()
    remove_left_over(tmp_path)
    assert left_in(tmp_path) == []


@needs_locks
def test_where_folders_cannot_be_locked_videos_are_kept_and_nothing_is_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unsupported(*_: int) -> None:
        raise OSError(errno.EOPNOTSUPP, os.strerror(errno.EOPNOTSUPP))

    monkeypatch.setattr(video_files.fcntl, "flock", unsupported)
    folder = folder_of_ours(tmp_path)
    with VideoFiles(tmp_path).held() as videos:
        assert videos.keep(b"film").read_bytes() == b"film"
        remove_left_over(tmp_path)
        assert len(left_in(tmp_path)) == 5
    assert left_in(tmp_path) == [folder, *sorted(folder.iterdir())]


def test_a_place_that_is_not_there_has_nothing_left(tmp_path: Path) -> None:
    remove_left_over(tmp_path / "nowhere")


@needs_locks
@pytest.mark.parametrize("when", ["locked", "removed before it is opened", "removed after that"])
def test_a_new_folder_that_is_taken_for_a_left_over_is_made_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, when: str
) -> None:
    """Another process that starts looks at it before it is locked."""
    fcntl = pytest.importorskip("fcntl")
    make, lock = tempfile.mkdtemp, fcntl.flock
    taken: list[Path] = []
    others: list[int] = []

    def made(**how: Any) -> str:
        path = make(**how)
        if not taken:
            taken.append(Path(path))
            others.append(os.open(path, os.O_RDONLY))
            if when == "locked":
                lock(others[0], fcntl.LOCK_EX)
            elif when == "removed before it is opened":
                os.rmdir(path)
        return path

    def locked(file: int, how: int) -> None:
        if when == "removed after that" and taken[0].exists():
            taken[0].rmdir()
        lock(file, how)

    monkeypatch.setattr(video_files.tempfile, "mkdtemp", made)
    monkeypatch.setattr(video_files.fcntl, "flock", locked)
    with VideoFiles(tmp_path).held() as videos:
        path = videos.keep(b"film")
        assert path.read_bytes() == b"film"
        assert path.parent != taken[0]
    os.close(others[0])
    remove_left_over(tmp_path)
    assert left_in(tmp_path) == []


@needs_locks
def test_many_that_start_and_look_for_left_overs_at_once(tmp_path: Path) -> None:
    several = [VideoFiles(tmp_path) for _ in range(4)]

    def work(number: int) -> None:
        if number % 2:
            remove_left_over(tmp_path)
            return
        with several[number // 2 % 4].held() as videos:
            path = videos.keep(b"film")
            for _ in range(3):
                remove_left_over(tmp_path)
            assert path.read_bytes() == b"film"

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, range(600)))
    remove_left_over(tmp_path)
    assert left_in(tmp_path) == []
    assert not [fd for fd in Path("/proc/self/fd").glob("*") if str(tmp_path) in _target(fd)]


def _target(link: Path) -> str:
    try:
        return os.readlink(link)
    except OSError:
        return ""
