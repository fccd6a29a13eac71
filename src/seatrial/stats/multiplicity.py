"""Several tests at once: p-values adjusted so that one false claim among them all stays as rare as one alone."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from seatrial.errors import UsageError


def holm(p_values: Sequence[float]) -> list[float]:
    """Holm's adjusted p-values, in the order given (Holm 1979, Scandinavian Journal of Statistics 6).

    A claim whose adjusted p-value is below α belongs to a set of claims of which any is false with probability at most
    α, however the tests depend on each other. The k-th smallest of m is multiplied by m − k + 1, and may not fall below
    the one before it. Example: 0.01, 0.04, 0.03 gives 0.03, 0.06, 0.06.

    Raises `UsageError` for a p-value outside 0 to 1 or NaN.
    """
    given = np.asarray(p_values, dtype=np.float64)
    refused = ~((given >= 0.0) & (given <= 1.0))
    if refused.any():
        first = int(refused.argmax())
        raise UsageError(f"Holm: p-value {first} is {given[first]}; it must lie between 0 and 1.")
    order = np.argsort(given, kind="stable")
    stepped = given[order] * np.arange(len(given), 0, -1)
    adjusted = np.empty_like(given)
    adjusted[order] = np.minimum(1.0, np.maximum.accumulate(stepped))
    return [float(p) for p in adjusted]
