from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from groundglass.datasets.folds import patient_folds
from groundglass.datasets.index import load_prepared, read_index, save_prepared, write_index
from groundglass.errors import SettingsError
from groundglass.studies import runs as module
from groundglass.studies.budget import Budget
from groundglass.studies.plan_chs_net import plan_of
from groundglass.studies.row_runs import lacking
from groundglass.studies.runs import LUNGS_FOR_TRAINING, StudyRuns
from groundglass.training.checkpoint import RESULT_NAME, load_state
from groundglass.training.maps import load_map
from groundglass.training.select import select_scans
from groundglass.training.settings import TrainSettings


def trained_on(folder: Path) -> set[str]:
    """Scans that a finished run was trained on, by its stored settings."""
    settings = TrainSettings.model_validate(load_state(folder / RESULT_NAME).settings)
    return {scan.row.scan_id for scan in select_scans(settings).train}


def test_no_run_of_a_fold_sees_its_test_side(runs: StudyRuns) -> None:
    split = runs.split("patients", 0)
    spend = runs.budget.lesions
    for run in (
        runs.lungs("bu", split),
        runs.lesions("bu", split, spend),
        runs.direct("bu", split),
        runs.published("bu", split),
    ):
        assert run.slices == (8 if run.settings.name.startswith("published") else 4)
    tested = {scan.row.scan_id for scan in runs.test_scans(split)}
    folders = [path.parent for path in (runs.folder / "patients-0").rglob(RESULT_NAME)]
    assert len(folders) >= 6  # lungs, two halves, lesions, direct, published
    assert tested
    for folder in folders:
        assert not trained_on(folder) & tested, folder.name


def test_lungs_for_training_come_from_a_network_that_saw_other_patients(runs: StudyRuns) -> None:
    split = runs.split("patients", 0)
    maps = runs.training_lungs(split)
    halves = runs.halves(split)
    assert not set(halves[0]) & set(halves[1])
    assert set(halves[0]) | set(halves[1]) == {row.scan_id for row in runs.train_rows(split)}
    for number, scan_ids in enumerate(halves):
        folder = runs.folder / "patients-0" / f"lungs-half-{number}"
        assert trained_on(folder) == set(scan_ids)
        stored = load_state(folder / RESULT_NAME).settings
        assert stored["network"] == LUNGS_FOR_TRAINING
    assert {path.stem for path in maps.glob("*.npz")} == set(halves[0]) | set(halves[1])


def test_a_second_stage_is_trained_on_predicted_lungs(runs: StudyRuns) -> None:
    split = runs.split("patients", 0)
    run = runs.lesions("bu", split, runs.budget.lesions)
    assert run.settings.lungs == str(runs.training_lungs(split))


def test_what_is_trained_as_published_sees_slices_with_lesions_hardly_changed(
    runs: StudyRuns,
) -> None:
    run = runs.published("miniseg", runs.split("patients", 0))
    settings, augment = run.settings, run.settings.augment
    assert (settings.stage, settings.loss, settings.optimizer) == ("direct", "miniseg", "adam")
    assert (settings.healthy_share, settings.lesion_free_share, settings.slice_power) == (0, 0, 1)
    assert (augment.rotate_degrees, augment.gamma, augment.noise, augment.second_clahe) == (0,) * 4
    assert (augment.flip_left_right, augment.scale) == (0.5, 0.06)
    assert (settings.weight_decay, settings.ema, len(settings.phases)) == (1e-4, 0.99, 1)
    assert runs.budget.published is not None
    assert run.slices == runs.budget.published.slices


def test_what_is_trained_as_published_has_one_stretch(
    phantom_index: Path, tmp_path: Path, small: Budget
) -> None:
    assert small.published is not None
    two = replace(small, published=replace(small.published, restart=2))
    runs = StudyRuns(phantom_index, tmp_path, two, threads=1, tell=lambda text: None)
    with pytest.raises(SettingsError, match="miniseg trained as published has a second stretch"):
        runs.published("miniseg", runs.split("patients", 0))


def test_a_budget_that_trains_nothing_as_published_says_so(
    phantom_index: Path, tmp_path: Path, small: Budget
) -> None:
    plain = replace(small, published=None)
    runs = StudyRuns(phantom_index, tmp_path, plain, threads=1, tell=lambda text: None)
    with pytest.raises(SettingsError, match="budget small trains no network as published"):
        runs.published("miniseg", runs.split("patients", 0))
    plan = next(plan for plan in plan_of(3) if plan.key == "miniseg-published")
    assert lacking(plan, plain) == "budget small trains no network as published"
    assert lacking(plan, small) == ""


def test_what_is_finished_is_not_trained_again(
    runs: StudyRuns, monkeypatch: pytest.MonkeyPatch
) -> None:
    split = runs.split("patients", 0)
    first = runs.lungs("bu", split)
    monkeypatch.setattr(module, "Trainer", None)
    again = runs.lungs("bu", split)
    assert again == first


def test_a_slice_split_tests_each_scan_on_its_own_slices(runs: StudyRuns) -> None:
    split = runs.split("slices", 0)
    scans = runs.test_scans(split)
    assert scans
    assert all(scan.slices is not None and len(scan.slices) < scan.row.slices for scan in scans)
    fold = runs.folds(split).folds[0]
    for scan in scans:
        np.testing.assert_array_equal(scan.slices, fold.test_slices(scan.row))


def test_lungs_of_a_reduced_test_scan_lie_on_its_slices(runs: StudyRuns) -> None:
    split = runs.split("slices", 0)
    scan = runs.test_scans(split)[0]
    found = runs.test_lungs("bu", split, scan)
    assert found.shape == scan.image.shape
    folder = runs.folder / "slices-0" / "lungs-of-test-bu"
    np.testing.assert_array_equal(found, load_map(folder, scan))
    with np.load(folder / f"{scan.row.scan_id}.npz") as stored:
        assert stored["values"].shape[0] == scan.row.slices


def test_folds_are_of_the_whole_index_and_scans_without_drawn_lesions_on_no_side(
    phantom_index: Path, small: Budget, tmp_path: Path
) -> None:
    """So that one fold map serves a study of lesions and one of labels; as in MosMedData."""
    rows = read_index(phantom_index)
    unknown = {"lesion_voxels": 0, "diagnosis": "findings", "severity": "mild", "grade": "CT-1"}
    for number in range(2):
        scan = load_prepared(phantom_index, rows[number + 1])
        name = f"undrawn_{number}"
        row = replace(scan.row, scan_id=name, patient_id=name, group=name, file=f"{name}.npz")
        row = replace(row, **unknown, lesions_by="none")
        rows.append(
            save_prepared(tmp_path, replace(scan, row=row, lesions=np.zeros_like(scan.lesions)))
        )
    for row in rows[:-2]:
        shutil.copy(phantom_index / row.file, tmp_path)
    write_index(tmp_path, rows)
    runs = StudyRuns(tmp_path, tmp_path / "work", small, threads=1, tell=lambda text: None)
    split = runs.split("patients", 0)
    assert runs.folds(split) == patient_folds(rows, count=2, seed=0)
    run = runs.direct("bu", split)
    known = {scan.row.scan_id for scan in runs.test_scans(split)} | trained_on(run.folder)
    assert known == {row.scan_id for row in rows[:-2]}
