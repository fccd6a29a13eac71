"""The two hand-written workloads as data: balanced, free of doubles and leaks, and true to their own texts."""

from __future__ import annotations

import json
import re
import unicodedata
from collections import Counter
from datetime import date, datetime, timedelta
from itertools import combinations
from typing import Any

import jsonschema
import pytest

from seatrial.workload.loading import load_workload
from seatrial.workload.prompting import expected_text, render, rendered_examples
from seatrial.workload.scorers import score
from seatrial.workload.specification import Item, Workload

NAMES = ("triage", "extract")
QUEUES = ("billing", "shipping", "returns", "technical", "account", "sales", "safety", "feedback")
CHARACTERS_PER_TOKEN = 3.5
CATALOGUE = {
    "instruments": ["GUL-3", "GUL-5", "FUL-2", "PUF-1", "PUF-1Y", "EID-40", "LIM-7"],
    "displays and links": ["PET-10", "LAN-4", "ARL-1"],
    "fittings": ["BRK-40", "BRK-60", "CBL-10", "CBL-25", "HSG-B", "MOR-30", "MST-6", "MST-9"],
    "power and spares": ["BAT-E", "CUP-3", "SOL-20"],
}
SKUS = frozenset(sku for shelf in CATALOGUE.values() for sku in shelf)
NUMBER_WORDS = {
    1: ["a", "an", "one", "once", "un", "une", "una", "uno", "um", "uma", "ein", "eine", "einen"],
    2: ["two", "twice", "deux", "dos", "due", "dois", "zwei", "twee", "pair"],
    3: ["three", "trois", "tres", "tre", "três", "drei", "drie"],
    4: ["four", "quatre", "cuatro", "quattro", "quatro", "vier"],
    5: ["five", "cinq", "cinco", "cinque", "fünf", "vijf", "fem"],
    6: ["six", "sis", "sei", "seis", "sechs", "zes"],
    7: ["seven"],
    8: ["eight"],
    9: ["nine"],
    10: ["ten", "dix", "diez", "dieci", "dez", "zehn", "tien"],
    12: ["twelve", "dozen"],
    14: ["fourteen"],
    15: ["fifteen"],
    19: ["nineteen"],
    20: ["twenty"],
    30: ["thirty"],
}
WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")


@pytest.fixture(scope="module")
def triage() -> Workload:
    return load_workload("triage")


@pytest.fixture(scope="module")
def extract() -> Workload:
    return load_workload("extract")


@pytest.fixture(scope="module", params=NAMES)
def workload(request: pytest.FixtureRequest) -> Workload:
    return load_workload(request.param)


class TestBoth:
    def test_says_what_it_is(self, workload: Workload) -> None:
        assert workload.version == "1.0.0"
        assert workload.licence == "CC-BY-4.0"
        assert len(workload.title) > 10
        assert "hand" in workload.description
        assert workload.origin in NAMES

    def test_ids_are_unique(self, workload: Workload) -> None:
        assert len({item.id for item in workload.items}) == len(workload.items)
        assert len({item.id for item in workload.examples}) == len(workload.examples)

    def test_no_customer_is_in_both_files(self, workload: Workload) -> None:
        customers = {item.cluster for item in workload.items}
        assert None not in customers
        assert customers.isdisjoint(item.cluster for item in workload.examples)

    def test_no_item_is_among_the_examples(self, workload: Workload) -> None:
        assert {_plain(item.input) for item in workload.items}.isdisjoint(
            _plain(item.input) for item in workload.examples
        )

    def test_no_two_texts_are_nearly_the_same(self, workload: Workload) -> None:
        grams = {f"{kind} {item.id}": _trigrams(item.input) for kind, item in _all(workload)}
        close = [(a, b) for a, b in combinations(grams, 2) if _alike(grams[a], grams[b], 0.6)]
        assert not close

    def test_texts_are_clean_unicode_and_use_reserved_domains(self, workload: Workload) -> None:
        for _, item in _all(workload):
            assert item.input == unicodedata.normalize("NFC", item.input).strip()
            assert "\ufffd" not in item.input
            assert "\t" not in item.input
            for domain in re.findall(r"@([\w.-]+\w)", item.input):
                assert domain.endswith(".example") or "." not in domain, (item.id, domain)

    def test_lengths_vary(self, workload: Workload) -> None:
        lengths = sorted(len(item.input) for item in workload.items)
        assert lengths[-len(lengths) // 10] > 2 * lengths[len(lengths) // 10]

    def test_a_prompt_is_short_enough_for_a_small_model(self, workload: Workload) -> None:
        for item in workload.items:
            num_characters = sum(len(turn.text) for turn in render(workload, item).messages)
            assert num_characters / CHARACTERS_PER_TOKEN < 1_200, item.id

    def test_every_expected_answer_fits_its_token_limit(self, workload: Workload) -> None:
        longest = max(len(expected_text(workload, item)) for item in workload.items)
        assert longest / 2 < workload.prompt.max_tokens

    def test_the_expected_answer_scores_one(self, workload: Workload) -> None:
        for _, item in _all(workload):
            assert score(workload, item, expected_text(workload, item)).value == 1, item.id

    def test_an_empty_answer_scores_nothing(self, workload: Workload) -> None:
        assert all(score(workload, item, "").value == 0 for item in workload.items)


class TestTriage:
    def test_has_enough_items_customers_and_examples(self, triage: Workload) -> None:
        sizes = Counter(item.cluster for item in triage.items)
        assert len(triage.items) >= 170
        assert len(sizes) >= 22
        assert min(sizes.values()) >= 3
        assert max(sizes.values()) <= 14
        assert len(set(sizes.values())) >= 6
        assert len(triage.examples) >= 88

    def test_labels_are_the_eight_queues(self, triage: Workload) -> None:
        assert tuple(triage.scorer.settings["labels"]) == QUEUES
        assert {item.expected for _, item in _all(triage)} == set(QUEUES)

    def test_no_queue_dominates(self, triage: Workload) -> None:
        shares = Counter(item.expected for item in triage.items)
        assert max(shares.values()) <= 0.2 * len(triage.items)
        assert min(shares.values()) >= 0.08 * len(triage.items)
        assert min(Counter(item.expected for item in triage.examples).values()) >= 9

    def test_the_shots_show_every_queue_once(self, triage: Workload) -> None:
        shots = triage.examples[: triage.prompt.shots]
        assert tuple(shot.expected for shot in shots) == QUEUES

    def test_the_prompt_defines_every_queue_on_a_line_and_states_the_tie_break(self, triage: Workload) -> None:
        lines = triage.prompt.system.splitlines()
        assert [line.split(":")[0] for line in lines if line.split(":")[0] in QUEUES] == list(QUEUES)
        assert "before everything else" in triage.prompt.system
        assert "Second: otherwise" in triage.description

    def test_no_customer_writes_about_one_thing_only(self, triage: Workload) -> None:
        queues: dict[str | None, set[str]] = {}
        for item in triage.items:
            queues.setdefault(item.cluster, set()).add(item.expected)
        assert min(len(seen) for seen in queues.values()) >= 3

    def test_the_name_of_a_queue_does_not_give_it_away(self, triage: Workload) -> None:
        named = [(item, queue) for item in triage.items for queue in QUEUES if queue in item.input.lower().split()]
        right = sum(item.expected == queue for item, queue in named)
        assert right <= 0.1 * len(triage.items)

    def test_the_nearest_example_helps_and_does_not_solve_it(self, triage: Workload) -> None:
        accuracy = _nearest_neighbour_accuracy(triage)
        majority = max(Counter(item.expected for item in triage.items).values()) / len(triage.items)
        assert 2 * majority < accuracy < 0.75


class TestExtract:
    def test_has_enough_items_customers_and_examples(self, extract: Workload) -> None:
        sizes = Counter(item.cluster for item in extract.items)
        assert len(extract.items) >= 88
        assert len(sizes) >= 30
        assert max(sizes.values()) >= 3
        assert len(extract.examples) >= 12
        assert extract.prompt.shots == 2

    def test_expected_matches_the_schema_that_providers_get(self, extract: Workload) -> None:
        schema = render(extract, extract.items[0]).json_schema
        assert schema is not None
        kind = jsonschema.validators.validator_for(schema)
        kind.check_schema(schema)
        for _, item in _all(extract):
            kind(schema).validate(json.loads(expected_text(extract, item)))

    def test_no_field_is_always_the_same(self, extract: Workload) -> None:
        num_items = len(extract.items)
        for field in ("order_reference", "delivery_date"):
            absent = sum(item.expected[field] is None for item in extract.items)
            assert 0.1 * num_items < absent < 0.5 * num_items, field
        assert 0.1 * num_items < sum(item.expected["express"] for item in extract.items) < 0.5 * num_items
        assert sum(len(item.expected["items"]) > 1 for item in extract.items) > 0.5 * num_items

    def test_names_references_and_addresses_stand_in_the_mail(self, extract: Workload) -> None:
        for _, item in _all(extract):
            for field in ("customer", "order_reference", "contact_email"):
                value = item.expected[field]
                assert value is None or _plain(value) in _plain(item.input), (item.id, field)

    def test_articles_stand_in_the_mail_and_in_the_catalogue(self, extract: Workload) -> None:
        for _, item in _all(extract):
            skus = [line["sku"] for line in item.expected["items"]]
            assert len(set(skus)) == len(skus), item.id
            assert set(skus) <= SKUS, item.id
            assert set(skus) <= _articles_named(item.input), item.id

    def test_an_article_that_is_named_and_not_ordered_is_a_decoy_and_not_the_rule(self, extract: Workload) -> None:
        decoys = [item for item in extract.items if _articles_named(item.input) - _articles_ordered(item)]
        assert 5 <= len(decoys) <= len(extract.items) / 2

    def test_quantities_stand_in_the_mail(self, extract: Workload) -> None:
        for _, item in _all(extract):
            words = set(re.findall(r"\w+", _without_articles(item.input)))
            for line in item.expected["items"]:
                spelled = {str(line["quantity"]), *NUMBER_WORDS.get(line["quantity"], ())}
                glued = {f"x{line['quantity']}", f"{line['quantity']}x"}
                assert words & (spelled | glued), (item.id, line)

    def test_delivery_dates_follow_from_the_mail(self, extract: Workload) -> None:
        for _, item in _all(extract):
            if item.expected["delivery_date"] is not None:
                wanted = date.fromisoformat(item.expected["delivery_date"])
                assert _names_day(item.input, wanted), (item.id, wanted)

    def test_mails_are_dated_on_real_weekdays_before_their_delivery(self, extract: Workload) -> None:
        for _, item in _all(extract):
            found = re.search(r"(?:Date:|on) ([A-Z][a-z]{2}) (\d+ [A-Z][a-z]{2} \d{4})", item.input)
            if found is None:
                assert item.expected["delivery_date"] is None, item.id
                continue
            sent = datetime.strptime(found[2], "%d %b %Y").date()
            assert sent.strftime("%a") == found[1], item.id
            wanted = item.expected["delivery_date"]
            assert wanted is None or sent < date.fromisoformat(wanted) < sent + timedelta(days=120), item.id

    def test_express_is_asked_for_where_it_is_expected(self, extract: Workload) -> None:
        asked = re.compile(r"expr[eé]s|espresso", re.IGNORECASE)
        for _, item in _all(extract):
            assert not item.expected["express"] or asked.search(item.input), item.id
        refused = [item for item in extract.items if not item.expected["express"] and asked.search(item.input)]
        assert len(refused) >= 10

    def test_many_mails_name_another_address_than_the_senders(self, extract: Workload) -> None:
        elsewhere = [
            item for item in extract.items if (item.expected["contact_email"] or "") not in item.input.splitlines()[0]
        ]
        assert 0.15 * len(extract.items) < len(elsewhere) < 0.5 * len(extract.items)


def _all(workload: Workload) -> list[tuple[str, Item]]:
    return [("item", item) for item in workload.items] + [("example", item) for item in workload.examples]


def _plain(text: str) -> str:
    return " ".join(text.lower().split())


def _trigrams(text: str) -> set[str]:
    text = _plain(text)
    return {text[start : start + 3] for start in range(len(text) - 2)}


def _alike(a: set[str], b: set[str], least: float) -> bool:
    """Whether what they share is so much of all that they hold."""
    if min(len(a), len(b)) < least * max(len(a), len(b)):
        return False
    num_shared = len(a & b)
    return num_shared >= least * (len(a) + len(b) - num_shared)


def _articles_named(text: str) -> set[str]:
    return set(re.findall(r"\b[A-Z]{3}-(?:\d+Y?|[A-Z])\b", text.upper())) & SKUS


def _articles_ordered(item: Item) -> set[str]:
    return {line["sku"] for line in item.expected["items"]}


def _without_articles(text: str) -> str:
    return re.sub(r"\b[a-z]{3}-(?:\d+y?|[a-z])\b", " ", text.lower())


def _names_day(text: str, wanted: date) -> bool:
    """Whether the mail, below its own date, names the day by date or by a weekday within the next seven days."""
    found = re.search(r"(?:Date:|on) [A-Z][a-z]{2} (\d+ [A-Z][a-z]{2} \d{4})", text)
    assert found is not None
    sent, body = datetime.strptime(found[1], "%d %b %Y").date(), text[found.end() :].lower()
    if wanted.isoformat() in body or re.search(rf"\b0?{wanted.month}/0?{wanted.day}/{wanted.year}\b", body):
        return True
    if re.search(rf"\b0?{wanted.day}(?:st|nd|rd|th)?\b", body):
        return True
    if wanted - sent == timedelta(days=1) and "tomorrow" in body:
        return True
    name = WEEKDAYS[wanted.weekday()]
    named = re.search(rf"\b(?:{name}|{name[:3]}|{'vendredi' if name == 'friday' else name})\b", body)
    return named is not None and wanted - sent <= timedelta(days=7)


def _nearest_neighbour_accuracy(workload: Workload) -> float:
    from sklearn.feature_extraction.text import TfidfVectorizer

    texts, answers = zip(*rendered_examples(workload), strict=True)
    vectorizer = TfidfVectorizer(sublinear_tf=True)
    known = vectorizer.fit_transform(texts)
    similarity: Any = vectorizer.transform([item.input for item in workload.items]) @ known.T
    nearest = similarity.toarray().argmax(axis=1)
    num_right = sum(bool(answers[k] == item.expected) for k, item in zip(nearest, workload.items, strict=True))
    return num_right / len(workload.items)
