"""The documents workload: drawn by its script, its sums right, every answer on its page, and fit to be shipped."""

from __future__ import annotations

import json
import random
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

import seatrial.workload.data.documents as documents
from seatrial.chat import ImagePart
from seatrial.workload.data.documents import charts, generate, invoices, receipts, tables
from seatrial.workload.data.documents.charts import Series, draw_chart
from seatrial.workload.data.documents.generate import (
    DOCUMENTS_EACH,
    EXAMPLES_EACH,
    KINDS,
    MOST_DIFFERENCE,
    PICTURES,
    QUESTIONS_EACH,
    Drawn,
    difference,
    document_names,
    draw,
    records,
    write_documents,
)
from seatrial.workload.data.documents.invoices import Bill, draw_invoice
from seatrial.workload.data.documents.names import amount
from seatrial.workload.data.documents.page import Sheet, missing_fonts
from seatrial.workload.data.documents.receipts import Purchase, draw_receipt
from seatrial.workload.data.documents.tables import Contents, draw_table_page
from seatrial.workload.loading import load_workload
from seatrial.workload.prompting import render, rendered_examples
from seatrial.workload.scorers import score

FOLDER = Path(documents.__path__[0])
with_fonts = pytest.mark.skipif(bool(missing_fonts()), reason="needs the fonts DejaVu and Liberation")


def lines(name: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (FOLDER / name).read_text(encoding="utf-8").splitlines()]


ITEMS, EXAMPLES = lines("items.jsonl"), lines("examples.jsonl")


@with_fonts
@pytest.mark.parametrize("name", ["receipt-03", "invoice-11", "table-08", "chart-01", "chart-24", "example-receipt-2"])
def test_a_document_is_what_the_script_draws(name: str) -> None:
    drawn = draw(name)
    kept = [line for line in (*ITEMS, *EXAMPLES) if line["document"] == name]
    assert records(drawn) == kept
    with Image.open(FOLDER / PICTURES / f"{name}.png") as there:
        assert difference(there, drawn.document.picture) <= MOST_DIFFERENCE
        other = draw(name, seed=7).document.picture
        assert difference(there, other) > MOST_DIFFERENCE
    again = draw(name).document.picture
    assert again.tobytes() == drawn.document.picture.tobytes()


@with_fonts
@pytest.mark.slow
def test_all_documents_are_what_the_script_draws() -> None:
    made = [record for name in document_names() for record in records(draw(name))]
    assert made == [*ITEMS, *EXAMPLES]


FEW_ANSWERS = [(2, "chart-09"), (4, "chart-08"), (7, "table-17"), (8, "chart-19"), (10, "chart-15"), (11, "table-16")]
"""Seeds and documents whose first drawing has one answer to all of its questions."""


def asks_enough(drawn: Drawn) -> bool:
    answers = {question.answers[0] for question in drawn.asked}
    return len(answers) == len(drawn.asked) == (1 if drawn.name.startswith("example-") else QUESTIONS_EACH)


@with_fonts
@pytest.mark.parametrize(("seed", "name"), FEW_ANSWERS)
def test_a_document_with_too_few_answers_is_drawn_again(seed: int, name: str) -> None:
    drawn = draw(name, seed)
    assert asks_enough(drawn)
    assert records(draw(name, seed)) == records(drawn)


@with_fonts
@pytest.mark.parametrize("seed", range(1, 13))
def test_any_seed_draws_every_document(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without letters and without what a scanner does, which take the time: other dice, as good as these."""
    for module in (charts, invoices, receipts, tables):
        monkeypatch.setattr(module, "scanned", lambda sheet, dice, **how: sheet.picture)
        monkeypatch.setattr(module, "as_screen", lambda sheet: sheet.picture, raising=False)
    monkeypatch.setattr(Sheet, "text", lambda sheet, x, y, text, how, **look: y + how.height)
    assert all(asks_enough(draw(name, seed)) for name in document_names())


@with_fonts
@pytest.mark.slow
@pytest.mark.parametrize("seed", range(1, 13))
def test_any_seed_draws_every_document_as_it_is(seed: int) -> None:
    assert all(asks_enough(draw(name, seed)) for name in document_names())


@pytest.fixture
def few_documents(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The set, made of a few documents that are drawn quickly."""
    drawn = ["table-17", "example-table-1"]
    monkeypatch.setattr(generate, "document_names", lambda: iter(drawn))
    return drawn


@with_fonts
def test_a_fresh_set_loads(few_documents: list[str], tmp_path: Path) -> None:
    folder = tmp_path / "deep" / "mine"
    for _ in range(2):
        write_documents(folder, seed=7)
        workload = load_workload(str(folder))
        assert (len(workload.items), len(workload.examples)) == (2, 1)
    assert sorted(path.name for path in tmp_path.rglob("*.png")) == ["example-table-1.png", "table-17.png"]
    assert [path.name for path in folder.parent.iterdir()] == ["mine"]


@with_fonts
def test_sets_of_different_seeds_can_be_told_apart(few_documents: list[str], tmp_path: Path) -> None:
    for seed in (generate.SEED, 7, 8):
        write_documents(tmp_path / str(seed), seed)
    shipped, fresh, other = (load_workload(str(tmp_path / str(seed))) for seed in (generate.SEED, 7, 8))
    assert [each.name for each in (shipped, fresh, other)] == ["documents", "documents-7", "documents-8"]
    assert len({each.title for each in (shipped, fresh, other)}) == 3
    assert (fresh.version, fresh.prompt, fresh.scorer) == (shipped.version, shipped.prompt, shipped.scorer)
    assert (tmp_path / str(generate.SEED) / "workload.toml").read_bytes() == (FOLDER / "workload.toml").read_bytes()


@with_fonts
@pytest.mark.parametrize("is_there", [True, False])
def test_a_set_that_cannot_be_drawn_leaves_nothing(
    few_documents: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_there: bool
) -> None:
    folder = tmp_path / "mine"
    if is_there:
        folder.mkdir()
        (folder / "items.jsonl").write_text("before")
    few_documents.append("map-1")
    with pytest.raises(KeyError):
        write_documents(folder, seed=7)
    assert [path.name for path in tmp_path.rglob("*")] == (["mine", "items.jsonl"] if is_there else [])


@with_fonts
def test_the_command_says_what_is_wrong(
    few_documents: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert generate.main(["--seed", "7", "--out", str(tmp_path / "mine")]) == 0
    assert "items.jsonl: 2 lines" in capsys.readouterr().out
    (tmp_path / "file").write_text("")
    assert generate.main(["--seed", "7", "--out", str(tmp_path / "file" / "mine")]) == 1
    assert "cannot be written" in capsys.readouterr().out
    with pytest.raises(SystemExit):
        generate.main(["--seed", "7"])
    assert "--out" in capsys.readouterr().err


def test_there_are_enough_and_they_are_spread_evenly() -> None:
    assert len(ITEMS) == len(KINDS) * DOCUMENTS_EACH * QUESTIONS_EACH >= 150
    assert Counter(item["kind"] for item in ITEMS) == dict.fromkeys(KINDS, DOCUMENTS_EACH * QUESTIONS_EACH)
    assert Counter(item["kind"] for item in EXAMPLES) == dict.fromkeys(KINDS, EXAMPLES_EACH)
    assert {len(group) for group in grouped(ITEMS).values()} == {QUESTIONS_EACH}
    asked = Counter(item["id"].removeprefix(item["document"]) for item in ITEMS)
    assert len(asked) >= 30
    answers = Counter(str(item["expected"]) for item in ITEMS)
    assert answers.most_common(1)[0][1] <= len(ITEMS) * 0.06


def grouped(records: list[dict[str, Any]]) -> dict[str, list[dict[str, Any]]]:
    groups: dict[str, list[dict[str, Any]]] = {}
    for record in records:
        groups.setdefault(record["document"], []).append(record)
    return groups


def test_the_pictures_are_small_and_all_are_used() -> None:
    files = sorted((FOLDER / PICTURES).iterdir())
    assert {f"{PICTURES}/{file.name}" for file in files} == {line["image"] for line in (*ITEMS, *EXAMPLES)}
    assert sum(file.stat().st_size for file in files) < 3_000_000
    for file in files:
        with Image.open(file) as picture:
            assert picture.format == "PNG"
            assert picture.mode == "P"
            assert min(picture.size) >= 200
            assert max(picture.size) <= 1200
            assert not picture.info.keys() - {"transparency"}


@with_fonts
@pytest.mark.parametrize("seed", range(12))
def test_receipts_and_invoices_add_up(seed: int) -> None:
    purchase = draw_receipt(random.Random(seed)).facts["purchase"]
    assert isinstance(purchase, Purchase)
    assert purchase.total == sum(charge.quantity * charge.price for charge in purchase.charges) + purchase.tax
    assert abs(purchase.tax - purchase.subtotal * purchase.tax_percent / 100) <= 0.5
    assert purchase.given is None or 0 < purchase.given - purchase.total <= 5000
    bill = draw_invoice(random.Random(seed)).facts["bill"]
    assert isinstance(bill, Bill)
    assert bill.total == sum(charge.quantity * charge.price for charge in bill.charges) + bill.tax
    assert abs(bill.tax - bill.subtotal * bill.tax_percent / 100) <= 0.5
    assert bill.day < bill.due


@with_fonts
@pytest.mark.parametrize("seed", range(12))
def test_questions_of_receipts_and_invoices_have_the_answers_of_their_figures(seed: int) -> None:
    receipt = draw_receipt(random.Random(seed))
    purchase = receipt.facts["purchase"]
    assert isinstance(purchase, Purchase)
    answers = {question.name: question.answers[0] for question in receipt.questions}
    assert len(answers) == len(receipt.questions)
    assert answers["total"].lstrip("$£€") == amount(purchase.total)
    if "change" in answers:
        assert purchase.given is not None
        assert answers["change"] == amount(purchase.given - purchase.total)
    if "largest" in answers:
        (line,) = [line for line in purchase.charges if line.name == answers["largest"]]
        assert all(line.amount > other.amount for other in purchase.charges if other is not line)
    invoice = draw_invoice(random.Random(seed))
    bill = invoice.facts["bill"]
    assert isinstance(bill, Bill)
    answers = {question.name: question.answers[0] for question in invoice.questions}
    assert answers["total"].lstrip("$£€") == amount(bill.total)
    assert answers["rows"] == str(len(bill.charges))


@with_fonts
@pytest.mark.parametrize("seed", range(20))
def test_charts_can_be_read_exactly(seed: int) -> None:
    chart = draw_chart(random.Random(seed))
    series = chart.facts["series"]
    assert isinstance(series, Series)
    answers = {question.name: question.answers[0] for question in chart.questions}
    for values in series.values:
        assert len(values) == len(series.labels)
        assert min(values) > 0
        assert max(values) <= series.step * series.num_steps
        assert series.is_printed or all(value % series.step == 0 for value in values)
    if series.topic.unit == "%":
        assert sum(series.values[0]) == 100
    shown = {str(value) for values in series.values for value in values}
    assert answers["value-1"].rstrip("%") in shown
    if "most" in answers and len(series.values) == 1:
        place = series.labels.index(answers["most"])
        assert all(series.values[0][place] > other for at, other in enumerate(series.values[0]) if at != place)
    assert len(set(series.labels_of_series)) == len(series.values)


@with_fonts
@pytest.mark.parametrize("seed", range(20))
def test_tables_name_each_row_once_and_rank_without_ties(seed: int) -> None:
    table = draw_table_page(random.Random(seed))
    contents = table.facts["contents"]
    assert isinstance(contents, Contents)
    names = [row[0] for row in contents.rows]
    assert len(set(names)) == len(names)
    assert {len(row) for row in contents.rows} == {len(contents.heads)}
    cells = {cell for row in contents.rows for cell in row}
    for question in table.questions:
        assert question.name == "rows" or question.answers[0] in cells


def test_the_workload_asks_and_scores() -> None:
    workload = load_workload("documents")
    assert workload.shows
    assert workload.clustered
    for item in workload.items:
        right = item.expected[0] if isinstance(item.expected, list) else item.expected
        assert score(workload, item, right).value == 1
        assert score(workload, item, f"**{right}**.").value == 1
        assert score(workload, item, "no idea").value == 0
    request = render(workload, workload.items[0])
    assert [type(part).__name__ for part in request.messages[-1].parts] == ["ImagePart", "TextPart"]
    picture = request.messages[-1].parts[0]
    assert isinstance(picture, ImagePart)
    assert (picture.media_type, picture.detail) == ("image/png", "auto")
    assert len(rendered_examples(workload)) == len(EXAMPLES)


def test_a_wrong_figure_is_wrong_by_any_margin() -> None:
    workload = load_workload("documents")
    item = next(item for item in workload.items if item.id.endswith("-total"))
    assert isinstance(item.expected, str)
    figure = item.expected.lstrip("$£€").replace(",", "")
    assert score(workload, item, figure).value == 1
    assert score(workload, item, f"{float(figure) + 0.01:.2f}").value == 0
