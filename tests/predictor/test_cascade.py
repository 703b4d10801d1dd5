"""The cascade on phantoms: any orientation, any grid, masks on the scan's own voxels."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import cv2
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from groundglass.errors import NoLungError
from groundglass.geometry import AxisOrder
from groundglass.intensity import resolve_intensity
from groundglass.ops.slice_image import Frame
from groundglass.phantom.chest import Phantom, make_phantom
from groundglass.phantom.settings import PhantomSettings
from groundglass.predictor.cascade import CascadeSettings, Segmentation
from groundglass.volume import Volume

from ..made_weights import RULE_RECIPES
from .conftest import MakeCascade

ORDERS = st.builds(AxisOrder, st.permutations(range(3)).map(tuple), st.tuples(*[st.booleans()] * 3))
EXACT = CascadeSettings(lung_step_mm=0.0)
NETWORK_ALONE = CascadeSettings(density_lungs=False)
"""For tests that count on what the lung network alone says."""


@pytest.fixture(autouse=True)
def _one_thread():
    threads = cv2.getNumThreads()
    cv2.setNumThreads(1)
    yield
    cv2.setNumThreads(threads)


def dice(a: np.ndarray, b: np.ndarray) -> float:
    return 2.0 * np.count_nonzero(a & b) / (np.count_nonzero(a) + np.count_nonzero(b))


def in_order(volume: Volume, order: AxisOrder) -> Volume:
    """The same scan, stored with its axes in another order."""
    affine = order.apply_to_affine(volume.affine, volume.shape)
    return replace(volume, array=order.apply(volume.array), affine=affine)


def eight_bit(volume: Volume) -> Volume:
    """The scan as pictures hold it: a lung window, no units."""
    scaled = np.clip((volume.array + 1350.0) / 1500 * 255, 0, 255)
    array, intensity = resolve_intensity(np.rint(scaled).astype(np.uint8))
    return replace(volume, array=array, intensity=intensity, spacing_is_real=False)


def oracle(phantom: Phantom) -> Callable[[np.ndarray], np.ndarray]:
    """A lung network that knows the truth, asked slice after slice."""
    frame = Frame.fit(phantom.volume.shape[1:], 96, phantom.volume.spacing_mm[1:])
    truth = iter([frame.place((lungs > 0).astype(np.float32)) for lungs in phantom.lungs])
    return lambda batch: np.stack([next(truth)[None] * 16 - 8 for _ in batch])


def check(found: Segmentation, volume: Volume) -> None:
    """What holds for every segmentation."""
    for mask in (found.lungs, found.lesions, found.probability):
        assert mask.shape == volume.shape
        assert mask.dtype == np.uint8
    assert set(np.unique(found.lungs)) <= {0, 1, 2}
    assert set(np.unique(found.lesions)) <= {0, 1}
    assert not found.lesions[found.lungs == 0].any()
    assert not found.probability[found.lungs == 0].any()
    assert np.array_equal(found.lesions == 1, found.probability >= 128)


def test_lungs_and_lesions_are_where_they_are(
    make_cascade: MakeCascade, small_chest: Phantom
) -> None:
    found = make_cascade().cascade.segment(small_chest.volume)
    check(found, small_chest.volume)
    for side in (1, 2):
        assert dice(found.lungs == side, small_chest.lungs == side) > 0.9
    assert dice(found.lesions > 0, small_chest.lesions > 0) > 0.4


@settings(
    max_examples=6, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(ORDERS)
def test_the_order_of_the_axes_changes_nothing(
    make_cascade: MakeCascade, small_chest: Phantom, order: AxisOrder
) -> None:
    cascade = make_cascade().cascade
    straight = cascade.segment(small_chest.volume)
    volume = in_order(small_chest.volume, order)
    found = cascade.segment(volume)
    check(found, volume)
    for name in ("lungs", "lesions", "probability"):
        assert np.array_equal(order.undo(getattr(found, name)), getattr(straight, name))


@pytest.mark.parametrize("depth", [1, 2, 3])
def test_a_slice_or_a_few(make_cascade: MakeCascade, small_chest: Phantom, depth: int) -> None:
    whole = small_chest.volume
    volume = replace(whole, array=whole.array[8 : 8 + depth])
    found = make_cascade().cascade.segment(volume)
    check(found, volume)
    assert set(np.unique(found.lungs)) == {0, 1, 2}
    assert dice(found.lungs > 0, small_chest.lungs[8 : 8 + depth] > 0) > 0.85


@pytest.mark.parametrize(
    ("shape", "spacing_mm"),
    [
        ((8, 60, 110), (20.0, 4.6, 3.9)),
        ((8, 110, 60), (20.0, 2.6, 7.0)),
        ((8, 40, 120), (20.0, 7.0, 3.4)),
        ((40, 64, 80), (5.0, 4.6, 5.0)),
    ],
)
def test_grids_that_are_not_square(
    make_cascade: MakeCascade,
    shape: tuple[int, int, int],
    spacing_mm: tuple[float, float, float],
) -> None:
    phantom = make_phantom(
        PhantomSettings(shape=shape, spacing_mm=spacing_mm, seed=5, involvement=0.1, noise_hu=8)
    )
    made = make_cascade(lungs=oracle(phantom), settings=EXACT)
    found = made.cascade.segment(phantom.volume)
    check(found, phantom.volume)
    for side in (1, 2):
        assert dice(found.lungs == side, phantom.lungs == side) > 0.9


def test_eight_bit_without_units(make_cascade: MakeCascade, small_chest: Phantom) -> None:
    volume = eight_bit(small_chest.volume)
    made = make_cascade()
    found = made.cascade.segment(volume)
    check(found, volume)
    assert made.lungs.seen.shape[0] == volume.shape[0]  # no mm to skip slices by
    assert not found.was_equalized
    assert dice(found.lungs > 0, small_chest.lungs > 0) > 0.75


class TestSlicesSeen:
    def phantom(self) -> Phantom:
        return make_phantom(
            PhantomSettings(
                shape=(31, 36, 44), spacing_mm=(1.0, 9.1, 9.1), seed=5, involvement=0.1, noise_hu=8
            )
        )

    def test_every_3_mm_is_nearly_every_slice(self, make_cascade: MakeCascade) -> None:
        phantom = self.phantom()
        made = make_cascade()
        sampled = made.cascade.segment(phantom.volume)
        assert made.lungs.seen.shape[0] == sampled.slices_seen["lungs"] == 11
        made = make_cascade(settings=EXACT)
        exact = made.cascade.segment(phantom.volume)
        assert made.lungs.seen.shape[0] == exact.slices_seen["lungs"] == 31
        assert dice(sampled.lungs > 0, exact.lungs > 0) > 0.97

    @pytest.mark.parametrize(("slices", "seen"), [(1, 1), (2, 2), (3, 2), (4, 2), (5, 3)])
    def test_first_and_last_are_among_them(
        self, make_cascade: MakeCascade, slices: int, seen: int
    ) -> None:
        whole = self.phantom().volume
        made = make_cascade()
        made.cascade.segment(replace(whole, array=whole.array[20 : 20 + slices]))
        assert made.lungs.seen.shape[0] == seen

    def test_only_slices_with_lung_reach_the_lesion_network(
        self, make_cascade: MakeCascade, small_chest: Phantom
    ) -> None:
        array = small_chest.volume.array.copy()
        array[:3], array[:3, 0, 0] = 40, -1000
        made = make_cascade()
        found = made.cascade.segment(replace(small_chest.volume, array=array))
        count = np.count_nonzero(found.lungs.any(axis=(1, 2)))
        assert found.slices_seen["lesions"] == made.lesions.seen.shape[0]
        assert count <= made.lesions.seen.shape[0] <= array.shape[0] - 2

    def test_batches_are_small(self, make_cascade: MakeCascade, small_chest: Phantom) -> None:
        made = make_cascade()
        made.cascade.segment(small_chest.volume)
        batches = [*made.lungs.batches, *made.lesions.batches]
        assert max(len(batch) for batch in batches) <= 4
        assert all(batch.dtype == np.float32 and batch.ndim == 4 for batch in batches)


class TestFlips:
    def test_a_network_that_favors_a_side_is_evened_out(
        self, make_cascade: MakeCascade, small_chest: Phantom
    ) -> None:
        def one_sided(batch: np.ndarray) -> np.ndarray:
            out = np.full_like(batch, -9.0)
            out[..., batch.shape[-1] // 2 :] = 9.0
            return out

        found = make_cascade(lesions=one_sided).cascade.segment(small_chest.volume)
        assert found.probability.max() == 255
        made = make_cascade(lesions=one_sided, settings=CascadeSettings(flips=True))
        found = made.cascade.segment(small_chest.volume)
        inside = found.probability[found.lungs > 0]
        assert np.median(inside) in (127, 128)
        assert found.slices_seen["lesions"] * 2 == made.lesions.seen.shape[0]

    def test_it_comes_back_unmirrored(
        self, make_cascade: MakeCascade, small_chest: Phantom
    ) -> None:
        plain = make_cascade().cascade.segment(small_chest.volume)
        both = make_cascade(settings=CascadeSettings(flips=True)).cascade.segment(
            small_chest.volume
        )
        assert np.array_equal(plain.probability, both.probability)


class TestNoLung:
    def test_a_network_that_finds_nothing(
        self, make_cascade: MakeCascade, small_chest: Phantom
    ) -> None:
        made = make_cascade(lungs=lambda batch: np.full_like(batch, -99.0), settings=NETWORK_ALONE)
        with pytest.raises(NoLungError, match=r"No lung found.*probability.*inspect") as caught:
            made.cascade.segment(small_chest.volume)
        assert "intensities taken as hu" in str(caught.value)

    def test_a_block_of_tissue(self, make_cascade: MakeCascade, small_chest: Phantom) -> None:
        array = np.full((6, 40, 40), -1000, np.int16)
        array[:, 8:32, 8:32] = 40
        affine = np.diag([5.0, 8.0, 8.0, 1.0])[:, [2, 1, 0, 3]]
        volume = replace(small_chest.volume, array=array, affine=affine)
        with pytest.raises(NoLungError):
            make_cascade(lungs=lambda batch: batch * 0 - 9).cascade.segment(volume)

    def test_certain_networks_do_not_overflow(
        self, make_cascade: MakeCascade, small_chest: Phantom
    ) -> None:
        made = make_cascade(lesions=lambda batch: np.full_like(batch, -1e4))
        assert not made.cascade.segment(small_chest.volume).lesions.any()


def test_the_temperature_divides_the_logits_of_lesions_alone(
    make_cascade: MakeCascade, small_chest: Phantom
) -> None:
    lesions = lambda batch: np.full_like(batch, 4.0)  # noqa: E731
    plain = make_cascade(lesions=lesions).cascade.segment(small_chest.volume)
    for flips in (False, True):
        made = make_cascade(
            lesions=lesions, temperature=2.0, settings=CascadeSettings(flips=flips)
        ).cascade.segment(small_chest.volume)
        assert np.array_equal(made.lungs, plain.lungs)
        assert plain.probability.max() == round(255 / (1 + np.exp(-4.0)))
        assert made.probability.max() == round(255 / (1 + np.exp(-2.0)))


def test_the_threshold_is_one_on_the_calibrated_probability(
    make_cascade: MakeCascade, small_chest: Phantom
) -> None:
    recipes = dict(RULE_RECIPES, lesions=replace(RULE_RECIPES["lesions"], threshold=0.8))
    lesions = lambda batch: np.full_like(batch, 2.0)  # noqa: E731 - 0.88, and 0.73 at T = 2
    for temperature, is_lesion in ((1.0, True), (2.0, False)):
        made = make_cascade(recipes=recipes, lesions=lesions, temperature=temperature)
        assert made.cascade.segment(small_chest.volume).lesions.any() == is_lesion
