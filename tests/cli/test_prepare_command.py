"""`groundglass prepare`."""

from __future__ import annotations

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from groundglass.datasets.index import read_index

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
        (("mosmed",), 2, "'mosmed' is unknown; expected covid19-ct-seg or covid19-ct-seg-nr2 or"),
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
