"""A run folder keeps the pictures that its verdict will want, and whatever is wrong with one never fails a trial."""

from __future__ import annotations

import dataclasses
import hashlib
import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from sample_drawings import chart, put, receipt, write_video
from trial_values import Echo, candidate, observation, run, workload

from seatrial.chat import ChatEvent, ChatRequest, TextDelta
from seatrial.trial import pictures as module
from seatrial.trial.pictures import FOLDER, INDEX, MOST_EACH, RunPictures, keep_pictures
from seatrial.trial.plan import Plan, plan_trial
from seatrial.trial.record import Candidate
from seatrial.trial.store import ITEMS, load_run
from seatrial.trial.thumbnails import SMALL_BYTES
from seatrial.workload.specification import Item, Workload

RIGHT, WRONG = candidate("right"), candidate("wrong", runs_here=True)


class Mute(Echo):
    """Never says the right thing."""

    async def stream(self, request: ChatRequest) -> AsyncIterator[ChatEvent]:
        async for event in super().stream(request):
            yield TextDelta("hm") if isinstance(event, TextDelta) else event


def asks(id: str, *files: Path, text: str | None = None) -> Item:
    digests = tuple(hashlib.sha256(file.read_bytes()).hexdigest() for file in files)
    return Item(id, f"say {id}" if text is None else text, id, pictures=files, media_sha256=digests)


def key_of(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()[:32]


def plan_of(*items: Item, candidates: tuple[Candidate, ...] = (RIGHT, WRONG)) -> Plan:
    return plan_trial(candidates, (workload(items=items, fingerprint=str(len(items))),), seed=0)


def provider_for(candidate: Candidate, workload: Workload) -> Any:
    return Mute() if candidate.id == "wrong" else Echo()


async def test_pictures_of_items_that_tell_candidates_apart_are_kept(tmp_path: Path) -> None:
    first, second = put(tmp_path, "receipt 1.png", receipt(1)), put(tmp_path, "boats.png", chart(1))
    plan = plan_of(asks("a", first), asks("b", first, second), Item("plain", "say plain", "plain"))
    ran = await run(plan, tmp_path / "run", provider_for)
    assert [[each.name for each in item.pictures] for item in ran.items] == [
        ["receipt 1.png"],
        ["receipt 1.png", "boats.png"],
        [],
    ]
    assert ran.items[0].pictures == ran.items[1].pictures[:1]
    kept = RunPictures(tmp_path / "run")
    for file, picture in ((first, receipt(1)), (second, chart(1))):
        found = kept.find(key_of(file))
        assert found is not None
        assert (found.width, found.height) == picture.size
        data = kept.small(key_of(file))
        assert data is not None
        assert len(data) <= SMALL_BYTES
    assert kept.larger(key_of(second)) == f"pictures/{key_of(second)}-large.webp"
    assert (tmp_path / "run" / kept.larger(key_of(second))).is_file()
    assert not list((tmp_path / "run" / FOLDER).glob(".*"))


async def test_a_page_that_every_model_failed_can_be_looked_at(tmp_path: Path) -> None:
    files = [put(tmp_path, f"{name}.png", receipt(place, num_lines=1)) for place, name in enumerate("abcd")]
    items = [asks(file.stem, file) for file in files]
    mute = candidate("mute", runs_here=True)

    def nobody_knows(candidate: Candidate, workload: Workload) -> Any:
        return Mute()

    await run(plan_of(*items, candidates=(WRONG, mute)), tmp_path / "run", nobody_knows)
    kept = RunPictures(tmp_path / "run")
    assert all(kept.small(key_of(file)) for file in files)


async def test_of_many_items_those_that_differ_come_first_then_those_that_all_failed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MOST_ITEMS", 3)
    files = {name: put(tmp_path, f"{name}.png", receipt(place, num_lines=1)) for place, name in enumerate("abcde")}
    plan = plan_of(*[asks(name, file) for name, file in files.items()])
    seen = [
        observation(f"{who.id}-{item}", candidate=who.id, item=item, score=score)
        for item, scores in {"a": (1, 1), "b": (0, 0), "c": (0, 1), "d": (0, 0), "e": (1, 0)}.items()
        for who, score in zip((RIGHT, WRONG), scores, strict=True)
    ]
    keep_pictures(tmp_path, plan.items, seen)
    kept = RunPictures(tmp_path)
    assert [name for name, file in files.items() if kept.find(key_of(file))] == ["b", "c", "e"]


async def test_nothing_is_kept_where_nothing_is_to_be_seen(tmp_path: Path) -> None:
    await run(plan_of(Item("a", "say a", "a")), tmp_path / "plain", provider_for)
    assert not (tmp_path / "plain" / FOLDER).exists()
    assert b"pictures" not in (tmp_path / "plain" / ITEMS).read_bytes()


@pytest.mark.parametrize("is_video", [False, True])
async def test_a_file_that_has_changed_is_not_shown_as_what_was_asked_about(tmp_path: Path, is_video: bool) -> None:
    file = put(tmp_path, "a.png", receipt(1))
    if is_video:
        file = tmp_path / "film.mp4"
        write_video(file, ["red"] * 4)
    item = asks("a", file)
    if is_video:
        item = dataclasses.replace(item, pictures=(), video=file)
    key, was = key_of(file), file.read_bytes()
    plan = plan_of(item)
    seen = [observation("1", item="a", score=1.0), observation("2", item="a", candidate="other", score=0.0)]
    if is_video:
        write_video(file, ["blue"] * 4)
    else:
        put(tmp_path, "a.png", receipt(2))
    keep_pictures(tmp_path, plan.items, seen)
    found = RunPictures(tmp_path).find(key)
    assert found is not None
    assert found.fault.startswith("The file was changed after the workload was loaded")
    assert RunPictures(tmp_path).small(key) is None
    file.write_bytes(was)
    keep_pictures(tmp_path, plan.items, seen)
    assert RunPictures(tmp_path).small(key) is not None


async def test_a_run_that_goes_on_makes_no_picture_again(tmp_path: Path) -> None:
    file = put(tmp_path, "a.png", chart(1))
    plan = plan_of(asks("a", file))
    await run(plan, tmp_path / "run", provider_for)
    small = tmp_path / "run" / FOLDER / f"{key_of(file)}.webp"
    before = small.stat().st_mtime_ns
    key = key_of(file)
    file.unlink()
    await run(plan, tmp_path / "run", provider_for)
    assert small.stat().st_mtime_ns == before
    assert RunPictures(tmp_path / "run").small(key) is not None


async def test_damaged_and_missing_files_are_said_and_fail_nothing(tmp_path: Path) -> None:
    torn, gone, sound = tmp_path / "torn.png", tmp_path / "gone.png", put(tmp_path, "sound.png", receipt(1))
    torn.write_bytes(sound.read_bytes()[:300])
    gone.write_bytes(sound.read_bytes() + b"gone")
    plan = plan_of(asks("a", torn, gone, sound))
    ran = await run(plan, tmp_path / "run", provider_for)
    assert len(ran.observations) == 2
    shutil.rmtree(tmp_path / "run" / FOLDER)
    gone.unlink()
    keep_pictures(tmp_path / "run", plan.items, ran.observations)
    kept = RunPictures(tmp_path / "run")
    found = [kept.find(picture.key) for picture in ran.items[0].pictures]
    assert [bool(each and each.fault) for each in found] == [True, True, False]
    assert "damaged or cut short" in (found[0].fault if found[0] else "")
    assert kept.small(ran.items[0].pictures[0].key) is None
    gone.write_bytes(sound.read_bytes() + b"gone")
    keep_pictures(tmp_path / "run", plan.items, ran.observations)
    assert RunPictures(tmp_path / "run").small(ran.items[0].pictures[1].key) is not None


async def test_a_full_disk_and_a_decoder_that_raises_anything_fail_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = put(tmp_path, "a.png", receipt(1))
    plan = plan_of(asks("a", file))

    def full(path: Path, data: bytes) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as changed:
        changed.setattr(module, "_write", full)
        assert len((await run(plan, tmp_path / "run", provider_for)).observations) == 2

    def broken(*args: Any, **kwargs: Any) -> None:
        raise SystemError("tile cannot extend outside image")

    with monkeypatch.context() as changed:
        changed.setattr(module, "make_versions", broken)
        keep_pictures(tmp_path / "run", plan.items, load_run(tmp_path / "run").observations)
    found = RunPictures(tmp_path / "run").find(key_of(file))
    assert found is not None
    assert "SystemError" in found.fault


async def test_only_a_few_pictures_of_an_item_are_kept(tmp_path: Path) -> None:
    files = [put(tmp_path, f"{seed}.png", receipt(seed, num_lines=1)) for seed in range(MOST_EACH + 3)]
    await run(plan_of(asks("a", *files)), tmp_path / "run", provider_for)
    assert len(list((tmp_path / "run" / FOLDER).glob("*.webp"))) == MOST_EACH


async def test_what_was_put_in_the_folder_by_others_is_not_taken_for_a_picture(tmp_path: Path) -> None:
    file = put(tmp_path, "a.png", chart(1))
    folder, key = tmp_path / "run", key_of(file)
    await run(plan_of(asks("a", file)), folder, provider_for)
    small = folder / FOLDER / f"{key}.webp"
    good = small.read_bytes()
    for bad in (b"<svg onload=alert(1)>", good + b"\x00" * SMALL_BYTES, b""):
        small.write_bytes(bad)
        assert RunPictures(folder).small(key) is None
    small.write_bytes(good)
    index = folder / FOLDER / INDEX
    lines = index.read_bytes()
    index.write_bytes(
        b'{"key":"../../../etc/passwd","width":1}\nnot json\n{"key":"%s","width":-4}\n' % (b"a" * 32) + lines
    )
    kept = RunPictures(folder)
    assert kept.find("../../../etc/passwd") is None
    assert kept.find("a" * 32) is None
    assert kept.small(key) == good
    index.unlink()
    assert RunPictures(folder).find(key) is None
    assert RunPictures(tmp_path / "nowhere").find(key) is None


def test_names_are_fit_to_be_shown() -> None:
    names = [
        module._shown_name(Path(name)) for name in ("a\u202eb\n.png", "x" * 300 + ".png", "caf\udce9.png", "Café 1.png")
    ]
    assert names[0] == "a?b?.png"
    assert len(names[1]) == 80
    assert names[2:] == ["caf?.png", "Café 1.png"]
    assert all(msgspec.json.encode(name) for name in names)
