"""Fields that were meant to show something and would not: each is refused by name, and notes stay notes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from drawn import write_picture
from written import write_folder, write_lines

from seatrial.errors import WorkloadError
from seatrial.workload.loading import load_workload

ITEM = {"id": "a", "input": "What is it?", "expected": "a"}


def load(folder: Path, **fields: Any) -> None:
    write_picture(folder / "a.png")
    load_workload(str(write_lines(folder / "items.jsonl", [ITEM, ITEM | {"id": "b"} | fields])), scorer="exact")


@pytest.mark.parametrize(
    ("fields", "meant"),
    [
        ({"picture": "a.png"}, "image"),
        ({"pictures": ["a.png"]}, "images"),
        ({"photo": "a.png"}, "image"),
        ({"img": "a.png"}, "image"),
        ({"imgs": ["a.png"]}, "images"),
        ({"Image": "a.png"}, "image"),
        ({"image ": "a.png"}, "image"),
        ({"iamge": "a.png"}, "image"),
        ({"imge": "a.png"}, "image"),
        ({"imagess": ["a.png", "a.png"]}, "images"),
        ({"image_url": "https://example.com/a.png"}, "image"),
        ({"image_url": {"url": "data:image/png;base64,AAAA"}}, "image"),
        ({"imageUrls": ["a.png"]}, "images"),
        ({"input_image": "a.png"}, "image"),
        ({"image_path": "a.png"}, "image"),
        ({"image": "a.png", "image2": "a.png"}, "image"),
        ({"image": "a.png", "pictures": ["a.png"]}, "images"),
        ({"videos": ["film.mp4"]}, "video"),
        ({"vidoe": "film.mp4"}, "video"),
        ({"video_url": "film.mp4"}, "video"),
        ({"image": "a.png", "videos": ["film.mp4"]}, "video"),
    ],
)
def test_a_field_that_was_meant_to_show_something_is_refused(
    tmp_path: Path, fields: dict[str, Any], meant: str
) -> None:
    wrong = list(fields)[-1]
    with pytest.raises(WorkloadError) as caught:
        load(tmp_path, **fields)
    message = str(caught.value)
    assert message.startswith(f"{tmp_path / 'items.jsonl'}, line 2, `{wrong}`: is no field that is read")
    assert f"Did you mean `{meant}`?" in message


@pytest.mark.parametrize(
    "fields",
    [
        {"image_id": "00012", "image_width": 640, "image_source": "a museum", "video_id": "x7", "imagery": "satellite"},
        {"page": "3", "document": "receipt-01", "kind": "receipt", "film": "Alien", "message": "hello", "usage": "x"},
        {"pictures": 2, "videos": 0, "photo": None, "img": "", "image_urls": []},
        {"image": "a.png", "image_url": "https://example.com/a.png", "image_path": "/where/it/was.png"},
        {"video": None, "images": None},
    ],
)
def test_notes_stay_notes(tmp_path: Path, fields: dict[str, Any]) -> None:
    load(tmp_path, **fields)


def test_items_may_be_grouped_by_a_field_of_any_name(tmp_path: Path) -> None:
    items = [ITEM | {"id": name, "photo": name} for name in "ab"]
    workload = load_workload(write_folder(tmp_path / "w", 'scorer = "exact"\ncluster = "photo"', items, None))
    assert [item.cluster for item in workload.items] == ["a", "b"]
    with pytest.raises(WorkloadError, match=r"line 1, `photo`: is no field"):
        load_workload(write_folder(tmp_path / "w", 'scorer = "exact"', items, None))


def test_examples_are_held_to_the_same(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "w", 'scorer = "exact"', [ITEM], [ITEM | {"input": "x", "picture": "a.png"}])
    with pytest.raises(WorkloadError, match=r"examples\.jsonl, line 1, `picture`"):
        load_workload(folder)
