"""Each check, raised and not."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from groundglass.errors import SettingsError
from groundglass.measurement import MeasureSettings, measure
from groundglass.measurement.quality import touched_faces
from groundglass.volume import Volume

MakeScan = Callable[..., tuple[Volume, np.ndarray, np.ndarray]]


def test_lung_volume(make_scan: MakeScan) -> None:
    scan = make_scan()
    assert measure(*scan).quality.lung_volume.flag  # 192 ml are no adult's lungs
    fine = MeasureSettings(plausible_lungs_ml=(100, 300))
    found = measure(*scan, settings=fine).quality.lung_volume
    assert (found.flag, found.range_ml) == (False, (100, 300))


@pytest.mark.parametrize(
    ("index", "face"),
    [
        ((-1, 2, 2), "head"),
        ((0, 2, 2), "feet"),
        ((3, 0, 2), "front"),
        ((3, -1, 2), "back"),
        ((3, 2, 0), "right"),
        ((3, 2, -1), "left"),
    ],
)
def test_faces(make_scan: MakeScan, index: tuple[int, int, int], face: str) -> None:
    _, lungs, _ = make_scan()
    assert touched_faces(lungs) == []
    lungs[index] = 1
    assert touched_faces(lungs) == [face]


def test_intensities(make_scan: MakeScan) -> None:
    volume, lungs, lesions = make_scan()
    found = measure(volume, lungs, lesions).quality.intensities
    assert (found.flag, found.aerated_lung_median_hu) == (False, -800)
    dense = replace(volume, array=np.full_like(volume.array, -100))
    found = measure(dense, lungs, lesions).quality.intensities
    assert (found.flag, found.aerated_lung_median_hu) == (True, -100)
    padded = volume.array.copy()
    padded[1:3] = -1024
    found = measure(replace(volume, array=padded), lungs, lesions).quality.intensities
    assert found.flag
    assert "-1024 HU" in found.text


def test_lungs_that_are_all_lesion(make_scan: MakeScan) -> None:
    volume, lungs, _ = make_scan()
    found = measure(volume, lungs, lungs > 0)
    assert found.lesions.involvement_percent == 100
    assert found.severity.mosmed.name == "CT-4"
    assert found.quality.intensities.flag
    assert found.quality.intensities.aerated_lung_median_hu is None


@pytest.mark.parametrize(
    "bad",
    [
        {"noise_floor_percent": -1},
        {"noise_floor_percent": float("nan")},
        {"plausible_lungs_ml": (5, 1)},
        {"smallest_lesion_ml": -1},
    ],
)
def test_bad_settings_are_refused(bad: dict) -> None:
    with pytest.raises(SettingsError):
        MeasureSettings(**bad)
