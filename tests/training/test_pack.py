"""What `weights pack` keeps of a calibration; the packing itself is tested with the engines."""

from __future__ import annotations

from typing import Any

import pytest

from groundglass.errors import SettingsError

pack = pytest.importorskip("groundglass.training.pack")


def settings(**changes: Any) -> Any:
    return pack.PackSettings("n", "1", "t", "CC0-1.0", ("none",), {}, **changes)


@pytest.mark.parametrize(
    ("changes", "temperature"),
    [
        ({}, 1.0),
        ({"lesion_temperature": 1.5}, 1.5),
        ({"calibration": {"temperature": 1.5}}, 1.5),
        ({"calibration": {"temperature": 1.5001}, "lesion_temperature": 1.5}, 1.5),
        ({"calibration": {"after": {}}, "lesion_temperature": 2}, 2.0),
    ],
)
def test_one_temperature_is_taken(changes: dict[str, Any], temperature: float) -> None:
    assert settings(**changes).temperature() == temperature


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"calibration": {"after": {}}}, "calibration names no temperature"),
        ({"calibration": {"temperature": 1.5}, "lesion_temperature": 1.7}, "that of the calibr"),
        ({"lesion_temperature": 0.0}, r"lesion temperature is 0\.0; expected a number above 0"),
        ({"calibration": {"temperature": "x"}}, "lesion temperature is 'x'"),
        ({"calibration": {"temperature": "x"}, "lesion_temperature": 2.0}, "temperature is 'x'"),
    ],
)
def test_other_temperatures_are_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        settings(**changes).temperature()
