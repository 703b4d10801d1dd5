from __future__ import annotations

from dataclasses import replace
from math import exp

import numpy as np
import pytest

from groundglass.phantom.cohort.plan import ScanPlan
from groundglass.phantom.cohort.scan import CohortScan, flip_chance, has_mask, make_cohort_scan
from groundglass.phantom.cohort.settings import CohortSettings

from .conftest import SMALL


def test_the_same_scan_again_and_alone(scans: list[CohortScan]) -> None:
    first, again = scans[4], make_cohort_scan(replace(SMALL, count=99), 5)
    assert first.truth == again.truth
    for name in ("hu", "lungs", "lesions", "affine"):
        assert np.array_equal(getattr(first, name), getattr(again, name))
    assert first.plan.patient_seed != ScanPlan.draw(replace(SMALL, seed=5), 5).patient_seed


def test_involvement_is_counted_in_the_masks(scans: list[CohortScan]) -> None:
    assert {scan.truth["painted_class"] for scan in scans} == {"normal", "mild", "severe"}
    for scan in scans:
        truth, plan = scan.truth, scan.plan
        assert scan.hu.shape == scan.lungs.shape == scan.lesions.shape
        assert scan.hu.shape == (plan.confounders.slices, 56, 56)
        assert not scan.lesions[scan.lungs == 0].any()
        ill, lung = (scan.lesions > 0).sum(), (scan.lungs > 0).sum()
        assert truth["involvement_percent"] == 100 * ill / lung
        assert (truth["lesion_voxels"], truth["lung_voxels"]) == (ill, lung)
        # Slices lie 30 to 45 mm apart here, so that this much is up to chance.
        assert truth["involvement_percent"] == pytest.approx(truth["aimed_percent"], abs=5)
        if plan.aimed_grade == "CT-0":
            assert (ill, truth["painted_class"], truth["lesion_kind"]) == (0, "normal", "")


def test_lesions_are_denser_than_the_rest_of_the_lung(scans: list[CohortScan]) -> None:
    ill = [scan for scan in scans if scan.truth["involvement_percent"] > 1]
    assert len(ill) > 2
    for scan in ill:
        rest = scan.hu[(scan.lungs > 0) & (scan.lesions == 0)]
        assert np.median(scan.hu[scan.lesions > 0]) > np.median(rest) + 120


def test_the_grid_holds_lungs_and_body(scans: list[CohortScan]) -> None:
    for scan in scans:
        steps = np.linalg.norm(scan.affine[:3, :3], axis=0)
        assert steps[1] == steps[2]
        assert 200 < steps[0] * len(scan.hu) < 350  # the lungs' height, more or less
        assert 330 < steps[1] * 56 < 640  # the body's width and some air
        assert not scan.lungs[:, [0, -1]].any()
        assert not scan.lungs[:, :, [0, -1]].any()


@pytest.mark.parametrize(
    ("percent", "chance"),
    [(25.0, 0.4), (28.0, 0.4 * exp(-1)), (22.0, 0.4 * exp(-1)), (0.0, 0.0), (51.0, 0.0)],
)
def test_labels_are_wrong_at_the_edge_more_often_than_away_from_it(
    percent: float, chance: float
) -> None:
    assert flip_chance(percent, 0.4) == pytest.approx(chance)


def test_a_flipped_label_is_written_and_told() -> None:
    always = replace(SMALL, edge_flips=1.0, shares=(0, 1, 0, 0, 0), masks=1.0)
    flipped = {}
    for number in range(1, 40):
        plan = ScanPlan.draw(always, number)
        if plan.disease.involvement > 0.23 and plan.flip_draw < 0.3:
            flipped = make_cohort_scan(always, number).truth
            break
    assert (flipped["painted_grade"], flipped["label_grade"]) in (
        ("CT-1", "CT-2"),
        ("CT-2", "CT-1"),
    )
    assert (flipped["flipped"], flipped["mask"]) == (1, int(flipped["label_grade"] == "CT-1"))
    assert {flipped["painted_class"], flipped["label_class"]} == {"mild", "severe"}


def test_masks_of_some_mild_scans_or_of_all() -> None:
    some, every = CohortSettings(count=90, masks=0.5), CohortSettings(count=90, masks="all")
    plans = [ScanPlan.draw(some, n) for n in range(1, 91)]
    chosen = [has_mask(some, plan, "CT-1") for plan in plans]
    assert 0.4 < np.mean(chosen) < 0.6
    assert not any(has_mask(some, plan, grade) for plan in plans for grade in ("CT-0", "CT-2"))
    assert all(has_mask(every, plan, grade) for plan in plans for grade in ("CT-0", "CT-3"))
    assert not any(has_mask(replace(some, masks=0.0), plan, "CT-1") for plan in plans)
