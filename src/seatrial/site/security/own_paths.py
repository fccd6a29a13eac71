"""Where a form may send its reader back to: a path on this site, never an address elsewhere."""

from __future__ import annotations

import re

_LONGEST = 500
# To a browser `//host` and `/\host` are other sites: no second slash, no backslash, nothing unprintable.
_OWN = re.compile(r"/(?!/)[A-Za-z0-9._~%/@:+-]*(\?[A-Za-z0-9._~%/@:+=&-]*)?(#[A-Za-z0-9._~-]*)?")


def own_path(text: str, otherwise: str = "/") -> str:
    """`text` where it is a path on this site, else `otherwise`."""
    return text if len(text) <= _LONGEST and _OWN.fullmatch(text) else otherwise
