from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from groundglass.phantom.cohort.plan import KINDS, ScanPlan
from groundglass.phantom.cohort.settings import GRADES, SHARES, CohortSettings

LONG = CohortSettings(count=600)


@pytest.fixture(scope="module")
def plans() -> list[ScanPlan]:
    return [ScanPlan.draw(LONG, n) for n in range(1, 601)]


@pytest.mark.parametrize("shares", [SHARES["balanced"], SHARES["mosmed"], (0, 1, 0, 3, 0)])
@pytest.mark.parametrize("count", [12, 100, 250])
def test_every_beginning_has_the_stated_shares(shares: tuple[int, ...], count: int) -> None:
    settings = CohortSettings(count=count, seed=8, shares=shares)
    found = Counter(ScanPlan.draw(settings, n).aimed_grade for n in range(1, count + 1))
    for grade, share in zip(GRADES, shares, strict=True):
        assert found[grade] == pytest.approx(count * share / sum(shares), abs=2.5)
        assert share or not found[grade]


def test_a_plan_depends_on_seed_and_number_and_not_on_the_count(plans: list[ScanPlan]) -> None:
    assert ScanPlan.draw(replace(LONG, count=40), 17) == plans[16]
    assert ScanPlan.draw(replace(LONG, seed=1), 17) != plans[16]
    assert len({plan.patient_seed for plan in plans}) == 600
    assert plans[16].name == "study_0017"


def test_involvement_is_aimed_at_the_grade_with_small_ones_among_the_mild(
    plans: list[ScanPlan],
) -> None:
    edges = {"CT-0": (0, 0), "CT-1": (0.01, 0.25), "CT-2": (0.25, 0.5), "CT-3": (0.5, 0.75)}
    edges["CT-4"] = (0.75, 0.8)
    for plan in plans:
        low, high = edges[plan.aimed_grade]
        assert low <= plan.disease.involvement <= high
    mild = np.array([p.disease.involvement for p in plans if p.aimed_grade == "CT-1"])
    assert 0.2 < np.mean(mild <= 0.02) < 0.4
    assert np.mean(mild > 0.15) > 0.1


def test_lesions_of_all_kinds_in_every_class(plans: list[ScanPlan]) -> None:
    for grade in GRADES[1:4]:
        found = [plan.disease for plan in plans if plan.aimed_grade == grade]
        assert {one.kind for one in found} == set(KINDS)
        assert {one.one_sided for one in found} == {-1, 0, 1}
        assert np.mean([one.one_sided == 0 for one in found]) > 0.6  # both lungs for the most part
    for plan in plans:
        low, high = KINDS[plan.disease.kind]
        assert low <= plan.disease.consolidation_share <= high


def test_places_are_spread_evenly_within_a_grade(plans: list[ScanPlan]) -> None:
    places = np.array([plan.place for plan in plans if plan.aimed_grade == "CT-1"])
    assert np.histogram(places, 4, (0, 1))[0] == pytest.approx(len(places) / 4, abs=3)
