"""Random changes of a training sample: geometry by one warp, intensities, errors of the mask."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from groundglass.ops.slice_image import equalize
from groundglass.training.settings import AugmentSettings


@dataclass(frozen=True)
class Warp:
    """One random similarity: output (x, y) -> frame (x, y), for images and masks alike."""

    matrix: np.ndarray
    size: tuple[int, int]

    def image(self, frame: np.ndarray) -> np.ndarray:
        return self._apply(frame, cv2.INTER_LINEAR, cv2.BORDER_REPLICATE)

    def mask(self, frame: np.ndarray) -> np.ndarray:
        """Masks are warped as gray levels and cut at one half, so that edges stay smooth."""
        soft = self._apply(frame * np.uint8(255), cv2.INTER_LINEAR, cv2.BORDER_CONSTANT)
        return (soft > 127).astype(np.uint8)

    def _apply(self, frame: np.ndarray, method: int, border: int) -> np.ndarray:
        return cv2.warpAffine(
            frame,
            self.matrix,
            (self.size[1], self.size[0]),
            flags=method | cv2.WARP_INVERSE_MAP,
            borderMode=border,
        )


def random_warp(
    rng: np.random.Generator,
    center: tuple[float, float],
    step: float,
    size: tuple[int, int],
    *,
    settings: AugmentSettings,
) -> Warp:
    """A warp around `center` (row, column) of the frame; one output pixel spans `step` pixels."""
    zoom = step * float(np.exp(rng.uniform(-1, 1) * np.log1p(settings.scale)))
    angle = np.radians(rng.uniform(-1, 1) * settings.rotate_degrees)
    mirror = -1.0 if rng.random() < settings.flip_left_right else 1.0
    upside = -1.0 if rng.random() < settings.flip_up_down else 1.0
    shift = rng.uniform(-1, 1, 2) * settings.shift * np.array(size) * step
    rotation = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    linear = rotation @ np.diag([mirror, upside]) * zoom
    middle = np.array([(size[1] - 1) / 2, (size[0] - 1) / 2])
    target = np.array([center[1] + shift[1], center[0] + shift[0]])
    return Warp(np.hstack([linear, (target - linear @ middle)[:, None]]), size)


def random_intensity(
    image: np.ndarray, rng: np.random.Generator, settings: AugmentSettings
) -> np.ndarray:
    """uint8 (H, W) -> uint8: second CLAHE, coarser grid, blur, gamma, contrast, noise."""
    image = random_grid(image, rng, settings)
    if rng.random() < settings.blur:
        image = cv2.GaussianBlur(image, (0, 0), float(rng.uniform(0.3, 1.3)))
    values = image.astype(np.float32) / 255.0
    values = values ** np.float32(np.exp(rng.uniform(-1, 1) * settings.gamma))
    middle = values.mean()
    values = (values - middle) * np.float32(1 + rng.uniform(-1, 1) * settings.contrast) + middle
    values = values * 255.0 + np.float32(rng.uniform(-1, 1) * settings.brightness)
    if rng.random() < 0.5:
        noise = rng.standard_normal(image.shape, dtype=np.float32)
        values += noise * np.float32(rng.uniform(0, settings.noise))
    return np.clip(np.rint(values), 0, 255).astype(np.uint8)


def random_grid(
    image: np.ndarray,
    rng: np.random.Generator,
    settings: AugmentSettings,
    *,
    always: bool = False,
) -> np.ndarray:
    """uint8 (H, W) -> uint8: perhaps a second CLAHE, perhaps a coarser grid.

    `always`: at least one of them, in their proportion, where the settings have any.
    """
    total = settings.second_clahe + settings.coarse
    forced = rng.random() * total if always and total else None
    again = forced is not None and forced < settings.second_clahe
    if rng.random() < settings.second_clahe or again:
        image = equalize(image, float(rng.uniform(1.0, 5.0)), int(rng.integers(2, 9)))
    if rng.random() < settings.coarse or (forced is not None and not again):
        factor = rng.uniform(0.35, 0.9)
        small = cv2.resize(image, None, fx=factor, fy=factor, interpolation=cv2.INTER_AREA)
        image = cv2.resize(small, image.shape[::-1], interpolation=cv2.INTER_LINEAR)
    return image


def random_mask_errors(
    lungs: np.ndarray, lesions: np.ndarray, rng: np.random.Generator, settings: AugmentSettings
) -> np.ndarray:
    """A lung mask as the first stage might give it: grown, shrunk, or with a piece missing.

    The second stage never sees a perfect mask in use. Shape: (H, W) uint8 0/1.
    """
    if rng.random() >= settings.mask_errors:
        return lungs
    kind = rng.random()
    if kind < 0.65:
        return cv2.dilate(lungs, _disk(int(rng.integers(1, 5))))
    if kind < 0.8:
        return cv2.erode(lungs, _disk(1))
    if kind < 0.9 and lesions.any():
        rows, columns = np.nonzero(lesions)
        pick = int(rng.integers(rows.size))
        out = cv2.dilate(lungs, _disk(1))
        cv2.circle(out, (int(columns[pick]), int(rows[pick])), int(rng.integers(2, 7)), 0, -1)
        return out
    return cv2.morphologyEx(lungs, cv2.MORPH_CLOSE, _disk(int(rng.integers(3, 9))))


def _disk(radius: int) -> np.ndarray:
    return cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * radius + 1, 2 * radius + 1))
