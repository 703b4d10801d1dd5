"""Each reason why the measured share is no answer, and each caveat, alone."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from groundglass.errors import SettingsError
from groundglass.findings.routes import MeasuredRoute
from groundglass.intensity import Intensity
from groundglass.measurement import MeasureSettings, measure
from groundglass.predictor import cascade
from groundglass.volume import Finding, Source, Volume

from .conftest import axial_affine

MakeScan = Callable[..., tuple[Volume, np.ndarray, np.ndarray]]
FINE = MeasureSettings(plausible_lungs_ml=(100, 300), fewest_lung_slices=6, coarsest_pixel_mm=10.0)
"""With these the hand-made scan (192 ml, 6 slices, pixels of 10 mm) is beyond reproach."""


def route(
    scan: tuple[Volume, np.ndarray, np.ndarray], settings: MeasureSettings = FINE
) -> MeasuredRoute:
    return measure(*scan, settings=settings).routes.measured


def test_a_sound_scan_has_neither(make_scan: MakeScan) -> None:
    found = route(make_scan())
    assert (found.answer, found.not_reliable, found.caveats) == ("normal", [], [])


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"plausible_lungs_ml": (1000, 9000)}, "Lung volume 192 ml, outside"),
        ({"plausible_aerated_median_hu": (-960, -850)}, "its median -800 HU is outside"),
        ({"coarsest_pixel_mm": 2.5}, "Pixels of 10.0 mm are coarser than 2.5 mm"),
        ({"fewest_lung_slices": 7}, "Only 6 slices show lung; fewer than 7"),
    ],
)
def test_each_reason(make_scan: MakeScan, changes: dict, words: str) -> None:
    found = route(make_scan(), replace(FINE, **changes))
    assert found.answer is None
    (reason,) = found.not_reliable
    assert words in reason
    assert reason in found.statement


@pytest.mark.parametrize(("label", "missing"), [(2, "right"), (1, "left")])
def test_a_missing_lung(make_scan: MakeScan, label: int, missing: str) -> None:
    volume, lungs, lesions = make_scan()
    lungs[lungs != label] = 0
    found = route((volume, lungs, lesions), replace(FINE, plausible_lungs_ml=(50, 300)))
    assert found.answer is None
    assert found.not_reliable == [
        f"No {missing} lung was found, so the share of both lungs is not known."
    ]


def test_pixels_count_in_the_axial_plane_and_only_in_mm(make_scan: MakeScan) -> None:
    """Thick slices are no coarse pixels, whatever the order of axes."""
    affine = axial_affine(2.0)
    affine[2, 0] = 50.0
    volume, lungs, lesions = make_scan(affine=affine)
    settings = replace(FINE, coarsest_pixel_mm=2.5, plausible_lungs_ml=(1, 300))
    assert route((volume, lungs, lesions), settings).not_reliable == []
    turn = (1, 2, 0)
    turned = replace(volume, array=volume.array.transpose(turn), affine=affine[:, [*turn, 3]])
    masks = lungs.transpose(turn), lesions.transpose(turn)
    assert route((turned, *masks), settings).not_reliable == []
    coarse = make_scan(spacing_is_real=False)
    assert route(coarse, settings).not_reliable == []


def test_eight_bit_without_units_is_a_caveat(make_scan: MakeScan) -> None:
    """The networks learned from such scans, so it is no reason to give no answer."""
    scan = make_scan(
        spacing_is_real=False,
        array=np.full((8, 6, 12), 90, dtype=np.uint8),
        intensity=Intensity("uint8", "detected", "test"),
    )
    found = route(scan)
    assert found.answer == "normal"
    assert [text.split(":")[0] for text in found.caveats] == [
        "Intensities are not HU",
        "No physical units",
    ]


def test_what_is_cut_off_or_filled_in_is_a_caveat(make_scan: MakeScan) -> None:
    gap = Source("s", "dicom", "s", findings=(Finding("gap", "warning", "2 slices missing."),))
    volume, lungs, lesions = make_scan(source=gap)
    lungs[0, 1:5, 1:5] = 1
    found = route((volume, lungs, lesions))
    assert found.answer == "normal"
    assert [text.split()[:3] for text in found.caveats] == [
        ["The", "lungs", "reach"],
        ["Slices", "are", "missing"],
    ]


def test_the_cascade_warns_of_the_same_pixels() -> None:
    assert MeasureSettings().coarsest_pixel_mm == cascade._COARSE_MM
    with pytest.raises(SettingsError, match="coarsest_pixel_mm is -1"):
        MeasureSettings(coarsest_pixel_mm=-1)
