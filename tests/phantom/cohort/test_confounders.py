from __future__ import annotations

from dataclasses import asdict, fields

import numpy as np
import pytest
from scipy import stats

from groundglass.phantom.cohort.confounders import Confounders
from groundglass.phantom.cohort.plan import ScanPlan
from groundglass.phantom.cohort.settings import CLASSES, CohortSettings

NAMES = [field.name for field in fields(Confounders)]
LEAST_P = 0.001
"""Of 27 confounders; the draw is fixed, so this cannot fail by chance some day."""


@pytest.fixture(scope="module")
def drawn() -> tuple[dict[str, np.ndarray], np.ndarray, np.ndarray]:
    """Every confounder of 1,500 scans, their classes, and the involvement aimed at."""
    settings = CohortSettings(count=1500, seed=2)
    plans = [ScanPlan.draw(settings, n) for n in range(1, 1501)]
    rows = [asdict(plan.confounders) for plan in plans]
    table = {name: np.array([row[name] for row in rows]) for name in NAMES}
    classes = np.array([CLASSES[plan.aimed_grade] for plan in plans])
    return table, classes, np.array([plan.disease.involvement for plan in plans])


def p_value(values: np.ndarray, classes: np.ndarray) -> float:
    """Kruskal-Wallis for numbers, chi-square for kinds: could this be one draw for all classes?"""
    groups = [values[classes == name] for name in ("normal", "mild", "severe")]
    if values.dtype.kind in "if":
        return float(stats.kruskal(*groups).pvalue)
    kinds = np.unique(values)
    counts = [[np.count_nonzero(group == kind) for kind in kinds] for group in groups]
    return float(stats.chi2_contingency(counts).pvalue)


@pytest.mark.parametrize("name", NAMES)
def test_no_confounder_tells_the_class(
    name: str, drawn: tuple[dict[str, np.ndarray], np.ndarray, np.ndarray]
) -> None:
    table, classes, involvement = drawn
    assert len(np.unique(table[name])) > 1
    assert p_value(table[name], classes) > LEAST_P
    if table[name].dtype.kind in "if":
        assert stats.spearmanr(table[name], involvement).pvalue > LEAST_P


def test_the_test_sees_what_does_tell_the_class(
    drawn: tuple[dict[str, np.ndarray], np.ndarray, np.ndarray],
) -> None:
    table, classes, involvement = drawn
    assert p_value(involvement, classes) < 1e-50
    # A tenth of a standard deviation per class would be enough.
    rank = np.searchsorted(("mild", "normal", "severe"), classes)
    assert p_value(table["noise_hu"] + 0.15 * table["noise_hu"].std() * rank, classes) < LEAST_P
    skewed = np.where(np.arange(1500) % 7 == 0, classes, table["kernel"])
    assert p_value(skewed, classes) < LEAST_P


def test_all_of_them_are_in_every_class_and_as_wide_as_said(
    drawn: tuple[dict[str, np.ndarray], np.ndarray, np.ndarray],
) -> None:
    table, classes, _ = drawn
    for name in ("normal", "mild", "severe"):
        here = classes == name
        assert (table["slices"][here].min(), table["slices"][here].max()) == (12, 48)
        assert set(table["motion"][here]) == {"none", "blurred", "doubled"}
        assert set(table["kernel"][here]) == {"soft", "standard", "sharp"}
        assert set(table["plates"][here]) == {0, 1, 2, 3, 4}
        assert 0.25 < np.mean(table["dependent_hu"][here] == 0) < 0.45
        assert len(set(zip(table["low_hu"][here], table["high_hu"][here], strict=True))) == 4
        assert set(table["padded"][here]) == {False, True}
