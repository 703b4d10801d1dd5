"""Which series is taken among several, and what is said."""

from __future__ import annotations

import numpy as np
import pytest

from groundglass.errors import GeometryError, SeriesError
from groundglass.io.dicom_choice import kernel_kind
from groundglass.io.read import read_scan

from .dicom_builder import AXIAL, chest, write_series


def described(**tags):
    def change(dataset, index):
        for name, value in tags.items():
            setattr(dataset, name, value)

    return change


@pytest.mark.parametrize(
    ("kernel", "kind"),
    [
        ("B30f", "soft"),
        ("B70f", "sharp"),
        ("D40s", "soft"),
        ("Br40d/3", "soft"),
        ("Bl57", "sharp"),
        ("STANDARD", "soft"),
        ("LUNG", "sharp"),
        ("BONEPLUS", "sharp"),
        ("FC08", "soft"),
        ("FC51", "sharp"),
        ("YA", "sharp"),
        ("C", "soft"),
        ("", "unknown"),
    ],
)
def test_kernels(kernel, kind):
    assert kernel_kind(kernel) == kind


def test_soft_kernel_before_sharp_and_named_series_overrules(tmp_path):
    write_series(
        tmp_path,
        chest(seed=1),
        series_uid="1.2.1.111",
        prefix="a",
        change=described(ConvolutionKernel="LUNG"),
    )
    write_series(
        tmp_path,
        chest(seed=2),
        series_uid="1.2.1.222",
        prefix="b",
        change=described(ConvolutionKernel="STANDARD"),
    )
    volume = read_scan(tmp_path)
    assert volume.source.series_uid == "1.2.1.222"
    assert "without a sharp kernel" in volume.source.choice
    named = read_scan(tmp_path, series="111")
    assert named.source.series_uid == "1.2.1.111"
    assert named.source.choice == "named by the user"
    for series, text in (("nothing", "matches no series"), ("1.2.1.1119", "matches no series")):
        with pytest.raises(SeriesError, match=text):
            read_scan(tmp_path, series=series)
    write_series(tmp_path, chest(seed=3), series_uid="9.111", prefix="c")
    with pytest.raises(SeriesError, match="matches 2 series"):
        read_scan(tmp_path, series="111")


def test_whole_chest_before_a_piece_and_head(tmp_path):
    write_series(tmp_path, chest((4, 24, 20)), series_uid="1.1", prefix="a")
    write_series(tmp_path, chest(), series_uid="1.2", prefix="b")
    long = described(SeriesDescription="HEAD routine")
    write_series(tmp_path, chest((20, 24, 20)), series_uid="1.3", prefix="c", change=long)
    derived = described(ImageType=["DERIVED", "SECONDARY", "MIP"])
    write_series(tmp_path, chest((20, 24, 20)), series_uid="1.4", prefix="d", change=derived)
    assert read_scan(tmp_path).source.series_uid == "1.2"


def test_thin_before_thick(tmp_path):
    thick = AXIAL.copy()
    thick[2, 0] = 5.0
    write_series(tmp_path, chest((5, 24, 20)), thick, series_uid="1.1", prefix="a")
    write_series(tmp_path, chest((12, 24, 20)), series_uid="1.2", prefix="b")
    assert read_scan(tmp_path).source.series_uid == "1.2"


def test_gap_in_the_best_is_not_passed_over_for_a_piece(tmp_path):
    write_series(tmp_path, chest(), series_uid="1.1", prefix="a", skip=(5,))
    write_series(tmp_path, chest((3, 24, 20)), series_uid="1.2", prefix="b")
    with pytest.raises(GeometryError, match="1 missing"):
        read_scan(tmp_path)
    whole = chest(seed=3)
    write_series(tmp_path, whole, series_uid="1.3", prefix="c")
    np.testing.assert_array_equal(read_scan(tmp_path).array, whole)


def test_scouts_alone_are_no_scan(tmp_path):
    write_series(tmp_path, chest((1, 24, 20)), change=described(ImageType=["A", "B", "LOCALIZER"]))
    with pytest.raises(SeriesError, match="scout"):
        read_scan(tmp_path)
