"""The audit of a whole prepared folder."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from groundglass.datasets.audit import audit_index
from groundglass.datasets.index import read_index
from groundglass.errors import DatasetError, SettingsError

from .made_scans import made_scan, write_scans


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Patients p and q, and p's scan once more under another name and source."""
    again = made_scan("z", seed=1)
    again = replace(again, row=replace(again.row, source="elsewhere"))
    write_scans(tmp_path, made_scan("p", seed=1), made_scan("q", seed=2), again)
    return tmp_path


def test_nothing_is_written_without_merge(folder: Path) -> None:
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    told: list[tuple[int, int, str]] = []
    found = audit_index(folder, progress=lambda *now: told.append(now))
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
    assert told == [(1, 3, "p"), (2, 3, "q"), (3, 3, "z")]
    assert [(pair.first, pair.second, pair.exact) for pair in found.duplicates] == [("p", "z", 6)]
    assert found.duplicates_across_groups == found.duplicates
    assert found.problems == found.merged == ()
    assert [line.source for line in found.composition] == ["elsewhere", "made-up", "together"]
    assert found.grades == ()
    json.dumps(found.to_dict())


def test_merge_is_kept_in_the_index_and_done_once(folder: Path) -> None:
    found = audit_index(folder, merge=True)
    assert len(found.merged) == 1
    assert {row.scan_id: row.group for row in read_index(folder)} == {"p": "p", "q": "q", "z": "p"}
    assert "group z joined p: 6 of 6 slices" in read_index(folder)[2].provenance
    assert found.composition[-1].groups == 2
    again = audit_index(folder, merge=True)
    assert again.merged == again.duplicates_across_groups == ()
    assert len(again.duplicates) == 1


def test_a_patient_in_two_groups_is_named(tmp_path: Path) -> None:
    scans = [made_scan(name, seed=seed) for seed, name in enumerate("ab")]
    write_scans(tmp_path, *(replace(s, row=replace(s.row, patient_id="p")) for s in scans))
    assert audit_index(tmp_path).split_patients == {"p": ("a", "b")}


def test_no_merge_while_duplicates_may_hide_in_a_damaged_file(folder: Path) -> None:
    (folder / "q.npz").unlink()
    assert audit_index(folder).problems[0].kind == "missing"
    with pytest.raises(DatasetError, match=r"q\.npz of q: missing"):
        audit_index(folder, merge=True)
    assert [row.group for row in read_index(folder)] == ["p", "q", "z"]


@pytest.mark.parametrize("threshold", [0.0, 1.0, 90.0])
def test_a_threshold_that_is_no_correlation(folder: Path, threshold: float) -> None:
    with pytest.raises(SettingsError, match="expected a correlation between 0 and 1"):
        audit_index(folder, threshold=threshold)


@pytest.mark.data
def test_real_patients_are_not_alike(data_dir: Path, tmp_path: Path) -> None:
    """Five small ones of the 20-case set, two of which share a case number."""
    from groundglass.datasets.covid19_ct_seg import (
        IMAGES,
        INFECTIONS,
        LUNGS,
        prepare_covid19_ct_seg,
    )

    cases = ("29_86490_1", "29_86491_1", "36_86526_0", "4_85506_1", "7_85703_0")
    for name in (IMAGES, LUNGS, INFECTIONS):
        (tmp_path / "source" / name).mkdir(parents=True)
        for case in cases:
            file = f"{name}/radiopaedia_{case}.nii.gz"
            shutil.copy(data_dir / "covid19-ct-seg" / file, tmp_path / "source" / file)
    prepare_covid19_ct_seg(tmp_path / "source", tmp_path / "out")
    found = audit_index(tmp_path / "out")
    assert found.problems == found.duplicates == ()
    assert found.composition[0].dark_slices == 0
    assert found.composition[0].lesion_slices == found.composition[0].slices
