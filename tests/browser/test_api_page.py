"""The page of the API in a real browser."""

from __future__ import annotations

import shutil
import subprocess
from typing import Any

import pytest
from chat_process import DESKTOP, PHONE, TABLET, Served, opened
from page_checks import CONTRAST, OUTSIDE, UNNAMED
from playwright.sync_api import expect

pytestmark = pytest.mark.browser


@pytest.mark.parametrize("viewport", [PHONE, TABLET, DESKTOP], ids=["phone", "tablet", "desktop"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_page_of_the_api_reads_well_everywhere(browser: Any, served: Served, viewport: Any, scheme: str) -> None:
    with opened(browser, served.url + "docs", viewport=viewport, color_scheme=scheme) as page:
        page.evaluate("document.querySelectorAll('details').forEach(each => { each.open = true; })")
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        assert page.evaluate(OUTSIDE) == []
        assert page.evaluate(CONTRAST) == []
        assert page.evaluate(UNNAMED) == []


def test_the_page_of_the_api_is_whole_without_javascript_and_on_paper(browser: Any, served: Served) -> None:
    with opened(browser, served.url + "docs", java_script_enabled=False) as page:
        page.get_by_role("link", name="Create a response").first.click()
        expect(page.locator("#createResponse h3")).to_be_in_viewport()
        page.locator("#createResponse summary").first.click()
        assert page.locator("#createResponse details").first.locator("dl").first.is_visible()
    with opened(browser, served.url + "docs") as page:
        page.emulate_media(media="print")
        assert page.locator("nav.contents").is_hidden()
        assert page.locator("#createChatCompletion .fields").first.is_visible()
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_examples_on_the_page_of_the_api_work_as_they_are_copied(browser: Any, served: Served) -> None:
    if not (shutil.which("curl") and shutil.which("bash")):
        pytest.skip("curl and bash are needed")
    with opened(browser, served.url + "docs", permissions=["clipboard-read", "clipboard-write"]) as page:
        sample = page.locator("#createChatCompletion .samples .code").first
        sample.get_by_role("button", name="Copy").click()
        sample.get_by_role("button", name="Copied").wait_for()
        command = page.evaluate("navigator.clipboard.readText()")
    done = subprocess.run(["bash", "-c", command], capture_output=True, check=True, timeout=20)
    assert b"divisible by 4" in done.stdout
