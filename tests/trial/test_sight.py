"""Workloads of pictures in a trial: who can be asked, what is sent, and a run that was killed and goes on."""

from __future__ import annotations

import base64
import dataclasses
import hashlib
import random
import subprocess
import sys
from pathlib import Path

import pytest
from looking import PIXEL, Seer, looking, looking_plan
from stand_in import StandIn, answer
from trial_values import Echo, candidate, observation, run, workload

from seatrial.errors import NotRunnable, RequestRejected, WorkloadError
from seatrial.providers.baseline import MajorityBaseline
from seatrial.providers.openai_http import OpenAIProvider
from seatrial.trial.door import Door
from seatrial.trial.plan import Plan, plan_trial
from seatrial.trial.record import Failure
from seatrial.trial.runner import Progress
from seatrial.trial.sight import check_sight
from seatrial.trial.store import load_run
from seatrial.workload.loading import load_workload
from seatrial.workload.prompting import rendered_examples
from seatrial.workload.specification import Item, Workload

HERE = Path(__file__).resolve().parent


class Blind(Echo):
    sees = False


async def test_every_item_is_asked_with_its_picture(tmp_path: Path) -> None:
    seer = Seer()
    done = await run(looking_plan(tmp_path / "w"), tmp_path / "run", seer)
    assert sorted(seer.shown) == sorted(PIXEL + b"%d" % number for number in range(12))
    assert all(one.score == 1 and one.prompt_tokens == 10 for one in done.observations)


async def test_a_text_model_of_the_catalog_is_not_measured_and_not_opened(tmp_path: Path) -> None:
    notices: list[str] = []
    blind, opened = candidate("smollm2-135m", sees=False), []

    def provider_for(one: object, of: object) -> Echo:
        opened.append(one)
        return Seer()

    def on_progress(progress: Progress) -> None:
        notices.append(progress.notice)

    plan = plan_trial((blind, candidate("sees", sees=True)), (looking(tmp_path / "w"),), seed=0)
    done = await run(plan, tmp_path / "run", provider_for, on_progress=on_progress)
    assert [one.id for one in opened if one == blind] == []
    assert {one.candidate for one in done.observations} == {"sees"}
    (noted,) = done.manifest.not_measured
    assert noted.candidate == "smollm2-135m"
    assert noted.reason == "`smollm2-135m` reads text only, and the items of `looking` hold pictures."
    assert "smolvlm2-256m" in noted.way_out
    assert any("smollm2-135m is not measured: " in notice for notice in notices)


async def test_a_model_that_says_itself_that_it_is_blind_is_asked_nothing(tmp_path: Path) -> None:
    blind = Blind()
    done = await run(looking_plan(tmp_path / "w"), tmp_path / "run", blind)
    assert blind.asked == []
    assert blind.num_closed == 1
    assert done.observations == []
    assert "reads text only" in done.manifest.not_measured[0].reason


async def test_a_text_model_is_measured_on_what_it_can_read(tmp_path: Path) -> None:
    blind = Blind()
    plan = plan_trial((candidate(sees=False),), (looking(tmp_path / "w"), workload(4)), seed=0)
    done = await run(plan, tmp_path / "run", blind)
    assert {one.workload for one in done.observations} == {"echo"}
    assert len(done.observations) == 4
    assert [noted.candidate for noted in done.manifest.not_measured] == ["echo-1"]


async def test_a_server_that_takes_no_pictures_is_stopped_at_the_third(tmp_path: Path) -> None:
    def refuse(text: str, number: int) -> None:
        raise RequestRejected("`m` is not a multimodal model.", status=400)

    server = Seer(refuse)
    done = await run(looking_plan(tmp_path / "w"), tmp_path / "run", server)
    assert len(server.asked) <= 4
    assert done.observations == []
    assert done.manifest.not_measured[0].way_out.startswith("Ask a model that takes pictures")


@pytest.mark.parametrize(
    "message",
    [
        "Invalid content type. image_url is only supported by certain models.",
        "image input is not supported - hint: if this is unexpected, you may need to provide the mmproj",
        "At most 0 image(s) may be provided in one request.",
        "this model does not support image input",
        "The model reads text only; the request holds an image.",
        "qwen is not a multimodal model",
    ],
)
def test_the_door_knows_how_servers_say_that_they_are_blind(message: str) -> None:
    door = Door("m", "seatrial trial m")
    failed = observation(text=None, score=0.0, failure=Failure(type="RequestRejected", message=message, status=400))
    assert door.admit(failed) == door.admit(failed) == []
    with pytest.raises(NotRunnable, match="Ask a model that takes pictures"):
        door.admit(failed)


def test_a_picture_that_a_server_cannot_read_is_a_failure_of_its_item() -> None:
    message = "The image could not be decoded. Supported are image/png and image/jpeg."
    failed = observation(text=None, score=0.0, failure=Failure(type="RequestRejected", message=message, status=400))
    assert Door("m", "seatrial trial m").admit(failed) == [failed]


@pytest.mark.parametrize(
    ("param", "says"),
    [
        ("messages[1].content[0]", "0.png: It is cut short."),
        ("messages[1].content[1]", "film.mp4: It is cut short."),
        ("messages[1].content[2]", "It is cut short."),
        ("messages[0].content[0]", "It is cut short."),
        ("messages", "It is cut short."),
        (None, "It is cut short."),
    ],
)
async def test_a_failure_names_the_file_and_no_folder(tmp_path: Path, param: str | None, says: str) -> None:
    def refuse(text: str, number: int) -> None:
        raise RequestRejected("It is cut short.", param=param, code="invalid_video")

    shown = looking(tmp_path / "w", 1)
    film = tmp_path / "w" / "film.mp4"
    film.write_bytes(b"film")
    digests = (*shown.items[0].media_sha256, hashlib.sha256(b"film").hexdigest())
    item = dataclasses.replace(shown.items[0], video=film, media_sha256=digests)
    asked = dataclasses.replace(shown, items=(item,))
    plan = plan_trial((candidate(runs_here=True),), (asked,), seed=0)
    done = await run(plan, tmp_path / "run", Seer(refuse))
    (one,) = done.observations
    assert one.failure is not None
    assert one.failure.message == says


async def test_a_video_that_changes_under_a_run_stops_it(tmp_path: Path) -> None:
    shown, film = looking(tmp_path / "w", 2), tmp_path / "w" / "film.mp4"
    film.write_bytes(b"film")
    digest = hashlib.sha256(b"film").hexdigest()
    items = tuple(dataclasses.replace(each, pictures=(), video=film, media_sha256=(digest,)) for each in shown.items)
    plan = plan_trial((candidate(runs_here=True),), (dataclasses.replace(shown, items=items),), seed=0)
    seer = Seer(lambda text, number: film.write_bytes(b"movie") and None)
    with pytest.raises(WorkloadError, match="was changed after the workload was loaded"):
        await run(plan, tmp_path / "run", seer, concurrency=1)
    assert len(seer.asked) == 1


async def test_videos_are_asked_only_of_models_that_run_here(tmp_path: Path) -> None:
    films = looking(tmp_path / "w", 2)
    films = workload(name="films", items=tuple(_with_film(item) for item in films.items))
    plan = plan_trial((candidate("gpt-5-mini"), candidate("here", runs_here=True)), (films,), seed=0)
    done = await run(plan, tmp_path / "run", Seer())
    assert {one.candidate for one in done.observations} == {"here"}
    assert "takes no videos" in done.manifest.not_measured[0].reason


def _with_film(item: Item) -> Item:
    return dataclasses.replace(item, video=item.pictures[0], media_sha256=item.media_sha256 * 2)


def test_a_text_model_is_told_of_videos_where_there_are_no_pictures(tmp_path: Path) -> None:
    (shown,) = looking(tmp_path / "w", 1).items
    film = dataclasses.replace(shown, pictures=(), video=shown.pictures[0])
    with pytest.raises(NotRunnable, match=r"the items of `films` hold videos\."):
        check_sight(candidate(sees=False), workload(name="films", items=(film,)))


async def test_a_server_gets_the_pictures_and_tells_what_they_cost(tmp_path: Path) -> None:
    async with StandIn(lambda asked: answer(asked.text.removeprefix("say "), prompt_tokens=1_100)) as server:
        provider = OpenAIProvider(base_url=server.base_url, model="m", api_key=None, name="m", rng=random.Random(0))
        done = await run(looking_plan(tmp_path / "w", num_items=3), tmp_path / "run", provider, concurrency=1)
    for number, asked in enumerate(server.asked):
        shown, said = asked.body["messages"][-1]["content"]
        url = shown["image_url"]["url"]
        assert url.startswith("data:image/png;base64,")
        assert base64.b64decode(url.partition(",")[2]) == PIXEL + b"%d" % number
        assert said == {"type": "text", "text": f"say {number}"}
    assert [one.prompt_tokens for one in done.observations] == [1_100] * 3
    assert [one.cost_usd for one in done.observations] == [1.1] * 3


async def test_baselines_answer_from_the_text_alone(tmp_path: Path) -> None:
    documents = load_workload("documents")
    baseline = candidate("baseline:majority", kind="baseline", target="majority", model=None)
    plan = plan_trial((baseline,), (documents,), seed=0, limit=20)
    done = await run(plan, tmp_path / "run", MajorityBaseline(rendered_examples(documents)))
    assert len(done.observations) == 20
    assert done.manifest.not_measured == []
    assert sum(one.score for one in done.observations) < 5


@pytest.mark.parametrize("num_answers", [0, 5, 11])
async def test_a_run_of_pictures_goes_on_after_a_kill(tmp_path: Path, num_answers: int) -> None:
    folder, pictures = tmp_path / "run", tmp_path / "w"
    command = [sys.executable, str(HERE / "looking.py"), str(folder), str(pictures), str(num_answers)]
    ended = subprocess.run(command, capture_output=True, check=False)
    assert ended.returncode == -9, ended.stderr.decode()
    assert len(load_run(folder).observations) == num_answers
    seer = Seer()
    done = await run(looking_plan(pictures), folder, seer)
    assert len(seer.asked) == len(seer.shown) == 12 - num_answers
    assert len({one.key for one in done.observations}) == 12
    assert all(one.score == 1 for one in done.observations)
    assert all(len(item.pictures) == 1 for item in done.items)


async def test_a_picture_that_changes_under_a_run_stops_it_by_name(tmp_path: Path) -> None:
    plan = looking_plan(tmp_path / "w")
    (tmp_path / "w" / "7.png").write_bytes(b"another")
    with pytest.raises(WorkloadError, match=r"7\.png: was changed after the workload was loaded"):
        await run(plan, tmp_path / "run", Seer(), concurrency=1)
    assert 0 < len(load_run(tmp_path / "run").observations) < 12


async def test_what_the_catalog_says_may_change_under_a_run(tmp_path: Path) -> None:
    plan = plan_trial((candidate(sees=None),), (looking(tmp_path / "w"),), seed=0)
    await run(plan, tmp_path / "run", Seer())
    later, seer = plan_trial((candidate(sees=True),), plan_workloads(plan), seed=0), Seer()
    await run(later, tmp_path / "run", seer)
    assert seer.asked == []


def plan_workloads(plan: Plan) -> tuple[Workload, ...]:
    return tuple(planned.workload for planned in plan.workloads)
