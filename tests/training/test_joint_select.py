from __future__ import annotations

from pathlib import Path

import pytest

from groundglass.datasets.folds import slice_split
from groundglass.errors import SettingsError
from groundglass.training.joint_select import select_rows
from groundglass.training.joint_settings import JointSettings

from .made_cohort import write_cohort_index, write_folds


def test_the_test_side_and_held_out_scans_leave_training(tmp_path: Path) -> None:
    rows = write_cohort_index(tmp_path, each=3)
    folds = write_folds(tmp_path / "folds.json", rows)
    sides = select_rows(settings(tmp_path, folds=str(folds), fold=1, hold_out=["mild_1"]))
    assert [row.scan_id for row in sides.held_out] == ["mild_0", "mild_1", "normal_0", "severe_0"]
    assert {row.scan_id for row in sides.train} == {r.scan_id for r in rows} - {
        row.scan_id for row in sides.held_out
    }


def test_folds_that_part_scans_are_refused(tmp_path: Path) -> None:
    rows = write_cohort_index(tmp_path, each=2)
    slice_split(rows).save(tmp_path / "folds.json")
    with pytest.raises(SettingsError, match="parts the slices of a scan"):
        select_rows(settings(tmp_path, folds=str(tmp_path / "folds.json")))


def test_a_label_that_training_lacks_is_named(tmp_path: Path) -> None:
    write_cohort_index(tmp_path, each=1)
    with pytest.raises(SettingsError, match="has no severe scan"):
        select_rows(settings(tmp_path, hold_out=["severe_0"]))


def settings(index: Path, **values: object) -> JointSettings:
    base = {"name": "n", "steps": 1, "batch": 1, "lr": 1e-3, "lr_end": 1e-5}
    return JointSettings.model_validate({**base, "index": str(index), **values})
