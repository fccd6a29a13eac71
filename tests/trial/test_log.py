"""The observation log: appended, never lost, cut back to whole lines after a crash."""

from __future__ import annotations

import contextlib
import errno
import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from trial_values import observation

from seatrial.errors import InputError, StorageError
from seatrial.trial.log import ObservationLog, read_log
from seatrial.trial.record import Failure, Observation

THREE = [
    observation("k0", text="Ahoy\n\u2028 \r\n “there” 😀", parsed={"a": [1, None]}, parts={"a": 0.5}),
    observation("k1", text=None, score=0.0, failure=Failure(type="RateLimited", message="slow", status=429)),
    observation("k2", ttft_s=0.1, latency_s=0.25, cost_usd=1e-6, reasoning="hm"),
]


def written(folder: Path, observations: list[Observation]) -> Path:
    path = folder / "observations.jsonl"
    log = ObservationLog(path, read_log(path))
    for one in observations:
        log.append(one)
    log.close()
    log.close()
    return path


def test_what_is_written_is_read(tmp_path: Path) -> None:
    path = written(tmp_path, THREE)
    assert read_log(path) == (THREE, path.stat().st_size, 0)


def test_no_file_is_an_empty_log(tmp_path: Path) -> None:
    assert read_log(tmp_path / "none.jsonl") == ([], 0, 0)


def test_an_opened_log_goes_on_where_it_was(tmp_path: Path) -> None:
    written(tmp_path, THREE[:1])
    assert read_log(written(tmp_path, THREE[1:])).observations == THREE


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return written(tmp_path_factory.mktemp("whole"), THREE).read_bytes()


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_any_truncation_yields_a_prefix(
    data: st.DataObject, whole: bytes, tmp_path_factory: pytest.TempPathFactory
) -> None:
    length = data.draw(st.integers(0, len(whole)))
    folder = tmp_path_factory.mktemp("cut")
    path = folder / "observations.jsonl"
    path.write_bytes(whole[:length])
    contents = read_log(path)
    assert contents.observations == THREE[: whole[:length].count(b"\n")]
    assert contents.num_bytes + contents.num_torn_bytes == length
    assert read_log(written(folder, THREE[2:])).observations == [*contents.observations, THREE[2]]


def test_a_broken_line_in_the_middle_is_named(tmp_path: Path) -> None:
    path = written(tmp_path, THREE)
    lines = path.read_bytes().split(b"\n")
    path.write_bytes(b"\n".join([lines[0], lines[1][:20], *lines[2:]]))
    with pytest.raises(InputError, match=r"observations.jsonl, line 2: not an observation"):
        read_log(path)


@settings(deadline=None)
@given(st.binary(max_size=200))
def test_any_bytes_are_a_log_or_a_clear_error(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    path = tmp_path_factory.mktemp("fuzz") / "observations.jsonl"
    path.write_bytes(data)
    with contextlib.suppress(InputError):
        assert read_log(path).observations == []


def test_a_full_disk_leaves_a_whole_log_and_says_so(tmp_path: Path) -> None:
    room = [700]

    def write(file: int, data: bytes) -> int:
        if room[0] <= 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        num_written = os.write(file, data[: room[0]])
        room[0] -= num_written
        return num_written

    path = tmp_path / "observations.jsonl"
    log = ObservationLog(path, read_log(path), write)
    num_safe = 0
    with pytest.raises(StorageError) as caught:  # noqa: PT012
        for number in range(100):
            log.append(observation(f"k{number}"))
            num_safe += 1
    log.close()
    assert num_safe > 0
    assert f"{num_safe} observations in it are safe" in str(caught.value)
    assert "No space left" in str(caught.value)
    assert "same command" in str(caught.value)
    contents = read_log(path)
    assert (len(contents.observations), contents.num_torn_bytes) == (num_safe, 0)


def test_a_write_in_pieces_is_one_line(tmp_path: Path) -> None:
    path = tmp_path / "observations.jsonl"
    log = ObservationLog(path, read_log(path), lambda file, data: os.write(file, data[:7]))
    log.append(THREE[0])
    log.close()
    assert read_log(path).observations == THREE[:1]


def test_a_log_that_cannot_be_opened(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="cannot be written"):
        ObservationLog(tmp_path / "missing" / "observations.jsonl", read_log(tmp_path / "none"))


def test_values_that_json_has_no_word_for(tmp_path: Path) -> None:
    odd = observation("k", parsed={"when": complex(1, 2), "nan": float("nan")})
    read = read_log(written(tmp_path, [odd])).observations[0]
    assert read.parsed == {"when": "(1+2j)", "nan": None}
