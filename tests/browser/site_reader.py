"""A reader of the site: somebody with a browser of their own, on desktop or phone, with a script or without."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from playwright.sync_api import expect
from site_process import SiteProcess

DESKTOP = {"width": 1280, "height": 900}
PHONE = {"width": 390, "height": 844}
MODES: dict[str, dict[str, Any]] = {
    "desktop": {"viewport": DESKTOP},
    "phone": {"viewport": PHONE, "is_mobile": True, "has_touch": True},
    "desktop-without-script": {"viewport": DESKTOP, "java_script_enabled": False},
    "phone-without-script": {"viewport": PHONE, "is_mobile": True, "has_touch": True, "java_script_enabled": False},
}


@dataclass(frozen=True)
class Reader:
    """Somebody with a browser of their own. `name` is another for each, fit for an address."""

    site: SiteProcess
    page: Any
    name: str
    has_script: bool

    def open(self, path: str) -> None:
        """Go to a path of the site."""
        self.page.goto(self.site.url + path)

    def press(self, name: str) -> None:
        """Press the button of this name, and wait for the page that it leads to."""
        self.page.get_by_role("button", name=name, exact=True).click()
        self.page.wait_for_load_state()
        self.check_fit()

    def follow(self, name: str | re.Pattern[str], within: str = "main") -> None:
        """Follow the first link of this name within a part of the page."""
        self.page.locator(within).get_by_role("link", name=name).first.click()
        self.page.wait_for_load_state()
        self.check_fit()

    def expect_heading(self, text: str) -> None:
        """The page has this title."""
        expect(self.page.locator("h1")).to_contain_text(text)

    def check_fit(self) -> None:
        """Nothing of the page lies beyond its right edge."""
        width = self.page.viewport_size["width"]
        assert self.page.evaluate("document.documentElement.scrollWidth") <= width, self.page.url

    def follow_mail(self, address: str) -> None:
        """Open the link of the newest mail to an address, from the mail as it is shown."""
        part = self.site.mails_to(address)[-1].get_body(("html",))
        assert part is not None
        self.page.goto("about:blank")
        self.page.set_content(part.get_content())
        self.page.locator("a[href*='/confirm/'], a[href*='/unsubscribe/']").first.click()
        self.page.wait_for_load_state()

    def vote_form(self, name: str) -> Any:
        """The form of a vote on this page, by its question."""
        return self.page.locator(".vote-form").filter(has=self.page.get_by_role("group", name=name))


@contextmanager
def reading(browser: Any, address: str, *, may_fail: str = "", **options: Any) -> Iterator[Any]:
    """A page of a new browser context. Fails on any console message, error, dialog or request to another host.

    `may_fail` is a status whose note in the console is expected.
    """
    context = browser.new_context(**options)
    context.set_default_timeout(15_000)
    page = context.new_page()
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(f"{message.type}: {message.text}"))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("dialog", lambda dialog: (complaints.append(f"dialog: {dialog.message}"), dialog.dismiss()))
    page.on("request", lambda request: request.url.startswith((address, "data:")) or complaints.append(request.url))
    yield page
    context.close()
    assert [each for each in complaints if not may_fail or f"status of {may_fail}" not in each] == []
