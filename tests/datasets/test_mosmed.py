"""MosMedData, on small files made in its published layout."""

from __future__ import annotations

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from groundglass.datasets.index import load_prepared, read_index
from groundglass.datasets.mosmed import LICENSE, prepare_mosmed
from groundglass.errors import DatasetError
from groundglass.io.read import read_scan
from groundglass.ops.threshold_lungs import threshold_lungs

from .made_mosmed import SHAPE, chest, lesion, row, save, write_registry, write_set

IMAGE, MASK = "studies/CT-1/study_0255.nii.gz", "masks/study_0255_mask.nii.gz"


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return write_set(tmp_path / "source")


def test_by_default_the_studies_with_a_mask(source: Path, tmp_path: Path) -> None:
    seen: list[tuple[int, int, str]] = []
    rows = prepare_mosmed(source, tmp_path / "out", progress=lambda *a: seen.append(a))
    assert read_index(tmp_path / "out") == rows
    names = ["mosmed_study_0255", "mosmed_study_0256"]
    assert [one.scan_id for one in rows] == [one.group for one in rows] == names
    assert seen == [(1, 2, names[0]), (2, 2, names[1])]
    first = rows[0]
    assert (first.diagnosis, first.severity, first.grade) == ("findings", "mild", "CT-1")
    assert (first.domain, first.source, first.license) == ("hu", "mosmed", LICENSE)
    assert (first.lungs_by, first.lesions_by) == ("threshold", "reference")
    assert (first.slices, first.dark_slices, first.source_shape) == (7, 1, "8x64x64")
    assert len(first.spacing_mm.split("x")) == 3
    assert first.lesion_slices == 3
    assert first.lesions_are_known
    assert not first.is_healthy
    assert first.provenance == (
        "MosMedData COVID19_1110 1.0, mosmed.ai/datasets/covid19_1110: "
        f"{IMAGE}, {MASK}; dark slices dropped: 0"
    )


def test_frames_lungs_and_lesions(source: Path, tmp_path: Path) -> None:
    rows = prepare_mosmed(source, tmp_path / "out")
    scan = load_prepared(tmp_path / "out", rows[0])
    volume, _ = read_scan(source / IMAGE).to_axial()
    lungs = threshold_lungs(np.ascontiguousarray(volume.array), volume.spacing_mm)
    assert lungs.any()
    for found, made in ((scan.lungs, lungs), (scan.lesions, lesion())):
        big = np.repeat(np.repeat(made[1:], 4, 1), 4, 2)
        assert np.mean(found != big) < 0.01
    assert scan.image.dtype == np.int16
    assert abs(int(scan.image[3, 130, 60]) + 850) < 30


def test_all_studies_have_labels(source: Path, tmp_path: Path) -> None:
    rows = prepare_mosmed(source, tmp_path / "out", every=True)
    assert [(one.grade, one.diagnosis, one.severity, one.lesions_by) for one in rows] == [
        ("CT-0", "normal", "", "grade"),
        ("CT-1", "findings", "mild", "reference"),
        ("CT-1", "findings", "mild", "reference"),
        ("CT-1", "findings", "mild", "none"),
        ("CT-2", "findings", "severe", "none"),
        ("CT-3", "findings", "severe", "none"),
    ]
    assert [one.is_healthy for one in rows] == [True, *[False] * 5]
    assert [one.lesions_are_known for one in rows] == [True, True, True, False, False, False]
    unknown = load_prepared(tmp_path / "out", rows[3])
    assert not unknown.lesions.any()
    assert unknown.lungs.any()


@pytest.mark.parametrize("orientation", ["LAS", "RPS", "LPI", "RAI"])
@pytest.mark.parametrize("both", [True, False])
def test_flipped_affines(source: Path, tmp_path: Path, orientation: str, both: bool) -> None:
    (plain, _) = prepare_mosmed(source, tmp_path / "plain")
    if both:
        save(source / IMAGE, chest(1), orientation)
    save(source / MASK, lesion(), orientation)  # stored another way round, at the same place
    (turned, _) = prepare_mosmed(source, tmp_path / "out")
    one, other = load_prepared(tmp_path / "plain", plain), load_prepared(tmp_path / "out", turned)
    for name in ("image", "lungs", "lesions"):
        assert np.array_equal(getattr(one, name), getattr(other, name))


def test_a_mask_elsewhere_is_refused_unless_it_is_taken_by_index(
    source: Path, tmp_path: Path
) -> None:
    (plain, _) = prepare_mosmed(source, tmp_path / "plain")
    data = np.ascontiguousarray(lesion().transpose(2, 1, 0))
    nib.save(
        nib.Nifti1Image(data, np.diag([5.0, 5.0, 8.0, 1.0])), source / MASK
    )  # an affine of RAS
    with pytest.raises(
        DatasetError,
        match=r"_0255_mask\.nii\.gz lies up to \d+\.\d\d mm from where .*study_0255\.nii\.gz does.*"
        r"expected the same grid, within half a voxel \(2\.50 mm\).*use --masks-by-index",
    ):
        prepare_mosmed(source, tmp_path / "out")
    assert not (tmp_path / "out").exists()
    (taken, _) = prepare_mosmed(source, tmp_path / "out", masks_by_index=True)
    assert "mask taken voxel for voxel, its affine not used" in taken.provenance
    one, other = load_prepared(tmp_path / "plain", plain), load_prepared(tmp_path / "out", taken)
    assert np.array_equal(one.lesions, other.lesions)


def test_half_a_voxel_is_the_limit(source: Path, tmp_path: Path) -> None:
    save(source / MASK, lesion(), shift_mm=2.4)
    prepare_mosmed(source, tmp_path / "out")
    save(source / MASK, lesion(), shift_mm=2.6)
    with pytest.raises(DatasetError, match=r"lies up to 2\.60 mm"):
        prepare_mosmed(source, tmp_path / "out")


def test_damaged_and_unfit_files_are_all_named_and_nothing_is_written(
    source: Path, tmp_path: Path
) -> None:
    whole = (source / IMAGE).read_bytes()
    (source / IMAGE).write_bytes(whole[: len(whole) // 2])
    save(source / "masks/study_0256_mask.nii.gz", lesion()[:-1])
    with pytest.raises(DatasetError) as caught:
        prepare_mosmed(source, tmp_path / "out")
    said = str(caught.value)
    assert "has 2 problems: " in said
    assert f"{source / IMAGE} cannot be used: " in said
    assert "study_0256_mask.nii.gz has shape (7, 64, 64) and " in said
    assert "has (8, 64, 64) (slices, rows, columns)" in said
    assert not (tmp_path / "out").exists()


def test_an_empty_file_and_labels_beyond_the_published(source: Path, tmp_path: Path) -> None:
    (source / IMAGE).write_bytes(b"")
    with pytest.raises(DatasetError, match=r"study_0255\.nii\.gz cannot be used"):
        prepare_mosmed(source, tmp_path / "out")
    save(source / IMAGE, chest(1))
    save(source / MASK, 2 * lesion())
    with pytest.raises(DatasetError, match=r"has labels \[0, 2\]; expected only \[0, 1\]"):
        prepare_mosmed(source, tmp_path / "out")


def test_values_that_are_no_hu(source: Path, tmp_path: Path) -> None:
    eight_bit = np.linspace(0, 255, chest().size).reshape(SHAPE).astype(np.uint8)
    save(source / IMAGE, eight_bit)
    with pytest.raises(DatasetError, match=r"study_0255\.nii\.gz is not in HU.*expected HU"):
        prepare_mosmed(source, tmp_path / "out")


def test_no_lung(source: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    solid = np.full(SHAPE, -1000, np.int16)
    solid[:, 8:56, 4:60] = 40
    solid[0, 8, 4] = 60
    save(source / "studies/CT-2/study_0939.nii.gz", solid)
    rows = {one.grade: one for one in prepare_mosmed(source, tmp_path / "all", every=True)}
    assert (rows["CT-2"].lungs_by, rows["CT-2"].lung_voxels) == ("none", 0)
    assert "mosmed_study_0939: a threshold finds no lung; kept without" in caplog.text
    save(source / IMAGE, solid)
    with pytest.raises(DatasetError, match=r"study_0255\.nii\.gz shows no lung that a threshold"):
        prepare_mosmed(source, tmp_path / "out")


def test_nothing_but_dark_slices(source: Path, tmp_path: Path) -> None:
    small = np.full(SHAPE, -1000, np.int16)
    small[:, 30:40, 30:42] = 40  # 3 % of a slice
    save(source / "studies/CT-2/study_0939.nii.gz", small)
    with pytest.raises(DatasetError, match=r"study_0939\.nii\.gz has nothing but dark slices"):
        prepare_mosmed(source, tmp_path / "out", every=True)


def test_odd_masks_are_logged_and_kept(
    source: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    outside = lesion()
    outside[0, 10:12, 10:12] = 1  # in the slice of air
    save(source / MASK, outside)
    save(source / "masks/study_0256_mask.nii.gz", 0 * lesion())
    first, second = prepare_mosmed(source, tmp_path / "out")
    assert "0255: 4 of 112 lesion voxels lie outside the lungs" in caplog.text
    assert "0255: 1 dark slices are marked as lung or infection; kept: 0" in caplog.text
    assert first.dark_slices == 0
    assert "0256: its mask marks nothing" in caplog.text
    assert (second.lesion_voxels, second.lesions_by) == (0, "reference")
    assert not second.is_healthy  # graded as having findings


def test_disagreement_with_the_registry_stops_before_anything_is_read(
    source: Path, tmp_path: Path
) -> None:
    (source / MASK).unlink()
    (source / IMAGE).write_bytes(b"damaged, but nobody looks yet")
    with pytest.raises(
        DatasetError,
        match=r"source disagrees with its registry: 1 missing: masks/study_0255_mask\.nii\.gz; "
        r"expected every study where the registry says",
    ):
        prepare_mosmed(source, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_registry_without_masks(tmp_path: Path) -> None:
    write_registry(tmp_path, [row(1, "CT-0")])
    with pytest.raises(DatasetError, match=r"lists no study with a mask; expected 50.*--all"):
        prepare_mosmed(tmp_path, tmp_path / "out")
