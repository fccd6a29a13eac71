"""A run folder on disk: opened for a trial, read by everything after it.

`run.json` says what the run is, `items.jsonl` what was asked, `observations.jsonl` what came back (see `log`);
`pictures/` has small versions of what items show (see `pictures`). A folder holds one run: it may grow (more
candidates, more workloads, a larger limit) and is never turned into another. Whole files are written to a temporary
name and renamed; one process at a time writes in a folder.
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path
from typing import NamedTuple, TypeVar

import msgspec

from seatrial.errors import InputError, RunFolderError, StorageError
from seatrial.trial.log import ObservationLog, read_log
from seatrial.trial.plan import Plan, item_records, workload_record
from seatrial.trial.record import RUN_SCHEMA, Candidate, Environment, ItemRecord, Observation, Run, RunManifest

if sys.platform != "win32":
    import fcntl

MANIFEST, ITEMS, OBSERVATIONS, LOCK = "run.json", "items.jsonl", "observations.jsonl", ".lock"
_OURS_BEFORE_A_RUN = frozenset({ITEMS, LOCK, f"{MANIFEST}.part", f"{ITEMS}.part"})
T = TypeVar("T")


def load_run(folder: Path) -> Run:
    """A run as its folder holds it, finished or not.

    A question that was asked again after a failure has its last observation, in the first one's place. A last line
    that a crash left torn is passed over. Raises RunFolderError where the folder holds no run, InputError for a broken
    file.
    """
    manifest = read_manifest(folder)
    if manifest is None:
        raise RunFolderError(f"{folder} holds no run: there is no {MANIFEST} in it. `seatrial trial` makes one.")
    observations = {observation.key: observation for observation in read_log(folder / OBSERVATIONS).observations}
    return Run(manifest=manifest, items=_read_items(folder / ITEMS), observations=list(observations.values()))


def read_manifest(folder: Path) -> RunManifest | None:
    """What `folder`'s run is; None where it holds none. Raises RunFolderError for a run of another version."""
    path = folder / MANIFEST
    try:
        data = path.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise StorageError(f"{path} cannot be read: {error.strerror}.") from None
    try:
        manifest = msgspec.json.decode(data, type=RunManifest)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise InputError(f"not a run of Seatrial's ({error}). Use another folder.", path=path) from None
    if manifest.schema != RUN_SCHEMA:
        raise RunFolderError(f"{path} is of schema `{manifest.schema}`; this version reads `{RUN_SCHEMA}`.")
    return manifest


class OpenRun(NamedTuple):
    """A run folder that this process writes in. `observations` are those it held at opening."""

    manifest: RunManifest
    log: ObservationLog
    observations: list[Observation]
    num_torn_bytes: int
    lock: FolderLock

    def close(self) -> None:
        """Let go of the folder, the log on disk first. Raises StorageError where the disk does not take it."""
        try:
            self.log.close()
        finally:
            self.lock.close()


def open_run(
    folder: Path, plan: Plan, *, environment: Environment, now: datetime, command: str, concurrency: int
) -> OpenRun:
    """Make `folder` this plan's run, or go on with it if it is that already.

    Raises RunFolderError where the folder holds another run, other files, or is in use; StorageError where it cannot be
    written.
    """
    _make_folder(folder)
    lock = FolderLock(folder)
    try:
        before = read_manifest(folder)
        if before is None:
            _refuse_foreign_files(folder)
        else:
            _refuse_other_run(folder, before, plan)
        contents = read_log(folder / OBSERVATIONS)
        manifest = _manifest(before, plan, environment, now, command, concurrency)
        _write_whole(folder / ITEMS, b"".join(_json_line(record) for record in _all_items(plan)))
        write_manifest(folder, manifest)
        log = ObservationLog(folder / OBSERVATIONS, contents)
    except BaseException:
        lock.close()
        raise
    return OpenRun(manifest, log, contents.observations, contents.num_torn_bytes, lock)


def write_manifest(folder: Path, manifest: RunManifest) -> None:
    """Put `manifest` in the place of the old one, whole or not at all. Raises StorageError."""
    _write_whole(folder / MANIFEST, msgspec.json.format(msgspec.json.encode(manifest), indent=2) + b"\n")


class FolderLock:
    """Keeps a second process out of a run folder. The system lets go of it however this process ends.

    Raises RunFolderError where another process holds it. On Windows there is no such lock, and none is taken.
    """

    def __init__(self, folder: Path) -> None:
        try:
            self._file: int | None = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        except OSError as error:
            raise StorageError(f"{folder} cannot be written: {error.strerror}.") from None
        if sys.platform != "win32":
            try:
                fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                self.close()
                text = f"{folder} is in use by another seatrial. Wait for it, or give another folder with `--out`."
                raise RunFolderError(text) from None

    def close(self) -> None:
        """Let go. Safe to call twice."""
        file, self._file = self._file, None
        if file is not None:
            os.close(file)


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except FileExistsError:
        raise RunFolderError(f"{folder} is a file. Give a folder with `--out`.") from None
    except OSError as error:
        raise StorageError(f"{folder} cannot be made: {error.strerror}.") from None


def _refuse_foreign_files(folder: Path) -> None:
    foreign = sorted(entry.name for entry in folder.iterdir() if entry.name not in _OURS_BEFORE_A_RUN)
    if foreign:
        named = ", ".join(f"`{name}`" for name in foreign[:3]) + (", …" if len(foreign) > 3 else "")
        raise RunFolderError(
            f"{folder} holds other files ({named}) and no run. Give an empty or new folder with `--out`."
        )


def _refuse_other_run(folder: Path, before: RunManifest, plan: Plan) -> None:
    difference = _difference(before, plan)
    if difference:
        raise RunFolderError(
            f"{folder} holds another run: {difference}. Give another folder with `--out`, or go on with that run: "
            f"{before.command}"
        )


def _difference(before: RunManifest, plan: Plan) -> str | None:
    """How `plan` would turn the run into another one; None where it repeats it or only adds to it."""
    if before.seed != plan.seed:
        return f"its seed is {before.seed}, not {plan.seed}"
    planned = {candidate.id: candidate for candidate in plan.candidates}
    for candidate in before.candidates:
        if candidate.id not in planned:
            return f"`{candidate.id}` is a candidate of it"
        if _without_catalog(candidate) != _without_catalog(planned[candidate.id]):
            return f"`{candidate.id}` stood for something else"
    workloads = {planned.workload.name: planned for planned in plan.workloads}
    for workload in before.workloads:
        if workload.name not in workloads:
            return f"`{workload.name}` is a workload of it"
        if workload.fingerprint != workloads[workload.name].workload.fingerprint:
            return f"its workload `{workload.name}` was another version, {workload.version}"
        if workload.num_items > len(workloads[workload.name].items):
            return f"it asks {workload.num_items} items of `{workload.name}`, more than {plan.limit}"
    return None


def _without_catalog(candidate: Candidate) -> Candidate:
    """A candidate without what the catalog of the day says of it, which may change under a run."""
    return msgspec.structs.replace(candidate, model=None, sees=None)


def _manifest(
    before: RunManifest | None, plan: Plan, environment: Environment, now: datetime, command: str, concurrency: int
) -> RunManifest:
    return RunManifest(
        id=before.id if before else plan.id,
        created_at=before.created_at if before else now,
        command=command,
        seed=plan.seed,
        candidates=list(plan.candidates),
        workloads=[workload_record(planned) for planned in plan.workloads],
        not_measured=before.not_measured if before else [],
        concurrency=concurrency,
        limit=plan.limit,
        sessions=[*(before.sessions if before else []), environment],
    )


def _all_items(plan: Plan) -> Iterable[ItemRecord]:
    return (record for planned in plan.workloads for record in item_records(planned))


def _read_items(path: Path) -> list[ItemRecord]:
    decoder = msgspec.json.Decoder(ItemRecord)
    items = []
    try:
        for number, line in enumerate(path.read_bytes().split(b"\n")[:-1], start=1):
            try:
                items.append(decoder.decode(line))
            except (msgspec.DecodeError, UnicodeDecodeError) as error:
                raise InputError(f"not an item ({error}).", path=path, line=number) from None
    except OSError as error:
        raise InputError(f"cannot be read: {error.strerror}. The run's folder is incomplete.", path=path) from None
    return items


def _write_whole(path: Path, data: bytes) -> None:
    part = path.with_name(f"{path.name}.part")
    try:
        with part.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    except OSError as error:
        with contextlib.suppress(OSError):
            part.unlink()
        raise StorageError(f"{path} cannot be written: {error.strerror}. Make room, then run it again.") from None


def _json_line(record: ItemRecord) -> bytes:
    return msgspec.json.encode(record, enc_hook=str) + b"\n"
