"""`groundglass prepare`."""

from __future__ import annotations

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from groundglass.cli import prepare_command
from groundglass.datasets.index import read_index

from ..datasets.made_mosmed import lesion, save, write_phantom_set, write_set
from .conftest import Groundglass


def test_a_healthy_scan_ends_in_a_table(
    groundglass: Groundglass, cip_dir: Path, tmp_path: Path
) -> None:
    source = cip_dir / "ct-64.nrrd"
    said = groundglass(
        "prepare", "healthy-scan", source, tmp_path, "--blocks", 2, "--license", "BSD-style"
    )
    assert said.code == 0, said.err
    assert [row.scan_id for row in read_index(tmp_path)] == ["ct-64-a", "ct-64-b"]
    for word in ("ct-64-a", "2 scans", "2 groups", "79", "license: BSD-style"):
        assert word in said.out


@pytest.mark.parametrize(
    ("dataset", "folders", "scan_id"),
    [
        ("covid19-ct-seg", ("COVID-19-CT-Seg_20cases", "Lung_Mask", "Infection_Mask"), "1"),
        ("covid19-ct-seg-nr2", ("rp_im", "rp_lung_msk", "rp_msk"), "rp_1"),
    ],
)
def test_published_layouts(
    groundglass: Groundglass,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    dataset: str,
    folders: tuple[str, ...],
    scan_id: str,
) -> None:
    image = np.full((3, 32, 32), -1000, np.int16)
    image[1:, 2:30, 2:30] = 40
    mask = np.zeros(image.shape, np.uint8)
    mask[1:, 10:20, 10:20] = 1
    for folder, array in zip(folders, (image, mask, mask), strict=True):
        (tmp_path / "source" / folder).mkdir(parents=True)
        file = nib.Nifti1Image(array.transpose(2, 1, 0), np.diag([-1.0, -1.0, 1.0, 1.0]))
        nib.save(file, tmp_path / "source" / folder / "1.nii.gz")
    said = groundglass("prepare", dataset, tmp_path / "source", tmp_path / "out")
    assert said.code == 0, said.err
    assert [row.scan_id for row in read_index(tmp_path / "out")] == [scan_id]
    assert "dark slices dropped: 1" in said.out
    assert "1 of 3 slices are dark and dropped: 0" in caplog.text
    assert f"1/1 {scan_id}" in said.err


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("lidc",), 2, "'lidc' is unknown; expected covid19-ct-seg or covid19-ct-seg-nr2 or mosm"),
        (("mosmed",), 1, "dataset_registry.xlsx is missing; expected the official layout"),
        (("mosmed", "--scan-id", "x"), 2, "--scan-id and --license do not apply to mosmed"),
        (("healthy-scan", "--all"), 2, "--all and --masks-by-index do not apply to healthy-scan"),
        (("covid19-ct-seg", "--masks-by-index"), 2, "expected them with mosmed only"),
        (("covid19-ct-seg",), 1, "expected the official layout"),
        (("covid19-ct-seg-nr2",), 1, "rp_im is missing"),
        (("covid19-ct-seg", "--scan-id", "x"), 2, "do not apply to covid19-ct-seg"),
        (("covid19-ct-seg-nr2", "--license", "x"), 2, "do not apply to covid19-ct-seg-nr2"),
    ],
)
def test_errors_are_those_of_the_library(
    groundglass: Groundglass, tmp_path: Path, arguments: tuple[str, ...], code: int, message: str
) -> None:
    said = groundglass("prepare", arguments[0], tmp_path, tmp_path / "out", *arguments[1:])
    assert said.code == code
    assert message in said.err
    assert not (tmp_path / "out").exists()


def test_mosmed_by_default_and_all(groundglass: Groundglass, tmp_path: Path) -> None:
    source = write_set(tmp_path / "source")
    said = groundglass("prepare", "mosmed", source, tmp_path / "out")
    assert said.code == 0, said.err
    assert "labels: 2 mild (COVID-related findings in the CT, not a PCR result)" in said.out
    assert "license: CC BY-NC-ND 3.0" in said.out
    assert "no drawn lesions" not in said.out
    said = groundglass("prepare", "mosmed", source, tmp_path / "out", "--all")
    assert said.code == 0, said.err
    assert "labels: 3 mild, 1 normal, 2 severe" in said.out
    assert "3 scans with findings have no drawn lesions: their empty masks say" in said.out
    assert len(read_index(tmp_path / "out")) == 6
    assert groundglass("audit", tmp_path / "out").code == 0


def test_phantoms_are_named_as_such(groundglass: Groundglass, tmp_path: Path) -> None:
    words = "made-up phantoms: no figure from them says anything about patients"
    source = write_phantom_set(tmp_path / "phantoms")
    said = groundglass("prepare", "mosmed", source, tmp_path / "out", "--all")
    assert said.code == 0, said.err
    assert words in said.out
    assert "license: none: made by the program" in said.out
    assert all(row.is_phantom for row in read_index(tmp_path / "out"))
    patients = groundglass("prepare", "mosmed", write_set(tmp_path / "set"), tmp_path / "other")
    assert words not in patients.out


def test_a_mask_taken_voxel_for_voxel(groundglass: Groundglass, tmp_path: Path) -> None:
    source = write_set(tmp_path / "source")
    save(source / "masks" / "study_0255_mask.nii.gz", lesion(), shift_mm=40)
    said = groundglass("prepare", "mosmed", source, tmp_path / "out")
    assert (said.code, (tmp_path / "out").exists()) == (1, False)
    assert "lies up to 40.00 mm from where" in said.err
    assert groundglass("prepare", "mosmed", source, tmp_path / "out", "--masks-by-index").code == 0
    assert "voxel for voxel" in read_index(tmp_path / "out")[0].provenance


def test_many_scans_are_summed_up(
    groundglass: Groundglass, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(prepare_command, "_SHOWN", 1)
    said = groundglass("prepare", "mosmed", write_set(tmp_path / "source"), tmp_path / "out")
    assert "mosmed_study_0255" not in said.out
    assert "2 scans" in said.out
