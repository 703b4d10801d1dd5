"""One slice to one network image, by the recipe: the same code in training and in analysis."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from groundglass.intensity import Intensity
from groundglass.recipe import SliceRecipe


@dataclass(frozen=True)
class Frame:
    """Where a slice lies in its square frame: the slice resized to (height, width), top left.

    Square slices fill the frame; others are padded below or on the right.
    """

    size: int
    height: int
    width: int

    @classmethod
    def fit(
        cls, shape: tuple[int, int], size: int, spacing: tuple[float, float] = (1.0, 1.0)
    ) -> Frame:
        """Frame for slices of `shape` (H, W) pixels of `spacing` (row, column), aspect kept."""
        extent = shape[0] * spacing[0], shape[1] * spacing[1]
        scale = size / max(extent)
        height, width = (max(1, min(size, round(length * scale))) for length in extent)
        return cls(size, height, width)

    def place(self, image: np.ndarray) -> np.ndarray:
        """Resize a slice (H, W) into the frame (size, size); padded with its minimum."""
        resized = resize_image(image, (self.height, self.width))
        if (self.height, self.width) == (self.size, self.size):
            return resized
        out = np.full((self.size, self.size), resized.min(), dtype=resized.dtype)
        out[: self.height, : self.width] = resized
        return out

    def remove(self, image: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
        """Bring a float32 map (size, size) back to a slice of `shape`, linear interpolation."""
        inner = np.ascontiguousarray(image[: self.height, : self.width])
        if inner.shape == shape:
            return inner
        return cv2.resize(inner, (shape[1], shape[0]), interpolation=cv2.INTER_LINEAR)


def resize_image(image: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """Resize (H, W) to `shape`: area averaging when shrinking, cubic when enlarging."""
    if image.shape == shape:
        return np.ascontiguousarray(image)
    shrinks = shape[0] <= image.shape[0] and shape[1] <= image.shape[1]
    method = cv2.INTER_AREA if shrinks else cv2.INTER_CUBIC
    return cv2.resize(np.ascontiguousarray(image), (shape[1], shape[0]), interpolation=method)


def scale_to_eight_bit(frame: np.ndarray, window_hu: tuple[float, float] | None) -> np.ndarray:
    """Clip to the window (if any), then stretch the slice's own range to 0..255.

    Shape: (S, S) int16 or uint8 -> (S, S) uint8. A flat slice becomes 0.
    """
    values = frame.astype(np.float32)
    if window_hu is not None:
        values = np.clip(values, *window_hu)
    low, high = float(values.min()), float(values.max())
    if high <= low:
        return np.zeros(frame.shape, np.uint8)
    return np.rint((values - low) * np.float32(255.0 / (high - low))).astype(np.uint8)


def equalize(frame: np.ndarray, clip: float, tiles: int) -> np.ndarray:
    """Contrast-limited adaptive histogram equalization (OpenCV), uint8 in and out."""
    if clip <= 0:
        return frame
    return cv2.createCLAHE(clipLimit=clip, tileGridSize=(tiles, tiles)).apply(frame)


def frame_image(
    frame: np.ndarray, recipe: SliceRecipe, *, is_hu: bool, is_equalized: bool
) -> np.ndarray:
    """Framed values (int16 HU or uint8) -> the recipe's uint8 image, same shape."""
    image = scale_to_eight_bit(frame, recipe.window_hu if is_hu else None)
    return image if is_equalized else equalize(image, recipe.clahe_clip, recipe.clahe_tiles)


def normalize(image: np.ndarray, recipe: SliceRecipe) -> np.ndarray:
    """uint8 image -> float32 network input, (v / 255 - mean) / std."""
    return (image.astype(np.float32) * np.float32(1 / 255.0) - np.float32(recipe.mean)) / (
        np.float32(recipe.std)
    )


def grown_mask(mask: np.ndarray, radius: int) -> np.ndarray:
    """Lung mask (S, S) -> uint8 0/1, grown by `radius` pixels to keep pleural lesions whole."""
    out = mask.astype(np.uint8)
    if radius <= 0:
        return out
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * radius + 1, 2 * radius + 1))
    return cv2.dilate(out, kernel)


def lung_input(image: np.ndarray, recipe: SliceRecipe) -> np.ndarray:
    """What the lung network sees: the image (S, S) uint8 -> float32 (network H, network W)."""
    return normalize(resize_image(image, recipe.network_size), recipe)


def lesion_input(
    image: np.ndarray, lungs: np.ndarray, box: LungBox, recipe: SliceRecipe
) -> np.ndarray:
    """What the lesion network sees: the image's box, times the grown lung mask if the recipe says.

    The mask is cut at one half after scaling, as masks are in training, so that lungs end in a
    sharp edge at every scale. Shape: (S, S) uint8, (S, S) -> float32 (network H, network W).
    """
    if not recipe.mask_outside:
        return normalize(box.crop(image, border=cv2.BORDER_REPLICATE), recipe)
    grown = grown_mask(lungs > 0, recipe.mask_margin)
    shown = (box.crop(grown * np.uint8(255)) > 127).astype(np.uint8)
    return normalize(box.crop(image) * shown, recipe)


def is_equalized(array: np.ndarray, intensity: Intensity, recipe: SliceRecipe) -> bool:
    """Whether an 8-bit scan (D, H, W) has been through CLAHE already.

    Equalization spreads the gray levels of every tile; a plain window leaves tiles of air or
    soft tissue in a few. Decided on the median of the largest histogram bin over the tiles of
    up to nine slices. HU is never equalized.
    """
    if intensity.domain == "hu" or recipe.clahe_clip <= 0:
        return False
    picks = np.unique(np.linspace(0, array.shape[0] - 1, 11).round().astype(int)[1:-1])
    peaks = [_tile_peak(array[d], recipe) for d in picks]
    return bool(np.mean(peaks) < recipe.equalized_below)


def _tile_peak(image: np.ndarray, recipe: SliceRecipe) -> float:
    frame = Frame.fit((image.shape[0], image.shape[1]), recipe.frame_size).place(image)
    edge = recipe.frame_size // recipe.clahe_tiles
    peaks = []
    for row in range(recipe.clahe_tiles):
        for column in range(recipe.clahe_tiles):
            tile = frame[row * edge : (row + 1) * edge, column * edge : (column + 1) * edge]
            peaks.append(np.bincount(tile.ravel(), minlength=256).max() / tile.size)
    return float(np.median(peaks))


@dataclass(frozen=True)
class LungBox:
    """The lungs' box in the frame and its scale to the lesion network's input.

    The input pixel (row, column) shows the frame at (top + row / scale, left + column / scale).
    """

    top: float
    left: float
    scale: float
    size: tuple[int, int]

    @classmethod
    def around(cls, projection: np.ndarray, recipe: SliceRecipe) -> LungBox:
        """Box around a mask's projection (S, S) bool, centered; shrunk to fit, never enlarged."""
        rows, columns = np.flatnonzero(projection.any(1)), np.flatnonzero(projection.any(0))
        margin, size = recipe.box_margin, recipe.network_size
        top, bottom = rows[0] - margin, rows[-1] + 1 + margin
        left, right = columns[0] - margin, columns[-1] + 1 + margin
        scale = min(1.0, size[0] / (bottom - top), size[1] / (right - left))
        corner_top = (top + bottom - size[0] / scale) / 2
        corner_left = (left + right - size[1] / scale) / 2
        if scale == 1.0:  # whole pixels: nothing is interpolated
            corner_top, corner_left = np.floor(corner_top), np.floor(corner_left)
        return cls(float(corner_top), float(corner_left), float(scale), size)

    def crop(self, image: np.ndarray, *, border: int = cv2.BORDER_CONSTANT) -> np.ndarray:
        """Frame image (S, S) -> (network H, network W); outside the frame zero, or as `border`."""
        return cv2.warpAffine(
            image,
            self._matrix(),
            (self.size[1], self.size[0]),
            flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
            borderMode=border,
        )

    def paste(self, cropped: np.ndarray, frame_size: int) -> np.ndarray:
        """Bring a float32 map (network H, network W) back to the frame, zero outside."""
        return cv2.warpAffine(
            cropped,
            self._matrix(),
            (frame_size, frame_size),
            flags=cv2.INTER_LINEAR,
            borderMode=cv2.BORDER_CONSTANT,
        )

    def _matrix(self) -> np.ndarray:
        """Network input (x, y) -> frame (x, y), pixel centers."""
        step = 1.0 / self.scale
        return np.array(
            [
                [step, 0.0, self.left + 0.5 * step - 0.5],
                [0.0, step, self.top + 0.5 * step - 0.5],
            ]
        )
