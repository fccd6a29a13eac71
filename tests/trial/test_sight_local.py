"""A trial of pictures by models that run here: one that sees is measured, one that reads text only is told apart."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from trial_values import candidate, run, workload

from seatrial.providers.local import load_local
from seatrial.trial.plan import plan_trial
from seatrial.trial.record import Candidate
from seatrial.workload.loading import load_workload
from seatrial.workload.specification import Item, Workload


@pytest.mark.slow
async def test_a_model_that_sees_is_measured_and_one_that_reads_is_not(
    tmp_path: Path, tiny: Callable[..., Any], tiny_vision: Callable[..., Any]
) -> None:
    folders = {
        "sees": tiny_vision().write_folder(tmp_path / "sees"),
        "reads": tiny().write_folder(tmp_path / "reads"),
    }
    local = [
        candidate(name, kind="path", target=str(folder), model=None, runs_here=True, settings={"max_tokens": 4})
        for name, folder in folders.items()
    ]
    plan = plan_trial(local, (load_workload("documents"),), seed=0, limit=2)

    def provider_for(one: Candidate, of: Workload) -> Any:
        return load_local(one.target, dtype="float32", device="cpu", name=one.id)

    done = await run(plan, tmp_path / "run", provider_for)
    assert [one.failure for one in done.observations] == [None] * 2
    assert {one.candidate for one in done.observations} == {"sees"}
    least = min(one.prompt_tokens or 0 for one in done.observations)
    assert least > 100, "the tokens of the pictures are counted"
    assert [noted.candidate for noted in done.manifest.not_measured] == ["reads"]
    assert "reads text only" in done.manifest.not_measured[0].reason
    again = await run(plan, tmp_path / "run", provider_for)
    assert len(again.observations) == 2


async def test_a_damaged_video_fails_its_item_by_its_name_alone(
    tmp_path: Path, tiny_vision: Callable[..., Any]
) -> None:
    """What failed stands in the run, which may be published: the folders of this machine are nobody's business."""
    film = tmp_path / "film.mp4"
    film.write_bytes(b"\x00\x00\x00\x18ftypisom\x00\x00\x02\x00isomiso2" + bytes(64))
    digest = hashlib.sha256(film.read_bytes()).hexdigest()
    item = Item("a", "What happens?", "a", video=film, media_sha256=(digest,))  # loading would refuse it
    folder = tiny_vision().write_folder(tmp_path / "sees")
    sees = candidate("sees", kind="path", target="sees", model=None, runs_here=True, settings={"max_tokens": 4})
    plan = plan_trial((sees,), (workload(items=(item,)),), seed=0)

    def provider_for(one: Candidate, of: Workload) -> Any:
        return load_local(folder, dtype="float32", device="cpu", name=one.id)

    (failed,) = (await run(plan, tmp_path / "run", provider_for)).observations
    assert failed.failure is not None
    assert failed.failure.message.startswith("film.mp4: this is no video that can be read")
    assert str(tmp_path) not in (tmp_path / "run" / "observations.jsonl").read_text()
