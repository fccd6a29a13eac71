"""Load on a site's pages, and what a reader loads: `wrk` for rates, a bare client for single answers and sizes."""

from __future__ import annotations

import gzip
import json
import re
import shutil
import subprocess
import time
import urllib.request
from dataclasses import dataclass
from typing import Any, NamedTuple
from urllib.parse import urljoin

_UNITS_S = {"us": 1e-6, "ms": 1e-3, "s": 1.0}


class Rate(NamedTuple):
    """Answers a second, and their latency in the middle and at the end, seconds."""

    per_s: float
    p50_s: float
    p99_s: float


@dataclass(frozen=True)
class Page:
    """An answer. `num_bytes` is what went over the wire, without its head."""

    url: str
    body: bytes
    num_bytes: int

    @property
    def text(self) -> str:
        """As a reader sees it in the source."""
        return self.body.decode()


def get(url: str) -> Page:
    """One answer, compressed on the way. Raises for anything but 200."""
    request = urllib.request.Request(url, headers={"accept-encoding": "gzip", "connection": "close"})
    with urllib.request.urlopen(request, timeout=60) as reply:
        raw = reply.read()
        is_compressed = reply.headers.get("content-encoding") == "gzip"
    return Page(url, gzip.decompress(raw) if is_compressed else raw, len(raw))


def json_of(url: str) -> Any:
    """One answer's JSON."""
    return json.loads(get(url).body)


def once_s(url: str) -> float:
    """How long one answer takes from connecting to its last byte, seconds."""
    start = time.perf_counter()
    get(url)
    return time.perf_counter() - start


def rate(url: str, *, connections: int, seconds: float) -> Rate:
    """Answers as fast as they come. Needs `wrk`; raises RuntimeError where an answer was none."""
    if shutil.which("wrk") is None:
        raise RuntimeError("wrk is absent; on Debian `apt-get install wrk` brings it")
    options = ["--threads", "1", "--connections", str(connections), "--duration", f"{seconds:.0f}s"]
    command = ["wrk", *options, "--timeout", "30s", "--latency", "--header", "Accept-Encoding: gzip", url]
    said = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    if "Non-2xx" in said or "Socket errors" in said:
        raise RuntimeError(f"{url} did not answer every request:\n{said}")
    per_s = re.search(r"Requests/sec:\s+([\d.]+)", said)
    return Rate(float(per_s[1]), *(_seconds(said, share) for share in (50, 99)))


def weights_kb(base_url: str, page: Page) -> tuple[float, float]:
    """What a page and the styles and scripts that it loads weigh on the wire, kB."""
    assets = {urljoin(page.url, path) for path in _assets(page.text)}
    return page.num_bytes / 1e3, sum(get(url).num_bytes for url in assets) / 1e3


def _assets(html: str) -> set[str]:
    found = set()
    for tag in re.findall(r"<(?:link|script)\b[^>]*>", html):
        is_style = 'rel="stylesheet"' in tag
        place = re.search(r'\s(?:href|src)="([^"]+)"', tag)
        if place and (is_style or tag.startswith("<script")) and "nomodule" not in tag.lower():
            found.add(place[1])
    return found


def _seconds(said: str, share: int) -> float:
    found = re.search(rf"\s{share}%\s+([\d.]+)(us|ms|s)", said)
    return float(found[1]) * _UNITS_S[found[2]]
