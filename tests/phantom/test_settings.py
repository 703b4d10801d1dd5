from __future__ import annotations

from typing import Any

import pytest

from groundglass.errors import SettingsError
from groundglass.phantom.settings import PhantomSettings


@pytest.mark.parametrize(
    "wrong",
    [
        {"shape": (0, 4, 4)},
        {"shape": (4, 4)},
        {"spacing_mm": (1.0, 1.0, 0.0)},
        {"spacing_mm": (1.0, float("nan"), 1.0)},
        {"seed": -1},
        {"involvement": 0.9},
        {"consolidation_share": 1.5},
        {"noise_hu": -1},
        {"tilt_degrees": 80},
        {"tilt_degrees": 10, "orientation": "PSL"},
        {"orientation": "LLS"},
        {"orientation": "spl"},
        {"rotation_degrees": (0, 0)},
    ],
)
def test_bad_settings_are_refused_with_the_value(wrong: dict[str, Any]) -> None:
    with pytest.raises(SettingsError, match="expected") as caught:
        PhantomSettings(**wrong)
    assert next(iter(wrong)) in str(caught.value)


def test_spacing_fits_the_chest_whatever_the_axes() -> None:
    axial = PhantomSettings(shape=(60, 100, 200)).step_mm()
    sagittal = PhantomSettings(shape=(200, 100, 60), orientation="LPS").step_mm()
    assert axial == (5.0, 3.0, 3.0)
    assert sagittal == (3.0, 3.0, 5.0)


def test_one_slice_is_not_as_thick_as_the_chest() -> None:
    assert PhantomSettings(shape=(1, 64, 64)).step_mm()[0] == 10.0
