"""No folder of the publisher's machine stands on a page; commands stay what they are otherwise."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from site_samples import make_library, replaced, run_document

from seatrial.site.private_folders import without_folders


def published(repeat: str) -> str:
    document = run_document()
    return without_folders(replaced(document, run=replaced(document.run, repeat=repeat))).run.repeat


@pytest.mark.parametrize(
    ("command", "public"),
    [
        (
            "seatrial compare a b --on /home/me/mails.jsonl --out /srv/x",
            "seatrial compare a b --on mails.jsonl --out x",
        ),
        ("seatrial compare a --on=/home/me/mails/ --limit 3", "seatrial compare a --on=mails --limit 3"),
        ("seatrial compare a --on '/home/me/my mails/today'", "seatrial compare a --on 'today'"),
        ("seatrial compare ~/models/small@int8 --on triage", "seatrial compare small@int8 --on triage"),
        ("seatrial compare ./here --on ../there/x.jsonl --out runs/first", "="),
        ("seatrial compare http://10.0.0.7:8000/v1#name hf:owner/name openai:a/b --on triage", "="),
        ("OPENAI_API_KEY=… seatrial compare gpt-5-mini --on triage && echo done", "="),
        ("seatrial compare a --on /", "="),
        ("", "="),
    ],
)
def test_an_absolute_path_becomes_its_last_name(command: str, public: str) -> None:
    assert published(command) == (command if public == "=" else public)


def test_nothing_of_a_published_run_names_a_folder_of_the_machine(database: Any, clock: Any) -> None:
    document = run_document()
    workloads = [replaced(each, origin="/home/me/private/mails.jsonl") for each in document.workloads]
    candidates = [
        replaced(card, way_out="seatrial pull x && seatrial compare x --on /home/me/private/mails.jsonl")
        for card in document.candidates
    ]
    run = replaced(
        document.run, repeat="seatrial compare x --on /home/me/private/mails.jsonl --out /home/me/private/out"
    )
    told = replaced(document, run=run, workloads=workloads, candidates=candidates)
    library = make_library(database, clock)
    shown = library.publish(told).document
    assert "/home/me" not in msgspec.json.encode(shown).decode()
    assert {each.origin for each in shown.workloads} == {"mails.jsonl"}
    assert replaced(shown, run=told.run, candidates=candidates, workloads=workloads) == told
    before = library.revision()
    library.publish(told)
    assert library.revision() == before
