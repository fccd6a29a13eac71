"""Candidates as users write them."""

from __future__ import annotations

import contextlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import settings as effort
from hypothesis import strategies as st

from seatrial.catalog.loading import Catalog, load_catalog
from seatrial.errors import SeatrialError, UnknownName, UsageError
from seatrial.trial.candidates import parse_candidate, parse_candidates
from seatrial.trial.record import Candidate


@pytest.fixture(scope="module")
def catalog() -> Catalog:
    return load_catalog()


def test_a_local_model_of_the_catalog(catalog: Catalog) -> None:
    expected = Candidate(
        id="smollm2-135m", kind="catalog", target="smollm2-135m", model="smollm2-135m", runs_here=True, sees=False
    )
    assert parse_candidate("smollm2-135m", catalog) == expected


@pytest.mark.parametrize(
    ("text", "sees"),
    [
        ("smollm3-3b", False),
        ("smolvlm2-256m", True),
        ("hf:HuggingFaceTB/SmolVLM2-2.2B-Instruct", True),
        ("hf:owner/name", None),
        ("gpt-5-mini", True),
        ("openai:gpt-5-mini", True),
        ("openai:some-model", None),
        ("http://localhost:8000/v1#m", None),
        ("baseline:majority", None),
    ],
)
def test_whether_a_candidate_sees_is_what_the_catalog_knows(catalog: Catalog, text: str, sees: bool | None) -> None:
    assert parse_candidate(text, catalog).sees is sees


def test_a_hosted_model_goes_by_its_api_name(catalog: Catalog) -> None:
    candidate = parse_candidate("gpt-5-mini", catalog)
    assert (candidate.kind, candidate.target, candidate.model) == ("catalog", "gpt-5-mini", "gpt-5-mini")
    assert candidate.hosted_reasoning


@pytest.mark.parametrize(
    ("text", "settings"),
    [
        ("smollm2-135m@f32", {"dtype": "f32"}),
        ("smollm2-135m@dtype=bf16,temperature=0.7", {"dtype": "bf16", "temperature": 0.7}),
        ("smollm3-3b@thinking=on,max_tokens=500", {"thinking": True, "max_tokens": 500}),
        ("smollm3-3b@thinking=off,seed=7", {"thinking": False, "seed": 7}),
        ("smollm3-3b@top_p=0.9,top_k=40", {"top_p": 0.9, "top_k": 40}),
        ("gpt-5-mini@reasoning_effort=minimal", {"reasoning_effort": "minimal"}),
        ("openai:some-model@temperature=0", {"temperature": 0.0}),
        ("http://localhost:8000/v1#m@top_k=3,reasoning_effort=low", {"top_k": 3, "reasoning_effort": "low"}),
    ],
)
def test_settings(catalog: Catalog, text: str, settings: dict[str, object]) -> None:
    candidate = parse_candidate(text, catalog)
    assert candidate.settings == settings
    assert candidate.id == text


@pytest.mark.parametrize(
    ("text", "target", "revision", "settings"),
    [
        ("hf:owner/name", "owner/name", None, {}),
        ("hf:owner/name@v1.2", "owner/name", "v1.2", {}),
        ("hf:owner/name@refs/pr/3,dtype=f16", "owner/name", "refs/pr/3", {"dtype": "f16"}),
        ("hf:owner/name/file-Q8_0.gguf@v1", "owner/name/file-Q8_0.gguf", "v1", {}),
        ("hf:owner/name@temperature=1", "owner/name", None, {"temperature": 1.0}),
    ],
)
def test_hub_names(catalog: Catalog, text: str, target: str, revision: str | None, settings: dict[str, object]) -> None:
    candidate = parse_candidate(text, catalog)
    assert (candidate.kind, candidate.target, candidate.revision) == ("hub", target, revision)
    assert candidate.settings == settings
    assert candidate.model is None


def test_the_catalog_knows_repositories_and_api_names(catalog: Catalog) -> None:
    entry = catalog.get("smollm3-3b")
    assert entry.weights is not None
    assert parse_candidate(f"hf:{entry.weights.repository}", catalog).model == "smollm3-3b"
    assert parse_candidate("openai:gpt-5-mini", catalog).model == "gpt-5-mini"
    assert parse_candidate("openai:my-own-thing", catalog).model is None


def test_a_server(catalog: Catalog) -> None:
    candidate = parse_candidate("https://host:8443/v1/#org/name%40v1", catalog)
    assert (candidate.kind, candidate.base_url, candidate.target) == ("http", "https://host:8443/v1", "org/name@v1")
    assert not candidate.hosted_reasoning


def test_paths(catalog: Catalog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "tuned").mkdir()
    (tmp_path / "odd@name").mkdir()
    (tmp_path / "model.gguf").touch()
    for text, name, settings in [
        ("./tuned", "tuned", {}),
        ("tuned", "tuned", {}),
        (str(tmp_path / "tuned"), "tuned", {}),
        ("model.gguf", "model.gguf", {}),
        ("./model.gguf@f32,seed=1", "model.gguf", {"dtype": "f32", "seed": 1}),
        ("./odd@name", "odd@name", {}),
        ("./odd@name@f16", "odd@name", {"dtype": "f16"}),
    ]:
        candidate = parse_candidate(text, catalog)
        assert (candidate.kind, candidate.target, candidate.settings) == ("path", str(tmp_path / name), settings)


def test_a_folder_does_not_hide_a_catalog_id(catalog: Catalog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "gpt-5-mini").mkdir()
    assert parse_candidate("gpt-5-mini", catalog).kind == "catalog"
    assert parse_candidate("./gpt-5-mini", catalog).kind == "path"


@pytest.mark.parametrize("name", ["majority", "nearest"])
def test_baselines(catalog: Catalog, name: str) -> None:
    assert parse_candidate(f"baseline:{name}", catalog) == Candidate(
        id=f"baseline:{name}", kind="baseline", target=name
    )


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("smollm2-135", "`smollm2-135m`"),
        ("gpt5-mini", "`gpt-5-mini`"),
        ("SmolLM3-3B", "`smollm3-3b`"),
        ("baseline:nearst", "`nearest`"),
        ("smollm2-135m@temprature=1", "`temperature`"),
        ("smollm2-135m@f64", "`f16`"),
        ("nothing-like-it", "hf:owner/name"),
        ("", "candidate"),
    ],
)
def test_unknown_names_offer_the_nearest(catalog: Catalog, text: str, says: str) -> None:
    with pytest.raises(UnknownName) as caught:
        parse_candidate(text, catalog)
    assert says in str(caught.value)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("smollm2-135m@temperature=hot", "`temperature` is `hot`; it must be a number from 0 to 2"),
        ("smollm2-135m@temperature=nan", "a number from 0 to 2"),
        ("smollm2-135m@temperature=3", "a number from 0 to 2"),
        ("smollm2-135m@top_p=0", "above 0"),
        ("smollm2-135m@max_tokens=0", "a whole number from 1"),
        ("smollm2-135m@max_tokens=1.5", "a whole number"),
        ("smollm2-135m@seed=-1", "a whole number from 0"),
        ("smollm2-135m@thinking=maybe", "on, off"),
        ("smollm2-135m@seed=1,seed=2", "twice"),
        ("smollm2-135m@", "no setting"),
        ("smollm2-135m@reasoning_effort=low", "Use `thinking`"),
        ("gpt-5-mini@temperature=0", "takes no `temperature`"),
        ("gpt-5-mini@f32", "takes no `dtype`"),
        ("gpt-5-mini@thinking=on", "Use `reasoning_effort`"),
        ("openai:gpt-5-mini@temperature=0", "takes no `temperature`"),
        ("openai:x@top_k=3", "takes no `top_k`"),
        ("openai:", "names no model"),
        ("hf:name", "hf:owner/name"),
        ("hf:/x", "hf:owner/name"),
        ("http://host/v1", "after `#`"),
        ("http://#m", "no address"),
        ("http://host:99999999/v1#m", "no address"),
        ("http://me:secret@host/v1#m", "user name"),
        ("baseline:majority@f32", "no settings"),
        ("./missing", "no checkpoint at `./missing`"),
        ("missing.gguf", "no checkpoint"),
        (__file__, "not a `.gguf`"),
    ],
)
def test_what_does_not_fit_is_said(catalog: Catalog, text: str, says: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_candidate(text, catalog)
    assert says in str(caught.value)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    "texts",
    [
        ("gpt-5-mini", "gpt-5-mini"),
        ("smollm2-135m@f32", "smollm2-135m@dtype=f32"),
        ("smollm2-135m@seed=1,f32", "smollm2-135m@f32,seed=1"),
    ],
)
def test_a_candidate_twice(catalog: Catalog, texts: tuple[str, str]) -> None:
    with pytest.raises(UsageError, match="Name each candidate once"):
        parse_candidates(texts, catalog)


def test_the_same_model_with_other_settings_is_another_candidate(catalog: Catalog) -> None:
    ids = ("smollm2-135m", "smollm2-135m@f32", "gpt-5-mini", "openai:gpt-5-mini")
    assert tuple(candidate.id for candidate in parse_candidates(ids, catalog)) == ids


LIKELY = st.from_regex(r"(hf:|openai:|http://|baseline:|\./|smollm2-135m@)[ -~]{0,30}", fullmatch=True)


@effort(deadline=None)
@given(st.text(max_size=40) | LIKELY)
def test_any_text_is_a_candidate_or_a_clear_error(text: str) -> None:
    with contextlib.suppress(SeatrialError):
        assert parse_candidate(text, load_catalog()).id == text
