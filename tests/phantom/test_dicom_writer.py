from __future__ import annotations

from pathlib import Path

import numpy as np
import pydicom
import pytest

from groundglass.errors import OutputError, SettingsError
from groundglass.phantom.chest import Phantom
from groundglass.phantom.dicom_writer import DicomOptions, write_dicom_series


def read_all(folder: Path) -> list[pydicom.Dataset]:
    return [pydicom.dcmread(path) for path in sorted(folder.iterdir())]


def hu(dataset: pydicom.Dataset) -> np.ndarray:
    return dataset.pixel_array * float(dataset.RescaleSlope) + float(dataset.RescaleIntercept)


def test_slices_read_back_in_place(tmp_path: Path, chest: Phantom) -> None:
    files = write_dicom_series(chest, tmp_path / "ct")
    assert len(files) == 44
    sets = read_all(tmp_path / "ct")
    assert len({s.SOPInstanceUID for s in sets}) == 44
    assert {str(s.PatientName) for s in sets} == {"PHANTOM^GROUNDGLASS"}
    for d in (0, 17, 43):
        np.testing.assert_array_equal(hu(sets[d]), chest.volume.array[d])
        expected = chest.volume.affine @ (d, 0, 0, 1)
        np.testing.assert_allclose(np.array(sets[d].ImagePositionPatient, float), expected[:3])


def test_simpleitk_sees_the_same_grid(tmp_path: Path, chest: Phantom) -> None:
    sitk = pytest.importorskip("SimpleITK")
    write_dicom_series(chest, tmp_path / "ct", DicomOptions(shuffle_names=True))
    reader = sitk.ImageSeriesReader()
    reader.SetFileNames(reader.GetGDCMSeriesFileNames(str(tmp_path / "ct")))
    image = reader.Execute()
    np.testing.assert_array_equal(sitk.GetArrayFromImage(image), chest.volume.array)
    for index in ((0, 0, 0), (43, 79, 87)):
        point = image.TransformIndexToPhysicalPoint([int(i) for i in reversed(index)])
        np.testing.assert_allclose(point, (chest.volume.affine @ (*index, 1))[:3], atol=1e-4)


def test_tilt_shears_positions_but_not_planes(tmp_path: Path, tilted: Phantom) -> None:
    write_dicom_series(tilted, tmp_path / "ct")
    sets = read_all(tmp_path / "ct")
    positions = np.array([s.ImagePositionPatient for s in sets], float)
    steps = np.diff(positions, axis=0)
    np.testing.assert_allclose(steps, np.tile([0, 0, 6.0], (39, 1)), atol=1e-6)
    row, column = np.array(sets[0].ImageOrientationPatient, float).reshape(2, 3)
    normal = np.cross(row, column)
    assert steps[0] @ normal == pytest.approx(6 * np.cos(np.radians(15)))
    assert float(sets[0].SpacingBetweenSlices) == pytest.approx(6 * np.cos(np.radians(15)))
    assert float(sets[0].GantryDetectorTilt) == 15


def test_faults_are_written_as_asked(tmp_path: Path, chest: Phantom) -> None:
    options = DicomOptions(missing=(3, 4), duplicates=(7,), scout="both", second_series=True)
    write_dicom_series(chest, tmp_path / "ct", options)
    sets = read_all(tmp_path / "ct")
    series: dict[str, list[pydicom.Dataset]] = {}
    for one in sets:
        series.setdefault(one.SeriesInstanceUID, []).append(one)
    assert sorted(len(s) for s in series.values()) == [1, 21, 44]
    main = max(series.values(), key=len)
    scouts = [s for s in sets if s.ImageType[2] == "LOCALIZER"]
    assert len(scouts) == 2
    axial = [s for s in main if s.ImageType[2] == "AXIAL"]
    heights = [round(float(s.ImagePositionPatient[2]), 3) for s in axial]
    assert len(heights) == 43
    assert len(set(heights)) == 42
    for d in (3, 4):
        assert round(float((chest.volume.affine @ (d, 0, 0, 1))[2]), 3) not in heights
    assert len({s.SOPInstanceUID for s in sets}) == len(sets)


@pytest.mark.parametrize("syntax", ["implicit", "rle", "jpegls", "jpeg2000"])
@pytest.mark.parametrize("unsigned", [False, True])
def test_every_transfer_syntax_is_lossless(
    tmp_path: Path, tilted: Phantom, syntax: str, unsigned: bool
) -> None:
    few = tuple(range(2, 40))
    options = DicomOptions(missing=few, transfer_syntax=syntax, unsigned=unsigned)
    write_dicom_series(tilted, tmp_path / "ct", options)
    for d, one in enumerate(read_all(tmp_path / "ct")):
        np.testing.assert_array_equal(hu(one), tilted.volume.array[d])
        assert one.PixelRepresentation == (0 if unsigned else 1)


def test_enhanced_holds_every_frame(tmp_path: Path, chest: Phantom) -> None:
    (path,) = write_dicom_series(chest, tmp_path / "ct", DicomOptions(enhanced=True, missing=(1,)))
    one = pydicom.dcmread(path)
    assert one.pixel_array.shape == (43, 80, 88)
    np.testing.assert_array_equal(one.pixel_array[1], chest.volume.array[2])
    plane = one.PerFrameFunctionalGroupsSequence[1].PlanePositionSequence[0]
    expected = (chest.volume.affine @ (2, 0, 0, 1))[:3]
    np.testing.assert_allclose(np.array(plane.ImagePositionPatient, float), expected, atol=1e-6)


def test_the_same_phantom_gives_the_same_bytes(tmp_path: Path, tilted: Phantom) -> None:
    for name in ("a", "b"):
        write_dicom_series(tilted, tmp_path / name, DicomOptions(missing=tuple(range(3, 40))))
    for path in (tmp_path / "a").iterdir():
        assert path.read_bytes() == (tmp_path / "b" / path.name).read_bytes()


def test_a_full_folder_is_left_alone(tmp_path: Path, chest: Phantom) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(OutputError, match="not empty"):
        write_dicom_series(chest, tmp_path)
    assert [p.name for p in tmp_path.iterdir()] == ["mine.txt"]


def test_bad_options_are_refused(tmp_path: Path, chest: Phantom) -> None:
    with pytest.raises(SettingsError, match="scout"):
        DicomOptions(scout="many")
    with pytest.raises(SettingsError, match="transfer_syntax"):
        DicomOptions(transfer_syntax="mp4")
    with pytest.raises(SettingsError, match="enhanced"):
        DicomOptions(enhanced=True, transfer_syntax="rle")
    with pytest.raises(SettingsError, match="duplicates"):
        DicomOptions(missing=(1,), duplicates=(1,))
    with pytest.raises(SettingsError, match="44"):
        write_dicom_series(chest, tmp_path / "ct", DicomOptions(missing=(44,)))
    with pytest.raises(SettingsError, match="no slice"):
        write_dicom_series(chest, tmp_path / "ct", DicomOptions(missing=tuple(range(44))))
    assert list(tmp_path.iterdir()) == []
