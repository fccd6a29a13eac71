from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np

from seatrial.stats.intervals import SCORES, mean
from seatrial.stats.paired import items_needed, non_inferiority, paired_difference
from seatrial.stats.quantiles import quantile


def test_ten_thousand_items_take_milliseconds() -> None:
    rng = np.random.default_rng(0)
    right_a, right_b = (rng.random(10_000) < 0.7).astype(float), (rng.random(10_000) < 0.68).astype(float)
    fields_a, fields_b = rng.random(10_000), rng.random(10_000)
    clusters = [str(index // 8) for index in range(10_000)]
    work: dict[str, Callable[[], object]] = {
        "mean": lambda: mean(fields_a, clusters, bounds=SCORES),
        "paired": lambda: paired_difference(right_a, right_b, clusters),
        "paired, all values distinct": lambda: paired_difference(fields_a, fields_b, clusters),
        "non-inferiority": lambda: non_inferiority(right_a, right_b, 0.03),
        "items needed": lambda: items_needed(right_a - right_b, 0.03, clusters),
        "quantile": lambda: quantile(fields_a, 0.99),
    }
    for name, run in work.items():
        assert fastest_s(run) < 0.1, name  # some 15 ms on an idle core; the rest is room for a busy one


def fastest_s(run: Callable[[], object]) -> float:
    times = []
    for _ in range(5):
        begin = time.perf_counter()
        run()
        times.append(time.perf_counter() - begin)
    return min(times)
