"""Compiled templates, kept as Python keeps its own bytecode: in `__pycache__` beside the source, checked against it.

Compiling takes longer than everything else a page needs. Where the folder cannot be written, as in a read-only
installation, templates are compiled in every process and nothing is said.
"""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from pathlib import Path

import jinja2
from jinja2.bccache import Bucket


class TemplateBytecode(jinja2.BytecodeCache):
    """A bytecode cache in `folder`. A file that is stale, cut or of another version is ignored and rewritten."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def load_bytecode(self, bucket: Bucket) -> None:
        """Fill the bucket from its file; leave it empty where that does not fit the template's source."""
        try:
            with self._path(bucket).open("rb") as file:
                bucket.load_bytecode(file)
        except Exception:  # unpickling a spoilt file can raise anything, and a cache must never stand in the way
            bucket.reset()

    def dump_bytecode(self, bucket: Bucket) -> None:
        """Write the bucket's file whole, or not at all."""
        if sys.dont_write_bytecode:
            return
        path = self._path(bucket)
        temporary = path.with_suffix(f".{os.getpid()}")
        with suppress(OSError):
            self.folder.mkdir(exist_ok=True)
            with temporary.open("wb") as file:
                bucket.write_bytecode(file)
            temporary.replace(path)

    def _path(self, bucket: Bucket) -> Path:
        tag = f"{sys.implementation.cache_tag}-jinja{jinja2.__version__}"
        return self.folder / f"{bucket.key[:16]}.{tag}.bytecode"
