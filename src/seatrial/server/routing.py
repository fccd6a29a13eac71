"""Which endpoint answers a path.

In: the routes, and a path as it came, still percent-encoded. Out: what answers there, by method, and what stood for
each `{name}`. A name at the end, written `{name*}`, takes the rest of the path with its slashes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple
from urllib.parse import unquote

from seatrial.server.http import Route


class Found(NamedTuple):
    """What answers at a path. `path` is the route's own, for metrics."""

    path: str
    by_method: Mapping[str, Route]
    values: Mapping[str, str]

    @property
    def allow(self) -> str:
        """The methods that are answered, as `allow` lists them."""
        methods = [*self.by_method, *(["HEAD"] if "GET" in self.by_method else [])]
        return ", ".join(sorted(methods))


class RouteTable:
    """All routes. Raises ValueError for two that would answer the same method of the same path."""

    def __init__(self, routes: Iterable[Route]) -> None:
        by_path: dict[str, dict[str, Route]] = {}
        for route in routes:
            if by_path.setdefault(route.path, {}).setdefault(route.method, route) is not route:
                raise ValueError(f"{route.method} {route.path} is routed twice")
        self._exact = {path: Found(path, methods, {}) for path, methods in by_path.items() if "{" not in path}
        self._patterns = [(path.split("/"), methods) for path, methods in by_path.items() if "{" in path]

    def find(self, path: str) -> Found | None:
        """What answers at `path`. Encoded characters are read only where a `{name}` takes them."""
        exact = self._exact.get(path)
        if exact is not None:
            return exact
        segments = path.split("/")
        for pattern, methods in self._patterns:
            values = _match(pattern, segments)
            if values is not None:
                return Found("/".join(pattern), methods, values)
        return None


def _match(pattern: list[str], segments: list[str]) -> dict[str, str] | None:
    takes_rest = pattern[-1].endswith("*}")
    if len(segments) < len(pattern) if takes_rest else len(segments) != len(pattern):
        return None
    values: dict[str, str] = {}
    for position, part in enumerate(pattern):
        is_rest = takes_rest and position == len(pattern) - 1
        found = "/".join(segments[position:]) if is_rest else segments[position]
        if not part.startswith("{"):
            if part != found:
                return None
        elif not found:
            return None
        else:
            values[part.strip("{*}")] = unquote(found)
    return values
