"""The SROIE receipts: the folder as it is published, and every way in which it can be incomplete."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from drawn import write_picture

from seatrial.errors import UsageError, WorkloadError
from seatrial.workload.loading import load_workload
from seatrial.workload.prompting import render
from seatrial.workload.scorers import score

KEY = {"company": "HARROW LANE SDN BHD", "date": "25/12/2018", "address": "2, MILL ROAD, 81100", "total": "RM9.00"}


def write_receipts(folder: Path, keys: dict[str, Any], ending: str = ".json") -> Path:
    for number, (stem, key) in enumerate(keys.items()):
        write_picture(folder / "img" / f"{stem}.jpg", colour=20 * number, form="JPEG")
        (folder / "key").mkdir(exist_ok=True)
        (folder / "key" / f"{stem}{ending}").write_text(key if isinstance(key, str) else json.dumps(key))
    return folder


def test_the_published_receipts(reference_data: Path) -> None:
    workload = load_workload("sroie", data=reference_data)
    assert (workload.name, workload.task, workload.scorer.structured) == ("sroie", "extraction", True)
    assert len(workload.items) == 60
    assert workload.shows
    assert workload.clustered
    assert len({item.cluster for item in workload.items}) < 60
    assert load_workload(str(reference_data / "sroie")).fingerprint == workload.fingerprint
    right = json.dumps(workload.items[0].expected)
    assert score(workload, workload.items[0], right).value == 1
    request = render(workload, workload.items[0])
    assert request.json_schema is not None
    assert list(request.json_schema["properties"]) == ["company", "date", "address", "total"]
    assert [type(part).__name__ for part in request.messages[-1].parts] == ["ImagePart", "TextPart"]


@pytest.mark.parametrize("ending", [".json", ".txt"])
def test_a_folder_of_ones_own(tmp_path: Path, ending: str) -> None:
    keys = {"b": KEY, "a": KEY | {"total": "", "company": "Harrow  Lane Sdn Bhd."}, "c": KEY | {"total": "1,007.50"}}
    workload = load_workload(str(write_receipts(tmp_path / "mine", keys, ending)))
    assert [item.id for item in workload.items] == ["a", "b", "c"]
    assert [item.expected["total"] for item in workload.items] == [None, 9.0, 1007.5]
    assert len({item.cluster for item in workload.items}) == 1
    item = workload.items[1]
    answer = {"company": "harrow lane sdn bhd", "date": "25/12/2018", "address": None, "total": 9}
    scored = score(workload, item, json.dumps(answer))
    assert scored.parts == {"company": 1.0, "date": 1.0, "address": 0.0, "total": 1.0}
    assert scored.value == pytest.approx(2 * 3 / 7)


@pytest.mark.parametrize(
    ("key", "what"),
    [
        ("{", "is not JSON"),
        ("[]", "must be an object with company"),
        (KEY | {"date": 3}, "`date`: must be a text"),
        (KEY | {"total": "soon"}, "`total`: 'soon' is no amount"),
    ],
)
def test_a_key_that_will_not_do_is_named(tmp_path: Path, key: Any, what: str) -> None:
    folder = write_receipts(tmp_path / "mine", {"a": KEY, "b": key})
    with pytest.raises(WorkloadError) as caught:
        load_workload(str(folder))
    assert str(caught.value).startswith(str(folder / "key" / "b.json"))
    assert what in str(caught.value)


def test_an_incomplete_folder_is_named(tmp_path: Path) -> None:
    folder = write_receipts(tmp_path / "mine", {"a": KEY, "b": KEY})
    (folder / "key" / "b.json").unlink()
    with pytest.raises(WorkloadError, match=r"key: has no file for the receipt `b`"):
        load_workload(str(folder))
    (folder / "img" / "b.jpg").unlink()
    (folder / "img" / "a.jpg").write_bytes(b"%PDF-1.4")
    with pytest.raises(WorkloadError, match=r"img: `img/a.jpg` is no picture that is taken: .* it is a PDF"):
        load_workload(str(folder))
    (folder / "img" / "a.jpg").unlink()
    with pytest.raises(WorkloadError, match=r"img: has no pictures"):
        load_workload(str(folder))


def test_two_files_of_one_receipt_are_named(tmp_path: Path) -> None:
    folder = write_receipts(tmp_path / "mine", {"a": KEY, "b": KEY})
    write_picture(folder / "img" / "b.png", colour=9)
    with pytest.raises(WorkloadError, match=r"img: holds both `b.jpg` and `b.png` for the receipt `b`. Leave one out"):
        load_workload(str(folder))
    (folder / "img" / "b.png").unlink()
    (folder / "key" / "a.txt").write_text(json.dumps(KEY))
    with pytest.raises(WorkloadError, match=r"key: holds both `a.json` and `a.txt` for the receipt `a`. Leave one out"):
        load_workload(str(folder))


def test_where_the_receipts_can_be_had_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(
        UsageError, match=r"do not come with Seatrial, and SEATRIAL_DATA is not set. Get them from http"
    ):
        load_workload("sroie")
    with pytest.raises(UsageError, match=r"there is no folder .*sroie"):
        load_workload("sroie", data=tmp_path)
    write_receipts(tmp_path / "sroie", {"a": KEY})
    assert len(load_workload("sroie").items) == 1
    with pytest.raises(UsageError, match="Leave `--scorer` out"):
        load_workload("sroie", scorer="exact")
