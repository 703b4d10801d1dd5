"""Any folder of slices becomes scans without labels, or says what is wrong with it."""

from __future__ import annotations

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from PIL import Image

from groundglass.datasets.index import IndexRow, PreparedScan, save_prepared, write_index
from groundglass.datasets.unlabelled import read_unlabelled
from groundglass.errors import DatasetError
from groundglass.ops.frames import FRAME_SIZE


def picture(path: Path, shape: tuple[int, int] = (40, 48), *, level: int = 120) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(len(path.name))
    gray = rng.integers(level - 20, level + 20, shape).astype(np.uint8)
    Image.fromarray(gray).save(path)


def nifti(path: Path, depth: int = 3) -> np.ndarray:
    """A body in air, in HU, (depth, 40, 40) as read."""
    hu = np.full((40, 40, depth), -1000, np.int16)
    hu[8:32, 8:32] = 40
    path.parent.mkdir(parents=True, exist_ok=True)
    nib.save(nib.Nifti1Image(hu, np.diag([1.0, 1.0, 5.0, 1.0])), path)
    return hu


def test_pictures_of_any_size_become_one_scan_per_folder(tmp_path: Path) -> None:
    picture(tmp_path / "s10.png")
    picture(tmp_path / "s2.png", (60, 30), level=200)
    picture(tmp_path / "more" / "x.jpg")
    first, more = sorted(read_unlabelled(tmp_path), key=lambda scan: -scan.row.slices)
    assert first.image.shape == (2, FRAME_SIZE, FRAME_SIZE)
    assert first.image.dtype == np.uint8
    assert first.image[0].max() > 180 > first.image[1].max()  # s2 comes before s10
    assert (more.row.scan_id, more.row.slices) == ("more", 1)
    for scan in (first, more):
        assert (scan.row.lungs_by, scan.row.domain) == ("none", "uint8")
        assert scan.row.lesion_voxels == scan.row.lung_voxels == 0
        assert not scan.lesions.any()
        assert not scan.lungs.any()


def test_scans_and_pictures_side_by_side_get_names_of_their_own(tmp_path: Path) -> None:
    nifti(tmp_path / "set" / "a.nii.gz")
    nifti(tmp_path / "set" / "b.nii")
    nifti(tmp_path / "set" / "b.nii.gz", depth=2)
    picture(tmp_path / "slices" / "1.png")
    seen: list[tuple[int, int, str]] = []
    scans = read_unlabelled(tmp_path, progress=lambda *told: seen.append(told))
    assert {scan.row.scan_id: scan.row.slices for scan in scans} == {
        "set_a": 3,
        "set_b": 3,
        "set_b-2": 2,
        "slices": 1,
    }
    assert [scan.row.domain for scan in scans] == ["hu", "hu", "hu", "uint8"]
    assert scans[0].image.dtype == np.int16
    assert seen[-1] == (4, 4, "slices")


def test_a_single_file_is_enough(tmp_path: Path) -> None:
    picture(tmp_path / "one.png")
    (scan,) = read_unlabelled(tmp_path / "one.png")
    assert (scan.row.scan_id, scan.row.slices) == ("one", 1)


def test_dark_slices_are_left_out(tmp_path: Path) -> None:
    picture(tmp_path / "1.png")
    Image.fromarray(np.zeros((40, 48), np.uint8)).save(tmp_path / "2.png")
    (scan,) = read_unlabelled(tmp_path)
    assert (scan.row.slices, scan.row.dark_slices) == (1, 1)


def test_lungs_are_found_where_asked_for(tmp_path: Path) -> None:
    nifti(tmp_path / "a.nii.gz")
    picture(tmp_path / "slices" / "1.png")
    picture(tmp_path / "slices" / "2.png")
    scans = read_unlabelled(tmp_path, find_lungs=lambda volume: volume.array > 20)
    assert [scan.row.lungs_by for scan in scans] == ["predicted", "predicted"]
    body = scans[0].lungs[0]
    assert body[128, 128] == 1
    assert body[5, 5] == 0
    assert scans[0].row.lung_voxels == scans[0].lungs.sum() > 0
    assert scans[1].lungs.shape == scans[1].image.shape
    picture(tmp_path / "slices" / "3.png", (30, 30))
    with pytest.raises(DatasetError, match=r"pictures of sizes \(30, 30\), \(40, 48\)"):
        read_unlabelled(tmp_path, find_lungs=lambda volume: volume.array > 20)


def test_lesions_of_a_prepared_folder_are_dropped(tmp_path: Path) -> None:
    ones = np.ones((2, 8, 8), np.uint8)
    row = IndexRow("x", "p", "g", "x.npz", "uint8", 2, 128, 128, "reference", "", "set")
    write_index(tmp_path, [save_prepared(tmp_path, PreparedScan(row, ones, ones, ones))])
    (scan,) = read_unlabelled(tmp_path)
    assert not scan.lesions.any()
    assert (scan.row.lesion_voxels, scan.row.lesion_slices, scan.row.group) == (0, 0, "g")
    assert scan.lungs.all()


def test_every_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    picture(tmp_path / "good.png")
    (tmp_path / "torn.png").write_bytes(b"\x89PNG\r\n")
    with pytest.raises(DatasetError, match=r"torn\.png cannot be used: .*cannot be read"):
        read_unlabelled(tmp_path)
    color = np.zeros((9, 9, 3), np.uint8)
    color[..., 0] = 200
    Image.fromarray(color).save(tmp_path / "color.png")
    (tmp_path / "scan.nii.gz").write_bytes(b"none")
    with pytest.raises(DatasetError, match="has 3 problems") as caught:
        read_unlabelled(tmp_path)
    assert all(name in str(caught.value) for name in ("torn.png", "color.png", "scan.nii.gz"))
    assert "good.png" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "message"), [("empty", "holds no slices"), ("absent", "does not exist")]
)
def test_no_slices_is_an_error(tmp_path: Path, name: str, message: str) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty" / "notes.txt").write_text("nothing here")
    with pytest.raises(DatasetError, match=message):
        read_unlabelled(tmp_path / name)


def test_nothing_but_dark_slices_is_an_error(tmp_path: Path) -> None:
    dim = np.zeros((40, 48), np.uint8)
    dim[0, 0] = 255
    Image.fromarray(dim).save(tmp_path / "1.png")
    with pytest.raises(DatasetError, match="nothing but dark slices"):
        read_unlabelled(tmp_path)
