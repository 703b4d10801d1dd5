"""A segmentation lies on the source frames, whatever the series looks like."""

from __future__ import annotations

import uuid
from pathlib import Path

import highdicom
import numpy as np
import pydicom
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydicom.dataset import Dataset

from groundglass.errors import OutputError
from groundglass.outputs.dicom.read_back import check_segmentation
from groundglass.outputs.dicom.save import save_dicom
from groundglass.outputs.dicom.segmentation import make_segmentation
from groundglass.outputs.dicom.segments import SEGMENTS

from ...io.dicom_builder import chest, grid, write_enhanced, write_series
from .made_objects import Made, made, made_axial


def decoded(path: Path, one: Made) -> dict[str, np.ndarray]:
    """Masks (D, H, W) by name, as highdicom decodes them by the source images referred to."""
    segmentation = highdicom.seg.segread(path)
    out = {}
    for segment in SEGMENTS:
        numbers = segmentation.get_segment_numbers(tracking_id=segment.name)
        out[segment.name] = np.zeros(one.volume.shape, bool)
        planes = [frame.plane for frame in one.identity.frames]
        if numbers:
            out[segment.name][planes] = segmentation.get_pixels_by_source_instance(
                [frame.sop_uid for frame in one.identity.frames],
                segment_numbers=numbers,
                assert_missing_frames_are_empty=True,
                ignore_spatial_locations=True,
            )[..., 0]
    return out


@settings(
    max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    angles=st.tuples(*[st.floats(-40, 40)] * 3),
    order=st.permutations((0, 1, 2)),
    steps=st.tuples(st.floats(0.6, 6), st.floats(0.3, 2), st.floats(0.3, 2)),
    tilt=st.sampled_from((0.0, 0.0, 11.0, -23.0)),
    shape=st.tuples(st.integers(6, 9), st.integers(12, 15), st.integers(12, 15)),
    missing=st.sets(st.integers(1, 2)),
    seed=st.integers(0, 99),
)
def test_masks_come_back_from_any_grid(  # noqa: PLR0913
    tmp_path: Path,
    angles: tuple[float, float, float],
    order: tuple[int, ...],
    steps: tuple[float, float, float],
    tilt: float,
    shape: tuple[int, int, int],
    missing: set[int],
    seed: int,
) -> None:
    folder = tmp_path / uuid.uuid4().hex
    affine = grid(angles, steps, tuple(order), tilt)
    write_series(folder, chest(shape), affine, skip=tuple(missing))
    one = made(folder, seed=seed)
    save_dicom(one.segmentation(), folder / "seg.dcm")
    check_segmentation(folder / "seg.dcm", one.volume, one.lungs, one.lesions)
    back = decoded(folder / "seg.dcm", one)
    has_source = np.isin(np.arange(one.volume.shape[0]), [f.plane for f in one.identity.frames])
    assert np.count_nonzero(~has_source) == len(missing)
    for segment in SEGMENTS:
        wanted = segment.of(one.lungs, one.lesions) & has_source[:, None, None]
        np.testing.assert_array_equal(back[segment.name], wanted)


def test_frames_lie_exactly_where_the_source_frames_do(tmp_path: Path) -> None:
    """Headers round positions: what counts is what they say, not the grid fitted to them."""

    def jitter(dataset: Dataset, index: int) -> None:
        x, y, z = dataset.ImagePositionPatient
        dataset.ImagePositionPatient = [x, y, f"{float(z) + 0.04 * (-1) ** index:.2f}"]

    one = made_axial(tmp_path / "scan", change=jitter)
    dataset = one.segmentation()
    at = {pydicom.dcmread(p).SOPInstanceUID: p for p in (tmp_path / "scan").iterdir()}
    for groups in dataset.PerFrameFunctionalGroupsSequence:
        uid = groups.DerivationImageSequence[0].SourceImageSequence[0].ReferencedSOPInstanceUID
        position = groups.PlanePositionSequence[0].ImagePositionPatient
        assert position == pydicom.dcmread(at[uid]).ImagePositionPatient


def test_multi_frame_sources_are_referred_to_by_frame_number(tmp_path: Path) -> None:
    (tmp_path / "scan").mkdir()
    write_enhanced(tmp_path / "scan" / "one.dcm", chest())
    one = made(tmp_path / "scan")
    dataset = one.segmentation()
    source = pydicom.dcmread(tmp_path / "scan" / "one.dcm")
    assert len(dataset.SourceImageSequence) == 1
    for groups in dataset.PerFrameFunctionalGroupsSequence:
        item = groups.DerivationImageSequence[0].SourceImageSequence[0]
        assert item.ReferencedSOPInstanceUID == source.SOPInstanceUID
        assert item.ReferencedSOPClassUID == source.SOPClassUID
        of_source = source.PerFrameFunctionalGroupsSequence[item.ReferencedFrameNumber - 1]
        assert (
            groups.PlanePositionSequence[0].ImagePositionPatient
            == of_source.PlanePositionSequence[0].ImagePositionPatient
        )


def test_a_segment_without_voxels_is_left_out_and_numbers_close_up(tmp_path: Path) -> None:
    one = made_axial(tmp_path / "scan", ill=False)
    assert [s.TrackingID for s in one.segmentation().SegmentSequence] == ["right_lung", "left_lung"]
    assert one.segmentation().SegmentsOverlap == "NO"
    lungs = np.where(one.lungs == 1, 0, one.lungs)
    only = make_segmentation(one.volume, lungs, one.lesions, identity=one.identity)
    assert only is not None
    assert [(s.SegmentNumber, s.TrackingID) for s in only.SegmentSequence] == [(1, "left_lung")]
    save_dicom(only, tmp_path / "seg.dcm")
    check_segmentation(tmp_path / "seg.dcm", one.volume, lungs, one.lesions)
    none = make_segmentation(one.volume, lungs * 0, one.lesions, identity=one.identity)
    assert none is None


def test_voxels_on_filled_in_slices_alone_make_no_object(tmp_path: Path) -> None:
    one = made_axial(tmp_path / "scan", skip=(4,))
    lungs = np.zeros_like(one.lungs)
    lungs[4] = 1
    assert make_segmentation(one.volume, lungs, lungs * 0, identity=one.identity) is None


def test_what_a_viewer_shows(tmp_path: Path) -> None:
    dataset = made_axial(tmp_path / "scan").segmentation()
    assert dataset.Modality == "SEG"
    assert dataset.SegmentationType == "BINARY"
    assert dataset.SegmentsOverlap == "YES"
    labels = {s.SegmentLabel: s for s in dataset.SegmentSequence}
    assert list(labels) == ["Right lung", "Left lung", "Lesion"]
    codes = {k: s.SegmentedPropertyTypeCodeSequence[0].CodeValue for k, s in labels.items()}
    assert codes == {"Right lung": "3341006", "Left lung": "44029006", "Lesion": "52988006"}
    named = labels["Lesion"].SegmentationAlgorithmIdentificationSequence[0]
    assert (named.AlgorithmName, named.AlgorithmVersion) == ("ta-segnet", "2.1")
    colors = {tuple(s.RecommendedDisplayCIELabValue) for s in labels.values()}
    assert len(colors) == 3


def test_lossy_sources_say_so_in_the_segmentation(tmp_path: Path) -> None:
    def lossy(dataset: Dataset, _: int) -> None:
        dataset.LossyImageCompression = "01"
        dataset.LossyImageCompressionRatio = "7"

    dataset = made_axial(tmp_path / "scan", change=lossy).segmentation()
    assert (dataset.LossyImageCompression, dataset.LossyImageCompressionRatio) == ("01", 7)


@pytest.mark.parametrize("shape", [(1, 24, 20), (1, 13, 15)])
def test_one_slice_is_enough(tmp_path: Path, shape: tuple[int, int, int]) -> None:
    write_series(tmp_path / "scan", chest(shape))
    one = made(tmp_path / "scan")
    lungs = np.ones_like(one.lungs)
    dataset = make_segmentation(one.volume, lungs, one.lesions * 0, identity=one.identity)
    assert dataset is not None
    assert dataset.NumberOfFrames == 1
    save_dicom(dataset, tmp_path / "seg.dcm")
    check_segmentation(tmp_path / "seg.dcm", one.volume, lungs, one.lesions * 0)


def test_masks_of_another_shape_are_refused(tmp_path: Path) -> None:
    one = made_axial(tmp_path / "scan")
    with pytest.raises(OutputError, match=r"lesions mask has shape \(11, 24, 20\)"):
        make_segmentation(one.volume, one.lungs, one.lesions[1:], identity=one.identity)
