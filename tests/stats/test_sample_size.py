from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import betainc

from seatrial.errors import UsageError
from seatrial.stats.paired import NonInferiority, non_inferiority
from seatrial.stats.sample_size import items_needed


def differences(wins: int, losses: int, of: int = 1000) -> np.ndarray:
    return np.repeat([1.0, -1.0, 0.0], [wins, losses, of - wins - losses])


def test_miller_s_formula_where_items_are_many() -> None:
    # (1.960 + 0.842)² · variance / gap², for a gap of 0.03 and a third of the items in dispute: near 2,900 items.
    seen = differences(180, 153)
    expected = (1.959964 + 0.841621) ** 2 * seen.var() / 0.03**2
    assert items_needed(seen, 0.03) == pytest.approx(expected, rel=0.03)


@pytest.mark.parametrize(("wins", "losses"), [(200, 100), (150, 50), (50, 20)])
def test_that_many_items_show_a_true_difference_four_times_in_five(wins: int, losses: int) -> None:
    rng = np.random.default_rng(8)
    n = items_needed(differences(wins, losses), (wins - losses) / 1000)
    assert n is not None
    drawn = rng.multinomial(n, [wins / 1000, losses / 1000, 1 - (wins + losses) / 1000], size=20_000)
    p = 2 * betainc(np.maximum(drawn[:, 0], 1e-9), drawn[:, 1] + 1, 0.5)  # exact McNemar, a ahead
    assert 0.78 <= np.mean(p < 0.05) <= 0.87


def test_that_many_items_show_non_inferiority_of_equals() -> None:
    rng = np.random.default_rng(9)
    n = items_needed(differences(50, 50), 0.05)
    assert n is not None
    held = 0
    for _ in range(150):
        drawn = rng.choice([1.0, -1.0, 0.0], p=[0.05, 0.05, 0.9], size=n)
        result = non_inferiority(np.maximum(drawn, 0), np.maximum(-drawn, 0), 0.05)
        assert isinstance(result, NonInferiority)
        held += result.holds is True
    assert 0.68 <= held / 150 <= 0.92


def test_candidates_that_never_differed_still_need_items() -> None:
    assert items_needed([0.0] * 30, 0.03) == 376
    plenty = items_needed([0.0] * 5000, 0.03)
    assert plenty is not None
    assert 122 <= plenty <= 150


def test_clusters_that_move_together_need_more_items() -> None:
    rng = np.random.default_rng(4)
    seen = np.repeat(rng.choice([1.0, 0.0, -1.0], p=[0.4, 0.4, 0.2], size=40), 5)
    alone, together = items_needed(seen, 0.1), items_needed(seen, 0.1, [str(index // 5) for index in range(200)])
    assert alone is not None
    assert together is not None
    assert together > 3 * alone


def test_none_where_items_would_not_help() -> None:
    seen = differences(10, 10, 100)
    for gap in (0.0, -0.02, 1e-5, float("nan"), float("inf")):
        assert items_needed(seen, gap) is None
    assert items_needed([], 0.03) is None
    assert items_needed([1.0], 0.03) is None
    assert items_needed([1.0, 0.0, 1.0], 0.03, ["a", "a", "a"]) is None


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 40), st.integers(0, 40), st.sampled_from([0.02, 0.05, 0.1, 0.3]), st.booleans())
def test_a_smaller_gap_a_higher_level_or_more_power_need_more(
    wins: int, losses: int, gap: float, clustered: bool
) -> None:
    seen = np.random.default_rng(0).permutation(differences(wins, losses, 100))
    clusters = [str(index // 4) for index in range(100)] if clustered else None
    needed = items_needed(seen, gap, clusters)
    assert needed is not None
    for harder in (
        items_needed(seen, gap / 2, clusters),
        items_needed(seen, gap, clusters, level=0.99),
        items_needed(seen, gap, clusters, power=0.9),
    ):
        assert harder is not None
        assert harder >= needed


def test_bad_input_is_refused() -> None:
    with pytest.raises(UsageError, match="Power"):
        items_needed([0.0, 1.0], 0.1, power=1.0)
    with pytest.raises(UsageError, match="outside -1 to 1"):
        items_needed([0.0, 3.0], 0.1)
