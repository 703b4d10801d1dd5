"""Made-up opacities: what a lung looks like of which most is opaque, for want of such patients."""

from __future__ import annotations

import cv2
import numpy as np

from groundglass.ops.slice_image import equalize

_FEWEST_PIXELS = 200
"""Of lung: fewer are the tips."""


def add_opacity(
    image: np.ndarray, target: np.ndarray, lungs: np.ndarray, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Veil a random part of the lungs, 15 to 95 % of them, and ask for it as a lesion.

    The gray moves 15 to 60 % of its way to that of the body around, so vessels still show. Most
    slices are then equalized again, tile by tile, as a scan is *after* its lungs turned opaque:
    that hides a large opacity, and has to be seen through.

    Source: the idea is that of Yao et al., "Label-free segmentation of COVID-19 lesions in lung
    CT", IEEE TMI 2021, who learn from synthetic lesions alone; shape and texture are our own.
    Shape: `image` (H, W) uint8, `target` (H, W) 0..1, `lungs` (H, W) 0/1 -> image and target.
    """
    inside = lungs > 0
    if np.count_nonzero(inside) < _FEWEST_PIXELS:
        return image, target
    noise = rng.standard_normal(image.shape, dtype=np.float32)
    field = cv2.GaussianBlur(noise, (0, 0), float(rng.uniform(5, 25)))
    region = (field > np.quantile(field[inside], 1 - rng.uniform(0.15, 0.95))) & inside
    edge = float(rng.uniform(0.8, 2.5))
    veil = cv2.GaussianBlur(region.astype(np.float32), (0, 0), edge) * inside
    body = float(np.percentile(image[~inside], 75)) if not inside.all() else 200.0
    gray = image.astype(np.float32)
    gray += veil * np.float32(rng.uniform(0.15, 0.6)) * (np.float32(body) - gray)
    veiled = np.clip(np.rint(gray), 0, 255).astype(np.uint8)
    if rng.random() < 0.8:
        veiled = equalize(veiled, float(rng.uniform(2, 7)), int(rng.integers(4, 8)))
    return veiled, np.maximum(target, region.astype(target.dtype))
