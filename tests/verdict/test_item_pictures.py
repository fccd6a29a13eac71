"""A verdict carries the pictures of what it shows, within its bound; what has no pictures is as it was before."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import jsonschema
import msgspec
import pytest

from seatrial.trial.pictures import MOST_EACH, RunPictures, keep_pictures
from seatrial.trial.record import ItemRecord, PictureRecord, Run
from seatrial.trial.thumbnails import SMALL_BYTES
from seatrial.verdict.document import MOST_PICTURES, Document, ItemDifference
from seatrial.verdict.item_pictures import with_pictures
from seatrial.verdict.schema import schema_text

replaced = msgspec.structs.replace
DATA = b"RIFF\x00\x00\x00\x00WEBP" + b"\x00" * 100


class Kept(RunPictures):
    """A folder that keeps whatever is asked for, but keys that begin with `f`."""

    def __init__(self) -> None:
        self._folder = Path()

    def find(self, key: str) -> Any:
        from seatrial.trial.pictures import KeptPicture

        if key.startswith("f"):
            return KeptPicture(key=key, fault="It is damaged.")
        return KeptPicture(key=key, width=900, height=600, small_width=300, small_height=200)

    def small(self, key: str) -> bytes | None:
        return DATA + key.encode()

    def larger(self, key: str) -> str:
        return f"pictures/{key}-large.webp"


def key(name: str) -> str:
    return "0" + hashlib.sha256(name.encode()).hexdigest()[:31]


def asked(workload: str, index: int, num_pictures: int) -> tuple[ItemDifference, ItemRecord]:
    name = f"{workload}-{index:02}"
    names = [f"{name}-{place}.png" for place in range(num_pictures)]
    return (
        ItemDifference(workload=workload, item=name, input="?", expected="", cluster=None, answers=[]),
        ItemRecord(
            workload=workload,
            id=name,
            input="?",
            expected="",
            pictures=[PictureRecord(key=key(each), name=each) for each in names],
        ),
    )


def shown(*pairs: tuple[ItemDifference, ItemRecord], kept: RunPictures | None = None) -> list[ItemDifference]:
    return with_pictures([pair[0] for pair in pairs], [pair[1] for pair in pairs], kept or Kept())


def test_an_item_carries_its_pictures_in_their_order() -> None:
    (item,) = shown(asked("docs", 0, 2))
    assert [picture.name for picture in item.pictures] == ["docs-00-0.png", "docs-00-1.png"]
    first = item.pictures[0]
    assert (first.width, first.height, first.full_width, first.full_height) == (300, 200, 900, 600)
    assert first.data is not None
    assert first.larger == f"pictures/{key('docs-00-0.png')}-large.webp"
    assert item.num_more_pictures == 0


def test_of_many_pictures_of_an_item_the_first_are_shown_and_the_rest_counted() -> None:
    (item,) = shown(asked("docs", 0, 11))
    assert len(item.pictures) == MOST_EACH
    assert item.num_more_pictures == 11 - MOST_EACH


def test_all_together_keep_the_bound_and_every_item_gets_one_before_any_gets_two() -> None:
    pairs = [asked(workload, index, 4) for workload in ("docs", "charts", "forms") for index in range(12)]
    items = shown(*pairs)
    carried = [[picture.data is not None for picture in item.pictures] for item in items]
    assert sum(map(sum, carried)) == MOST_PICTURES
    assert all(first for first, *_ in carried)
    assert sum(second for _, second, *_ in carried) == MOST_PICTURES - 36
    assert "40 pictures" in items[-1].pictures[-1].note
    assert items[-1].pictures[-1].full_width == 900


def test_what_cannot_be_shown_says_why() -> None:
    difference, record = asked("docs", 0, 1)
    broken = replaced(record, pictures=[PictureRecord(key="f" * 32, name="torn.png")])
    (item,) = with_pictures([difference], [broken], Kept())
    assert item.pictures[0].data is None
    assert item.pictures[0].note == "It is damaged."
    (item,) = with_pictures([difference], [record], None)
    assert item.pictures[0].data is None
    assert "keeps no version" in item.pictures[0].note
    (item,) = with_pictures([difference], [record], RunPictures(Path("/nowhere")))
    assert "keeps no version" in item.pictures[0].note


def test_items_without_pictures_are_left_as_they_were(made: Any, verdict_on: Any) -> None:
    scores = {"small-2b": {"triage": [1.0, 0.0] * 20}, "baseline:nearest": {"triage": [0.0, 1.0] * 20}}
    document = verdict_on(made.run(scores), made.entry("small-2b"))
    assert document.item_differences
    written = msgspec.json.encode(document)
    assert b'"pictures"' not in written
    assert b'"num_more_pictures"' not in written


def test_a_verdict_with_pictures_goes_through_json_and_keeps_its_size(
    made: Any, verdict_on: Any, tmp_path: Path
) -> None:
    scores = {"small-2b": {"triage": [1.0] * 60}, "baseline:nearest": {"triage": [0.0] * 60}}
    run = made.run(scores)
    items = [
        replaced(item, pictures=[PictureRecord(key=key(f"{item.id}-{n}"), name=f"{n}.png") for n in range(6)])
        for item in run.items
    ]
    document = verdict_on(replaced(run, items=items), made.entry("small-2b"), pictures=Kept())
    assert sum(bool(picture.data) for item in document.item_differences for picture in item.pictures) == MOST_PICTURES
    written = msgspec.json.encode(document)
    assert msgspec.json.decode(written, type=Document) == document
    jsonschema.validate(msgspec.json.decode(written), msgspec.json.decode(schema_text().encode()))
    bare = len(msgspec.json.encode(verdict_on(run, made.entry("small-2b"))))
    assert len(written) - bare < MOST_PICTURES * (SMALL_BYTES * 4 / 3 + 400)


@pytest.mark.parametrize(
    "changes",
    [
        {"data": "A" * 24_000},
        {"data": "not base64!"},
        {"larger": "javascript:alert(1)"},
        {"larger": "pictures/../../report.html"},
        {"larger": "https://evil.example/a.webp"},
        {"width": -1},
        {"width": 1e9},
    ],
)
def test_a_document_with_an_impossible_picture_is_refused(changes: dict[str, Any]) -> None:
    picture = {"name": "a.png", "data": "AAAA", "width": 1, "height": 1} | changes
    item = {
        "workload": "a",
        "item": "a",
        "input": "",
        "expected": "",
        "cluster": None,
        "answers": [],
        "pictures": [picture],
    }
    with pytest.raises(msgspec.ValidationError):
        msgspec.json.decode(msgspec.json.encode(item), type=ItemDifference)


def test_old_verdicts_without_pictures_load() -> None:
    old = b'{"workload":"a","item":"b","input":"c","expected":"d","cluster":null,"answers":[]}'
    item = msgspec.json.decode(old, type=ItemDifference)
    assert item.pictures == []
    assert msgspec.json.encode(item) == old


def test_a_run_without_observations_keeps_nothing(made: Any, tmp_path: Path) -> None:
    run: Run = made.run({})
    keep_pictures(tmp_path, {}, run.observations)
    assert list(tmp_path.iterdir()) == []
