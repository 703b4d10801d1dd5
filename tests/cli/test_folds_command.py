"""`groundglass folds`."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

from groundglass.cli import folds_command
from groundglass.datasets import folds as folds_module
from groundglass.datasets.folds import Fold, patient_folds, read_folds
from groundglass.datasets.index import IndexRow, read_index, write_index

from .conftest import Groundglass


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Six patients, the last with two scans; no file beside the index is needed."""
    rows = []
    for n in range(7):
        name, group = f"s{n}", f"g{min(n, 5)}"
        rows.append(
            IndexRow(name, group, group, f"{name}.npz", "hu", 20, 1000, 50 * n + 50, "", "", "")
        )
    write_index(tmp_path, rows)
    return tmp_path


def test_patients_are_shown_to_be_disjoint(groundglass: Groundglass, folder: Path) -> None:
    out = folder / "runs" / "folds.json"
    said = groundglass("folds", folder, "--count", 3, "--seed", 2, "-o", out)
    assert said.code == 0, said.err
    assert "disjoint: groups shared between train and test = 0" in said.out
    assert "slices tested other than once: 0" in said.out
    for number in range(3):
        assert f"fold {number}: 0 slices and 0 groups are in train and in test" in said.out
    assert read_folds(out) == patient_folds(read_index(folder), count=3, seed=2)
    assert str(out) in said.out.replace("\n", "")


def test_lesion_share_of_each_fold(groundglass: Groundglass, folder: Path) -> None:
    said = groundglass("folds", folder, "--count", 2)
    rows = {row.scan_id: row for row in read_index(folder)}
    for fold in patient_folds(read_index(folder), count=2).folds:
        share = sum(rows[i].lesion_voxels for i in fold.test) / (10 * len(fold.test))
        assert re.search(rf"│ +{fold.number} │.* {share:.1f} % │", said.out)


def test_slices_show_the_leak(groundglass: Groundglass, folder: Path) -> None:
    said = groundglass("folds", folder / "index.csv", "--protocol", "slices", "--test-share", 0.5)
    assert said.code == 0
    assert "fold 0: 0 slices and 6 groups are in train and in test" in said.out
    assert "the leak: 6 patients are on both sides" in said.out
    assert "/20)" in said.out
    assert not list(folder.glob("*.json"))


def test_a_patient_prepared_as_two_groups_is_noted(groundglass: Groundglass, folder: Path) -> None:
    rows = [
        replace(row, patient_id=row.patient_id.replace("g1", "g0")) for row in read_index(folder)
    ]
    write_index(folder, rows)
    made = patient_folds(rows, count=5)
    apart = sorted(fold.number for fold in made.folds if {"s0", "s1"} & set(fold.test))
    said = groundglass("folds", folder)
    assert ("note: patient g0 was prepared as several groups" in said.out) == (len(apart) == 2)
    assert len(apart) == 2


@pytest.mark.parametrize(
    ("test", "said_so"),
    [({"s5": None}, "1 groups are"), ({"s0": None}, "slices tested other than once: 120")],
)
def test_folds_that_leak_are_not_written(
    groundglass: Groundglass,
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    test: dict[str, None],
    said_so: str,
) -> None:
    rows = read_index(folder)
    bad = replace(patient_folds(rows), folds=(Fold(0, dict(test)),))
    monkeypatch.setattr(folds_module, "patient_folds", lambda *_, **__: bad)
    said = groundglass("folds", folder, "-o", folder / "folds.json")
    assert said.code == 1
    assert said_so in said.out
    assert "NOT disjoint" in said.out
    assert not (folder / "folds.json").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--protocol", "volumes"), "--protocol is 'volumes'; expected patients or slices"),
        (("--count", "7"), "7 folds were asked for; expected 2 to 6"),
        (("--protocol", "slices", "--test-share", "1"), "leaves a side empty"),
    ],
)
def test_wrong_usage(
    groundglass: Groundglass, folder: Path, arguments: tuple[str, ...], message: str
) -> None:
    said = groundglass("folds", folder, *arguments)
    assert said.code == 2
    assert message in said.err


def test_labels_of_each_fold(groundglass: Groundglass, folder: Path) -> None:
    assert "labels" not in groundglass("folds", folder).out
    rows = [
        replace(row, diagnosis="normal", lesion_voxels=0)
        if n < 2
        else replace(row, diagnosis="findings", severity="mild")
        for n, row in enumerate(read_index(folder))
    ]
    write_index(folder, rows)
    said = groundglass("folds", folder, "--count", 2)
    assert said.code == 0
    lines = said.out.splitlines()
    start = lines.index("labels of the tested scans, by CT findings, not PCR:")
    folds = sorted(line.partition(": ")[2] for line in lines[start + 1 : start + 3])
    assert folds == ["1 normal, 2 mild (2 drawn)", "1 normal, 3 mild (3 drawn)"]


def test_of_many_scans_the_number_is_shown(
    groundglass: Groundglass, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(folds_command, "_NAMED", 2)
    said = groundglass("folds", folder, "--count", 2)
    assert "s0" not in said.out
    assert "3 scans" in said.out
