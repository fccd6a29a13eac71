"""What the environment says, read once: the only module that looks at environment variables.

SEATRIAL_HOME     where pulled models lie (default: ~/.cache/seatrial)
SEATRIAL_CATALOG  a folder of catalog entries of your own, laid over the built-in ones
SEATRIAL_DATA     a folder with public data sets that do not come with Seatrial (`sroie`)
OPENAI_API_KEY    the key for hosted models
OPENAI_BASE_URL   another server or gateway with the OpenAI API (default: OpenAI's own)

For the site:

SEATRIAL_SITE_DATABASE    where votes and subscribers are kept: `sqlite:///PATH` or `postgresql://…` (default: SQLite in
                          SEATRIAL_HOME)
SEATRIAL_SITE_URL         the address that readers know the site by, for links in mail and feeds
SEATRIAL_TRUSTED_PROXIES  addresses or networks, with commas between, whose `x-forwarded-for` is believed
SEATRIAL_SMTP_URL         the server that mail goes through: `smtp://name:password@host:587`, `smtps://…` (default:
                          none, mail is written to a folder)
SEATRIAL_MAIL_FROM        whom mail is from
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

OPENAI_BASE_URL = "https://api.openai.com/v1"


@dataclass(frozen=True, slots=True)
class Settings:
    """Settings of this process. Keys and passwords never appear in `repr`, logs or run folders."""

    home: Path
    catalog: Path | None
    openai_api_key: str | None
    openai_base_url: str
    openai_base_url_is_default: bool
    site_database: str = ""
    site_url: str | None = None
    trusted_proxies: tuple[str, ...] = ()
    smtp_url: str | None = None
    mail_from: str | None = None
    data: Path | None = None

    def __repr__(self) -> str:
        return f"Settings(home={self.home!s}, openai_base_url={self.openai_base_url!r})"


def read_settings(environ: Mapping[str, str] | None = None) -> Settings:
    """The settings that `environ` (default: the process's environment) holds."""
    values = os.environ if environ is None else environ
    base_url = values.get("OPENAI_BASE_URL") or OPENAI_BASE_URL
    catalog = values.get("SEATRIAL_CATALOG")
    home = Path(values.get("SEATRIAL_HOME") or Path.home() / ".cache" / "seatrial").expanduser()
    site_url = values.get("SEATRIAL_SITE_URL")
    proxies = values.get("SEATRIAL_TRUSTED_PROXIES", "").split(",")
    data = values.get("SEATRIAL_DATA")
    return Settings(
        home=home,
        catalog=Path(catalog).expanduser() if catalog else None,
        openai_api_key=values.get("OPENAI_API_KEY") or None,
        openai_base_url=base_url.rstrip("/"),
        openai_base_url_is_default=base_url.rstrip("/") == OPENAI_BASE_URL,
        site_database=values.get("SEATRIAL_SITE_DATABASE") or f"sqlite:///{home.absolute() / 'site' / 'site.db'}",
        site_url=site_url.rstrip("/") if site_url else None,
        trusted_proxies=tuple(proxy.strip() for proxy in proxies if proxy.strip()),
        smtp_url=values.get("SEATRIAL_SMTP_URL") or None,
        mail_from=values.get("SEATRIAL_MAIL_FROM") or None,
        data=Path(data).expanduser() if data else None,
    )
