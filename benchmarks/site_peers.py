"""The servers that are measured: the site as `seatrial site` runs it, and a Next.js page of the same data.

Next.js runs as its makers say: built for production, `next start`, one process. Its source is `peers/next_site/`, its
packages lie under `.cache/peers/next/`.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from server_peers import Server

ROOT = Path(__file__).resolve().parents[1]
SOURCE = ROOT / "benchmarks" / "peers" / "next_site"
NEXT = ROOT / ".cache" / "peers" / "next"
_STYLE = ROOT / "src" / "seatrial" / "site" / "static" / "site.css"

__all__ = ["Server", "install_next", "next_site", "seatrial_site", "versions"]


def seatrial_site(url: str, *, cores: Sequence[int]) -> Server:
    """`seatrial site` on this database."""
    port = _free_port()
    program = str(Path(sys.executable).with_name("seatrial"))
    command = [program, "site", "--port", str(port), "--database", url]
    return Server(command, port, cores=cores, ready_path="/healthz")


@contextmanager
def next_site(pages: Mapping[str, bytes], *, cores: Sequence[int]) -> Iterator[Server]:
    """Next.js with the JSON of these pages, by slug."""
    port = _free_port()
    shutil.rmtree(NEXT / ".next" / "server" / "app" / "kept", ignore_errors=True)  # what an earlier run kept
    subprocess.run([_npx(), "next", "build"], cwd=NEXT, check=True, capture_output=True, env=_environment())
    with TemporaryDirectory() as folder:
        for slug, content in pages.items():
            Path(folder, f"{slug}.json").write_bytes(content)
        environment = _environment() | {"SITE_DATA": folder, "NODE_ENV": "production"}
        program = str(NEXT / "node_modules" / "next" / "dist" / "bin" / "next")
        command = ["node", program, "start", str(NEXT), "--port", str(port), "--hostname", "127.0.0.1"]
        first = next(iter(pages))
        with Server(command, port, cores=cores, ready_path=f"/compare/{first}", environment=environment) as server:
            yield server


def install_next() -> None:
    """Bring its packages, unless they are there. Takes node 18 and npm."""
    if shutil.which("node") is None or shutil.which("npm") is None:
        raise SystemExit("node or npm is absent; on Debian `apt-get install nodejs npm` brings them")
    shutil.copytree(SOURCE, NEXT, dirs_exist_ok=True)
    shutil.copy(_STYLE, NEXT / "app" / "site.css")
    if not (NEXT / "node_modules" / "next").exists():
        subprocess.run(["npm", "install", "--no-audit", "--no-fund"], cwd=NEXT, check=True, env=_environment())


def versions() -> dict[str, str]:
    """Of the peer, where it is installed."""
    package = NEXT / "node_modules" / "next" / "package.json"
    if not package.exists():
        return {}
    node = subprocess.run(["node", "--version"], capture_output=True, text=True, check=True).stdout.strip()
    return {"Next.js": json.loads(package.read_text())["version"], "node": node.removeprefix("v")}


def _npx() -> str:
    return str(shutil.which("npx"))


def _environment() -> dict[str, str]:
    return os.environ | {"NEXT_TELEMETRY_DISABLED": "1"}


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
