"""Where chat templates run: jinja2's immutable sandbox, with bounds on what one expression may make.

A template comes with a checkpoint, from anywhere. Loading it evaluates nothing of it: jinja2 would compute constant
expressions while it compiles, and `{{ 9 ** (9 ** 9) }}` keeps a processor for hours. While it runs, powers, products,
padding and counts are bounded. Loops within loops are not: a template that only wastes time wastes its own request's.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable
from typing import Any

import jinja2
import jinja2.runtime
import jinja2.sandbox
from jinja2.exceptions import SecurityError

MOST = 1 << 20
_MOST_BITS = 1 << 12
_WIDE_FIELD = re.compile(r"%[^a-zA-Z%]*(\d{5}|\*)")


class BoundedSandbox(jinja2.sandbox.ImmutableSandboxedEnvironment):
    """See the module. Blocks are trimmed, as transformers does. What is out of bounds raises SecurityError."""

    intercepted_binops = frozenset({"*", "**", "%"})

    def __init__(self, *, filters: dict[str, Callable[..., Any]], **options: Any) -> None:
        super().__init__(trim_blocks=True, lstrip_blocks=True, optimized=False, finalize=_as_it_is, **options)
        self.filters = {name: _bounded(made) for name, made in (self.filters | filters).items()}

    def call_binop(self, context: jinja2.runtime.Context, operator: str, left: Any, right: Any) -> Any:
        """See jinja2."""
        too_large = {"*": _large_product, "**": _large_power, "%": _wide_format}[operator]
        if too_large(left, right):
            raise SecurityError(f"the result of `{operator}` would be too large")
        return super().call_binop(context, operator, left, right)

    def call(__self, __context: jinja2.runtime.Context, __obj: Any, *args: Any, **kwargs: Any) -> Any:  # noqa: N805
        """See jinja2. The names are its own, so that a template's keywords cannot meet them."""
        _check_arguments(args, kwargs)
        return super().call(__context, __obj, *args, **kwargs)


@jinja2.pass_context
def _as_it_is(_: jinja2.runtime.Context, value: Any) -> Any:
    """Changes nothing; because it asks for the context, jinja2 does not compute output while it compiles."""
    return value


def _bounded(made: Callable[..., Any]) -> Callable[..., Any]:
    """A filter that looks at its arguments; the value that it filters, after jinja2's own first one, may be any."""
    num_free = 2 if hasattr(made, "jinja_pass_arg") else 1

    @functools.wraps(made)
    def checked(*args: Any, **kwargs: Any) -> Any:
        _check_arguments(args[num_free:], kwargs)
        return made(*args, **kwargs)

    return checked


def _check_arguments(args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
    """No width, count or number of repetitions beyond `MOST`. Large numbers are seldom anything else."""
    for value in (*args, *kwargs.values()):
        if isinstance(value, int) and abs(value) > MOST:
            raise SecurityError(f"{value:,} is too large; {MOST:,} is taken")


def _large_product(left: Any, right: Any) -> bool:
    for one, times in ((left, right), (right, left)):
        if isinstance(times, int) and isinstance(one, (str, bytes, list, tuple)):
            return len(one) * times > MOST
    return isinstance(left, int) and isinstance(right, int) and left.bit_length() + right.bit_length() > _MOST_BITS


def _large_power(left: Any, right: Any) -> bool:
    return isinstance(left, int) and isinstance(right, int) and left.bit_length() * abs(right) > _MOST_BITS


def _wide_format(left: Any, _: Any) -> bool:
    return isinstance(left, str) and _WIDE_FIELD.search(left) is not None
