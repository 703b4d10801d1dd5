"""PNG and JPEG slices."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from groundglass.errors import GeometryError, UnreadableError
from groundglass.io.read import read_scan

from .dicom_builder import chest

GRAY = np.clip((chest() + 1000) / 5, 0, 255).astype(np.uint8)


def test_stack_in_natural_order_without_units(tmp_path):
    for index, name in enumerate(("s1", "s2", "s10")):
        mode = (GRAY[index], np.dstack([GRAY[index]] * 3))[index % 2]
        Image.fromarray(mode).save(tmp_path / f"{name}.png")
    volume = read_scan(tmp_path)
    np.testing.assert_array_equal(volume.array, GRAY[:3])
    assert not volume.spacing_is_real
    assert volume.voxel_volume_ml is None
    assert volume.intensity.domain == "uint8"
    assert volume.source.findings[0].code == "assumed_orientation"
    axial, _ = volume.to_axial()
    np.testing.assert_array_equal(axial.array[-1], GRAY[0])  # the first name is at the head


def test_one_slice_and_jpeg(tmp_path):
    Image.fromarray(GRAY[5]).save(tmp_path / "a.jpg", quality=98)
    volume = read_scan(tmp_path / "a.jpg")
    assert volume.shape == (1, *GRAY.shape[1:])
    assert np.abs(volume.array[0].astype(int) - GRAY[5]).mean() < 3


def test_sixteen_bit_png_in_hu_plus_1024(tmp_path):
    hu = chest()
    for index, plane in enumerate(hu):
        Image.fromarray((plane + 1024).clip(0).astype(np.uint16)).save(tmp_path / f"{index}.png")
    np.testing.assert_array_equal(read_scan(tmp_path).array, hu)


def test_refused(tmp_path):
    Image.fromarray(np.dstack([GRAY[5], GRAY[4], GRAY[3]])).save(tmp_path / "color.png")
    with pytest.raises(UnreadableError, match="color"):
        read_scan(tmp_path / "color.png")
    (tmp_path / "text.png").write_text("no")
    with pytest.raises(UnreadableError, match=r"text\.png"):
        read_scan(tmp_path / "text.png")
    folder = tmp_path / "sizes"
    folder.mkdir()
    Image.fromarray(GRAY[5]).save(folder / "a.png")
    Image.fromarray(GRAY[5, :-1]).save(folder / "b.png")
    with pytest.raises(GeometryError, match=r"b\.png has shape"):
        read_scan(folder)
