"""The layout of the 9 volumes of nr. 2, on small files made in it."""

from __future__ import annotations

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from groundglass.datasets.covid19_ct_seg_nr2 import (
    IMAGES,
    INFECTIONS,
    LUNGS,
    prepare_covid19_ct_seg_nr2,
)
from groundglass.datasets.index import load_prepared, read_index
from groundglass.errors import DatasetError

SHAPE = (4, 64, 64)


def made_up() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Axial HU with one slice of air; two lungs; ground glass, consolidation, effusion."""
    image = np.full(SHAPE, -1000, np.int16)
    image[1:, 4:60, 2:62] = 40
    lungs, infection = np.zeros(SHAPE, np.uint8), np.zeros(SHAPE, np.uint8)
    lungs[1:, 10:50, 8:28], lungs[1:, 10:50, 36:56] = 1, 2
    image[lungs > 0] = -850
    infection[2, 20:30, 10:20] = 1
    infection[2, 20:24, 40:50] = 2
    infection[3, 51:55, 10:28] = 3
    return image, lungs, infection


def write(
    source: Path, number: int, *, suffix: str = ".nii.gz", nested: bool = False, **changed
) -> Path:
    for folder, usual in zip((IMAGES, LUNGS, INFECTIONS), made_up(), strict=True):
        array = changed.get(folder, usual)
        place = source / folder / folder if nested else source / folder
        place.mkdir(parents=True, exist_ok=True)
        data = np.ascontiguousarray(array.transpose(2, 1, 0))
        file = nib.Nifti1Image(data, np.diag([-1.0, -1.0, 5.0, 1.0]))
        nib.save(file, place / f"{number}{suffix}")
    return source


@pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
@pytest.mark.parametrize("nested", [False, True])
def test_rows_and_masks(tmp_path: Path, suffix: str, nested: bool) -> None:
    for number in (1, 9):
        write(tmp_path / "source", number, suffix=suffix, nested=nested)
    rows = prepare_covid19_ct_seg_nr2(tmp_path / "source", tmp_path / "out")
    assert read_index(tmp_path / "out") == rows
    assert [row.scan_id for row in rows] == [row.group for row in rows] == ["rp_1", "rp_9"]
    row = rows[0]
    assert (row.domain, row.source, row.source_shape) == ("hu", "covid19-ct-seg-nr2", "4x64x64")
    assert (row.slices, row.dark_slices) == (3, 1)  # the slice of air went
    assert (row.lung_slices, row.lesion_slices) == (3, 1)
    assert row.provenance == (
        f"medicalsegmentation.com, nr. 2: rp_im/1{suffix}, rp_lung_msk/1{suffix}, "
        f"rp_msk/1{suffix}; dark slices dropped: 0"
    )
    assert row.license.startswith("unknown: see source")
    scan = load_prepared(tmp_path / "out", row)
    _, lungs, infection = made_up()
    big = [np.repeat(np.repeat(mask[1:], 4, 1), 4, 2) for mask in (lungs, infection)]
    assert np.mean(scan.lungs != (big[0] > 0)) < 0.01
    assert scan.lesions[1, 80:120, 40:80].mean() > 0.95  # ground glass
    assert scan.lesions[1, 80:96, 160:200].mean() > 0.95  # consolidation
    assert not scan.lesions[2].any()  # pleural effusion is none


def test_labels_beyond_the_published_are_refused(tmp_path: Path) -> None:
    infection = made_up()[2]
    infection[0, 0, 0] = 4
    source = write(tmp_path / "source", 1, **{INFECTIONS: infection})
    with pytest.raises(DatasetError, match=r"rp_msk/1\.nii\.gz has labels \[0, 1, 2, 3, 4\]"):
        prepare_covid19_ct_seg_nr2(source, tmp_path / "out")
    lungs = made_up()[1]
    lungs[0, 0, 0] = 3
    source = write(tmp_path / "source", 1, **{LUNGS: lungs})
    with pytest.raises(DatasetError, match=r"rp_lung_msk/1\.nii\.gz has labels \[0, 1, 2, 3\]"):
        prepare_covid19_ct_seg_nr2(source, tmp_path / "out")


def test_missing_files_are_named_before_anything_is_written(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    source = write(write(tmp_path / "source", 1), 2)
    (source / INFECTIONS / "1.nii.gz").unlink()
    (source / IMAGES / "2.nii.gz").unlink()
    with pytest.raises(DatasetError, match=r"lacks rp_msk/1\.nii\.gz, rp_im/2\.nii\.gz"):
        prepare_covid19_ct_seg_nr2(source, tmp_path / "out")
    assert not (tmp_path / "out").exists()
    assert "7 of the 9 published scans are not there: rp_3, rp_4" in caplog.text


def test_no_layout(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"rp_im is missing.*Unpack rp_im\.zip"):
        prepare_covid19_ct_seg_nr2(tmp_path, tmp_path / "out")
