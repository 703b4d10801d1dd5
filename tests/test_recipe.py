"""The recipe that travels with the weights."""

from __future__ import annotations

import json
from typing import Any

import pytest

from groundglass.errors import SettingsError
from groundglass.recipe import SliceRecipe


def test_round_trip_through_json() -> None:
    recipe = SliceRecipe("lesions", (160, 208), clahe_clip=3.5, window_hu=(-1350, 150))
    stored = json.loads(json.dumps(recipe.to_dict()))
    assert SliceRecipe.from_dict(stored) == recipe
    assert isinstance(SliceRecipe.from_dict(stored).network_size, tuple)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"stage": "heart"}, "stage is 'heart'; expected lungs, lesions or direct"),
        ({"network_size": (8, 128)}, "network_size"),
        ({"network_size": (128,)}, "network_size"),
        ({"window_hu": (100, -100)}, "LO < HI"),
        ({"std": 0}, "std above 0"),
        ({"clahe_clip": -1}, "clip 0 or more"),
        ({"frame_size": 16}, "frame 32 or more"),
    ],
)
def test_bad_values_are_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        SliceRecipe(**{"stage": "lungs", "network_size": (128, 128), **changes})


def test_unknown_and_missing_fields_are_named() -> None:
    with pytest.raises(SettingsError, match=r"fields \['colour'\] and lacks \['network_size'\]"):
        SliceRecipe.from_dict({"stage": "lungs", "colour": 1})
