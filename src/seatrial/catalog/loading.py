"""The catalog: every entry by its id, the built-in ones and a user's own folder of them.

The built-in files are read when an entry is first asked for (all of them are read in the tests); a user's files are
read and checked at once, so that a mistake shows where it was made.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from seatrial.catalog.entry import Entry
from seatrial.errors import CatalogError, UnknownName

BUILTIN_FOLDER = Path(__file__).parent / "entries"


class Catalog:
    """What models exist. `entries` maps ids, in alphabetical order, to entries."""

    def __init__(self, entries: Mapping[str, Entry]) -> None:
        self.entries = entries

    def get(self, id: str) -> Entry:
        """The entry called `id`. Raises `UnknownName`, with the nearest ids."""
        entry = self.find(id)
        if entry is None:
            raise UnknownName("model", id, self.entries, "`seatrial models` lists all that are known.")
        return entry

    def find(self, id: str) -> Entry | None:
        """The entry called `id`, or None."""
        return self.entries.get(id)


def load_catalog(folder: Path | None = None) -> Catalog:
    """The built-in catalog, with the entries in `folder` (`<id>.toml` each) added to it.

    An entry there that has a built-in one's id takes its place, whole, if it says `replaces_builtin = true`.

    Raises `CatalogError`: `folder` is not one, or a file in it is not a sound entry (file, key, reason, way out).
    """
    paths = _toml_files(BUILTIN_FOLDER)
    if folder is None:
        return Catalog(_LazyEntries(paths))
    own = _own_files(folder)
    entries = _LazyEntries({**paths, **own})
    for name, path in own.items():
        entry = entries[name]
        if name in paths and not _says_replaces(path):
            raise CatalogError(
                f"`{entry.id}` is a built-in entry already. Add `replaces_builtin = true` to put yours in its place, "
                "or give yours an id of its own.",
                path=path,
                field="id",
            )
    return Catalog(entries)


class _LazyEntries(Mapping[str, Entry]):
    """Ids and files; a file is read when its entry is first asked for, and kept."""

    def __init__(self, paths: Mapping[str, Path]) -> None:
        self._paths = dict(sorted(paths.items()))
        self._read: dict[str, Entry] = {}

    def __getitem__(self, id: str) -> Entry:
        if id not in self._read:
            from seatrial.catalog.reading import read_entry

            self._read[id] = read_entry(self._paths[id], self._paths.keys())
        return self._read[id]

    def __contains__(self, id: object) -> bool:
        return id in self._paths

    def __iter__(self) -> Iterator[str]:
        return iter(self._paths)

    def __len__(self) -> int:
        return len(self._paths)


def _own_files(folder: Path) -> dict[str, Path]:
    if not folder.is_dir():
        raise CatalogError("is not a folder. Create it, or leave your own catalog unset.", path=folder)
    try:
        return _toml_files(folder)
    except OSError as error:
        raise CatalogError(f"cannot be read: {error.strerror}.", path=folder) from None


def _toml_files(folder: Path) -> dict[str, Path]:
    return {path.stem: path for path in sorted(folder.iterdir()) if path.suffix == ".toml"}


def _says_replaces(path: Path) -> bool:
    from seatrial.catalog.reading import read_table

    return read_table(path).get("replaces_builtin") is True
