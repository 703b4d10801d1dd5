"""One healthy scan in HU becomes two rows of alternating blocks."""

from __future__ import annotations

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from groundglass.datasets.healthy_scan import prepare_healthy_scan
from groundglass.datasets.index import load_prepared, read_index
from groundglass.errors import DatasetError, SettingsError
from groundglass.io.read import read_scan
from groundglass.ops.slice_image import Frame
from groundglass.ops.threshold_lungs import threshold_lungs


@pytest.fixture(scope="module")
def prepared(cip_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("healthy")
    prepare_healthy_scan(cip_dir / "ct-64Dicom", folder, scan_id="cip", collection="cip")
    return folder


def test_two_rows_of_one_patient_and_two_groups(prepared: Path) -> None:
    a, b = read_index(prepared)
    assert (a.scan_id, b.scan_id) == (a.group, b.group) == ("cip-a", "cip-b")
    assert a.patient_id == b.patient_id == "cip"
    assert a.slices + b.slices == 79
    assert a.is_healthy
    assert b.is_healthy
    assert (a.domain, a.lungs_by, a.source) == ("hu", "threshold", "cip")
    assert a.license == "research use; do not redistribute"


def test_blocks_alternate_and_nothing_is_lost(prepared: Path, cip_dir: Path) -> None:
    volume, _ = read_scan(cip_dir / "ct-64Dicom").to_axial()
    lungs = threshold_lungs(np.ascontiguousarray(volume.array), volume.spacing_mm)
    a, b = (load_prepared(prepared, row) for row in read_index(prepared))
    assert a.is_hu
    assert a.image.dtype == np.int16
    assert not a.lesions.any()
    block = np.arange(79) * 8 // 79
    frame = Frame.fit((64, 64), 256)
    for parity, scan in enumerate((a, b)):
        pick = np.flatnonzero(block % 2 == parity)
        assert scan.image.shape == (len(pick), 256, 256)
        for found, d in zip((0, -1), pick[[0, -1]], strict=True):
            assert np.array_equal(scan.image[found], frame.place(volume.array[d]))
        share = scan.lungs.sum() / 16 / lungs[pick].sum()  # 4 x 4 as many pixels
        assert share == pytest.approx(1, abs=0.03)


def test_the_license_is_the_users(cip_dir: Path, tmp_path: Path) -> None:
    rows = prepare_healthy_scan(
        cip_dir / "ct-64.nrrd", tmp_path, scan_id="x", blocks=2, license="BSD"
    )
    assert [row.license for row in rows] == ["BSD", "BSD"]
    assert [row.slices for row in rows] == [40, 39]


def nifti(path: Path, array: np.ndarray) -> Path:
    nib.save(nib.Nifti1Image(array.transpose(2, 1, 0), np.diag([-1.5, -1.5, 2.0, 1.0])), path)
    return path


def test_what_cannot_be_used_is_refused(cip_dir: Path, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    gray = nifti(tmp_path / "gray.nii", rng.integers(0, 256, (9, 32, 32)).astype(np.uint8))
    with pytest.raises(DatasetError, match=r"gray\.nii is not in HU"):
        prepare_healthy_scan(gray, tmp_path, scan_id="x")
    body = np.full((9, 32, 32), 40, np.int16)
    body[:, :8] = -1000
    water = nifti(tmp_path / "water.nii", body)
    with pytest.raises(DatasetError, match=r"water\.nii shows no lung"):
        prepare_healthy_scan(water, tmp_path, scan_id="x")
    with pytest.raises(DatasetError, match="has 9 slices; expected 10 or more"):
        prepare_healthy_scan(water, tmp_path, scan_id="x", blocks=10)
    with pytest.raises(SettingsError, match="blocks is 1"):
        prepare_healthy_scan(water, tmp_path, scan_id="x", blocks=1)
    assert not (tmp_path / "index.csv").exists()
