"""Published scores stand side by side only where they were got the same way."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from seatrial.catalog.entry import Entry, Fact, PublishedScore
from seatrial.catalog.loading import Catalog
from seatrial.catalog.scores import ComparableRow, comparable_rows, score_rows

Row = tuple[str, str, str, str]


def find(rows: list[ComparableRow], benchmark: str, **wanted: str) -> list[ComparableRow]:
    return [
        row
        for row in rows
        if row.benchmark == benchmark and all(getattr(row, key) == value for key, value in wanted.items())
    ]


def test_a_row_has_one_variant_setting_and_unit(catalog: Catalog) -> None:
    rows = score_rows(catalog.entries.values())
    keys = [(row.benchmark, row.variant, row.setting, row.unit) for row in rows]
    assert len(keys) == len(set(keys))
    for row, key in zip(rows, keys, strict=True):
        for facts in row.scores.values():
            assert {fact.value.row for fact in facts} == {key}


def test_every_score_of_the_catalog_stands_in_one_row(catalog: Catalog) -> None:
    entries = list(catalog.entries.values())
    shown = [fact.id for row in score_rows(entries) for facts in row.scores.values() for fact in facts]
    own = [fact.id for entry in entries for fact in entry.scores]
    assert len(shown) == len(set(shown))
    assert set(own) <= set(shown)


ALIKE = [
    (("MMLU-CF", "cloze", "base model", "%"), ("MMLU-Pro", "MCF", "base model", "%")),
    (("MMLU-CF", "cloze", "base model", "%"), ("MMLU", "", "base model", "%")),
    (("GSM8K", "", "", "%"), ("GSM-Plus", "", "", "%")),
    (("GSM8K", "", "5-shot", "%"), ("GSM8K", "", "0-shot", "%")),
    (("GSM8K", "", "base model, 5-shot", "%"), ("GSM8K", "", "", "%")),
    (("IFEval", "", "no_think", "%"), ("IFBench", "", "no_think", "%")),
    (("IFEval", "", "no_think", "%"), ("IFEval", "", "think", "%")),
    (("GPQA", "Diamond", "", "%"), ("GPQA", "", "", "%")),
    (("DocVQA", "val", "", "%"), ("DocVQA", "test", "", "%")),
    (("OCRBench", "", "", "%"), ("OCRBench", "", "", "points")),
]


@pytest.mark.parametrize(("one", "other"), ALIKE)
def test_what_looks_alike_does_not_meet(catalog: Catalog, one: Row, other: Row) -> None:
    first, second = catalog.get("smollm3-3b"), catalog.get("gpt-5-mini")
    assert comparable_rows([with_score(first, one), with_score(second, other)]) == []
    together = comparable_rows([with_score(first, one), with_score(second, one)])
    assert [(row.benchmark, row.variant, row.setting, row.unit) for row in together] == [one]
    assert list(together[0].scores) == ["smollm3-3b", "gpt-5-mini"]


def with_score(entry: Entry, row: Row) -> Entry:
    benchmark, variant, setting, unit = row
    score = PublishedScore(benchmark, variant, setting, 50.0, unit, entry.id)
    return replace(entry, scores=(Fact(f"{entry.id}/scores/x", score, entry.scores[0].source),), rival_scores=())


def test_the_rows_of_mmlu_in_the_catalog(catalog: Catalog) -> None:
    rows = [row for row in score_rows(catalog.entries.values()) if "MMLU" in row.benchmark]
    assert {(row.benchmark, row.variant, row.setting): list(row.scores) for row in rows} == {
        ("MMLU-Pro", "", ""): ["gemma-3-4b", "mistral-small-3.2", "phi-4-mini"],
        ("MMLU-Pro", "", "recomputed from per-item outputs"): ["phi-3-mini"],
        ("MMLU-Pro", "MCF", "base model, 0-shot"): ["qwen2.5-3b", "qwen3-1.7b", "smollm3-3b"],
        ("MMLU-CF", "cloze", "base model, 0-shot"): ["qwen2.5-3b", "qwen3-1.7b", "smollm3-3b"],
        ("Global MMLU", "", "no_think"): ["qwen2.5-3b", "qwen3-1.7b", "smollm3-3b"],
        ("Global MMLU", "", "think"): ["qwen3-1.7b", "smollm3-3b"],
        ("MMLU", "", ""): ["phi-3.5-mini"],
    }


def test_thinking_and_not_thinking_do_not_meet(catalog: Catalog) -> None:
    rows = comparable_rows([catalog.get("smollm3-3b"), catalog.get("qwen3-1.7b"), catalog.get("gpt-5-mini")])
    thinking, plain = find(rows, "AIME 2025", setting="think"), find(rows, "AIME 2025", setting="no_think")
    assert [fact.value.value for fact in thinking[0].scores["smollm3-3b"]] == [36.7]
    assert [fact.value.value for fact in plain[0].scores["smollm3-3b"]] == [9.3]
    assert all("gpt-5-mini" not in row.scores for row in rows), "its effort is not stated, so nothing stands beside it"


def test_smollm3_and_gpt_5_mini_share_no_published_row(catalog: Catalog) -> None:
    rows = comparable_rows([catalog.get("smollm3-3b"), catalog.get("gpt-5-mini")])
    assert not any({"smollm3-3b", "gpt-5-mini"} <= row.scores.keys() for row in rows)


def test_rivals_take_part(catalog: Catalog) -> None:
    row = find(comparable_rows([catalog.get("smollm3-3b")]), "HumanEval+")[0]
    assert {subject: facts[0].value.value for subject, facts in row.scores.items()} == {
        "smollm3-3b": 30.48,
        "Qwen2.5-3B": 34.14,
        "Qwen3-1.7B": 43.29,
    }


def test_a_rival_that_is_compared_stands_once_under_its_id(catalog: Catalog) -> None:
    row = find(comparable_rows([catalog.get("smollm3-3b"), catalog.get("qwen2.5-3b")]), "GSM8K")[0]
    assert {subject: [fact.value.value for fact in facts] for subject, facts in row.scores.items()} == {
        "smollm3-3b": [67.63],
        "qwen2.5-3b": [70.13],
        "Qwen3-1.7B": [65.88],
    }


def test_sources_that_differ_on_a_rival_are_both_shown(read: Callable[..., Entry], sound: str) -> None:
    tiny = read(sound)
    swapped = sound.replace("other-2b", "?").replace("tiny-1b", "other-2b").replace("?", "tiny-1b")
    other = read(swapped.replace('name = "Tiny 1B"', 'name = "Other 2B"'), name="other-2b")
    row = find(comparable_rows([tiny, other]), "GSM8K", setting="5-shot")[0]
    assert {subject: [fact.value.value for fact in facts] for subject, facts in row.scores.items()} == {
        "tiny-1b": [61.5],
        "other-2b": [61.5, 60],
    }


def test_units_do_not_meet(read: Callable[..., Entry], sound: str) -> None:
    points = read(sound.replace('value = 61.5, unit = "%"', 'value = 615, unit = "points"'))
    rows = score_rows([points])
    assert {row.unit for row in find(rows, "GSM8K", setting="5-shot")} == {"points"}
    assert comparable_rows([points]) == []


def test_a_row_says_whether_its_setting_is_stated(catalog: Catalog) -> None:
    rows = comparable_rows([catalog.get("claude-haiku-4.5"), catalog.get("gemini-2.5-flash")])
    assert [row.setting_stated for row in find(rows, "MMMU")] == [False]
    assert all(row.setting_stated for row in comparable_rows([catalog.get("smollm3-3b")]))


def test_nothing_to_compare() -> None:
    assert comparable_rows([]) == []
