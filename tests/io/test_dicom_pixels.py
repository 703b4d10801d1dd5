"""Encodings of DICOM pixels: transfer syntaxes, padding, signs, rescale, domains."""

from __future__ import annotations

import numpy as np
import pytest

from groundglass.errors import IntensityError, UnreadableError
from groundglass.intensity import IntensityChoice
from groundglass.io.read import read_scan

from .dicom_builder import chest, write_series

SYNTAXES = {
    "implicit": "1.2.840.10008.1.2",
    "deflated": "1.2.840.10008.1.2.1.99",
    "RLE": "1.2.840.10008.1.2.5",
    "JPEG-LS": "1.2.840.10008.1.2.4.80",
    "JPEG 2000": "1.2.840.10008.1.2.4.90",
}


@pytest.mark.parametrize("name", SYNTAXES)
def test_encodings_decode_bit_identically(tmp_path, name):
    hu = chest((3, 64, 72))
    write_series(tmp_path, hu, syntax=SYNTAXES[name])
    np.testing.assert_array_equal(read_scan(tmp_path).array, hu)


def test_damaged_compressed_pixels_name_the_transfer_syntax(tmp_path):
    write_series(tmp_path, chest((3, 64, 72)), syntax=SYNTAXES["JPEG 2000"])
    for file in tmp_path.iterdir():
        data = bytearray(file.read_bytes())
        start = data.index(b"\xff\x4f\xff\x51")  # the code stream's first marker
        data[start : start + 60] = bytes(60)
        file.write_bytes(data)
    with pytest.raises(UnreadableError, match=r"JPEG 2000.*1\.2\.840\.10008\.1\.2\.4\.90"):
        read_scan(tmp_path)


def test_rescale_differs_from_file_to_file(tmp_path):
    hu = (chest() // 2) * 2

    def rescale(dataset, index):
        dataset.RescaleSlope, dataset.RescaleIntercept = (1, -1024) if index % 2 else (2, -1200)
        if not index % 2:
            dataset.PixelData = ((hu[index].astype(int) + 1200) // 2).astype("<u2").tobytes()

    write_series(tmp_path, hu, change=rescale)
    np.testing.assert_array_equal(read_scan(tmp_path).array, hu)


def test_signed_values_and_fractional_slope(tmp_path):
    hu = chest()

    def signed(dataset, index):
        dataset.PixelRepresentation, dataset.BitsStored, dataset.HighBit = 1, 16, 15
        dataset.RescaleSlope, dataset.RescaleIntercept = 0.5, 0
        dataset.PixelData = (hu[index].astype("<i2") * 2).tobytes()

    write_series(tmp_path, hu, change=signed)
    np.testing.assert_array_equal(read_scan(tmp_path).array, hu)


def test_bits_above_bits_stored_are_cut_off(tmp_path):
    hu = chest()

    def overlay(dataset, index):
        stored = np.frombuffer(dataset.PixelData, "<u2") | 0x8000
        dataset.PixelData = stored.astype("<u2").tobytes()

    write_series(tmp_path, hu, change=overlay)
    np.testing.assert_array_equal(read_scan(tmp_path).array, hu)


@pytest.mark.parametrize("said", [-2000, 63536])
def test_padding_becomes_air(tmp_path, said):
    hu = chest()

    def pad(dataset, index):
        dataset.PixelRepresentation, dataset.BitsStored, dataset.HighBit = 1, 16, 15
        dataset.RescaleIntercept = 0
        stored = hu[index].astype("<i2")
        stored[:3] = -2000
        dataset.PixelData = stored.tobytes()
        if said > 0:
            dataset.add_new("PixelPaddingValue", "US", said)
        else:
            dataset.add_new("PixelPaddingValue", "SS", said)

    write_series(tmp_path, hu, change=pad)
    array = read_scan(tmp_path).array
    np.testing.assert_array_equal(array[:, 3:], hu[:, 3:])
    assert np.unique(array[:, :3]).tolist() == [hu[:, 3:].min()]


def test_inverted_gray_is_turned_where_nothing_rescales(tmp_path):
    hu = chest()

    def invert(dataset, index):
        dataset.PhotometricInterpretation = "MONOCHROME1"
        del dataset.RescaleSlope, dataset.RescaleIntercept
        stored = 4095 - (hu[index].astype(int) + 1024)
        dataset.PixelData = stored.astype("<u2").tobytes()

    write_series(tmp_path, hu, change=invert)
    volume = read_scan(tmp_path)
    np.testing.assert_array_equal(volume.array, hu)
    assert volume.intensity.found == "detected"


def test_offset_without_intercept_is_found(tmp_path):
    hu = chest()

    def lose(dataset, index):
        dataset.RescaleIntercept = 0

    write_series(tmp_path, hu, change=lose)
    volume = read_scan(tmp_path)
    np.testing.assert_array_equal(volume.array, hu)
    assert volume.intensity.found == "detected"
    assert "intensity_contradicts_header" in {f.code for f in volume.source.findings}


def test_crop_without_tissue_trusts_the_header_and_nonsense_does_not(tmp_path):
    lung = np.random.default_rng(0).integers(-900, -750, (5, 24, 20)).astype(np.int16)
    write_series(tmp_path / "lung", lung)
    assert read_scan(tmp_path / "lung").intensity.found == "header"
    write_series(tmp_path / "flat", np.full((5, 24, 20), 40, np.int16))
    with pytest.raises(IntensityError, match="same value"):
        read_scan(tmp_path / "flat")


def test_user_overrules(tmp_path):
    write_series(tmp_path, chest())
    volume = read_scan(tmp_path, intensity=IntensityChoice("hu"))
    assert volume.intensity.found == "given"
    with pytest.raises(IntensityError):
        read_scan(tmp_path, intensity=IntensityChoice("uint8"))
