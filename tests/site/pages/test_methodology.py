"""The page that explains: its examples are what the code computes, its rubrics those that the panel votes by."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import page_rules
import pytest

import seatrial
from seatrial.site.pages.methodology import methodology_page
from seatrial.site.pages.methods import METHODS
from seatrial.site.votes.opinion import MIN_VOTERS, ChoiceTally, opinion_of
from seatrial.stats.estimate import Estimate
from seatrial.stats.intervals import SCORES, mean, wilson
from seatrial.stats.multiplicity import holm
from seatrial.stats.paired import PairedTest, items_needed, non_inferiority, paired_difference
from seatrial.stats.pairwise import Outcome, Ranking, bradley_terry
from seatrial.stats.quantiles import quantile
from seatrial.stats.sample import take_sample
from seatrial.verdict.rubric import load_rubrics

EXAMPLES = {method.anchor: method.example for method in METHODS}


def percents(*values: float) -> list[str]:
    return [f"{100 * value:.1f}%" for value in values]


def says(anchor: str, *pieces: str) -> None:
    for piece in pieces:
        assert piece.replace("-", "−") in EXAMPLES[anchor].replace("-", "−"), (anchor, piece)


def test_wilsons_example() -> None:
    eight, none = wilson(8, 10), wilson(0, 10)
    assert isinstance(eight, Estimate)
    assert isinstance(none, Estimate)
    says("wilson", *percents(eight.low, eight.high), f"up to {percents(none.high)[0]}")


def test_gaffkes_example() -> None:
    ones = mean([1.0] * 20, bounds=SCORES)
    alike = paired_difference([1.0] * 100, [1.0] * 100)
    assert isinstance(ones, Estimate)
    assert isinstance(alike, PairedTest)
    says("gaffke", percents(ones.low)[0], f"±{100 * alike.estimate.high:.1f} points")


def test_students_example() -> None:
    found = mean([1.0, 2.0, 3.0, 4.0])
    assert isinstance(found, Estimate)
    says("student", f"{found.value}", f"{found.low:.3f} to {found.high:.3f}")


def test_the_example_of_clusters() -> None:
    import numpy as np

    values = np.array([1.0, 1.0, 0.0, 0.0])
    together = take_sample(values, ["a", "a", "b", "b"], what="example")
    alone = take_sample(values, None, what="example")
    says("clusters", f"standard error {together.standard_error:g}", f"{alone.standard_error:.3f}")  # type: ignore[union-attr]


def test_the_paired_example() -> None:
    a = [1.0] * 7 + [0.0] + [1.0] * 22
    b = [0.0] * 7 + [1.0] + [1.0] * 22
    found = paired_difference(a, b)
    assert isinstance(found, PairedTest)
    says("paired", f"{100 * found.estimate.low:.1f} to {100 * found.estimate.high:.1f}", f"p = {found.p_value:.3f}")


@pytest.mark.parametrize(("n", "holds", "reach"), [(80, None, "−4.5"), (160, True, "−2.3")])
def test_the_example_of_non_inferiority(n: int, holds: bool | None, reach: str) -> None:
    found = non_inferiority([1.0] * n, [1.0] * n, 0.03)
    assert found.holds is holds  # type: ignore[union-attr]
    assert f"{100 * found.estimate.low:.1f}".replace("-", "−") == reach  # type: ignore[union-attr]
    says("non-inferiority", f"{n} items", f"{reach} points")


def test_holms_example() -> None:
    assert [round(p, 10) for p in holm([0.01, 0.04, 0.03])] == [0.03, 0.06, 0.06]
    says("holm", "0.01, 0.04 and 0.03 become 0.03, 0.06 and 0.06")


def test_the_example_of_quantiles() -> None:
    ten = quantile(list(range(1, 11)), 0.5)
    assert isinstance(ten, Estimate)
    assert (ten.low, ten.high) == (2.0, 9.0)
    for q, needed in ((0.5, 6), (0.95, 72), (0.99, 368)):
        assert isinstance(quantile(list(range(needed)), q), Estimate)
        assert not isinstance(quantile(list(range(needed - 1)), q), Estimate)
        says("quantiles", str(needed))


def test_the_example_of_items_needed() -> None:
    says("items-needed", f"{items_needed([0.0] * 30, 0.03)} items")


def test_the_example_of_votes() -> None:
    opinion = opinion_of({"ship": tally(15, 1000), "skip": tally(5, 1000)})
    assert opinion.shares is not None
    share = opinion.shares["ship"]
    says("votes", f"{MIN_VOTERS} confirmed voters", f"{100 * share.value:.0f}%", *percents(share.low, share.high))
    weights = [1000] * 10 + [250] * 10
    effective = sum(weights) ** 2 / sum(weight**2 for weight in weights)
    says("votes", f"like {effective:.1f} votes")


def tally(num: int, weight: int) -> ChoiceTally:
    return ChoiceTally(num, num * weight, num * weight**2)


def test_the_example_of_ranks() -> None:
    outcomes = [Outcome("a", "b", float(place < 30), cluster=f"v{place}") for place in range(40)]
    ranking = bradley_terry(outcomes)
    assert isinstance(ranking, Ranking)
    says("bradley-terry", percents(ranking.standings[0].win_rate.value)[0])


def test_every_module_that_it_names_is_there() -> None:
    home = Path(seatrial.__file__).parent
    for method in METHODS:
        for name in method.code.split(", "):
            assert (home / name).is_file(), name


def test_the_rubrics_are_those_of_the_panel_line_by_line(shown: Any) -> None:
    page = methodology_page()
    text = shown(page).by_id("panel").text
    for rubric in load_rubrics():
        assert rubric.creed in text
        for criterion in rubric.criteria:
            assert criterion.question in text
    builder = page.reviewers[0]
    assert (builder.title, builder.bar, builder.quorum) == ("The builder", "70%", "70%")
    passes = {asked.name: asked.passes for asked in builder.criteria}
    assert passes["Slow tail"] == "at most 5.0 s"
    assert passes["Stays up"] == "at least 90 days"
    assert passes["Licence"] == "yes"
    assert {asked.name for asked in builder.criteria if asked.veto} == {"Licence", "Stays up"}


def test_every_statistic_can_be_linked_to(shown: Any) -> None:
    tree = shown(methodology_page())
    for method in METHODS:
        assert method.example in tree.by_id(method.anchor).text
    told = page_rules.json_ld(tree)
    assert [term["url"] for term in told["hasDefinedTerm"]] == [
        f"https://example.org/methodology#{method.anchor}" for method in METHODS
    ]


def test_its_twin_has_thresholds_as_numbers() -> None:
    data = methodology_page().data()
    criteria = {each["name"]: each for each in data["rubrics"][0]["criteria"]}
    assert criteria["Slow tail"]["threshold"] == 5
    assert criteria["Slow tail"]["comparison"] == "<="


def test_a_static_copy_holds_together(shown: Any) -> None:
    shown(methodology_page(), is_static=True)
