"""DICOM series in: geometry, gaps, doubles, strays, several series, multi-frame."""

from __future__ import annotations

import numpy as np
import pydicom
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from groundglass.errors import GeometryError, SeriesError, UnreadableError
from groundglass.geometry import shear_degrees
from groundglass.io.read import read_scan
from groundglass.volume import Volume

from .dicom_builder import AXIAL, chest, grid, write_enhanced, write_series


def codes(volume: Volume) -> set[str]:
    return {finding.code for finding in volume.source.findings}


def test_axial_series_comes_back_as_written(tmp_path):
    hu = chest()
    uid = write_series(tmp_path / "Pat 1", hu)
    volume = read_scan(tmp_path / "Pat 1")
    np.testing.assert_array_equal(volume.array, hu)
    assert volume.array.dtype == np.int16
    np.testing.assert_allclose(volume.affine, AXIAL, atol=1e-6)
    assert (volume.intensity.domain, volume.intensity.found) == ("hu", "header")
    assert volume.source.scan_id == "Pat_1"
    assert volume.source.series_uid == uid
    assert len(set(volume.source.slice_uids)) == 12
    assert len(volume.source.header["paths"]) == 12
    assert "Secret" not in repr(volume)
    assert "SECRET" not in repr(volume)


@settings(
    max_examples=12,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    angles=st.tuples(*[st.floats(-180, 180)] * 3),
    order=st.permutations([0, 1, 2]),
    tilt=st.sampled_from([0.0, -17.0, 30.0]),
)
def test_any_grid_comes_back(tmp_path_factory, angles, order, tilt):
    folder = tmp_path_factory.mktemp("scan")
    affine = grid(angles, order=tuple(order), tilt=tilt)
    hu = chest()
    write_series(folder, hu, affine)
    volume = read_scan(folder)
    np.testing.assert_array_equal(volume.array, hu)
    np.testing.assert_allclose(volume.affine, affine, atol=1e-5)


def test_tilt_is_sheared_and_said(tmp_path):
    affine = grid(tilt=15.0)
    write_series(tmp_path, chest(), affine)
    volume = read_scan(tmp_path)
    assert shear_degrees(volume.affine) == pytest.approx(15.0, abs=1e-3)
    assert volume.spacing_mm[0] == pytest.approx(2.0)
    assert "tilt" in codes(volume)


def test_gap_is_an_error_with_the_list(tmp_path):
    write_series(tmp_path, chest(), skip=(4, 5, 8))
    with pytest.raises(GeometryError) as caught:
        read_scan(tmp_path)
    text = str(caught.value)
    assert "3 missing slices at -92.0, -90.0, -84.0 mm" in text
    assert "4 and 7; 8 and 10" in text
    assert "--allow-gaps" in text


def test_gap_allowed_is_filled_at_true_positions(tmp_path):
    hu = chest()
    write_series(tmp_path, hu, skip=(4, 5, 8))
    volume = read_scan(tmp_path, allow_gaps=True)
    np.testing.assert_allclose(volume.affine, AXIAL, atol=1e-6)
    measured = [index for index in range(12) if index not in (4, 5, 8)]
    np.testing.assert_array_equal(volume.array[measured], hu[measured])
    between = hu[3] + (hu[6].astype(float) - hu[3]) / 3
    np.testing.assert_allclose(volume.array[4], between, atol=0.51)
    assert [d for d in range(12) if volume.source.slice_uids[d] == ""] == [4, 5, 8]
    finding = next(f for f in volume.source.findings if f.code == "gap")
    assert finding.severity == "warning"
    assert "interpolation" in finding.message
    assert finding.values == pytest.approx((-92, -90, -84))


def test_more_holes_than_slices_stay_an_error(tmp_path):
    write_series(tmp_path, chest((30, 24, 20)), skip=tuple(range(5, 28)))
    with pytest.raises(GeometryError, match="at least half"):
        read_scan(tmp_path, allow_gaps=True)


def test_uneven_steps_are_refused_or_resampled(tmp_path):
    ramp = np.array([0, 2, 4, 6, 9.1, 12.2, 14.2, 16.2, 18.2, 20.2, 22.2, 24.2])
    hu = (
        np.broadcast_to(np.rint(-1000 + 30 * ramp)[:, None, None], (12, 24, 20))
        .astype(np.int16)
        .copy()
    )
    hu[:, 5:20, 5:15] += 900

    def move(dataset, index):
        dataset.ImagePositionPatient = [-20, -30, -100 + ramp[index]]

    write_series(tmp_path, hu, change=move)
    with pytest.raises(GeometryError, match=r"slice steps vary from 2 to 3\.1 mm"):
        read_scan(tmp_path)
    volume = read_scan(tmp_path, allow_gaps=True)
    assert volume.spacing_mm[0] == pytest.approx(2.0)
    assert volume.shape[0] == 13
    # The values are linear in z, so linear resampling must hit them.
    expected = -1000 + 30 * 2.0 * np.arange(13)
    np.testing.assert_allclose(volume.array[:, 0, 0], expected, atol=1)
    assert volume.source.slice_uids[4] == ""
    assert volume.source.slice_uids[1] != ""


def test_rounded_positions_are_even(tmp_path):
    affine = AXIAL.copy()
    affine[2, 0] = 0.625

    def to_tenths(dataset, index):
        dataset.ImagePositionPatient = [-20, -30, round(-100 + 0.625 * index, 1)]

    write_series(tmp_path, chest((40, 24, 20)), affine, change=to_tenths)
    volume = read_scan(tmp_path)
    assert volume.spacing_mm[0] == pytest.approx(0.625, abs=1e-3)
    assert not codes(volume) & {"gap", "uneven_spacing"}


def test_same_slice_twice_is_dropped(tmp_path):
    hu = chest()
    uid = write_series(tmp_path, hu)
    write_series(tmp_path, hu, series_uid=uid, skip=tuple(range(2, 12)), prefix="copy")
    volume = read_scan(tmp_path)
    np.testing.assert_array_equal(volume.array, hu)
    assert next(f for f in volume.source.findings if f.code == "duplicate").values == (2.0,)


def test_different_slices_at_one_place_are_refused(tmp_path):
    uid = write_series(tmp_path, chest())
    write_series(tmp_path, chest(seed=1), series_uid=uid, skip=tuple(range(2, 12)), prefix="b")
    with pytest.raises(GeometryError, match="2 positions hold several slices with different"):
        read_scan(tmp_path)


def test_two_passes_in_one_series_are_told_apart(tmp_path):
    early, late = chest(), chest(seed=1)
    uid = "1.2.3.77"

    def number(value):
        return lambda dataset, index: setattr(dataset, "AcquisitionNumber", value)

    write_series(tmp_path, early, series_uid=uid, change=number(1))
    write_series(tmp_path, late, series_uid=uid, change=number(2), prefix="b")
    one, two = (read_scan(tmp_path, series=f"{uid}#{part}").array for part in (1, 2))
    assert {one.tobytes(), two.tobytes()} == {early.tobytes(), late.tobytes()}
    assert "split" in codes(read_scan(tmp_path))


def test_scout_and_stray_plane_of_the_same_series_are_left_out(tmp_path):
    hu = chest()
    uid = write_series(tmp_path, hu)

    def scout(dataset, index):
        dataset.ImageType = ["ORIGINAL", "PRIMARY", "LOCALIZER"]

    coronal = grid(order=(1, 2, 0))
    write_series(tmp_path, chest((1, 24, 20)), coronal, series_uid=uid, change=scout, prefix="s")
    write_series(tmp_path, chest((1, 24, 20)), coronal, series_uid=uid, prefix="t")
    volume = read_scan(tmp_path)
    np.testing.assert_array_equal(volume.array, hu)
    assert {"localizer", "mixed_orientation"} <= codes(volume)


@pytest.mark.parametrize("syntax", ["1.2.840.10008.1.2.1", "1.2.840.10008.1.2.5"])
def test_multi_frame_file_with_shuffled_frames(tmp_path, syntax):
    hu, affine = chest(), grid((10.0, 5.0, -20.0))
    write_enhanced(tmp_path / "enhanced", hu, affine, syntax=syntax)
    volume = read_scan(tmp_path / "enhanced")
    np.testing.assert_array_equal(volume.array, hu)
    np.testing.assert_allclose(volume.affine, affine, atol=1e-6)
    numbers = {int(uid.split("#")[1]) for uid in volume.source.slice_uids}
    assert numbers == set(range(1, 13))


def test_two_stations_with_an_overlap_warn(tmp_path):
    def station(dataset, index):
        dataset.AcquisitionNumber = 1

    lower = AXIAL.copy()
    lower[2, 3] -= 14
    write_series(tmp_path, chest(), series_uid="1.2", change=station)
    write_series(tmp_path, chest((8, 24, 20), seed=1), lower, series_uid="1.2", prefix="b")
    volume = read_scan(tmp_path)
    assert volume.shape[0] == 12
    split = next(finding for finding in volume.source.findings if finding.code == "split")
    assert split.severity == "warning"


def test_files_without_preamble(tmp_path):
    hu = chest((5, 24, 20))
    write_series(tmp_path, hu, syntax="1.2.840.10008.1.2")
    for file in tmp_path.iterdir():
        dataset = pydicom.dcmread(file)
        bare = pydicom.Dataset(dataset)
        bare.save_as(file, implicit_vr=True, little_endian=True, enforce_file_format=False)
    assert next(tmp_path.iterdir()).read_bytes()[128:132] != b"DICM"
    np.testing.assert_array_equal(read_scan(tmp_path).array, hu)


def test_one_slice_takes_its_thickness(tmp_path):
    write_series(tmp_path, chest()[6:7])
    volume = read_scan(tmp_path)
    assert volume.spacing_mm[0] == pytest.approx(9.5)
    assert "single_slice" in codes(volume)


@pytest.mark.parametrize("lost", ["ImagePositionPatient", "PixelSpacing"])
def test_missing_geometry_is_refused(tmp_path, lost):
    write_series(tmp_path, chest(), change=lambda dataset, _: delattr(dataset, lost))
    with pytest.raises(GeometryError, match="position" if "Pos" in lost else "pixel spacing"):
        read_scan(tmp_path)


def test_sideways_shift_is_refused(tmp_path):
    def shift(dataset, index):
        dataset.ImagePositionPatient = [-20 + 8 * (index == 5), -30, -100 + 2 * index]

    write_series(tmp_path, chest(), change=shift)
    with pytest.raises(GeometryError, match="shifted sideways"):
        read_scan(tmp_path)


def test_other_modality_only_when_named(tmp_path):
    uid = write_series(
        tmp_path, chest(), change=lambda dataset, _: setattr(dataset, "Modality", "MR")
    )
    with pytest.raises(SeriesError, match="modality is MR"):
        read_scan(tmp_path)
    volume = read_scan(tmp_path, series=uid)
    assert "although modality is MR" in volume.source.choice


def test_damaged_files_beside_a_series_are_said(tmp_path):
    write_series(tmp_path, chest())
    whole = next(tmp_path.iterdir()).read_bytes()
    (tmp_path / "broken").write_bytes(whole[:700])
    (tmp_path / "notes.txt").write_text("hello")
    assert "damaged_file" in codes(read_scan(tmp_path))


def test_truncated_slice_is_unreadable(tmp_path):
    write_series(tmp_path, chest())
    file = sorted(tmp_path.iterdir())[3]
    file.write_bytes(file.read_bytes()[:-100])
    with pytest.raises(UnreadableError, match=file.name):
        read_scan(tmp_path)
