"""The official layout of the 20 cases: read, turned, checked, framed."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from groundglass.datasets.covid19_ct_seg import (
    IMAGES,
    INFECTIONS,
    LICENSE,
    LUNGS,
    prepare_covid19_ct_seg,
)
from groundglass.datasets.index import file_sha256, load_prepared, read_index
from groundglass.errors import DatasetError

SHAPE = (3, 256, 256)
Layout = Callable[..., Path]


def made_up() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Axial 8-bit image, lungs (1 left, 2 right as published) and infection; no symmetry."""
    rng = np.random.default_rng(0)
    image = rng.integers(0, 256, SHAPE).astype(np.uint8)
    lungs, infection = np.zeros(SHAPE, np.uint8), np.zeros(SHAPE, np.uint8)
    lungs[:, 60:200, 30:110] = 2
    lungs[1:, 70:190, 150:220] = 1
    infection[1, 100:120, 40:60] = 1
    infection[2, 150:160, 160:200] = 1
    return image, lungs, infection


def save(path: Path, array: np.ndarray, orientation: str = "LPS", step=(2.0, 1.0, 1.0)) -> None:
    """Write an axial (D, H, W) array so that the file's axes (i, j, k) point as `orientation`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    toward = dict(zip("LPS", "RAI", strict=True))
    affine, data = np.eye(4), array.transpose(2, 1, 0)
    for axis, letter in enumerate(orientation):
        lps = letter in toward
        sign = 1.0 if lps else -1.0
        ras = sign * (-1.0 if axis < 2 else 1.0)
        affine[axis, axis] = ras * step[2 - axis]
        if not lps:
            data = np.flip(data, axis)
    nib.save(nib.Nifti1Image(np.ascontiguousarray(data), affine), path)


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    """Adds a case to the layout in tmp_path/source; anything about it can be changed."""

    def add(
        scan_id: str = "coronacases_001",
        *,
        image: np.ndarray | None = None,
        lungs: np.ndarray | None = None,
        infection: np.ndarray | None = None,
        orientation: str = "LPS",
    ) -> Path:
        source = tmp_path / "source"
        for folder, given, usual in zip(
            (IMAGES, LUNGS, INFECTIONS), (image, lungs, infection), made_up(), strict=True
        ):
            array = usual if given is None else given
            save(source / folder / f"{scan_id}.nii.gz", array, orientation)
        return source

    return add


def test_frames_masks_and_row(layout: Layout, tmp_path: Path) -> None:
    rows = prepare_covid19_ct_seg(layout(), tmp_path / "out")
    image, lungs, infection = made_up()
    scan = load_prepared(tmp_path / "out", rows[0])
    assert np.array_equal(scan.image, image)
    assert np.array_equal(scan.lungs, (lungs > 0).astype(np.uint8))
    assert np.array_equal(scan.lesions, infection)
    assert (scan.image.dtype, scan.lungs.dtype) == (np.uint8, np.uint8)
    row = rows[0]
    assert (row.scan_id, row.group, row.domain, row.slices) == (
        "coronacases_001",
        "coronacases_001",
        "uint8",
        3,
    )
    assert (row.lung_voxels, row.lesion_voxels) == (np.count_nonzero(lungs), infection.sum())
    assert (row.lungs_by, row.license) == ("reference", LICENSE)
    assert read_index(tmp_path / "out") == rows


@pytest.mark.parametrize("orientation", ["LAS", "RPS", "LPI", "RAI"])
def test_orientation_comes_from_the_affine(
    layout: Layout, tmp_path: Path, orientation: str
) -> None:
    layout("a")
    rows = prepare_covid19_ct_seg(layout("b", orientation=orientation), tmp_path / "out")
    one, other = (load_prepared(tmp_path / "out", row) for row in rows)
    for name in ("image", "lungs", "lesions"):
        assert np.array_equal(getattr(one, name), getattr(other, name))


def test_each_mask_is_turned_by_its_own_affine(layout: Layout, tmp_path: Path) -> None:
    layout("a")
    source = layout("b", orientation="LAI")
    save(source / LUNGS / "b.nii.gz", made_up()[1], "LPS")
    rows = prepare_covid19_ct_seg(source, tmp_path / "out")
    one, other = (load_prepared(tmp_path / "out", row) for row in rows)
    assert np.array_equal(one.lungs, other.lungs)


def test_hu_stays_hu(layout: Layout, tmp_path: Path) -> None:
    hu = np.where(made_up()[1] > 0, -850, 40).astype(np.int16)
    hu[:, :50] = -2000
    rows = prepare_covid19_ct_seg(layout(image=hu), tmp_path / "out")
    scan = load_prepared(tmp_path / "out", rows[0])
    assert scan.is_hu
    assert scan.image.dtype == np.int16
    assert (scan.image.min(), scan.image.max()) == (-1024, 40)


def test_larger_slices_are_averaged_into_the_frame(layout: Layout, tmp_path: Path) -> None:
    big = [np.repeat(np.repeat(array, 2, 1), 2, 2) for array in made_up()]
    source = layout(image=big[0], lungs=big[1], infection=big[2])
    scan = load_prepared(tmp_path / "out", prepare_covid19_ct_seg(source, tmp_path / "out")[0])
    assert np.array_equal(scan.image, made_up()[0])
    assert np.array_equal(scan.lesions, made_up()[2])


def test_scans_that_may_be_one_patient_share_a_group(layout: Layout, tmp_path: Path) -> None:
    for scan_id in ("radiopaedia_29_86490_1", "radiopaedia_29_86491_1", "radiopaedia_4_85506_1"):
        source = layout(scan_id)
    groups = [row.group for row in prepare_covid19_ct_seg(source, tmp_path / "out")]
    assert groups == ["radiopaedia_29", "radiopaedia_29", "radiopaedia_4_85506_1"]


@pytest.mark.parametrize(
    ("scan_id", "spelled_out"),
    [
        ("radiopaedia_4_85506_1", "radiopaedia_org_covid-19-pneumonia-4_85506_1-dcm"),
        ("coronacases_001", "coronacases_org_001"),
        ("coronacases_007", "coronacases_org_case007"),
    ],
)
def test_spelled_out_image_names_find_their_masks(
    layout: Layout, tmp_path: Path, scan_id: str, spelled_out: str
) -> None:
    source = layout(scan_id)
    image = source / IMAGES / f"{scan_id}.nii.gz"
    image.rename(image.with_name(f"{spelled_out}.nii.gz"))
    rows = prepare_covid19_ct_seg(source, tmp_path / "out")
    assert [row.scan_id for row in rows] == [scan_id]


def test_dark_slices_are_dropped_counted_and_named(
    layout: Layout, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    image, lungs, infection = made_up()
    image[0] = 3
    image[2] = 0
    lungs[0] = 0
    with caplog.at_level(logging.WARNING):
        rows = prepare_covid19_ct_seg(layout(image=image, lungs=lungs), tmp_path / "out")
    assert (rows[0].slices, rows[0].dark_slices) == (2, 1)
    assert (rows[0].lung_slices, rows[0].lesion_slices) == (2, 2)
    assert rows[0].provenance.endswith("; dark slices dropped: 0")
    assert "1 of 3 slices are dark and dropped: 0" in caplog.text
    assert "1 dark slices are marked as lung or infection; kept: 2" in caplog.text
    scan = load_prepared(tmp_path / "out", rows[0])
    assert np.array_equal(scan.image, image[1:])
    assert np.array_equal(scan.lesions, infection[1:])


def test_provenance_is_kept(layout: Layout, tmp_path: Path) -> None:
    (row,) = prepare_covid19_ct_seg(layout(), tmp_path / "out")
    assert row.provenance == "Zenodo 3757476: " + ", ".join(
        f"{name}/coronacases_001.nii.gz" for name in (IMAGES, LUNGS, INFECTIONS)
    )
    assert row.source_shape == "3x256x256"
    assert (row.dark_slices, row.lung_slices, row.lesion_slices) == (0, 3, 2)
    assert row.file_sha256 == file_sha256(tmp_path / "out" / row.file)


def test_scans_of_the_set_that_are_not_there_are_named(
    layout: Layout, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        prepare_covid19_ct_seg(layout("coronacases_001"), tmp_path / "out")
    assert "19 of the 20 published scans are not there: coronacases_002, " in caplog.text


def test_infection_outside_the_lungs_is_logged_and_kept(
    layout: Layout, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    infection = made_up()[2]
    infection[1, 5, 5:9] = 1
    with caplog.at_level(logging.WARNING):
        rows = prepare_covid19_ct_seg(layout(infection=infection), tmp_path / "out")
    assert rows[0].lesion_voxels == infection.sum()
    assert "coronacases_001: 4 of 804 infection voxels lie outside the lung mask" in caplog.text


def test_a_second_set_joins_the_index_and_progress_is_told(layout: Layout, tmp_path: Path) -> None:
    told: list[tuple[int, int, str]] = []
    prepare_covid19_ct_seg(layout("a"), tmp_path / "out")
    source = layout("b")
    (source / IMAGES / ".notes").write_text("left alone")
    prepare_covid19_ct_seg(source, tmp_path / "out", progress=lambda *now: told.append(now))
    assert told == [(1, 2, "a"), (2, 2, "b")]
    assert [row.scan_id for row in read_index(tmp_path / "out")] == ["a", "b"]


class TestErrors:
    def refused(self, source: Path, match: str) -> None:
        with pytest.raises(DatasetError, match=match):
            prepare_covid19_ct_seg(source, source.parent / "out")
        assert not (source.parent / "out" / "index.csv").exists()

    def test_no_layout(self, tmp_path: Path) -> None:
        self.refused(tmp_path, f"{IMAGES} is missing; expected the official layout")

    def test_no_case(self, tmp_path: Path) -> None:
        for folder in (IMAGES, LUNGS, INFECTIONS):
            (tmp_path / "source" / folder).mkdir(parents=True)
        self.refused(tmp_path / "source", "holds no NIfTI file")

    def test_missing_counterparts_are_all_named(self, layout: Layout) -> None:
        layout("a")
        source = layout("b")
        (source / LUNGS / "a.nii.gz").unlink()
        (source / IMAGES / "b.nii.gz").unlink()
        self.refused(source, rf"lacks {LUNGS}/a\.nii\.gz, {IMAGES}/b\.nii\.gz")

    def test_missing_and_damaged_files_are_one_error_and_nothing_is_written(
        self, layout: Layout
    ) -> None:
        for scan_id in "abcd":
            source = layout(scan_id)
        (source / LUNGS / "a.nii.gz").unlink()
        (source / IMAGES / "b.nii.gz").write_bytes(b"no gzip")
        whole = (source / INFECTIONS / "c.nii.gz").read_bytes()
        (source / INFECTIONS / "c.nii.gz").write_bytes(whole[: len(whole) // 2])
        with pytest.raises(DatasetError) as raised:
            prepare_covid19_ct_seg(source, source.parent / "out")
        message = str(raised.value)
        assert f"{source} has 3 problems" in message
        assert f"lacks {LUNGS}/a.nii.gz" in message
        assert f"{IMAGES}/b.nii.gz cannot be used" in message
        assert f"{INFECTIONS}/c.nii.gz cannot be used" in message
        assert not (source.parent / "out").exists()

    def test_what_was_prepared_before_stays(self, layout: Layout) -> None:
        source = layout("a")
        out = source.parent / "out"
        prepare_covid19_ct_seg(source, out)
        before = {path.name: path.read_bytes() for path in out.iterdir()}
        layout("b", lungs=np.zeros(SHAPE, np.uint8))
        with pytest.raises(DatasetError, match="marks no lung"):
            prepare_covid19_ct_seg(source, out)
        assert {path.name: path.read_bytes() for path in out.iterdir()} == before

    def test_two_files_of_one_case(self, layout: Layout) -> None:
        source = layout("a")
        (source / LUNGS / "a.nii").write_bytes(b"")
        self.refused(source, r"has a\.nii and a\.nii\.gz; expected one file for case a")

    def test_shape_mismatch(self, layout: Layout) -> None:
        source = layout(infection=made_up()[2][:, ::2])
        self.refused(
            source, r"coronacases_001\.nii\.gz has shape \(3, 128, 256\) .* has \(3, 256, 256\)"
        )

    @pytest.mark.parametrize("which", ["lungs", "infection"])
    def test_labels_that_are_no_mask(self, layout: Layout, which: str) -> None:
        mask = made_up()[1]
        mask[0, 0, 0] = 7
        folder = LUNGS if which == "lungs" else INFECTIONS
        self.refused(layout(**{which: mask}), rf"{folder}/.*has labels \[0, 1, 2, 7\]")

    def test_no_lung(self, layout: Layout) -> None:
        source = layout(lungs=np.zeros(SHAPE, np.uint8))
        self.refused(source, rf"{LUNGS}/coronacases_001\.nii\.gz marks no lung")

    @pytest.mark.parametrize("folder", [IMAGES, INFECTIONS])
    def test_a_damaged_file(self, layout: Layout, folder: str) -> None:
        source = layout()
        (source / folder / "coronacases_001.nii.gz").write_bytes(b"no gzip")
        self.refused(source, rf"{folder}/coronacases_001\.nii\.gz cannot be used")


@pytest.mark.data
def test_the_real_cases(data_dir: Path, tmp_path: Path) -> None:
    """Two small ones: one upright, one flipped front to back and head to foot."""
    cases = {"radiopaedia_29_86490_1": (2, 15402, 29), "radiopaedia_7_85703_0": (27, 275534, 46350)}
    for folder in (IMAGES, LUNGS, INFECTIONS):
        (tmp_path / "source" / folder).mkdir(parents=True)
        for case in cases:
            name = f"{folder}/{case}.nii.gz"
            os.symlink(data_dir / "covid19-ct-seg" / name, tmp_path / "source" / name)
    rows = prepare_covid19_ct_seg(tmp_path / "source", tmp_path / "out")
    assert {row.scan_id: (row.slices, row.lung_voxels, row.lesion_voxels) for row in rows} == cases
    scan = load_prepared(tmp_path / "out", rows[1])
    file = nib.load(data_dir / "covid19-ct-seg" / LUNGS / "radiopaedia_7_85703_0.nii.gz")
    codes = nib.aff2axcodes(file.affine)
    raw = np.asarray(file.dataobj)
    for axis, (code, wanted) in enumerate(zip(codes, "LPS", strict=True)):
        raw = raw if code == wanted else np.flip(raw, axis)
    assert np.array_equal(scan.lungs, raw.transpose(2, 1, 0) > 0)
