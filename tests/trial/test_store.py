"""Run folders: one run each, whole files, one process at a time."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest
from trial_values import MACHINE, NOON, candidate, observation, plan, workload

from seatrial.errors import InputError, RunFolderError, StorageError
from seatrial.trial.plan import Plan, plan_trial
from seatrial.trial.record import NotMeasured
from seatrial.trial.store import OpenRun, load_run, open_run, read_manifest, write_manifest


def opened(folder: Path, a_plan: Plan | None = None, command: str = "seatrial trial echo-1") -> OpenRun:
    later = NOON + timedelta(hours=1)
    return open_run(folder, a_plan or plan(), environment=MACHINE, now=later, command=command, concurrency=4)


def make(folder: Path, a_plan: Plan | None = None) -> Path:
    run = opened(folder, a_plan)
    run.log.append(observation())
    run.close()
    return folder


def test_a_new_run_is_read_back(tmp_path: Path) -> None:
    folder = make(tmp_path / "runs" / "first", plan(candidate("a"), candidate("b"), limit=4))
    run = load_run(folder)
    assert [one.id for one in run.manifest.candidates] == ["a", "b"]
    assert (run.manifest.seed, run.manifest.limit, run.manifest.concurrency) == (0, 4, 4)
    assert (run.manifest.workloads[0].num_items, run.manifest.workloads[0].num_available) == (4, 6)
    assert run.manifest.workloads[0].clustered
    assert run.manifest.created_at == NOON + timedelta(hours=1)
    assert run.manifest.sessions == [MACHINE]
    assert len(run.items) == 4
    assert run.observations == [observation()]
    assert not list(folder.glob("*.part"))


def test_opening_again_goes_on(tmp_path: Path) -> None:
    make(tmp_path)
    run = opened(tmp_path, command="seatrial compare echo-1")
    assert run.observations == [observation()]
    assert len(run.manifest.sessions) == 2
    assert run.manifest.command == "seatrial compare echo-1"
    run.close()


@pytest.mark.parametrize(
    "larger",
    [
        plan_trial([candidate(), candidate("b")], [workload()], seed=0, limit=4),
        plan_trial([candidate()], [workload(), workload(name="more")], seed=0, limit=4),
        plan_trial([candidate()], [workload()], seed=0, limit=5),
        plan_trial([candidate()], [workload()], seed=0),
        plan_trial([candidate(model=None)], [workload()], seed=0, limit=4),
    ],
)
def test_a_run_may_grow(tmp_path: Path, larger: Plan) -> None:
    first = load_run(make(tmp_path, plan(limit=4))).manifest.id
    make(tmp_path, larger)
    run = load_run(tmp_path)
    assert run.manifest.id == first
    assert len(run.manifest.candidates) == len(larger.candidates)
    assert len(run.items) == sum(len(planned.items) for planned in larger.workloads)


@pytest.mark.parametrize(
    ("other", "says"),
    [
        (plan_trial([candidate("b")], [workload()], seed=0, limit=4), "`echo-1` is a candidate of it"),
        (plan_trial([candidate(target="x")], [workload()], seed=0, limit=4), "`echo-1` stood for something else"),
        (plan_trial([candidate()], [workload(name="b")], seed=0, limit=4), "`echo` is a workload of it"),
        (plan_trial([candidate()], [workload(7)], seed=0, limit=4), "another version, 1"),
        (plan_trial([candidate()], [workload()], seed=0, limit=3), "more than 3"),
        (plan_trial([candidate()], [workload()], seed=9, limit=4), "its seed is 0, not 9"),
    ],
)
def test_a_run_is_not_turned_into_another(tmp_path: Path, other: Plan, says: str) -> None:
    make(tmp_path, plan(limit=4))
    before = (tmp_path / "run.json").read_bytes()
    with pytest.raises(RunFolderError) as caught:
        opened(tmp_path, other)
    assert says in str(caught.value)
    assert "`--out`" in str(caught.value)
    assert "seatrial trial echo-1" in str(caught.value)
    assert (tmp_path / "run.json").read_bytes() == before


@pytest.mark.parametrize("name", ["thesis.tex", "observations.jsonl", "report.html"])
def test_foreign_files_are_left_alone(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("mine")
    with pytest.raises(RunFolderError, match=rf"holds other files \(`{name}`\)"):
        opened(tmp_path)
    assert (tmp_path / name).read_text() == "mine"


def test_what_a_crash_before_the_first_manifest_leaves_is_no_obstacle(tmp_path: Path) -> None:
    for name in ("items.jsonl", "run.json.part", ".lock"):
        (tmp_path / name).write_text("{")
    make(tmp_path)
    assert load_run(tmp_path).observations == [observation()]


def test_notes_beside_a_run_are_no_obstacle(tmp_path: Path) -> None:
    make(tmp_path)
    (tmp_path / "notes.txt").write_text("mine")
    opened(tmp_path).close()


def test_the_folder_is_a_file(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("x")
    with pytest.raises(RunFolderError, match="is a file"):
        opened(tmp_path / "taken")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(StorageError, match="Permission denied"):
        opened(tmp_path / "run")


def test_one_process_at_a_time(tmp_path: Path) -> None:
    run = opened(tmp_path)
    with pytest.raises(RunFolderError, match="in use"):
        opened(tmp_path)
    run.close()
    opened(tmp_path).close()


def test_the_lock_dies_with_its_process(tmp_path: Path) -> None:
    code = "import sys, os, signal; from pathlib import Path; from seatrial.trial.store import FolderLock\n"
    code += "lock = FolderLock(Path(sys.argv[1])); os.kill(os.getpid(), signal.SIGKILL)"
    assert subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=False).returncode == -9
    opened(tmp_path).close()


def test_a_question_asked_again_has_its_last_observation(tmp_path: Path) -> None:
    run = opened(tmp_path)
    for key, text in (("a", "1"), ("b", "2"), ("a", "3")):
        run.log.append(observation(key, text=text))
    run.close()
    assert [(one.key, one.text) for one in load_run(tmp_path).observations] == [("a", "3"), ("b", "2")]


def test_the_manifest_is_replaced_whole(tmp_path: Path) -> None:
    make(tmp_path)
    manifest = read_manifest(tmp_path)
    assert manifest is not None
    noted = NotMeasured(candidate="echo-1", reason="no key", way_out="set it")
    write_manifest(tmp_path, type(manifest)(**{**_fields(manifest), "not_measured": [noted]}))
    assert load_run(tmp_path).manifest.not_measured == [noted]


def _fields(manifest: object) -> dict[str, object]:
    return {name: getattr(manifest, name) for name in manifest.__struct_fields__}  # type: ignore[attr-defined]


def test_no_run(tmp_path: Path) -> None:
    for folder in (tmp_path, tmp_path / "missing"):
        with pytest.raises(RunFolderError, match="holds no run"):
            load_run(folder)


@pytest.mark.parametrize("text", ["", "{", "[]", '{"id": 7}', "\xff\xfe"])
def test_a_broken_manifest_is_named(tmp_path: Path, text: str) -> None:
    make(tmp_path)
    (tmp_path / "run.json").write_bytes(text.encode("latin-1"))
    with pytest.raises(InputError, match=r"run\.json"):
        load_run(tmp_path)


def test_a_run_of_a_later_version(tmp_path: Path) -> None:
    make(tmp_path)
    manifest = json.loads((tmp_path / "run.json").read_text())
    (tmp_path / "run.json").write_text(json.dumps(manifest | {"schema": "seatrial.run/9"}))
    with pytest.raises(RunFolderError, match=r"seatrial\.run/9"):
        load_run(tmp_path)


def test_broken_items_are_named(tmp_path: Path) -> None:
    make(tmp_path)
    (tmp_path / "items.jsonl").write_text('{"workload": "echo"}\n')
    with pytest.raises(InputError, match=r"items\.jsonl, line 1"):
        load_run(tmp_path)
    (tmp_path / "items.jsonl").unlink()
    with pytest.raises(InputError, match="incomplete"):
        load_run(tmp_path)
