"""How the chat page shows what a model writes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from chat_process import ANSWER, Served, opened

pytestmark = pytest.mark.browser


@pytest.fixture
def markdown(browser: Any, served: Served) -> Iterator[Callable[..., str]]:
    """Renders texts one after another into one element, and gives its markup after the last."""
    with opened(browser, served.url) as page:
        address = page.evaluate("performance.getEntriesByType('resource').find(e => e.name.includes('markdown')).name")

        def render(*texts: str) -> str:
            return str(
                page.evaluate(
                    """async ([address, texts]) => {
                      const { show } = await import(address);
                      const home = document.createElement('div');
                      for (const text of texts) show(home, text);
                      return home.innerHTML;
                    }""",
                    [address, texts],
                )
            )

        yield render


@pytest.mark.parametrize(
    ("text", "markup"),
    [
        ("plain", "<p>plain</p>"),
        ("two\nlines\n\nand more", "<p>two\nlines</p><p>and more</p>"),
        ("# One\n## Two", "<h3>One</h3><h4>Two</h4>"),
        ("a *b* **c** _d_ `e`", "<p>a <em>b</em> <strong>c</strong> <em>d</em> <code>e</code></p>"),
        ("2 * 3 * 4, snake_case_name, **", "<p>2 * 3 * 4, snake_case_name, **</p>"),
        (r"\*not\* it", "<p>*not* it</p>"),
        ("``a ` b``", "<p><code>a ` b</code></p>"),
        ("- a\n- b\n  - c\n- d", "<ul><li>a</li><li>b<ul><li>c</li></ul></li><li>d</li></ul>"),
        ("3. a\n4. b", '<ol start="3"><li>a</li><li>b</li></ol>'),
        ("1. a\n\n   more\n\n2. b", "<ol><li><p>a</p><p>more</p></li><li>b</li></ol>"),
        ("> said\n> twice", "<blockquote><p>said\ntwice</p></blockquote>"),
        ("---", "<hr>"),
        ("<b>&amp;</b>", "<p>&lt;b&gt;&amp;amp;&lt;/b&gt;</p>"),
        (
            "| a | b |\n|---|--:|\n| 1 | `2` |",
            '<div class="scroll" tabindex="0"><table><thead><tr><th>a</th><th>b</th></tr></thead>'
            "<tbody><tr><td>1</td><td><code>2</code></td></tr></tbody></table></div>",
        ),
        (
            "see https://example.org/a.",
            '<p>see <a href="https://example.org/a" rel="noopener noreferrer nofollow ugc" target="_blank">'
            "https://example.org/a</a>.</p>",
        ),
    ],
)
def test_markdown(markdown: Callable[..., str], text: str, markup: str) -> None:
    assert markdown(text) == markup


def test_markdown_that_grows_ends_as_if_it_had_come_whole(markdown: Callable[..., str]) -> None:
    text = ANSWER + "\n1. x\n2. y\n\n> z\n\n| a | b |\n|--|--|\n| c | d |\n\nend *of* it"
    assert markdown(*(text[:length] for length in range(0, len(text) + 1, 3)), text) == markdown(text)


def test_markdown_code_blocks_keep_every_character_also_before_their_end(markdown: Callable[..., str]) -> None:
    assert "<code>  a &lt; b\n\n# no heading</code>" in markdown("~~~c\n  a < b\n\n# no heading\n~~~")
    assert "<span>python</span>" in markdown("```python\nx")
    assert "<code>x</code>" in markdown("```python\nx")


@pytest.mark.parametrize(
    "text", ["**a " * 20_000, ">" * 50_000, "- " * 30_000, "`" * 50_000, "[" * 50_000, "| " * 30_000]
)
def test_markdown_takes_no_text_long(markdown: Callable[..., str], text: str) -> None:
    assert markdown(text)
