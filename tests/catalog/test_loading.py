"""Loading the catalog: names, one's own folder, and errors that say what to do."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from seatrial.catalog.entry import Entry
from seatrial.catalog.loading import Catalog, load_catalog
from seatrial.errors import CatalogError, UnknownName


def test_an_unknown_name_is_answered_with_the_nearest(catalog: Catalog) -> None:
    assert catalog.find("gpt5-mini") is None
    with pytest.raises(UnknownName, match=r"Unknown model `gpt5-mini`\. Did you mean `gpt-5-mini`"):
        catalog.get("gpt5-mini")
    with pytest.raises(UnknownName, match="`seatrial models` lists all"):
        catalog.get("")


def test_entries_is_a_mapping_in_alphabetical_order(catalog: Catalog) -> None:
    assert list(catalog.entries) == sorted(catalog.entries)
    assert len(catalog.entries) == 25
    assert catalog.get("smollm3-3b") is catalog.entries["smollm3-3b"]
    assert "nothing" not in catalog.entries


def test_loading_is_quick() -> None:
    best = min(_cpu_seconds(lambda: list(load_catalog().entries.values())) for _ in range(5))
    assert best < 0.25, "all entries are read in about 0.04 s on a quiet machine"
    assert min(_cpu_seconds(load_catalog) for _ in range(5)) < 0.02, "nothing is read before it is asked for"


def _cpu_seconds(work: Callable[[], object]) -> float:
    start = time.process_time()
    work()
    return time.process_time() - start


def test_no_heavy_library_is_imported() -> None:
    script = (
        "import sys; from seatrial.catalog.loading import load_catalog; from seatrial.catalog import prices, scores; "
        "catalog = load_catalog(); light = set(sys.modules); list(catalog.entries.values()); "
        "print('tomllib' in light, {'torch', 'numpy', 'pydantic', 'genai_prices'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.split(maxsplit=1) == ["False", "set()\n"]


def test_ones_own_entries_join_the_built_in(tmp_path: Path, sound: str) -> None:
    (tmp_path / "tiny-1b.toml").write_text(sound.replace('"other-2b"', '"smollm3-3b"'))
    (tmp_path / "README.md").write_text("not an entry")
    catalog = load_catalog(tmp_path)
    assert len(catalog.entries) == 26
    assert catalog.get("tiny-1b").competitors == ("smollm3-3b",)
    assert catalog.get("gpt-5-mini").maker == "OpenAI"


def test_ones_own_entry_replaces_a_built_in_one_only_if_it_says_so(tmp_path: Path, sound: str) -> None:
    own = sound.replace('"other-2b"', '"smollm3-3b"').replace('id = "tiny-1b"', 'id = "gpt-5-mini"')
    path = tmp_path / "gpt-5-mini.toml"
    path.write_text(own)
    with pytest.raises(CatalogError, match=r"gpt-5-mini\.toml, `id`: .*`replaces_builtin = true`"):
        load_catalog(tmp_path)
    path.write_text("replaces_builtin = true\n" + own)
    catalog = load_catalog(tmp_path)
    assert len(catalog.entries) == 25
    assert catalog.get("gpt-5-mini").maker == "Us"
    assert catalog.get("gpt-5-mini").prices[0].value.input_usd == 0.1


def test_ones_own_entries_are_checked_at_once(tmp_path: Path, sound: str) -> None:
    (tmp_path / "tiny-1b.toml").write_text(sound)
    with pytest.raises(CatalogError, match=r"tiny-1b\.toml, `competitors\[0\]`: `other-2b` is not in the catalog"):
        load_catalog(tmp_path)


def test_a_folder_that_is_none(tmp_path: Path) -> None:
    with pytest.raises(CatalogError, match=r"absent: is not a folder\. Create it"):
        load_catalog(tmp_path / "absent")


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    path = tmp_path / "tiny-1b.toml"
    path.mkdir()
    with pytest.raises(CatalogError, match="cannot be read: Is a directory"):
        load_catalog(tmp_path)
    path.rmdir()
    path.write_bytes(b'id = "tiny-1b"\nname = "\xff"\n')
    with pytest.raises(CatalogError, match=r"line 2: is not UTF-8"):
        load_catalog(tmp_path)
    path.write_bytes(b"#" * 1_000_001)
    with pytest.raises(CatalogError, match="larger than 1,000,000 bytes"):
        load_catalog(tmp_path)


def test_a_sound_entry_is_read_whole(read: Callable[[str], Entry], sound: str) -> None:
    entry = read(sound)
    assert [fact.id for fact in entry.context_tokens] == ["tiny-1b/context_tokens", "tiny-1b/context_tokens/blog"]
    assert [fact.note for fact in entry.context_tokens] == ["", "with a trick"]
    assert [fact.id for fact in entry.prices] == [
        "tiny-1b/prices/since-release",
        "tiny-1b/prices/2026-03-01",
        "tiny-1b/prices/2026-03-01-above-1000",
    ]
    assert entry.scores[0].id == "tiny-1b/scores/gsm8k-5-shot"
    assert entry.rival_scores[0].id == "tiny-1b/rival_scores/other-2b-gsm8k-5-shot"
    assert entry.marketing[0].id == "tiny-1b/marketing/half-the-price-of-other"
    assert entry.marketing[0].terms == {"model": "other-2b", "percent": 50}
    assert entry.licence[0].source.title == "Card"


MISTAKES = [
    ("tagline =", "tagine =", "tagine", "did you mean `tagline`"),
    ("value = 61.5", 'value = "61.5"', "scores[0].value", "expected a number such as 12.5, got text"),
    ("value = 61.5", "value = nan", "scores[0].value", "leave the key out"),
    ("value = 61.5", "value = inf", "scores[0].value", "leave the key out"),
    ("value = 61.5", "value = 615", "scores[0].value", "not between 0 and 100"),
    ("value = 50", "valeu = 50", "scores[1].valeu", "did you mean `value`"),
    ("value = 50, ", "", "scores[1].value", "is missing. Required here: `source`"),
    ('"GSM8K", setting = "0-shot"', '" "', "scores[1].benchmark", "blank"),
    ('subject = "Other 2B", ', "", "rival_scores[0].subject", "is missing"),
    ("{ value = 4096", "{ value = 4096.5", "context_tokens[0].value", "expected a whole number"),
    ("{ value = 4096", "{ value = 0", "context_tokens[0].value", "not above 0"),
    ("{ value = 4096", "{ value = 9999999999999999", "context_tokens[0].value", "in the right unit"),
    ("on = 2027-06-01", "on = 2025-06-01", "retirement[0].on", "not after the release"),
    ("on = 2027-06-01", "on = 2027-06-01T00:00:00Z", "retirement[0].on", "without a time"),
    ("valid_from = 2026-03-01", "valid_from = 2025-03-01", "prices[1].valid_from", "before the release"),
    ("input_usd = 0.1", "input_usd = -0.1", "prices[0].input_usd", "not a price"),
    ("above_prompt_tokens = 1000, ", "", "prices[2]", "as `prices[1]`. Keep one"),
    ('blog", as_of = 2026-01-03', 'blog", as_of = "soon"', "sources.blog.as_of", "date"),
    ("https://example.org/blog", "http://example.org/blog", "sources.blog.url", "https"),
    ("https://example.org/blog", "https://blog", "sources.blog.url", "https"),
    ("https://example.org/blog", "https://[example.org/blog", "sources.blog.url", "https"),
    ('kind = "claimed"', 'kind = "claim"', "sources.ad.kind", "`claimed`, `published`"),
    ('source = "blog"', 'source = "blgo"', "context_tokens[1].source", "Did you mean `blog`"),
    ('source = "ad"', 'source = "card"', "marketing[0].source", 'kind "claimed"'),
    ('"cheaper_than"', '"cheapest"', "marketing[0].check", "`cheaper_than`"),
    ("terms.percent", "terms.per_cent", "marketing[0].terms.per_cent", "did you mean `percent`"),
    ("terms.percent = 50", "", "marketing[0].terms.percent", "is missing"),
    ("terms.percent = 50", "terms.percent = 0", "marketing[0].terms.percent", "not above 0"),
    ('terms.model = "other-2b"', 'terms.model = "othr-2b"', "marketing[0].terms.model", "Did you mean `other-2b`"),
    ('competitors = ["other-2b"]', 'competitors = ["other"]', "competitors[0]", "not in the catalog"),
    ('competitors = ["other-2b"]', 'competitors = ["tiny-1b"]', "competitors[0]", "its own competitor"),
    ('competitors = ["other-2b"]', 'competitors = ["other-2b", "other-2b"]', "competitors[1]", "twice"),
    ('runs = "hosted"', 'runs = "cloud"', "runs", "`hosted`, `local`"),
    ('runs = "hosted"', 'runs = "local"', "weights", "`hub` or `wheel`"),
    ('api_name = "tiny"', "", "api_name", "is missing"),
    ('modalities = ["text"]', 'modalities = ["smell"]', "modalities[0]", "`text`"),
    ('modalities = ["text"]', "modalities = []", "modalities", "empty"),
    ('id = "tiny-1b"', 'id = "tiny"', "id", "Call it `tiny.toml`"),
    ('id = "tiny-1b"', 'id = "Tiny 1B"', "id", "is not an id"),
    ('tagline = "Small"', 'tagline = " "', "tagline", "blank"),
    ('tagline = "Small"', 'tagline = "a\\nb"', "tagline", "one line"),
    ('name = "Tiny 1B"', 'name = "Tiny 1B"\n"" = 3', '""', "unknown key"),
    ('name = "Tiny 1B"', 'name = "Tiny 1B"\n"a\\u001bb" = 3', r'"a\x1bb"', "unknown key"),
    ('name = "Tiny 1B"', 'name = "\\u001b[31m"', "name", "control character"),
    ("licence = [", "licence = 3\nnotes = [", "licence", "a list of tables"),
    ("sources.card = {", "weights = {}\nsources.card = {", "weights.kind", "is missing"),
]


@pytest.mark.parametrize(("old", "new", "key", "reason"), MISTAKES)
def test_a_mistake_is_named_with_file_key_and_way_out(
    read: Callable[[str], Entry], sound: str, old: str, new: str, key: str, reason: str
) -> None:
    assert old in sound
    with pytest.raises(CatalogError) as caught:
        read(sound.replace(old, new, 1))
    assert str(caught.value).startswith(f"tiny-1b.toml, `{key}`: ")
    assert reason in caught.value.reason


def test_text_that_is_not_toml(read: Callable[[str], Entry]) -> None:
    with pytest.raises(CatalogError, match=r"tiny-1b\.toml: is not TOML: .*line 1, column 14"):
        read('id = "tiny-1b\n"')
    with pytest.raises(CatalogError, match="nested too deeply"):
        read("notes = " + "[" * 5000)


WEIGHTS = (
    'weights = { kind = "wheel", package = "p", version = "1.0", file = "f/m.gguf", sha256 = "%s", size_bytes = 5 }\n'
)


@pytest.mark.parametrize(
    ("weights", "key"),
    [
        ('weights = { kind = "hub" }\n', "weights.repository"),
        ('weights = { kind = "hub", repository = "model" }\n', "weights.repository"),
        ('weights = { kind = "hub", repository = "a/b", revision = "--x" }\n', "weights.revision"),
        (WEIGHTS % "abc", "weights.sha256"),
        ((WEIGHTS % ("a" * 64)).replace('package = "p"', 'package = "--index-url"'), "weights.package"),
        ((WEIGHTS % ("a" * 64)).replace("f/m.gguf", "../m.gguf"), "weights.file"),
        ((WEIGHTS % ("a" * 64)).replace("size_bytes = 5", "size_bytes = -5"), "weights.size_bytes"),
        ((WEIGHTS % ("a" * 64)).replace(', version = "1.0"', ""), "weights.version"),
    ],
)
def test_weights_must_be_fetchable(read: Callable[[str], Entry], sound: str, weights: str, key: str) -> None:
    with pytest.raises(CatalogError) as caught:
        read(weights + sound)
    assert caught.value.field == key


def test_sound_weights(read: Callable[[str], Entry], sound: str) -> None:
    weights = read(WEIGHTS % ("a" * 64) + sound).weights
    assert weights is not None
    assert (weights.kind, weights.file, weights.size_bytes) == ("wheel", "f/m.gguf", 5)
