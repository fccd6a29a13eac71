from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from statsmodels.stats.multitest import multipletests

from seatrial.errors import UsageError
from seatrial.stats.multiplicity import holm

p_values = st.lists(st.floats(0, 1) | st.sampled_from([0.0, 0.01, 0.05, 1.0]), max_size=12)


@pytest.mark.parametrize("count", [1, 2, 3, 5, 12])
def test_adjusted_p_values_are_those_of_statsmodels(count: int) -> None:
    rng = np.random.default_rng(count)
    for values in (rng.random(count), np.round(rng.random(count), 1), rng.random(count) ** 4):
        assert holm(list(values)) == pytest.approx(list(multipletests(values, method="holm")[1]))


def test_nothing_tested_is_nothing_adjusted() -> None:
    assert holm([]) == []


@settings(max_examples=50, deadline=None)
@given(p_values)
def test_adjusting_never_lowers_a_p_value_and_keeps_their_order(given_values: list[float]) -> None:
    adjusted = holm(given_values)
    assert all(after >= before for before, after in zip(given_values, adjusted, strict=True))
    by_before = sorted(zip(given_values, adjusted, strict=True))
    assert [after for _, after in by_before] == sorted(adjusted)


def test_published_example() -> None:
    # Wright 1992, Biometrics 48, table 1.
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])


@pytest.mark.parametrize("wrong", [-0.1, 1.1, float("nan")])
def test_what_is_no_p_value_is_refused(wrong: float) -> None:
    with pytest.raises(UsageError, match="p-value 1"):
        holm([0.5, wrong])
