"""Figures against hand counts; every undefined case; independence of the axis order."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import permutations, product

import numpy as np
import pytest

from groundglass.errors import GeometryError, InputError, NoLungError
from groundglass.geometry import AxisOrder
from groundglass.intensity import Intensity
from groundglass.measurement import MeasureSettings, measure
from groundglass.volume import Finding, Source, Volume

MakeScan = Callable[..., tuple[Volume, np.ndarray, np.ndarray]]
ORDERS = [
    AxisOrder(source, flipped)  # type: ignore[arg-type]
    for source in permutations(range(3))
    for flipped in product((False, True), repeat=3)
]


def with_lesions(scan: tuple[Volume, np.ndarray, np.ndarray]) -> tuple[Volume, ...]:
    """12 voxels in the right lower zone, one of them dense; 4 in the left upper zone."""
    volume, lungs, lesions = scan
    lesions[1:4, 1:3, 1:3] = 1  # slices 1 and 2 are the lower third, 3 the middle
    lesions[6, 1:3, 7:9] = 1
    array = volume.array.copy()
    array[lesions > 0] = -301
    array[1, 1, 1] = -300
    array[1, 1, 2] = 200
    return replace(volume, array=array), lungs, lesions  # type: ignore[return-value]


def test_figures_equal_hand_counts(make_scan: MakeScan) -> None:
    f = measure(*with_lesions(make_scan()))  # type: ignore[arg-type]
    assert (f.lungs.right.volume_ml, f.lungs.left.volume_ml) == (96.0, 96.0)
    assert f.lungs.total.volume_ml == 192.0
    assert f.lesions.volume_ml == 16.0
    assert f.lesions.involvement_percent == pytest.approx(100 * 16 / 192, abs=1e-3)
    assert f.lesions.right.involvement_percent == 12.5
    right = f.lesions.right.zones
    assert [right.lower.volume_ml, right.middle.volume_ml, right.upper.volume_ml] == [8, 4, 0]
    assert right.lower.involvement_percent == 25.0
    assert f.lesions.left.zones.upper.involvement_percent == 12.5
    assert (f.lesions.count, f.lesions.largest_volume_ml) == (2, 12.0)
    assert f.lesions.largest_share_percent == 75.0
    assert f.lesions.consolidation_percent == 12.5
    assert f.lesions.ground_glass_percent == 87.5
    score = f.severity.zonal_score
    assert (score.value, score.maximum) == (6, 30)
    assert score.right.model_dump() == {"upper": 0, "middle": 2, "lower": 2}
    assert score.left.model_dump() == {"upper": 2, "middle": 0, "lower": 0}
    assert f.severity.mosmed.name == "CT-1"
    assert f.profile.index == list(range(8))
    assert f.profile.position_mm == [10.0 * d for d in range(8)]
    assert f.profile.involvement_percent == [None, 12.5, 12.5, 12.5, 0, 0, 12.5, None]


@pytest.mark.parametrize("order", ORDERS, ids=str)
def test_axis_order_of_the_input_changes_nothing(make_scan: MakeScan, order: AxisOrder) -> None:
    volume, lungs, lesions = with_lesions(make_scan())
    expected = measure(volume, lungs, lesions)  # type: ignore[arg-type]
    turned = replace(
        volume,
        array=order.apply(volume.array),
        affine=order.apply_to_affine(volume.affine, volume.shape),
    )
    found = measure(turned, order.apply(lungs), order.apply(lesions))  # type: ignore[arg-type]
    skip = {"scan": True, "profile": True, "lesions": {"items": {"__all__": {"center_index"}}}}
    assert found.model_dump(exclude=skip) == expected.model_dump(exclude=skip)
    for here, there in zip(found.lesions.items, expected.lesions.items, strict=True):
        at = np.zeros(volume.shape, dtype=bool)  # type: ignore[attr-defined]
        at[there.center_index] = True
        assert order.apply(at)[here.center_index]
    assert found.profile.involvement_percent == expected.profile.involvement_percent
    lesion_slices = np.moveaxis(order.apply(lesions), found.profile.array_axis, 0)  # type: ignore[arg-type]
    counts = [int(lesion_slices[i].sum()) for i in found.profile.index]
    assert counts == lesions.sum(axis=(1, 2)).tolist()  # type: ignore[attr-defined]


def test_sheared_grid_has_the_true_volume(make_scan: MakeScan) -> None:
    affine = np.zeros((4, 4))
    affine[:, 0] = (0, 5.0, 10.0, 0)  # tilted: the slice distance stays 10 mm
    affine[1, 1] = affine[0, 2] = 10.0
    affine[3, 3] = 1.0
    f = measure(*make_scan(affine=affine))
    assert f.lungs.total.volume_ml == 192.0
    assert f.quality.tilt.flag
    assert f.quality.tilt.degrees == pytest.approx(26.57, abs=0.01)


def test_no_lesions(make_scan: MakeScan) -> None:
    f = measure(*make_scan())
    assert (f.lesions.volume_ml, f.lesions.involvement_percent, f.lesions.count) == (0, 0, 0)
    assert f.lesions.largest_volume_ml is None
    assert f.lesions.largest_share_percent is None
    assert f.lesions.ground_glass_percent is None
    assert f.severity.mosmed.name == "CT-0"
    assert f.severity.zonal_score.value == 0
    assert f.diagnosis.statement.startswith("No findings")
    assert not f.diagnosis.has_findings
    assert f.warnings == []


def test_lesions_below_the_noise_floor_are_no_findings(make_scan: MakeScan) -> None:
    volume, lungs, lesions = make_scan()
    lesions[3, 2, 2] = 1
    settings = MeasureSettings(noise_floor_percent=1.0)
    f = measure(volume, lungs, lesions, settings=settings)
    assert f.lesions.involvement_percent == pytest.approx(0.521)
    assert f.diagnosis.statement == "No findings of lung opacities above the noise floor."
    assert f.severity.mosmed.name == "CT-0"
    assert measure(volume, lungs, lesions).diagnosis.has_findings


def test_one_lung_only(make_scan: MakeScan) -> None:
    volume, lungs, lesions = make_scan()
    lungs[lungs == 2] = 0
    lesions[2, 2, 2:4] = 1
    f = measure(volume, lungs, lesions)
    assert f.lungs.left.volume_ml == 0
    assert f.lesions.left.involvement_percent is None
    assert f.lesions.left.zones.upper.involvement_percent is None
    assert (f.severity.zonal_score.value, f.severity.zonal_score.maximum) == (2, 15)
    assert any("No left lung" in text for text in f.warnings)
    assert any("Only one lung was found" in text for text in f.diagnosis.evidence)


def test_one_slice_has_shares_but_no_zones(make_scan: MakeScan) -> None:
    volume, lungs, lesions = make_scan()
    lesions[3, 1, 1:5] = 1
    one = replace(volume, array=volume.array[3:4])
    f = measure(one, lungs[3:4], lesions[3:4])
    assert f.lesions.involvement_percent == 12.5
    assert f.lesions.right.zones.upper.involvement_percent is None
    assert (f.severity.zonal_score.value, f.severity.zonal_score.maximum) == (None, 0)
    assert f.quality.edge.faces == ["head", "feet"]


def test_no_physical_units_gives_shares_only(make_scan: MakeScan) -> None:
    scan = make_scan(
        spacing_is_real=False,
        array=np.full((8, 6, 12), 90, dtype=np.uint8),
        intensity=Intensity("uint8", "detected", "test"),
    )
    scan[2][2, 2, 1:5] = 1
    f = measure(*scan)
    assert f.scan.spacing_mm is None
    assert f.lungs.total.volume_ml is None
    assert f.lesions.volume_ml is None
    assert f.lesions.largest_volume_ml is None
    assert f.lesions.largest_share_percent == 100
    assert f.lesions.ground_glass_percent is None
    assert f.profile.position_mm is None
    assert not f.quality.lung_volume.flag
    assert f.lesions.involvement_percent > 0
    assert any("no physical units" in text for text in f.warnings)


def test_lesions_outside_the_lungs_are_named_not_counted(make_scan: MakeScan) -> None:
    volume, lungs, lesions = make_scan()
    lesions[2, 2, 2] = lesions[0, 0, 0] = 1
    f = measure(volume, lungs, lesions)
    assert f.lesions.volume_ml == 1.0
    assert any(text.startswith("50.0 % of the lesion mask lies outside") for text in f.warnings)


def test_small_lesions_are_in_the_volume_but_not_in_the_count(make_scan: MakeScan) -> None:
    volume, lungs, lesions = make_scan()
    lesions[2, 2, 2] = 1
    lesions[4:6, 1:3, 8] = 1
    f = measure(volume, lungs, lesions)
    assert (f.lesions.count, f.lesions.volume_ml) == (1, 5.0)
    everything = MeasureSettings(smallest_lesion_voxels=1)
    assert measure(volume, lungs, lesions, settings=everything).lesions.count == 2


def test_corner_neighbors_are_one_lesion(make_scan: MakeScan) -> None:
    volume, lungs, lesions = make_scan()
    lesions[2, 1:3, 1:3] = 1
    lesions[3, 3, 3] = 1
    assert measure(volume, lungs, lesions).lesions.largest_volume_ml == 5.0


def test_lung_mask_without_lung_is_an_error(make_scan: MakeScan) -> None:
    volume, lungs, lesions = make_scan()
    with pytest.raises(NoLungError, match="empty lung mask"):
        measure(volume, np.zeros_like(lungs), lesions)


def test_masks_that_do_not_fit_are_refused(make_scan: MakeScan) -> None:
    volume, lungs, lesions = make_scan()
    with pytest.raises(GeometryError, match="lung mask has shape"):
        measure(volume, lungs[1:], lesions)
    with pytest.raises(InputError, match="expected integers 0 to 2"):
        measure(volume, lungs * 2, lesions)
    with pytest.raises(InputError, match="lesion mask holds"):
        measure(volume, lungs, lesions.astype(np.float32))


def test_bool_lesions_are_taken(make_scan: MakeScan) -> None:
    volume, lungs, lesions = make_scan()
    lesions[2, 2, 2] = 1
    assert measure(volume, lungs, lesions > 0) == measure(volume, lungs, lesions)


def test_reader_findings_reach_quality_and_warnings(make_scan: MakeScan) -> None:
    source = Source(
        "scan",
        "dicom",
        "x",
        series_uid="1.2.3",
        findings=(
            Finding("gap", "warning", "2 slices missing."),
            Finding("scout", "info", "A scout was left out."),
        ),
    )
    f = measure(*make_scan(source=source))
    assert (f.quality.gaps.flag, f.quality.gaps.count) == (True, 1)
    assert f.warnings == ["2 slices missing."]
    assert f.scan.series_uid == "1.2.3"
