"""Lesions one by one and the range of the whole, counted by hand on a box of 1 ml voxels."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from groundglass.errors import GeometryError, InputError, SettingsError
from groundglass.findings import Findings, LesionItem, Uncertainty
from groundglass.measurement import MeasureSettings, measure
from groundglass.measurement.uncertainty import LesionProbability, confidence_word, range_text
from groundglass.volume import Volume

MakeScan = Callable[..., tuple[Volume, np.ndarray, np.ndarray]]


def level(p: float) -> int:
    return round(255 * p)


def two_lesions(scan: tuple[Volume, np.ndarray, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """A sure lesion of 8 ml low in the right lung with a faint rim of 4, a doubtful one of 4 ml
    high in the left; a faint patch of 2 ml that is no lesion. Returns mask and probability."""
    _, lungs, _ = scan
    chance = np.zeros(lungs.shape, np.uint8)
    chance[1:3, 1:3, 1:3] = level(0.95)
    chance[1, 1, 1] = level(0.7)
    chance[3, 1:3, 1:3] = level(0.2)
    chance[6, 1:3, 7:9] = level(0.45)
    chance[4, 4, 9:11] = level(0.15)
    chance[0, 0, 0] = 0  # outside the lungs nothing is ever set
    return (chance >= level(0.4)).astype(np.uint8), chance


def measured(
    scan: tuple[Volume, np.ndarray, np.ndarray], **changes: object
) -> tuple[Findings, Uncertainty]:
    volume, lungs, _ = scan
    lesions, chance = two_lesions(scan)
    probability = LesionProbability(chance, 0.4, **changes)  # type: ignore[arg-type]
    found = measure(volume, lungs, lesions, probability=probability)
    assert found.lesions.uncertainty is not None
    return found, found.lesions.uncertainty


def test_each_lesion_by_hand(make_scan: MakeScan) -> None:
    found, _ = measured(make_scan())
    sure, doubtful = found.lesions.items
    assert found.lesions.count == 2
    assert (sure.number, sure.side, sure.zone, sure.voxels) == (1, "right", "lower", 8)
    assert sure.volume_ml == 8.0
    assert sure.share_percent == pytest.approx(100 * 8 / 12, abs=1e-3)
    assert sure.mean_probability == pytest.approx((7 * 0.95 + 0.7) / 8, abs=2e-3)
    assert sure.low_confidence_percent == 0
    assert (sure.voxels_low, sure.voxels_high) == (7, 12)
    assert (sure.volume_low_ml, sure.volume_high_ml) == (7.0, 12.0)
    assert sure.confidence == "high"
    assert sure.center_mm == (15.0, 15.0, 15.0)
    assert sure.center_index == (2, 2, 2)
    assert (doubtful.side, doubtful.zone, doubtful.voxels) == ("left", "upper", 4)
    assert doubtful.center_mm == (75.0, 15.0, 60.0)
    assert doubtful.low_confidence_percent == 100.0
    assert (doubtful.voxels_low, doubtful.voxels_high) == (0, 4)
    assert doubtful.confidence == "low"


def test_the_scan_by_hand(make_scan: MakeScan) -> None:
    found, known = measured(make_scan())
    assert found.lesions.volume_ml == 12.0
    assert (known.volume_low_ml, known.volume_high_ml) == (7.0, 18.0)
    assert known.involvement_low_percent == pytest.approx(100 * 7 / 192, abs=1e-3)
    assert known.involvement_high_percent == pytest.approx(100 * 18 / 192, abs=1e-3)
    expected = 7 * 0.95 + 0.7 + 4 * 0.2 + 4 * 0.45 + 2 * 0.15
    assert known.expected_involvement_percent == pytest.approx(100 * expected / 192, abs=0.01)
    assert known.low_confidence_percent == pytest.approx(100 * 4 / 12, abs=1e-3)
    assert known.range_probabilities == (0.1, 0.9)


def test_what_lesions_share_is_split_by_their_size(make_scan: MakeScan) -> None:
    volume, lungs, _ = make_scan()
    chance = np.zeros(lungs.shape, np.uint8)
    chance[1:7, 1, 1] = level(0.2)  # a faint bridge of six voxels, of which four lie between
    chance[1, 1:3, 1:3] = level(0.9)
    chance[6, 1:4, 1:5] = level(0.9)
    lesions = (chance >= level(0.4)).astype(np.uint8)
    found = measure(volume, lungs, lesions, probability=LesionProbability(chance, 0.4))
    assert [(i.voxels, i.voxels_high) for i in found.lesions.items] == [(12, 15), (4, 5)]


def test_a_threshold_outside_the_range_widens_it(make_scan: MakeScan) -> None:
    volume, lungs, _ = make_scan()
    chance = np.full(lungs.shape, level(0.07), np.uint8) * (lungs > 0)
    lesions = (chance > 0).astype(np.uint8)
    found = measure(volume, lungs, lesions, probability=LesionProbability(chance, 0.05))
    known = found.lesions.uncertainty
    assert known is not None
    assert (known.involvement_low_percent, found.lesions.involvement_percent) == (0, 100)
    assert known.involvement_high_percent == 100
    assert "at least 0.05" in range_text(0.05, MeasureSettings())


def test_without_a_probability_lesions_have_places_alone(make_scan: MakeScan) -> None:
    volume, lungs, _ = make_scan()
    lesions, _ = two_lesions(make_scan())
    found = measure(volume, lungs, lesions)
    assert found.lesions.uncertainty is None
    assert [item.voxels for item in found.lesions.items] == [8, 4]
    kept = {"number", "side", "zone", "center_index", "center_mm", "voxels", "volume_ml"}
    for item in found.lesions.items:
        others = item.model_dump(exclude=kept | {"share_percent"})
        assert set(others.values()) == {None}


def test_without_units_and_without_lesions(make_scan: MakeScan) -> None:
    found, known = measured(make_scan(spacing_is_real=False))
    first = found.lesions.items[0]
    assert (first.volume_ml, first.volume_low_ml, first.center_mm) == (None, None, None)
    assert (first.voxels_low, first.voxels, first.voxels_high) == (7, 8, 12)
    assert (known.volume_low_ml, known.involvement_high_percent > 9) == (None, True)
    volume, lungs, none = make_scan()
    faint = np.where(lungs > 0, level(0.2), 0).astype(np.uint8)
    found = measure(volume, lungs, none, probability=LesionProbability(faint, 0.4))
    known = found.lesions.uncertainty
    assert known is not None
    assert (found.lesions.items, known.low_confidence_percent) == ([], None)
    assert (known.involvement_low_percent, known.involvement_high_percent) == (0, 100)
    assert known.expected_involvement_percent == pytest.approx(20, abs=0.1)


def test_only_the_largest_counted_lesions_are_listed(make_scan: MakeScan) -> None:
    volume, lungs, lesions = make_scan()
    lesions[1, 1, 1:5] = lesions[3, 1, 1:5] = lesions[5, 1, 1:4] = 1
    settings = MeasureSettings(listed_lesions=1)
    found = measure(volume, lungs, lesions, settings=settings)
    assert (found.lesions.count, [i.voxels for i in found.lesions.items]) == (2, [4])
    found = measure(volume, lungs, lesions)
    assert [i.voxels for i in found.lesions.items] == [4, 4]


def test_lungs_too_short_for_zones(make_scan: MakeScan) -> None:
    volume, lungs, lesions = make_scan()
    lungs[3:] = 0
    lesions[1:3, 1:3, 8] = 1
    (item,) = measure(volume, lungs, lesions).lesions.items
    assert (item.side, item.zone) == ("left", None)


def test_what_is_calibrated_is_said(make_scan: MakeScan) -> None:
    _, known = measured(make_scan())
    assert (known.is_calibrated, known.temperature) == (False, 1.0)
    assert "not calibrated" in known.probability_definition
    assert "not calibrated" in known.confidence_definition
    _, known = measured(make_scan(), temperature=1.8, is_calibrated=True)
    assert (known.is_calibrated, known.temperature) == (True, 1.8)
    assert "temperature 1.8" in known.probability_definition
    assert "not calibrated" not in known.probability_definition + known.confidence_definition


@pytest.mark.parametrize(
    ("mean", "unsure", "word"),
    [
        (0.8, 25.0, "high"),
        (0.79, 0.0, "moderate"),
        (0.95, 26.0, "moderate"),
        (0.95, 51.0, "low"),
        (0.59, 0.0, "low"),
    ],
)
def test_the_rule_of_confidence(mean: float, unsure: float, word: str) -> None:
    assert confidence_word(mean, unsure, MeasureSettings()) == word


def test_bad_maps_and_settings_are_refused(make_scan: MakeScan) -> None:
    volume, lungs, lesions = make_scan()
    with pytest.raises(InputError, match="holds float32 values"):
        LesionProbability(np.zeros((2, 2, 2), np.float32), 0.4)
    with pytest.raises(SettingsError, match=r"lesion threshold is 1\.0"):
        LesionProbability(np.zeros((2, 2, 2), np.uint8), 1.0)
    other = LesionProbability(np.zeros((2, 2, 2), np.uint8), 0.4)
    with pytest.raises(GeometryError, match=r"probability has shape \(2, 2, 2\)"):
        measure(volume, lungs, lesions, probability=other)
    with pytest.raises(SettingsError, match="expected between 0 and 1"):
        MeasureSettings(confident_mean=1.0)
    with pytest.raises(SettingsError, match="range_probabilities"):
        MeasureSettings(range_probabilities=(0.9, 0.1))


def test_an_item_refuses_what_it_cannot_be(make_scan: MakeScan) -> None:
    item = measured(make_scan())[0].lesions.items[0]
    with pytest.raises(ValueError, match="side"):
        LesionItem.model_validate({**item.model_dump(), "side": "middle"})
    assert replace(MeasureSettings(), listed_lesions=3).listed_lesions == 3
