"""The recipe is the same code in training and in analysis: one scan sent through both."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest

from groundglass.datasets.index import IndexRow, PreparedScan
from groundglass.intensity import Intensity
from groundglass.ops.frames import frame_images, frame_masks, frame_of
from groundglass.ops.slice_image import LungBox, equalize, frame_image, lesion_input, lung_input
from groundglass.phantom.chest import Phantom, make_phantom
from groundglass.phantom.settings import PhantomSettings
from groundglass.predictor.cascade import CascadeSettings
from groundglass.recipe import SliceRecipe
from groundglass.training.samples import Samples
from groundglass.training.settings import AugmentSettings, TrainSettings
from groundglass.volume import Volume

from .conftest import MakeCascade

RECIPES = {
    "lungs": SliceRecipe("lungs", (128, 128)),
    "lesions": SliceRecipe("lesions", (160, 208)),
}
NOTHING_RANDOM = AugmentSettings.model_validate(dict.fromkeys(AugmentSettings.model_fields, 0))


@pytest.fixture(scope="module")
def chest() -> Phantom:
    """A few slices, neither square nor axial as stored."""
    return make_phantom(
        PhantomSettings(
            shape=(90, 6, 76), spacing_mm=(4.2, 30.0, 4.4), orientation="LSA", seed=5, noise_hu=8
        )
    )


def equalized(volume: Volume) -> Volume:
    """The scan as the published 8-bit cases are: each slice scaled, then CLAHE."""
    axial, _ = volume.to_axial()
    scaled = np.clip((axial.array + 1100.0) / 1600 * 255, 0, 255).astype(np.uint8)
    framed = frame_images(scaled, frame_of(axial))
    array = np.stack([equalize(image, 7.0, 8) for image in framed])
    spacing = 380 / 256
    affine = np.diag([spacing, spacing, 30.0, 1.0])[:, [2, 1, 0, 3]]
    intensity = Intensity("uint8", "detected", "8-bit")
    return replace(axial, array=array, affine=affine, intensity=intensity)


def prepare(volume: Volume, lungs: np.ndarray) -> PreparedScan:
    """What `prepare` stores of a scan: axial frames and masks."""
    axial, order = volume.to_axial()
    frame = frame_of(axial)
    masks = frame_masks(order.apply(lungs) > 0, frame)
    lesions = masks.copy()
    lesions[:, : masks.shape[1] // 2] = 0
    row = IndexRow("a", "a", "a", "a.npz", volume.intensity.domain, len(masks), int(masks.sum()),
                   int(lesions.sum()), "", "", "")  # fmt: skip
    return PreparedScan(row, frame_images(axial.array, frame), masks, lesions)


def scans(chest: Phantom) -> dict[str, tuple[Volume, PreparedScan]]:
    hu = prepare(chest.volume, chest.lungs)
    volume = equalized(chest.volume)
    return {
        "hu": (chest.volume, hu),
        "uint8": (volume, replace(prepare(volume, hu.lungs), lungs=hu.lungs)),
    }


def analyzed(
    make_cascade: MakeCascade,
    volume: Volume,
    lungs: np.ndarray,
    recipes: dict[str, SliceRecipe],
):
    """The batches that analysis gives to both networks, where `lungs` (D, S, S) were found."""
    made = make_cascade(recipes=recipes, settings=CascadeSettings(lung_step_mm=0.0))
    made.cascade._clean = lambda probability, frames: (lungs.copy(), ())  # type: ignore[method-assign]
    found = made.cascade.segment(volume)
    return made.lungs.seen[:, 0], made.lesions.seen[:, 0], found


@pytest.mark.parametrize("masked", [True, False])
@pytest.mark.parametrize("domain", ["hu", "uint8"])
def test_both_networks_see_in_analysis_what_training_shows(
    make_cascade: MakeCascade, chest: Phantom, domain: str, masked: bool
) -> None:
    volume, scan = scans(chest)[domain]
    recipes = {**RECIPES, "lesions": replace(RECIPES["lesions"], mask_outside=masked)}
    lungs, lesions, found = analyzed(make_cascade, volume, scan.lungs, recipes)
    assert found.was_equalized == (domain == "uint8")
    plain = {
        stage: [
            frame_image(frame, recipe, is_hu=scan.is_hu, is_equalized=not scan.is_hu)
            for frame in scan.image
        ]
        for stage, recipe in recipes.items()
    }
    trained = np.stack([lung_input(image, RECIPES["lungs"]) for image in plain["lungs"]])
    assert np.array_equal(lungs, trained)
    box = LungBox.around(scan.lungs.any(axis=0), RECIPES["lesions"])
    with_lung = np.flatnonzero(scan.lungs.any(axis=(1, 2)))
    trained = np.stack(
        [lesion_input(plain["lesions"][d], scan.lungs[d], box, recipes["lesions"])
         for d in with_lung]
    )  # fmt: skip
    assert np.array_equal(lesions, trained)
    assert np.ptp(lesions) > 2
    dark = lesions.min()
    outside = [box.crop(np.uint8(255) * (scan.lungs[d] == 0)) == 255 for d in with_lung]
    far = np.stack([cv2.erode(one.astype(np.uint8), np.ones((9, 9))) for one in outside]) > 0
    assert (lesions[far] == dark).all() == masked  # what lies around the lungs is shown, or not


@pytest.mark.parametrize(
    ("stage", "masked"), [("lungs", True), ("lesions", True), ("lesions", False)]
)
def test_training_without_anything_random_shows_it_too(
    chest: Phantom, stage: str, masked: bool
) -> None:
    """Training warps each sample, so it rounds in another place: a gray level at most."""
    _, scan = scans(chest)["uint8"]
    d = int(scan.lungs.any(axis=(1, 2)).argmax()) + 1
    one = PreparedScan(
        scan.row, scan.image[d : d + 1], scan.lungs[d : d + 1], scan.lesions[d : d + 1]
    )
    recipe = replace(RECIPES[stage], mask_margin=0, mask_outside=masked)
    settings = TrainSettings.model_validate(
        {
            "name": "plain",
            "stage": stage,
            "index": "",
            "phases": [{"size": recipe.network_size, "steps": 1, "batch": 1, "lr": 1, "lr_end": 1}],
            "recipe": recipe.to_dict(),
            "augment": NOTHING_RANDOM,
            "healthy_share": 0,
        }
    )
    shown = Samples([one], settings).batch(0)[0][0, 0]
    image = frame_image(one.image[0], recipe, is_hu=False, is_equalized=True)
    if stage == "lungs":
        expected = lung_input(image, recipe)
    else:
        box = LungBox.around(one.lungs[0] > 0, recipe)
        expected = lesion_input(image, one.lungs[0], box, recipe)
    levels = np.abs(shown - expected) * recipe.std * 255
    assert levels.max() < 1.01
