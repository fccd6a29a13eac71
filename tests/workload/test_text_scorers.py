"""`exact`, `contains` and `label`: tricky answers, and properties that hold for any text."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from seatrial.errors import WorkloadError
from seatrial.workload.scorers import check_expected, check_scorer, score
from seatrial.workload.scorers.forms import bare, fold, words
from seatrial.workload.specification import Item, Prompt, Score, Workload


def scored(scorer: str, expected: object, text: str, **settings: object) -> Score:
    spec = check_scorer(scorer, settings)
    item = Item("1", "q", check_expected(spec, expected))
    return score(Workload("w", "1", "w", "generation", "", "", Prompt(), spec, (item,), (), "w", "f"), item, text)


@pytest.mark.parametrize(
    ("expected", "text", "value"),
    [
        ("Paris", "paris", 1),
        ("Paris", "  PARIS\n", 1),
        ("New  York", "new\nyork", 1),
        ("Paris", "Paris.", 0),
        ("Paris", "It is Paris", 0),
        ("Straße", "STRASSE", 1),
        ("ﬁsh", "fish", 1),
        ("café", "cafe\u0301", 1),
        ("it's", "it\u2019s", 1),
        ("-5", "\u22125", 1),
        (["colour", "color"], "color", 1),
        (12, "12", 1),
        (12.0, "12", 1),
        ("x", "", 0),
    ],
)
def test_exact(expected: object, text: str, value: float) -> None:
    assert scored("exact", expected, text).value == value


@pytest.mark.parametrize(
    ("settings", "expected", "text", "value"),
    [
        ({"ignore_case": False}, "Paris", "paris", 0),
        ({"ignore_space": False}, "a b", "a  b", 0),
        ({"ignore_punctuation": True}, "well, done", "Well done!", 1),
        ({"ignore_punctuation": True}, "1,200", "1200", 0),
        ({"ignore_punctuation": True}, "-5", "5", 0),
        ({"ignore_punctuation": True}, "(3.5)", "3.5.", 1),
    ],
)
def test_exact_settings(settings: dict[str, object], expected: str, text: str, value: float) -> None:
    assert scored("exact", expected, text, **settings).value == value


def test_an_empty_answer_reads_as_nothing() -> None:
    assert scored("exact", "x", " \n ") == Score(0.0, None, "empty answer")


@pytest.mark.parametrize(
    ("settings", "expected", "text", "value", "parsed"),
    [
        ({}, ["red", "blue"], "A Red and a BLUE one", 1, ["red", "blue"]),
        ({}, ["red", "blue"], "only red", 0, ["red"]),
        ({"mode": "any"}, ["red", "blue"], "only red", 1, ["red"]),
        ({"ignore_case": False}, "Red", "red", 0, []),
        ({}, "cat", "concatenate", 1, ["cat"]),
        ({"whole_words": True}, "cat", "concatenate", 0, []),
        ({"whole_words": True}, "cat", "a cat.", 1, ["cat"]),
        ({"whole_words": True}, "c++", "I like C++!", 1, ["c++"]),
        ({}, "a.b", "aXb", 0, []),
    ],
)
def test_contains(settings: dict[str, object], expected: object, text: str, value: float, parsed: list[str]) -> None:
    result = scored("contains", expected, text, **settings)
    assert (result.value, result.parsed) == (value, parsed)


LABELS = ["billing", "account", "account access", "returns_and_refunds", "other"]


@pytest.mark.parametrize(
    ("text", "parsed"),
    [
        ("billing", "billing"),
        (" **Billing.** ", "billing"),
        ('"billing"', "billing"),
        ("`returns-and-refunds`", "returns_and_refunds"),
        ("Returns and refunds", "returns_and_refunds"),
        ("Label: billing", "billing"),
        ("The best category is: billing", "billing"),
        ("This is about billing.", "billing"),
        ("I would send it to account access, since they cannot log in.", "account access"),
        ("account", "account"),
        ("accounts", None),
        ("accounting", None),
        ("billings", None),
        ("billing or account", None),
        ("billing billing billing", "billing"),
        ("billing\n\nThe customer asks about an account that was charged twice.", "billing"),
        ("1. billing\n2. account", None),
        ("- billing", "billing"),
        ("Answer: billing\nReason: not a matter of account access", "billing"),
        ("Some thoughts about account access.\n\nQueue: billing", "billing"),
        ("billing\naccount", None),
        ("none of these", None),
        ("", None),
        ("<think>\naccount or billing?\n</think>\n\nbilling", "billing"),
        ("<think>\nbilling, surely, but wait", None),
        ("Account / access", "account access"),
        ("ＢＩＬＬＩＮＧ", "billing"),
    ],
)
def test_label_reads_the_one_label_that_the_answer_names(text: str, parsed: str | None) -> None:
    result = scored("label", "billing", text, labels=LABELS)
    assert result.parsed == parsed
    assert result.value == float(parsed == "billing")


def test_label_says_what_was_ambiguous() -> None:
    assert scored("label", "billing", "billing or other", labels=LABELS).detail == "names 2 labels: billing, other"


def test_label_aliases_mean_their_label() -> None:
    settings = {"labels": ["billing", "other"], "aliases": {"billing": ["invoices", "payment desk"]}}
    assert scored("label", "billing", "Payment-desk!", **settings).parsed == "billing"
    assert scored("label", "billing", "invoices and billing", **settings).value == 1


@pytest.mark.parametrize(
    ("labels", "text", "parsed"),
    [
        (["-1", "0", "+1"], "-1", "-1"),
        (["-1", "0", "+1"], "The score is \u22121.", "-1"),
        (["-1", "0", "+1"], "+1", "+1"),
        (["-1", "0", "+1"], "1", None),
        (["c", "c++", "c#"], "It is C++.", "c++"),
        (["c", "c++", "c#"], "c#", "c#"),
        (["A", "B"], "b)", "B"),
        (["A", "B"], "(A)", "A"),
        (["账单", "退货"], "类别是账单。", "账单"),
        (["true", "false"], "True", "true"),
        (["yes", "no"], "No, it does not.", "no"),
    ],
)
def test_label_with_labels_that_are_hardly_words(labels: list[str], text: str, parsed: str | None) -> None:
    assert scored("label", labels[0], text, labels=labels).parsed == parsed


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({}, "needs this setting"),
        ({"labels": ["one"]}, "at least two"),
        ({"labels": ["a", "a"]}, "twice"),
        ({"labels": ["Sign up", "sign-up"]}, "read the same"),
        ({"labels": ["a", "..."]}, "no words"),
        ({"labels": "a, b"}, "list of texts"),
        ({"labels": ["a", "b"], "aliases": {"c": ["d"]}}, "not among the labels"),
        ({"labels": ["a", "b"], "aliases": {"a": ["B"]}}, "read the same"),
        ({"labels": ["a", "b"], "aliases": {"a": "b"}}, "list of texts"),
        ({"lables": ["a", "b"]}, "Did you mean `labels`"),
    ],
)
def test_label_settings_that_will_not_do(settings: dict[str, object], message: str) -> None:
    with pytest.raises(WorkloadError, match=message):
        check_scorer("label", settings)


def test_an_expected_label_that_is_none_offers_the_nearest() -> None:
    spec = check_scorer("label", {"labels": ["billing", "returns"]})
    with pytest.raises(WorkloadError, match=r"'biling' is none of the 2 labels. Did you mean 'billing'\?$"):
        check_expected(spec, "biling")


def test_an_unknown_scorer_offers_the_nearest() -> None:
    with pytest.raises(WorkloadError, match="Did you mean `json_fields`"):
        check_scorer("json_field", {})
    with pytest.raises(WorkloadError, match="There are: exact, label"):
        check_scorer("vibes", {})


@hypothesis_settings(deadline=None)
@given(st.text())
def test_forms_are_idempotent(text: str) -> None:
    for options in ({}, {"ignore_case": False}, {"ignore_punctuation": True}, {"ignore_space": False}):
        once = fold(text, **options)
        assert fold(once, **options) == once
    assert bare(bare(text)) == bare(text)
    assert words(" ".join(words(text))) == words(text)


@hypothesis_settings(deadline=None)
@given(st.text().filter(lambda text: fold(text) and not text.lstrip().startswith("<think>")))
def test_a_text_is_exactly_itself_unless_it_is_reasoning(text: str) -> None:
    assert scored("exact", text, text).value == 1
    assert scored("contains", text, f"so: {text}").value == 1


@hypothesis_settings(deadline=None)
@given(st.sampled_from(LABELS), st.text())
def test_label_is_stable_under_its_own_reading(label: str, text: str) -> None:
    read = scored("label", label, text, labels=LABELS).parsed
    if read is not None:
        assert scored("label", label, read, labels=LABELS).parsed == read
