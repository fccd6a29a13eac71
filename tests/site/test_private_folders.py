"""No folder of the publisher's machine stands on a page; commands name what they named before."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from site_samples import make_library, replaced, run_document, sample_pictures

from seatrial.site.private_folders import without_folders
from seatrial.verdict.document import Document


def published(repeat: str) -> str:
    document = run_document()
    return without_folders(replaced(document, run=replaced(document.run, repeat=repeat))).run.repeat


@pytest.mark.parametrize(
    ("command", "public"),
    [
        ("seatrial compare a --on /home/me/mails.jsonl --out /x", "seatrial compare a --on ./mails.jsonl --out ./x"),
        ("seatrial compare a --on=/home/me/mails/ --limit 3", "seatrial compare a --on=./mails --limit 3"),
        ("seatrial compare a --on '/home/me/my mails/to day'", "seatrial compare a --on './to day'"),
        ("seatrial compare ~/models/smollm2-135m@int8 --on triage", "seatrial compare ./smollm2-135m@int8 --on triage"),
        (
            "seatrial compare a --on /data/documents --on documents",
            "seatrial compare a --on ./documents --on documents",
        ),
        ("seatrial compare /a/m /a/m@int8 /a/m/n --on x", "seatrial compare ./m ./m@int8 ./n --on x"),
        ("seatrial compare /a/old/m /a/new/m --on x", "seatrial compare ./old/m ./new/m --on x"),
        ("seatrial compare /m /a/m --on x", "seatrial compare ./m ./a/m --on x"),
        ("seatrial compare ./here --on ../there/x.jsonl --out runs/first", "="),
        ("seatrial compare http://10.0.0.7:8000/v1#name hf:owner/name openai:a/b --on triage", "="),
        ("OPENAI_API_KEY=… seatrial compare gpt-5-mini --on triage && echo done", "="),
        ("seatrial compare a --on /", "="),
        ("", "="),
    ],
)
def test_a_path_from_the_root_is_written_as_if_it_lay_here(command: str, public: str) -> None:
    assert published(command) == (command if public == "=" else public)


def in_folders(document: Document) -> Document:
    """The same run of somebody whose first candidate and whose workloads lie in folders of their own."""
    told = msgspec.json.encode(document).decode().replace(document.candidates[0].id, "/home/me/private/small")
    found = msgspec.json.decode(told, type=Document)
    command = "seatrial compare /home/me/private/small --on /home/me/private/mails.jsonl"
    return replaced(
        found,
        run=replaced(found.run, repeat=f"{command} --out /home/me/private/out"),
        candidates=[replaced(card, way_out=f"seatrial pull x && {command}") for card in found.candidates],
        workloads=[replaced(each, origin="/home/me/private/mails.jsonl") for each in found.workloads],
    )


def test_nothing_of_a_published_run_names_a_folder_of_the_machine(database: Any, clock: Any) -> None:
    told = in_folders(run_document())
    library = make_library(database, clock)
    published = library.publish(told)
    assert "/home/me" not in msgspec.json.encode(published.document).decode()
    assert published.document.candidates[0].id == "./small"
    assert {each.origin for each in published.document.workloads} == {"./mails.jsonl"}
    before = library.revision()
    library.publish(told)
    assert library.revision() == before


def test_pictures_and_figures_stay_what_they_are() -> None:
    document = sample_pictures.pictured_document()
    name = document.candidates[0].id
    public = without_folders(in_folders(document))
    back = msgspec.json.encode(public).decode().replace("./small", name)
    found = msgspec.json.decode(back, type=Document)
    same = {"run": document.run, "candidates": document.candidates, "workloads": document.workloads}
    assert replaced(found, **same) == document


def test_two_candidates_never_become_one() -> None:
    document = in_folders(run_document())
    first, second, *others = document.candidates
    beside = replaced(document, candidates=[first, replaced(second, id="./small"), *others])
    ids = [card.id for card in without_folders(beside).candidates]
    assert ids[:2] == ["./private/small", "./small"]
