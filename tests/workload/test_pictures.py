"""Items that show pictures and videos: what loads, what is refused and how it is said, what is asked."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from drawn import BEGINNING, film, picture, png_of_size, write_picture
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from written import write_folder, write_lines

from seatrial.chat import ImagePart, TextPart, VideoPart
from seatrial.errors import WorkloadError
from seatrial.workload.loading import load_workload
from seatrial.workload.prompting import render, rendered_examples
from seatrial.workload.specification import Workload

TOML = """
scorer = "exact"
[prompt]
system = "Look."
user = "Q: {input}"
shots = 1
detail = "low"
"""


def loaded(folder: Path, **record: Any) -> Workload:
    item = {"input": "What is it?", "expected": "a"} | record
    return load_workload(str(write_lines(folder / "items.jsonl", [item])), scorer="exact")


@pytest.mark.parametrize(
    ("form", "media_type"),
    [("PNG", "image/png"), ("JPEG", "image/jpeg"), ("GIF", "image/gif"), ("WEBP", "image/webp")],
)
def test_a_picture_is_what_its_bytes_say(tmp_path: Path, form: str, media_type: str) -> None:
    write_picture(tmp_path / "p" / "one.png", form=form)
    workload = loaded(tmp_path, image="p/one.png")
    (item,) = workload.items
    assert item.pictures == ((tmp_path / "p" / "one.png").resolve(),)
    assert workload.shows
    assert not workload.films
    shown, asked = render(workload, item).messages[-1].parts
    assert shown == ImagePart((tmp_path / "p" / "one.png").read_bytes(), media_type)
    assert asked == TextPart("What is it?")


def test_several_pictures_and_a_video_stand_before_the_text_in_order(tmp_path: Path) -> None:
    for number in range(3):
        write_picture(tmp_path / f"{number}.png", colour=10 * number)
    (tmp_path / "film.mp4").write_bytes(film())
    workload = loaded(tmp_path, images=["2.png", "0.png", "2.png"], video="film.mp4")
    (item,) = workload.items
    assert [path.name for path in item.pictures] == ["2.png", "0.png", "2.png"]
    assert len(item.media_sha256) == 4
    assert workload.films
    parts = render(workload, item).messages[-1].parts
    assert [part.data for part in parts if isinstance(part, ImagePart)] == [picture(20), picture(0), picture(20)]
    assert parts[3:] == (VideoPart((tmp_path / "film.mp4").resolve()), TextPart("What is it?"))


def test_a_picture_may_be_all_there_is_to_ask(tmp_path: Path) -> None:
    write_picture(tmp_path / "a.png")
    path = write_lines(tmp_path / "items.jsonl", [{"image": "a.png", "expected": "a"}])
    workload = load_workload(str(path), scorer="exact")
    assert workload.items[0].input == ""
    assert [type(part) for part in render(workload, workload.items[0]).messages[-1].parts] == [ImagePart]


def test_examples_show_their_pictures_and_baselines_see_text_alone(tmp_path: Path) -> None:
    folder = tmp_path / "w"
    write_picture(folder / "a.png", colour=1)
    write_picture(folder / "b.png", colour=2)
    item = {"id": "a", "input": "one", "expected": "1", "image": "a.png"}
    example = {"id": "b", "input": "two", "expected": "2", "image": "b.png"}
    workload = load_workload(write_folder(folder, TOML, [item], [example]))
    system, shot, answer, asked = render(workload, workload.items[0]).messages
    assert system.parts == (TextPart("Look."),)
    assert shot.parts == (ImagePart(picture(2), "image/png", "low"), TextPart("Q: two"))
    assert answer.parts == (TextPart("2"),)
    assert asked.parts == (ImagePart(picture(1), "image/png", "low"), TextPart("Q: one"))
    assert rendered_examples(workload) == (("Q: two", "2"),)


def test_a_conversation_shows_its_picture_in_the_last_turn(tmp_path: Path) -> None:
    write_picture(tmp_path / "a.png")
    turns = [{"role": role, "content": role} for role in ("user", "assistant", "user", "assistant")]
    path = write_lines(tmp_path / "chat.jsonl", [{"messages": turns, "image": "a.png"}])
    workload = load_workload(str(path), scorer="exact")
    first, _, last = render(workload, workload.items[0]).messages
    assert first.parts == (TextPart("user"),)
    assert [type(part) for part in last.parts] == [ImagePart, TextPart]


def test_one_question_about_two_pictures_is_no_leak(tmp_path: Path) -> None:
    folder = tmp_path / "w"
    write_picture(folder / "a.png", colour=1)
    write_picture(folder / "b.png", colour=2)
    item = {"id": "a", "input": "Which?", "expected": "1", "image": "a.png"}
    load_workload(write_folder(folder, TOML, [item], [item | {"image": "b.png"}]))
    with pytest.raises(WorkloadError, match="is also an item"):
        load_workload(write_folder(folder, TOML, [item], [item]))


def test_key_fields_out_of_pictures(tmp_path: Path) -> None:
    """A bare file of pictures and objects: which fields, and in what form, is read off what is expected."""
    keys = [{"shop": "Pell", "total": 4.5, "day": "2026-01-02"}, {"shop": "Root", "total": 12.0, "day": "2026-02-03"}]
    for number in range(2):
        write_picture(tmp_path / f"{number}.png", colour=number)
    records = [{"image": f"{number}.png", "expected": key} for number, key in enumerate(keys)]
    workload = load_workload(str(write_lines(tmp_path / "receipts.jsonl", records)))
    assert (workload.scorer.name, workload.task) == ("json_fields", "extraction")
    request = render(workload, workload.items[0])
    assert "shop (text), total (number), day (date as YYYY-MM-DD)" in request.messages[0].text
    assert request.json_schema is not None
    assert [type(part) for part in request.messages[-1].parts] == [ImagePart]


@pytest.mark.parametrize(
    ("fields", "field", "what"),
    [
        ({"image": "b.png"}, "image", "there is no file `b.png`. Did you mean `a.png`? Names count from"),
        ({"image": "none/b.png"}, "image", "there is no file `none/b.png`. Names count from"),
        ({"images": ["a.png", "b.png"]}, "images[1]", "there is no file `b.png`"),
        ({"image": 3}, "image", "must be the name of a file"),
        ({"image": ""}, "image", "must be the name of a file"),
        ({"image": ["a.png"]}, "image", "must be the name of one file; a list of names goes into `images`"),
        ({"images": "a.png"}, "images", "must be a list of at least one file's name. A single name goes into `image`"),
        ({"images": []}, "images", "at least one"),
        ({"images": ["a.png"] * 65}, "images", "lists 65 pictures; an item may have 64"),
        ({"image": "a.png", "images": ["a.png"]}, "images", "one or the other"),
        ({"image": "../a.png"}, "image", "leads out of this file's folder"),
        ({"image": "sub/../../a.png"}, "image", "leads out of this file's folder"),
        ({"image": "sub/../a.png"}, "image", "leads out of this file's folder"),
        ({"image": "/etc/hostname"}, "image", "leads out of this file's folder"),
        ({"image": "//etc/hostname"}, "image", "leads out of this file's folder"),
        ({"image": "..\\a.png"}, "image", "Part folders with `/`"),
        ({"image": "C:\\a.png"}, "image", "is an address"),
        ({"image": "https://example.com/a.png"}, "image", "is an address. Save the file beside this one"),
        ({"image": "data:image/png;base64,AAAA"}, "image", "is an address"),
        ({"image": "file:///etc/hostname"}, "image", "is an address"),
        ({"image": "a.png\x00.jpg"}, "image", "is no file's name"),
        ({"image": "a" * 2000}, "image", "is too long"),
        ({"image": "a" * 900}, "image", "cannot be read"),
        ({"image": "out.png"}, "image", "is a link that leads out of this file's folder"),
        ({"image": "away/x.png"}, "image", "is a link that leads out of this file's folder"),
        ({"image": "circle"}, "image", "cannot be read"),
        ({"image": "sub"}, "image", "is a folder"),
        ({"image": "."}, "image", "is a folder"),
        ({"image": "pipe"}, "image", "no plain file"),
        ({"image": "empty.png"}, "image", "is empty"),
        ({"image": "letter.pdf"}, "image", "is no picture that is taken: by its first bytes it is a PDF. Save it as"),
        ({"image": "text.png"}, "image", "it is text"),
        ({"image": "page.png"}, "image", "it is a web page"),
        ({"image": "old.bmp"}, "image", "is no picture that is taken: by its first bytes it is a BMP picture"),
        ({"image": "phone.heic"}, "image", "it is a HEIC or AVIF picture"),
        ({"image": "lfs.png"}, "image", "`git lfs pull` brings the file"),
        ({"image": "film.mp4"}, "image", "it is video/mp4"),
        ({"image": "noise.png"}, "image", "it is something else"),
        ({"image": "cut.png"}, "image", "`cut.png` begins like a picture and is damaged or cut short"),
        ({"image": "vast.png"}, "image", "more than 67 million pixels"),
        ({"image": "bomb.png"}, "image", "more than 67 million pixels"),
        ({"video": "a.png"}, "video", "is no video that is taken: by its first bytes it is image/png. Save it"),
        ({"video": "phone.heic"}, "video", "is no video"),
        ({"video": "none.mp4"}, "video", "there is no file `none.mp4`"),
        ({"video": ["film.mp4"]}, "video", "must be the name of one file, not a list: an item shows one video"),
        ({"image": "a.png", "input": 3}, "input", "must be a text"),
    ],
)
def test_what_cannot_be_shown_is_named(tmp_path: Path, fields: dict[str, Any], field: str, what: str) -> None:
    folder = tmp_path / "here"
    write_picture(folder / "a.png")
    write_odd_files(folder)
    with pytest.raises(WorkloadError) as caught:
        loaded(folder, **fields)
    message = str(caught.value)
    assert message.startswith(f"{folder / 'items.jsonl'}, line 1, `{field}`: ")
    assert what in message
    assert len(message) < 800


def write_odd_files(folder: Path) -> None:
    write_picture(folder.parent / "outside" / "x.png")
    (folder / "sub").mkdir()
    (folder / "out.png").symlink_to("../outside/x.png")
    (folder / "away").symlink_to(folder.parent / "outside", target_is_directory=True)
    (folder / "circle").symlink_to("circle")
    os.mkfifo(folder / "pipe")
    cut = picture()[:20]
    files = {
        "empty.png": b"",
        "letter.pdf": b"%PDF-1.7\n",
        "text.png": b"just words",
        "page.png": b"<!doctype html><title>404</title>",
        "old.bmp": b"BM" + bytes(60),
        "phone.heic": b"\x00\x00\x00\x18ftypheic" + bytes(60),
        "lfs.png": b"version https://git-lfs.github.com/spec/v1\noid sha256:00",
        "film.mp4": BEGINNING,
        "noise.png": bytes(range(128, 256)),
        "cut.png": cut,
        "vast.png": png_of_size(20_000, 6_000),
        "bomb.png": png_of_size(2**31 - 1, 2**31 - 1),
    }
    for name, data in files.items():
        (folder / name).write_bytes(data)


def test_a_link_within_the_folder_is_followed(tmp_path: Path) -> None:
    write_picture(tmp_path / "real" / "a.png")
    (tmp_path / "b.png").symlink_to("real/a.png")
    assert loaded(tmp_path, image="b.png").items[0].pictures == ((tmp_path / "real" / "a.png").resolve(),)


def test_a_folder_that_is_itself_a_link_holds_its_files(tmp_path: Path) -> None:
    write_picture(tmp_path / "real" / "a.png")
    (tmp_path / "link").symlink_to("real", target_is_directory=True)
    assert loaded(tmp_path / "link", image="a.png").shows


def test_files_that_are_too_large(tmp_path: Path) -> None:
    os.truncate(write_picture(tmp_path / "a.png"), 21 * 2**20)
    with pytest.raises(WorkloadError, match=r"`image`: `a.png` has 21 MiB; a picture may have 20 MiB"):
        loaded(tmp_path, image="a.png")
    (tmp_path / "film.mp4").write_bytes(film())
    os.truncate(tmp_path / "film.mp4", 5 * 2**30)
    with pytest.raises(WorkloadError, match=r"`video`: `film.mp4` has 5,120 MiB; a video may have 4,096 MiB"):
        loaded(tmp_path, video="film.mp4")


def test_a_picture_that_changes_after_loading_is_not_asked_about(tmp_path: Path) -> None:
    path = write_picture(tmp_path / "a.png")
    workload = loaded(tmp_path, image="a.png")
    path.write_bytes(picture(1))
    with pytest.raises(WorkloadError, match="was changed after the workload was loaded"):
        render(workload, workload.items[0])
    path.unlink()
    with pytest.raises(WorkloadError, match="cannot be read any more"):
        render(workload, workload.items[0])


def test_a_video_that_changes_after_loading_is_not_asked_about(tmp_path: Path) -> None:
    path = tmp_path / "film.mp4"
    path.write_bytes(film())
    write_picture(tmp_path / "a.png")
    workload = loaded(tmp_path, image="a.png", video="film.mp4")
    assert render(workload, workload.items[0])
    path.write_bytes(film()[:-1] + b"x")
    with pytest.raises(WorkloadError, match=r"film\.mp4: was changed after the workload was loaded"):
        render(workload, workload.items[0])
    path.unlink()
    with pytest.raises(WorkloadError, match=r"film\.mp4: cannot be read any more"):
        render(workload, workload.items[0])


def test_the_fingerprint_is_over_what_the_pictures_hold(tmp_path: Path) -> None:
    write_picture(tmp_path / "a.png", colour=1)
    write_picture(tmp_path / "same.png", colour=1)
    write_picture(tmp_path / "other.png", colour=2)
    (tmp_path / "film.mp4").write_bytes(film())
    plain = loaded(tmp_path).fingerprint
    one = loaded(tmp_path, image="a.png").fingerprint
    assert loaded(tmp_path, image="same.png").fingerprint == one
    assert loaded(tmp_path, images=["a.png"]).fingerprint == one
    different = [
        loaded(tmp_path, image="other.png").fingerprint,
        loaded(tmp_path, images=["a.png", "other.png"]).fingerprint,
        loaded(tmp_path, images=["other.png", "a.png"]).fingerprint,
        loaded(tmp_path, image="a.png", video="film.mp4").fingerprint,
        loaded(tmp_path, video="film.mp4").fingerprint,
    ]
    assert len({plain, one, *different}) == 7


def test_the_fingerprint_is_over_how_closely_pictures_are_looked_at(tmp_path: Path) -> None:
    items = [{"input": "q", "expected": "a"}]
    prints = {
        detail: load_workload(
            write_folder(tmp_path / detail, f'scorer = "exact"\n[prompt]\ndetail = "{detail}"', items, None)
        ).fingerprint
        for detail in ("auto", "low", "high")
    }
    plain = load_workload(write_folder(tmp_path / "plain", 'scorer = "exact"', items, None)).fingerprint
    assert prints["auto"] == plain
    assert len(set(prints.values())) == 3
    with pytest.raises(WorkloadError, match=r"`prompt.detail`: must be one of auto, low, high"):
        load_workload(write_folder(tmp_path / "x", 'scorer = "exact"\n[prompt]\ndetail = "fine"', items, None))


names = st.text(max_size=12) | st.sampled_from(
    ["a.png", "./a.png", "sub/../a.png", "..", "../a.png", "/a.png", "a.png/", "a.png/x", "~", "\u202ea.png", "a\u0301"]
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(name=names, field=st.sampled_from(["image", "images", "video"]))
def test_any_name_loads_a_file_inside_or_is_refused(tmp_path: Path, name: str, field: str) -> None:
    write_picture(tmp_path / "in" / "a.png")
    write_picture(tmp_path / "a.png")
    path = tmp_path / "in" / "items.jsonl"
    path.write_text(json.dumps({"input": "q", "expected": "a", field: [name] if field == "images" else name}))
    try:
        item = load_workload(str(path), scorer="exact").items[0]
    except WorkloadError as error:
        refusal = str(error)
    else:
        assert item.pictures == ((tmp_path / "in" / "a.png").resolve(),)
        return
    assert f"`{field}" in refusal or "surrogate" in refusal


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(data=st.data())
def test_a_damaged_picture_loads_or_is_refused(tmp_path: Path, data: st.DataObject) -> None:
    raw = bytearray(picture(form=data.draw(st.sampled_from(["PNG", "JPEG", "GIF", "WEBP"]))))
    for place in data.draw(st.lists(st.integers(0, min(60, len(raw) - 1)), max_size=5)):
        raw[place] = data.draw(st.integers(0, 255))
    (tmp_path / "a.png").write_bytes(bytes(raw[: data.draw(st.integers(0, len(raw)))]))
    try:
        workload = loaded(tmp_path, image="a.png")
    except WorkloadError as error:
        refusal = str(error)
    else:
        assert render(workload, workload.items[0])
        return
    assert "`image`: `a.png`" in refusal
