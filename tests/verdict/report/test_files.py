"""Both files are written whole or not at all, read back as written, and refused with a reason where they are spoilt."""

from __future__ import annotations

import errno
import os
import sys
from contextlib import suppress
from pathlib import Path

import jinja2
import msgspec
import pytest
import sample
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from seatrial.errors import InputError, StorageError
from seatrial.verdict.report import read_document, render_report, write_document, write_report
from seatrial.verdict.report.compiled import TemplateBytecode


def test_the_report_is_written_into_a_folder_that_need_not_exist(tmp_path: Path) -> None:
    document = sample.single_document()
    path = write_report(document, tmp_path / "runs" / "first")
    assert path == tmp_path / "runs" / "first" / "report.html"
    assert path.read_text(encoding="utf-8") == render_report(document)
    assert [entry.name for entry in path.parent.iterdir()] == ["report.html"]


def test_the_document_round_trips_and_is_indented(tmp_path: Path) -> None:
    document = sample.measured_document()
    path = write_document(document, tmp_path)
    assert path == tmp_path / "verdict.json"
    assert path.read_text(encoding="utf-8").startswith('{\n  "schema": "seatrial.verdict/1"')
    assert read_document(tmp_path) == document
    assert render_report(read_document(tmp_path)) == render_report(document)


@pytest.mark.parametrize("write", [write_report, write_document])
def test_a_full_disk_leaves_the_old_file_and_no_litter(write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(sample.single_document(), tmp_path)
    before = path.read_bytes()

    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StorageError, match=r"Cannot write `.*`: No space left on device\. .*--out"):
        write(sample.mixed_document(), tmp_path)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_a_folder_that_is_a_file_is_an_error_not_a_traceback(tmp_path: Path) -> None:
    blocked = tmp_path / "runs"
    blocked.write_text("not a folder")
    with pytest.raises(StorageError, match="runs"):
        write_report(sample.single_document(), blocked)


def test_text_that_is_not_unicode_still_gives_a_page(tmp_path: Path) -> None:
    document = sample.single_document()
    card = msgspec.structs.replace(document.candidates[0], tagline="half a \ud83d face")
    path = write_report(msgspec.structs.replace(document, candidates=[card]), tmp_path)
    assert "half a ? face" in path.read_text(encoding="utf-8")


def test_a_missing_document_says_what_makes_one(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="seatrial verdict"):
        read_document(tmp_path)


def test_another_schema_is_refused_by_name(tmp_path: Path) -> None:
    write_document(msgspec.structs.replace(sample.single_document(), schema="seatrial.verdict/9"), tmp_path)
    with pytest.raises(InputError, match=r"`schema`: Its schema is `seatrial.verdict/9`"):
        read_document(tmp_path)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(cut=st.integers(0, 20_000), byte=st.integers(0, 255))
def test_a_spoilt_document_is_refused_or_read_but_never_a_crash(tmp_path: Path, cut: int, byte: int) -> None:
    content = bytearray(msgspec.json.encode(sample.single_document()))
    content[cut % len(content)] = byte
    (tmp_path / "verdict.json").write_bytes(content[: len(content) - (cut % 7)])
    with suppress(InputError):
        render_report(read_document(tmp_path))


def test_compiled_templates_are_kept_and_stale_ones_ignored(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "dont_write_bytecode", False)

    def rendered(source: str) -> str:
        cache = TemplateBytecode(tmp_path / "compiled")
        return (
            jinja2.Environment(loader=jinja2.DictLoader({"a": source}), bytecode_cache=cache).get_template("a").render()
        )

    assert rendered("one") == "one"
    (kept,) = (tmp_path / "compiled").iterdir()
    first = kept.read_bytes()
    assert rendered("two") == "two"
    assert kept.read_bytes() != first
    kept.write_bytes(first[:40])
    assert rendered("two") == "two"


def test_a_read_only_installation_renders_all_the_same(tmp_path: Path) -> None:
    blocked = tmp_path / "compiled"
    blocked.write_text("a file where the folder should be")
    environment = jinja2.Environment(loader=jinja2.DictLoader({"a": "one"}), bytecode_cache=TemplateBytecode(blocked))
    assert environment.get_template("a").render() == "one"
