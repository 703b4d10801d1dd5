"""Noise of a CT: slightly correlated in the plane, each slice its own."""

from __future__ import annotations

import cv2
import numpy as np

from groundglass.intensity import AIR_HU, HIGHEST_HU


def add_noise(hu: np.ndarray, noise_hu: float, *, seed: int, grain_px: float = 0.6) -> None:
    """Add noise of standard deviation `noise_hu` to int16 (D, H, W) in place, clipped.

    `grain_px`: sigma of the 3x3 Gaussian that correlates it. The same seed is the same noise.
    """
    if noise_hu == 0:
        return
    for d, image in enumerate(hu):
        rng = np.random.default_rng([seed, 3, d])
        noise = rng.standard_normal(image.shape, dtype=np.float32)
        if min(image.shape) >= 3:
            # The kernel leaves this share of the standard deviation.
            kernel = cv2.getGaussianKernel(3, grain_px, cv2.CV_32F)
            noise = cv2.sepFilter2D(noise, cv2.CV_32F, kernel, kernel) / float((kernel**2).sum())
        noise *= np.float32(noise_hu)
        image[:] = np.clip(np.rint(image + noise), AIR_HU, HIGHEST_HU)
