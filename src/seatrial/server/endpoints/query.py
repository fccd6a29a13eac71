"""What stands behind the `?` of a request: numbers, truths, and which page of a list is wanted.

In: the query as texts. Out: values, or a `Failure` 400 that names the parameter.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Generic, Literal, NamedTuple, TypeVar

from seatrial.server.errors import bad_request

Item = TypeVar("Item")
Order = Literal["asc", "desc"]

MOST_ITEMS = 100
ITEMS = 20


class Page(NamedTuple, Generic[Item]):
    """A part of a list. The ids are those of its first and its last item, empty where it has none."""

    items: list[Item]
    has_more: bool
    first_id: str
    last_id: str


def page_of(
    items: Sequence[Item],
    query: Mapping[str, str],
    *,
    id_of: Callable[[Item], str],
    listed: str,
    order: Order = "asc",
    fewest: int = 1,
    is_wanted: Callable[[Item], bool] = lambda item: True,
) -> Page[Item]:
    """The page that `after`, `limit` and `order` ask for, of items that stand oldest first.

    `order` is the one that is meant where none is asked for, `fewest` the smallest `limit`, `listed` what an item is
    called. `after` may name an item that is not wanted. Raises Failure 400.
    """
    limit = whole_number(query, "limit", ITEMS)
    if not fewest <= limit <= MOST_ITEMS:
        raise bad_request(f"'limit' is {limit}; it must be from {fewest} to {MOST_ITEMS}.", param="limit")
    asked = query.get("order", order)
    if asked not in ("asc", "desc"):
        raise bad_request(f"'order' is '{asked[:60]}'; it must be 'asc' or 'desc'.", param="order")
    ordered = list(items) if asked == "asc" else list(reversed(items))
    rest = [item for item in ordered[_place_after(query.get("after"), ordered, id_of, listed) :] if is_wanted(item)]
    page = rest[:limit]
    return Page(page, len(rest) > limit, id_of(page[0]) if page else "", id_of(page[-1]) if page else "")


def is_true(query: Mapping[str, str], name: str) -> bool:
    """Whether a parameter is `true`; left out it is not. Raises Failure 400."""
    value = query.get(name, "false").lower()
    if value not in ("true", "false"):
        raise bad_request(f"'{name}' is '{value[:60]}'; it must be true or false.", param=name, code="invalid_type")
    return value == "true"


def whole_number(query: Mapping[str, str], name: str, default: int) -> int:
    """A number from 0 on. Raises Failure 400."""
    value = query.get(name)
    if value is None:
        return default
    if not value.isascii() or not value.isdigit() or len(value) > 9:
        raise bad_request(f"'{name}' is '{value[:60]}'; it must be a whole number.", param=name, code="invalid_type")
    return int(value)


def _place_after(after: str | None, items: Sequence[Item], id_of: Callable[[Item], str], listed: str) -> int:
    if after is None:
        return 0
    for place, item in enumerate(items):
        if id_of(item) == after:
            return place + 1
    raise bad_request(f"'after' is '{after[:100]}', which is no {listed}.", param="after")
