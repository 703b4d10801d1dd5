"""What the network sees is drawn from (seed, step) alone."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from groundglass.datasets.index import PreparedScan
from groundglass.errors import DatasetError
from groundglass.ops.slice_image import LungBox
from groundglass.recipe import SliceRecipe
from groundglass.training.maps import save_map
from groundglass.training.samples import Samples
from groundglass.training.settings import TrainSettings


def direct_of(values: dict[str, Any], **changes: Any) -> TrainSettings:
    return settings_of(
        {**values, "stage": "direct", "recipe": {**values["recipe"], "stage": "direct"}}, **changes
    )


def settings_of(values: dict[str, Any], **changes: Any) -> TrainSettings:
    return TrainSettings.model_validate({**values, **changes})


@pytest.mark.parametrize("stage", ["lungs", "lesions"])
def test_shapes_and_values(
    scans: list[PreparedScan], values: dict[str, Any], lungs_values: dict[str, Any], stage: str
) -> None:
    settings = settings_of(values if stage == "lesions" else lungs_values)
    recipe = SliceRecipe.from_dict(settings.recipe)
    lowest, highest = -recipe.mean / recipe.std, (1 - recipe.mean) / recipe.std
    samples = Samples(scans, settings)
    for step, size in ((0, (16, 24)), (2, (32, 48))):
        images, targets = samples.batch(step)
        assert images.shape == targets.shape == (2, 1, *size)
        assert images.dtype == targets.dtype == np.float32
        assert set(np.unique(targets)) <= {0.0, 1.0}
        assert images.min() >= lowest - 1e-5
        assert images.max() <= highest + 1e-5


def test_equal_seed_and_step_give_equal_batches(
    scans: list[PreparedScan], values: dict[str, Any]
) -> None:
    one, other = Samples(scans, settings_of(values)), Samples(scans, settings_of(values))
    for step in (5, 0, 3):  # in any order, whatever was drawn before
        other.batch(1)
        for a, b in zip(one.batch(step), other.batch(step), strict=True):
            assert np.array_equal(a, b)
    assert not np.array_equal(one.batch(3)[0], one.batch(4)[0])
    changed = Samples(scans, settings_of(values, seed=1))
    assert not np.array_equal(one.batch(3)[0], changed.batch(3)[0])


def test_lesion_slices_show_lungs_only(scans: list[PreparedScan], values: dict[str, Any]) -> None:
    """Outside the lung mask the input is black, as it is in use."""
    settings = settings_of(values)
    recipe = SliceRecipe.from_dict(settings.recipe)
    for step in range(2, 6):
        images, _ = Samples(scans, settings).batch(step)
        shown = images > -recipe.mean / recipe.std + 1e-4
        assert 0.05 < shown.mean() < 0.9


def test_healthy_scans_get_their_share_and_no_target(
    scans: list[PreparedScan], values: dict[str, Any]
) -> None:
    only = Samples(scans, settings_of(values, healthy_share=1.0))
    never = Samples(scans, settings_of(values, healthy_share=0.0))
    for step in range(4):
        assert not only.batch(step)[1].any()
    assert any(never.batch(step)[1].any() for step in range(2, 6))


def test_healthy_lungs_are_a_target_of_the_lung_stage(
    scans: list[PreparedScan], lungs_values: dict[str, Any]
) -> None:
    samples = Samples(scans, settings_of(lungs_values, healthy_share=1.0))
    assert any(samples.batch(step)[1].any() for step in range(4))


def test_slices_without_lung_are_left_to_the_lung_stage(
    scans: list[PreparedScan], values: dict[str, Any], lungs_values: dict[str, Any]
) -> None:
    for chosen, first in ((values, 1), (lungs_values, 0)):
        source = Samples(scans, settings_of(chosen)).sick[0]
        assert source.slices[0] == first


def test_every_takes_every_nth_slice(scans: list[PreparedScan], values: dict[str, Any]) -> None:
    assert [s.slices.tolist() for s in Samples(scans, settings_of(values, every=3)).sick] == [
        [1],
        [1, 4],
        [1],
    ]


@pytest.mark.parametrize("world", [2, 4])
def test_processes_together_see_the_batch_of_one(
    scans: list[PreparedScan], values: dict[str, Any], world: int
) -> None:
    phases = [{**values["phases"][1], "batch": 4}]
    samples = Samples(scans, settings_of(values, phases=phases))
    alone = samples.batch(3)
    parts = [samples.batch(3, rank=rank, world=world) for rank in range(world)]
    for whole, shares in zip(alone, zip(*parts, strict=True), strict=True):
        assert np.array_equal(np.stack(shares, axis=1).reshape(whole.shape), whole)
    assert len({one.tobytes() for one in alone[0]}) == 4  # the places differ


def test_the_draw_stays_what_it_was(scans: list[PreparedScan], values: dict[str, Any]) -> None:
    """Another draw would let runs go on otherwise than they began."""
    samples = Samples(scans, settings_of(values))
    picks = [samples.pick(np.random.default_rng([0, 0, place])) for place in range(8)]
    found = [(source.scan.row.scan_id, index) for source, index in picks]
    assert found == [
        ("one", 1), ("three", 4), ("three", 3), ("three", 2),
        ("three", 4), ("one", 3), ("three", 3), ("well", 3),
    ]  # fmt: skip


def test_direct_sees_whole_slices_and_looks_for_lesions(
    scans: list[PreparedScan], values: dict[str, Any]
) -> None:
    settings = direct_of(values, healthy_share=0.0, lesion_free_share=0.0)
    recipe = SliceRecipe.from_dict(settings.recipe)
    samples = Samples(scans, settings)
    for step in range(2, 6):
        images, targets = samples.batch(step)
        shown = images > -recipe.mean / recipe.std + 1e-4
        assert shown.mean() > 0.9  # the gray body too
        assert 0 < targets.mean() < 0.1  # of a small round lesion, never the lungs


@pytest.mark.parametrize("share", [0.0, 0.3, 1.0])
def test_lesion_free_slices_get_their_share(
    scans: list[PreparedScan], values: dict[str, Any], share: float
) -> None:
    samples = Samples(scans, direct_of(values, lesion_free_share=share, healthy_share=0.0))
    picks = [samples.pick(np.random.default_rng(number)) for number in range(600)]
    free = np.mean([not source.scan.lesions[index].any() for source, index in picks])
    assert free == pytest.approx(share, abs=0.06)
    assert (free == share) or share == 0.3


def test_the_lung_stage_draws_all_slices_alike(
    scans: list[PreparedScan], lungs_values: dict[str, Any]
) -> None:
    samples = Samples(scans, settings_of(lungs_values, lesion_free_share=1.0, healthy_share=0.0))
    picks = [samples.pick(np.random.default_rng(number)) for number in range(300)]
    free = np.mean([not source.scan.lesions[index].any() for source, index in picks])
    assert free == pytest.approx(0.24, abs=0.1)  # the first of each four or five


def predicted_lungs(scans: list[PreparedScan], folder: Path) -> Path:
    """Only the right half of the frame: without any lesion; none on the second slice."""
    for scan in scans:
        lungs = scan.lungs.copy()
        lungs[:, :, :32] = 0
        lungs[1] = 0
        save_map(folder, scan.row.scan_id, lungs)
    return folder


def test_predicted_lungs_take_the_place_of_the_reference(
    tmp_path: Path, scans: list[PreparedScan], values: dict[str, Any]
) -> None:
    folder = predicted_lungs(scans, tmp_path)
    plain = {"mask_errors": 0.0, "shift": 0.0, "rotate_degrees": 0.0}
    settings = settings_of(values, lungs=str(folder), healthy_share=0.0, augment=plain)
    samples = Samples(scans, settings)
    for source in samples.sick:
        assert source.slices[0] == 2  # the first with predicted lung
        half = source.scan.lungs.copy()
        half[:, :, :32] = half[1] = 0
        assert source.box == LungBox.around(half.any(axis=0), samples._recipe)
    for step in range(2, 6):
        assert not samples.batch(step)[1].any()  # all lesions lie in the other half


def test_only_the_lesion_stage_is_shown_lungs(
    scans: list[PreparedScan], values: dict[str, Any], tmp_path: Path
) -> None:
    with pytest.raises(DatasetError, match="has no map of scan one"):
        Samples(scans, settings_of(values, lungs=str(tmp_path)))
    Samples(scans, direct_of(values))


def test_lungs_that_are_no_mask_are_refused(
    scans: list[PreparedScan], values: dict[str, Any], tmp_path: Path
) -> None:
    for scan in scans:
        save_map(tmp_path, scan.row.scan_id, scan.lungs * np.uint8(200))
    with pytest.raises(DatasetError, match=r"lungs of one in .* go up to 200; expected a mask"):
        Samples(scans, settings_of(values, lungs=str(tmp_path)))


@pytest.mark.parametrize("stage", ["lesions", "direct"])
def test_soft_targets_are_mixed_in(
    scans: list[PreparedScan], values: dict[str, Any], tmp_path: Path, stage: str
) -> None:
    for scan in scans:
        save_map(tmp_path, scan.row.scan_id, np.full(scan.image.shape, 51, np.uint8))  # 0.2
    make = settings_of if stage == "lesions" else direct_of
    changes = {"soft_targets": str(tmp_path), "soft_weight": 0.25, "healthy_share": 0.0}
    hard = Samples(scans, make(values, healthy_share=0.0))
    soft = Samples(scans, make(values, **changes))
    for step in range(2, 6):
        (images, mask), (same, mixed) = hard.batch(step), soft.batch(step)
        assert np.array_equal(images, same)  # the draw is the same
        inside = mixed > 0 if stage == "lesions" else np.ones_like(mixed, dtype=bool)
        np.testing.assert_allclose(mixed[inside], 0.75 * mask[inside] + 0.25 * 0.2, rtol=1e-5)
        assert not mask[~inside].any()
    assert mixed.max() == pytest.approx(0.8)


def test_missing_soft_targets_are_refused(
    scans: list[PreparedScan], values: dict[str, Any], tmp_path: Path
) -> None:
    with pytest.raises(DatasetError, match="has no map of scan one"):
        Samples(scans, direct_of(values, soft_targets=str(tmp_path)))


def test_a_scan_of_some_slices_is_drawn_from_them_alone(
    scans: list[PreparedScan], values: dict[str, Any], tmp_path: Path
) -> None:
    """Its maps are of the whole scan."""
    folder = predicted_lungs(scans, tmp_path)
    thin = scans[1].take(np.array([1, 3, 4]))
    (source,) = Samples([thin], settings_of(values, lungs=str(folder))).sick
    assert source.slices.tolist() == [1, 2]
    assert np.array_equal(source.lungs[1:, :, 32:], scans[1].lungs[[3, 4], :, 32:])


def test_nothing_to_train_on_is_refused(scans: list[PreparedScan], values: dict[str, Any]) -> None:
    with pytest.raises(DatasetError, match="run 'tiny' has no scan with lesions left"):
        Samples([scan for scan in scans if scan.row.is_healthy], settings_of(values))


def test_a_scan_without_lungs_is_skipped_by_the_lesion_stage(
    scans: list[PreparedScan], values: dict[str, Any]
) -> None:
    bare = replace(scans[0], lungs=np.zeros_like(scans[0].lungs))
    samples = Samples([bare, *scans[1:]], settings_of(values))
    assert len(samples.sick) == 2


@pytest.mark.parametrize("stage", ["lesions", "direct"])
@pytest.mark.parametrize("name", ["paste", "opacity"])
def test_made_lesions_are_seen_and_asked_for(
    scans: list[PreparedScan], values: dict[str, Any], stage: str, name: str
) -> None:
    made = settings_of if stage == "lesions" else direct_of
    augment = {**values.get("augment", {}), name: 1.0}
    changes = {"healthy_share": 0.0}
    plain = Samples(scans, made(values, **changes))
    made_up = Samples(scans, made(values, augment=augment, **changes))
    area, more, seen = 0.0, 0.0, 0
    for step in range(6):
        (image, target), (changed, larger) = plain.batch(step), made_up.batch(step)
        area, more = area + float(target.sum()), more + float(larger.sum())
        seen += int(not np.array_equal(image, changed))
        again = made_up.batch(step)
        assert np.array_equal(again[0], changed)
        assert np.array_equal(again[1], larger)
    assert more > 1.2 * area
    assert seen >= 5  # a slice may have too little lung for either


@pytest.mark.parametrize("name", ["paste", "opacity"])
def test_made_lesions_are_whole_where_others_are_soft(
    scans: list[PreparedScan], values: dict[str, Any], tmp_path: Path, name: str
) -> None:
    """As a distilled network learns: half the reference, half a mean that calls nothing here."""
    for scan in scans:
        save_map(tmp_path, scan.row.scan_id, np.zeros_like(scan.lesions))
    recipe = {**values["recipe"], "mask_outside": False}
    soft = settings_of(
        values, recipe=recipe, soft_targets=str(tmp_path), healthy_share=0.0, augment={name: 1.0}
    )
    found = {float(v) for n in range(6) for v in np.unique(Samples(scans, soft).batch(n)[1])}
    assert found == {0.0, 0.5, 1.0}
