from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from statsmodels.regression.linear_model import OLS
from statsmodels.stats.contingency_tables import mcnemar

from seatrial.errors import UsageError
from seatrial.stats.estimate import NotEnough
from seatrial.stats.paired import (
    NonInferiority,
    PairedTest,
    holm,
    items_needed,
    mcnemar_exact,
    non_inferiority,
    paired_difference,
)

RIGHT_AND_WRONG = ([1] * 7 + [0] + [1] * 11 + [0] * 11, [0] * 7 + [1] + [1] * 11 + [0] * 11)


def judged(result: PairedTest | NotEnough) -> PairedTest:
    assert isinstance(result, PairedTest), result
    return result


def test_worked_example() -> None:
    found = judged(paired_difference(*RIGHT_AND_WRONG))
    assert found.estimate.value == pytest.approx(0.2)
    assert found.p_value == pytest.approx(18 / 256)
    assert (found.estimate.low, found.estimate.high) == pytest.approx((-0.015, 0.403), abs=5e-4)
    assert found.estimate.n == 30


@pytest.mark.parametrize(("only_a", "only_b"), [(0, 0), (1, 0), (6, 0), (7, 1), (20, 10), (5, 5), (300, 251)])
def test_mcnemar_is_that_of_statsmodels(only_a: int, only_b: int) -> None:
    expected = mcnemar([[3, only_a], [only_b, 4]], exact=True).pvalue if only_a + only_b else 1.0
    assert mcnemar_exact(only_a, only_b) == pytest.approx(expected, rel=1e-10)
    a, b = [1] * only_a + [0] * only_b + [1, 1], [0] * only_a + [1] * only_b + [1, 1]
    assert judged(paired_difference(a, b)).p_value == pytest.approx(expected, rel=1e-9)


def test_mcnemar_of_a_published_table() -> None:
    # Agresti 2013, Categorical Data Analysis, 3rd ed., table 11.1: 150 against 86 changed their approval.
    assert mcnemar_exact(150, 86) == pytest.approx(3.7e-5, rel=0.02)


def test_mcnemar_refuses_negative_counts() -> None:
    with pytest.raises(UsageError, match="-1"):
        mcnemar_exact(-1, 3)


@pytest.mark.parametrize("clustered", [False, True])
def test_unbounded_differences_are_those_of_cluster_robust_ols(clustered: bool) -> None:
    rng = np.random.default_rng(2)
    hardness = rng.lognormal(0.0, 1.0, 120)
    a, b = hardness + rng.normal(0.2, 0.3, 120), hardness + rng.normal(0.0, 0.3, 120)
    codes = np.repeat(np.arange(24), 5) if clustered else np.arange(120)
    fit = OLS(a - b, np.ones(120)).fit(cov_type="cluster", cov_kwds={"groups": codes}, use_t=True)

    found = judged(paired_difference(a, b, [str(code) for code in codes] if clustered else None, bounds=None))

    assert found.estimate.value == pytest.approx(float(fit.params[0]))
    assert (found.estimate.low, found.estimate.high) == pytest.approx(tuple(fit.conf_int()[0]), rel=1e-9)
    assert found.p_value == pytest.approx(float(fit.pvalues[0]), rel=1e-8)
    if not clustered:
        assert found.p_value == pytest.approx(float(stats.ttest_rel(a, b).pvalue), rel=1e-8)


def test_candidates_that_never_differ_are_not_proven_equal() -> None:
    found = judged(paired_difference([1, 0] * 40, [1, 0] * 40))
    assert (found.estimate.value, found.p_value) == (0.0, 1.0)
    assert found.estimate.high == -found.estimate.low == pytest.approx(1 - 0.025 ** (1 / 80))
    clusters = [str(index // 8) for index in range(80)]
    clustered = judged(paired_difference([1, 0] * 40, [1, 0] * 40, clusters))
    assert clustered.estimate.high > found.estimate.high


def test_constant_gain_in_every_item_is_not_a_certainty() -> None:
    found = judged(paired_difference([0.6] * 5, [0.5] * 5))
    assert found.estimate.low < 0.1 < found.estimate.high
    assert found.p_value > 0.01
    assert isinstance(paired_difference([0.6] * 5, [0.5] * 5, bounds=None), NotEnough)


@pytest.mark.parametrize("values", [[], [1.0]])
def test_too_few_items_is_not_enough_data(values: list[float]) -> None:
    for result in (paired_difference(values, values), non_inferiority(values, values, 0.03)):
        assert isinstance(result, NotEnough)
        assert (result.n, result.needed) == (len(values), 2)


def test_a_single_cluster_is_not_enough_data() -> None:
    result = paired_difference([1, 0, 1], [0, 0, 0], ["one"] * 3)
    assert isinstance(result, NotEnough)
    assert (result.n, result.needed) == (1, 2)
    assert isinstance(non_inferiority([1, 0, 1], [0, 0, 0], 0.03, ["one"] * 3), NotEnough)


def test_what_cannot_be_paired_is_refused() -> None:
    with pytest.raises(UsageError, match="2 values against 3"):
        paired_difference([0, 1], [0, 1, 1])
    with pytest.raises(UsageError, match="second candidate: value 1 is nan"):
        paired_difference([0, 1], [0, float("nan")])
    with pytest.raises(UsageError, match="first candidate: value 0 is 12"):
        paired_difference([12, 1], [0, 1])
    with pytest.raises(UsageError, match="1 clusters for 2 values"):
        paired_difference([0, 1], [0, 1], ["a"])
    for margin in (-0.1, 1.0, float("nan"), float("inf")):
        with pytest.raises(UsageError, match="Margin"):
            non_inferiority([0, 1], [0, 1], margin)


def decide(a: list[float], b: list[float], margin: float, level: float = 0.95) -> bool | None:
    result = non_inferiority(a, b, margin, level=level)
    assert isinstance(result, NonInferiority)
    assert result.margin == margin
    return result.holds


def test_non_inferiority_holds_fails_or_stays_open() -> None:
    assert decide([1.0] * 80, [1.0] * 80, 0.03) is None
    assert decide([1.0] * 160, [1.0] * 160, 0.03) is True
    assert decide([0.0] * 50 + [1.0] * 50, [1.0] * 100, 0.03) is False
    assert decide([0.0] * 3 + [1.0] * 97, [1.0] * 100, 0.03) is None
    assert decide([1.0] * 100, [0.0] * 50 + [1.0] * 50, 0.0) is True


@settings(max_examples=50, deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from([0.0, 0.5, 1.0]), st.sampled_from([0.0, 0.4, 1.0])), min_size=2, max_size=60),
    st.sampled_from([0.01, 0.05, 0.2]),
)
def test_non_inferiority_is_read_off_the_interval_that_is_shown(
    pairs: list[tuple[float, float]], margin: float
) -> None:
    a, b = [pair[0] for pair in pairs], [pair[1] for pair in pairs]
    result, difference = non_inferiority(a, b, margin), judged(paired_difference(a, b))
    assert isinstance(result, NonInferiority)
    assert result.estimate == difference.estimate
    expected = {(True, False): True, (False, True): False, (False, False): None}
    assert result.holds is expected[result.estimate.low > -margin, result.estimate.high < -margin]


pairs = st.lists(
    st.tuples(st.sampled_from([0.0, 0.5, 2 / 3, 1.0]), st.sampled_from([0.0, 0.5, 1.0]), st.sampled_from("abcdefgh")),
    min_size=2,
    max_size=50,
)


@settings(max_examples=50, deadline=None)
@given(pairs, st.booleans(), st.booleans(), st.randoms(use_true_random=False))
def test_swapping_candidates_negates_and_shuffling_items_changes_nothing(
    items: list[tuple[float, float, str]], clustered: bool, bounded: bool, random: object
) -> None:
    def judge(of: list[tuple[float, float, str]], swapped: bool = False) -> PairedTest | NotEnough:
        a, b, clusters = ([item[part] for item in of] for part in range(3))
        bounds = (0.0, 1.0) if bounded else None
        return paired_difference(
            b if swapped else a, a if swapped else b, clusters if clustered else None, bounds=bounds
        )

    forward, backward = judge(items), judge(items, swapped=True)
    random.shuffle(items)  # type: ignore[attr-defined]
    shuffled = judge(items)
    if isinstance(forward, NotEnough):
        assert backward == shuffled == forward
        return
    backward, shuffled = judged(backward), judged(shuffled)
    there = forward.estimate
    assert there.low <= there.value <= there.high
    assert (backward.estimate.value, backward.estimate.low, backward.estimate.high) == pytest.approx(
        (-there.value, -there.high, -there.low), abs=1e-8
    )
    assert (shuffled.estimate.value, shuffled.estimate.low, shuffled.estimate.high) == pytest.approx(
        (there.value, there.low, there.high), abs=1e-8
    )
    assert backward.p_value == pytest.approx(forward.p_value, rel=1e-6)
    assert shuffled.p_value == pytest.approx(forward.p_value, rel=1e-6)


def test_every_item_alone_in_its_cluster_is_no_clustering() -> None:
    a, b = RIGHT_AND_WRONG
    assert paired_difference(a, b, [str(index) for index in range(30)]) == paired_difference(a, b)


def test_clusters_that_move_together_widen_the_interval() -> None:
    a, b = [1.0] * 40 + [0.0] * 40, [0.0] * 20 + [1.0] * 30 + [0.0] * 30
    together = [str(index // 10) for index in range(80)]
    apart = judged(paired_difference(a, b)).estimate
    joined = judged(paired_difference(a, b, together)).estimate
    assert joined.value == apart.value
    assert joined.low < apart.low
    assert joined.high > apart.high


def test_what_is_asked_for_with_a_difference_is_offered_beside_it() -> None:
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert items_needed([0.0] * 30, 0.03) == 376
