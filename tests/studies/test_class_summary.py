"""Figures of classifiers over folds, computed by hand; rows on disk; the page's words."""

from __future__ import annotations

from pathlib import Path

import pytest

from groundglass.datasets.class_tasks import TASKS
from groundglass.errors import DatasetError, SettingsError
from groundglass.studies import class_summary
from groundglass.studies.class_page import ClassConditions, class_markdown, write_class_csv
from groundglass.studies.class_row import (
    ClassRow,
    TaskCases,
    joined_folds,
    read_class_row,
    write_class_row,
)
from groundglass.studies.class_summary import fold_mean, mean_auroc_interval, summarize_task


@pytest.fixture(autouse=True)
def _few_draws(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(class_summary, "DRAWS", 50)


def part(fold: int, task: str, scores: list[float], labels: str, *, ranks: bool = True):
    names = tuple(f"{fold}-{n}" for n in range(len(scores)))
    truth = tuple(label == "+" for label in labels)
    return TaskCases(fold, task, 0.0, names, names, truth, tuple(scores), ranks)


def row(key: str = "covtanet", *, ranks: bool = True) -> ClassRow:
    parts = []
    for task in TASKS:
        parts.append(part(0, task.key, [1.0, -1.0, 2.0, -2.0], "++--", ranks=ranks))
        parts.append(part(1, task.key, [101.0, 100.0, -5.0, -6.0], "++--", ranks=ranks))
    return ClassRow(key, "CovTANet", 10, 1.5, tuple(parts))


def test_means_over_folds_and_counts_of_all() -> None:
    found = summarize_task(row(), "mild-severe")
    assert (found.counts.tp, found.counts.fn, found.counts.fp, found.counts.tn) == (3, 1, 1, 3)
    mean = found.means["sensitivity"]
    assert (mean.mean, mean.folds) == (0.75, 2)
    assert mean.deviation == pytest.approx(0.5 / 2**0.5)
    # Fold 0 ranks 2 of 4 pairs rightly, fold 1 all; joined, fold 1's scores would lift all of it.
    assert found.means["auroc"].mean == pytest.approx((0.5 + 1.0) / 2)
    assert found.means["f1"].mean == pytest.approx((0.5 + 1.0) / 2)


def test_a_constant_has_no_rank() -> None:
    found = summarize_task(row(ranks=False), "mild-severe")
    assert found.means["auroc"].mean is None
    assert found.auroc_interval is None
    assert found.folds[0].measures["average_precision"].reason == "a constant ranks nothing"
    assert found.means["accuracy"].mean == pytest.approx(0.75)


def test_the_interval_is_of_the_mean_over_folds() -> None:
    interval = mean_auroc_interval(row().of_task("mild-severe"), draws=200)
    assert interval is not None
    assert interval.low <= 0.75 <= interval.high
    assert interval.low >= 0.5  # fold 1 is ranked without a mistake in every draw
    few = part(0, "mild-severe", [1.0, 0.0], "+-")
    assert mean_auroc_interval([few], draws=50) is None


def test_undefined_folds_are_left_out_of_a_mean() -> None:
    assert fold_mean([None, None]).mean is None
    assert (fold_mean([0.5, None]).mean, fold_mean([0.5, None]).deviation) == (0.5, None)


def test_a_row_on_disk_is_the_row_and_is_of_its_settings(tmp_path: Path) -> None:
    path = tmp_path / "rows" / "covtanet-0.json"
    write_class_row(path, row(), "budget tiny, seed 0")
    assert read_class_row(path, "budget tiny, seed 0") == row()
    with pytest.raises(SettingsError, match="was made with budget tiny, seed 0"):
        read_class_row(path, "budget tiny, seed 1")
    path.write_text(path.read_text()[:-40])
    with pytest.raises(DatasetError, match="cannot be read"):
        read_class_row(path, "budget tiny, seed 0")


def test_folds_join() -> None:
    whole = row()
    halves = [
        ClassRow("covtanet", "CovTANet", 10, 1.0, tuple(p for p in whole.parts if p.fold == f))
        for f in (0, 1)
    ]
    joined = joined_folds(halves)
    assert (joined.folds, joined.minutes) == ((0, 1), 2.0)
    assert sorted(joined.parts, key=str) == sorted(whole.parts, key=str)


@pytest.mark.parametrize("is_phantom", [True, False])
def test_the_page_names_phantoms_first_and_the_papers_faults(
    tmp_path: Path, is_phantom: bool
) -> None:
    summaries = {
        task.key: [summarize_task(one, task.key) for one in (row(), row("majority-class"))]
        for task in TASKS
    }
    conditions = ClassConditions("8 scans of x", is_phantom, "These are not.", ("Seed: 0",))
    page = class_markdown(summaries, conditions)
    assert ("phantom" in page.splitlines()[0]) is is_phantom
    assert "0.909 ± 0.0016" in page  # the paper's sensitivity, mild against severe
    assert "] Misnamed. With 72.9 % mild scans, F1 is" in page
    assert "severe is the positive class: 4 scans, against 4 mild. Head: severity." in page
    write_class_csv(tmp_path / "t.csv", summaries, is_phantom=is_phantom)
    lines = (tmp_path / "t.csv").read_text().splitlines()
    assert len(lines) == 1 + 3 * 2 * 3 * 9  # comparisons, rows, two folds and their mean, measures
    assert lines[1].endswith("yes") is is_phantom
