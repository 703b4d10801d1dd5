"""Phantoms laid out as MosMedData never pass for it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import nibabel as nib
import pytest

from groundglass.datasets.index import read_index
from groundglass.datasets.mosmed import LICENSE, prepare_mosmed
from groundglass.errors import DatasetError
from groundglass.io.phantom_mark import HEADER_NOTE, MARKER

from .made_mosmed import write_set

IMAGES = ("studies/CT-1/study_0255.nii.gz", "studies/CT-1/study_0256.nii.gz")
MARKED = {"format": "groundglass-phantom-cohort-1", "settings": {"seed": 12}}


def note(path: Path) -> None:
    """Say in a scan's header that it is a phantom."""
    image = nib.load(path)
    image.header["descrip"] = HEADER_NOTE.encode()
    nib.save(nib.Nifti1Image(image.get_fdata().astype("int16"), image.affine, image.header), path)


@pytest.fixture
def phantoms(tmp_path: Path) -> Path:
    """A marked tree, of whose studies with masks the headers say that they are phantoms."""
    root = write_set(tmp_path / "phantoms")
    for name in IMAGES:
        note(root / name)
    (root / MARKER).write_text(json.dumps(MARKED))
    return root


def test_every_column_says_that_they_are_phantoms(
    phantoms: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    rows = prepare_mosmed(phantoms, tmp_path / "out")
    assert [row.scan_id for row in rows] == [f"mosmed-phantom_study_{n}" for n in ("0255", "0256")]
    for row, name in zip(read_index(tmp_path / "out"), IMAGES, strict=True):
        assert row.is_phantom
        assert row.source == "mosmed-phantom"
        assert row.scan_id == row.patient_id == row.group
        assert row.license == "none: made by the program"
        assert row.provenance.startswith(
            f"made-up phantoms, no patients (groundglass phantom --cohort, seed 12): {name}"
        )
    assert "holds made-up phantoms, marked as mosmed-phantom" in caplog.text


def test_patients_beside_them_stay_patients(phantoms: Path, tmp_path: Path) -> None:
    prepare_mosmed(phantoms, tmp_path / "out")
    patients = prepare_mosmed(write_set(tmp_path / "patients"), tmp_path / "out")
    assert {row.source for row in patients} == {"mosmed"}
    assert {row.license for row in patients} == {LICENSE}
    assert sum(row.is_phantom for row in read_index(tmp_path / "out")) == 2
    assert len(read_index(tmp_path / "out")) == 4


@pytest.mark.parametrize("marker", ["", "{", "[]", '{"settings": 3}'])
def test_a_damaged_marker_marks_all_the_same(phantoms: Path, tmp_path: Path, marker: str) -> None:
    (phantoms / MARKER).write_text(marker)
    assert all(row.is_phantom for row in prepare_mosmed(phantoms, tmp_path / "out"))


def test_a_marker_above_the_folder_of_the_set_counts(phantoms: Path, tmp_path: Path) -> None:
    outer = tmp_path / "outer"
    shutil.copytree(phantoms, outer / "COVID19_1110")
    (outer / "COVID19_1110" / MARKER).rename(outer / MARKER)
    assert all(row.is_phantom for row in prepare_mosmed(outer, tmp_path / "out"))


def test_phantoms_whose_marker_is_lost_are_refused(phantoms: Path, tmp_path: Path) -> None:
    (phantoms / MARKER).unlink()
    with pytest.raises(
        DatasetError,
        match=r"has 2 problems: .*study_0255\.nii\.gz is a phantom by its header, but no "
        r"PHANTOM\.json marks its folder",
    ):
        prepare_mosmed(phantoms, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_phantom_among_patients_and_a_patient_among_phantoms_are_refused(
    phantoms: Path, tmp_path: Path
) -> None:
    patients = write_set(tmp_path / "patients")
    shutil.copy(phantoms / IMAGES[0], patients / IMAGES[0])
    with pytest.raises(DatasetError, match=r"study_0255.* is a phantom by its header.*patients on"):
        prepare_mosmed(patients, tmp_path / "out")
    write_set(patients)
    shutil.copy(patients / IMAGES[1], phantoms / IMAGES[1])
    with pytest.raises(
        DatasetError,
        match=r"study_0256\.nii\.gz lies in a folder marked by PHANTOM\.json, but its header does "
        r"not say that it is a phantom; expected phantoms only",
    ):
        prepare_mosmed(phantoms, tmp_path / "out")
