"""Slices into frames and boxes and back; equalization told apart from a plain window."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from groundglass.intensity import Intensity
from groundglass.ops.slice_image import (
    Frame,
    LungBox,
    equalize,
    frame_image,
    is_equalized,
    normalize,
    resize_image,
    scale_to_eight_bit,
)
from groundglass.recipe import SliceRecipe

RECIPE = SliceRecipe("lesions", (160, 208))


def smooth(shape: tuple[int, int]) -> np.ndarray:
    i, j = np.mgrid[: shape[0], : shape[1]]
    return (100 * np.sin(3 * i / shape[0]) + 80 * np.cos(4 * j / shape[1])).astype(np.float32)


class TestFrame:
    def test_a_slice_of_frame_size_is_untouched(self) -> None:
        image = np.random.default_rng(0).integers(0, 255, (256, 256)).astype(np.uint8)
        frame = Frame.fit(image.shape, 256)
        assert np.array_equal(frame.place(image), image)
        as_float = image.astype(np.float32)
        assert np.array_equal(frame.remove(as_float, image.shape), as_float)

    @pytest.mark.parametrize(
        ("shape", "spacing", "inner"),
        [
            ((512, 512), (1, 1), (256, 256)),
            ((512, 256), (1, 1), (256, 128)),
            ((300, 600), (1, 1), (128, 256)),
            ((512, 512), (1, 0.5), (256, 128)),
            ((64, 64), (4.0, 4.0), (256, 256)),
            ((1, 4000), (1, 1), (1, 256)),
        ],
    )
    def test_the_aspect_in_mm_is_kept(
        self, shape: tuple[int, int], spacing: tuple[float, float], inner: tuple[int, int]
    ) -> None:
        frame = Frame.fit(shape, 256, spacing)
        assert (frame.height, frame.width) == inner

    def test_padding_holds_the_lowest_value(self) -> None:
        image = np.full((100, 50), -200, np.int16)
        image[0, 0] = -1000
        placed = Frame.fit(image.shape, 100).place(image)
        assert placed.shape == (100, 100)
        assert placed.dtype == np.int16
        assert (placed[:, 50:] == -1000).all()
        assert np.array_equal(placed[:, :50], image)

    @settings(max_examples=25, deadline=None)
    @given(st.integers(20, 90), st.integers(20, 90))
    def test_place_and_remove_come_back(self, height: int, width: int) -> None:
        """A smooth map survives the round trip, on any shape, in its own place."""
        image = smooth((height, width))
        frame = Frame.fit(image.shape, 128)
        back = frame.remove(frame.place(image), image.shape)
        assert back.shape == image.shape
        assert np.abs(back - image).max() < 6  # of 360
        assert abs(float(back.mean() - image.mean())) < 0.5

    def test_shrinking_averages(self) -> None:
        board = np.indices((8, 8)).sum(0) % 2 * np.float32(2)
        assert (resize_image(board, (4, 4)) == 1).all()


class TestIntensities:
    def test_the_window_clips_and_the_slice_fills_the_range(self) -> None:
        image = scale_to_eight_bit(np.array([[-3000, -1100], [-300, 2000]], np.int16), (-1100, 500))
        assert image.tolist() == [[0, 0], [128, 255]]

    def test_a_flat_slice_is_black(self) -> None:
        assert not scale_to_eight_bit(np.full((4, 4), 40, np.int16), (-1100, 500)).any()

    def test_a_clip_of_zero_means_no_equalization(self) -> None:
        image = np.random.default_rng(1).integers(0, 99, (64, 64)).astype(np.uint8)
        assert np.array_equal(equalize(image, 0, 8), image)
        assert not np.array_equal(equalize(image, 7, 8), image)

    def test_hu_and_its_window_meet(self) -> None:
        """A slice in HU, and the same saved as 8 bit through the recipe's window, look alike."""
        hu = np.random.default_rng(2).integers(-1100, 501, (256, 256)).astype(np.int16)
        hu[0, 0], hu[0, 1] = -1100, 500
        saved = np.rint((hu + 1100.0) * (255 / 1600)).astype(np.uint8)
        a = frame_image(hu, RECIPE, is_hu=True, is_equalized=True).astype(int)
        b = frame_image(saved, RECIPE, is_hu=False, is_equalized=True).astype(int)
        assert np.abs(a - b).max() <= 1  # a tie may round the other way
        assert np.mean(a == b) > 0.99

    def test_normalize(self) -> None:
        out = normalize(np.array([[0, 255]], np.uint8), RECIPE)
        assert out.dtype == np.float32
        np.testing.assert_allclose(out, [[-0.45 / 0.27, 0.55 / 0.27]], rtol=1e-6)


def chest(depth: int = 5, size: int = 256) -> np.ndarray:
    """A made-up chest in an 8-bit window: air, body, two lungs, some noise."""
    rng = np.random.default_rng(3)
    i, j = np.mgrid[:size, :size] / size - 0.5
    image = np.full((size, size), 10.0)
    image[(i / 0.35) ** 2 + (j / 0.46) ** 2 < 1] = 190
    for side in (-0.2, 0.2):
        image[(i / 0.24) ** 2 + ((j - side) / 0.14) ** 2 < 1] = 60
    noise = rng.normal(0, 4, (depth, size, size))
    return np.clip(image + noise, 0, 255).astype(np.uint8)


class TestIsEqualized:
    UINT8 = Intensity("uint8", "detected", "8-bit")

    def test_a_window_is_not(self) -> None:
        assert not is_equalized(chest(), self.UINT8, RECIPE)

    def test_clahe_is(self) -> None:
        array = np.stack([equalize(image, 7.0, 8) for image in chest()])
        assert is_equalized(array, self.UINT8, RECIPE)

    def test_hu_never_is(self) -> None:
        array = np.stack([equalize(image, 7.0, 8) for image in chest()])
        assert not is_equalized(array, Intensity("hu", "detected", ""), RECIPE)

    def test_one_slice_is_enough(self) -> None:
        assert is_equalized(equalize(chest(1)[0], 7.0, 8)[None], self.UINT8, RECIPE)

    @pytest.mark.data
    def test_the_published_cases_are(self, data_dir) -> None:
        from groundglass.io.read import read_scan

        folder = data_dir / "covid19-ct-seg" / "COVID-19-CT-Seg_20cases"
        for case in ("radiopaedia_29_86491_1", "radiopaedia_4_85506_1"):
            volume = read_scan(folder / f"{case}.nii.gz")
            assert is_equalized(volume.array, volume.intensity, RECIPE)


def projection(top: int, bottom: int, left: int, right: int) -> np.ndarray:
    out = np.zeros((256, 256), bool)
    out[top:bottom, left:right] = True
    return out


class TestLungBox:
    def test_small_lungs_are_not_enlarged(self) -> None:
        box = LungBox.around(projection(100, 150, 90, 170), RECIPE)
        assert box.scale == 1
        assert (box.top, box.left) == (45, 26)  # whole pixels, centered on 125 and 130

    def test_large_lungs_are_shrunk_to_fit(self) -> None:
        box = LungBox.around(projection(20, 236, 10, 250), RECIPE)
        assert box.scale == pytest.approx(160 / 224)
        shown = box.crop(projection(20, 236, 10, 250).astype(np.float32))
        assert shown.shape == (160, 208)
        rows, columns = np.flatnonzero(shown.any(1)), np.flatnonzero(shown.any(0))
        assert rows[0] > 0
        assert rows[-1] < 159
        assert columns[0] > 0
        assert columns[-1] < 207

    def test_cropping_at_scale_one_is_slicing(self) -> None:
        image = np.random.default_rng(4).integers(0, 255, (256, 256)).astype(np.uint8)
        box = LungBox.around(projection(100, 150, 90, 170), RECIPE)
        assert np.array_equal(box.crop(image), image[45:205, 26:234])

    def test_outside_the_frame_is_zero(self) -> None:
        box = LungBox.around(projection(0, 20, 0, 30), RECIPE)
        assert box.top < 0
        assert not box.crop(np.ones((256, 256), np.float32))[: int(-box.top) - 1].any()

    @pytest.mark.parametrize("edges", [(100, 150, 90, 170), (20, 236, 10, 250), (60, 230, 30, 220)])
    def test_paste_undoes_crop(self, edges: tuple[int, int, int, int]) -> None:
        box = LungBox.around(projection(*edges), RECIPE)
        image = smooth((256, 256))
        back = box.paste(box.crop(image), 256)
        inside = np.s_[edges[0] : edges[1], edges[2] : edges[3]]
        assert np.abs(back - image)[inside].max() < (1e-3 if box.scale == 1 else 0.5)

    def test_a_pasted_mask_stays_where_it_was(self) -> None:
        lungs = projection(40, 220, 30, 226)
        box = LungBox.around(lungs, RECIPE)
        back = box.paste(box.crop(lungs.astype(np.float32)), 256) > 0.5
        assert np.count_nonzero(back ^ lungs) < 0.01 * lungs.sum()
