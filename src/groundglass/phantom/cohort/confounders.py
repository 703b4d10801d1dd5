"""What differs between scans and is no pneumonia: body, scanner, breathing, gravity.

Drawn without a look at the disease, so that nothing of it tells the class.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

KERNELS = ("soft", "standard", "sharp")
MOTIONS = ("none", "blurred", "doubled")
WINDOWS_HU = ((-1024, 3071), (-1024, 1500), (-1000, 1000), (-1000, 600))
PADDING_HU = -2048
"""What some scanners write outside of the round field of view."""


@dataclass(frozen=True)
class Confounders:
    """One scan's draw.

    Grid: `slices`; `coverage`, the scanned height as a share of the lungs'; `shift_*_mm`, how far
    the field of view is off the body's middle; `view`, its width as a share of the body's.
    Body: `body_scale`, `fat_mm`. Lung: `lung_hu`, `gravity_hu_per_mm`, `vessel_share`.
    Dependent density: `dependent_hu` at the back of the bases, `dependent_mm` thick;
    `plates`, the bands like plate atelectasis. Motion: `motion` of `motion_mm` over
    `motion_share` of the slices from `motion_start` on. Scanner: `noise_hu`, `grain_px`,
    `kernel` and `kernel_px`, `gain`, `offset_hu`, `low_hu` and `high_hu` (the window stored),
    `padded` (outside the round field of view).
    """

    slices: int
    coverage: float
    shift_x_mm: float
    shift_y_mm: float
    shift_z_mm: float
    view: float
    body_scale: float
    fat_mm: float
    lung_hu: float
    gravity_hu_per_mm: float
    vessel_share: float
    dependent_hu: float
    dependent_mm: float
    plates: int
    motion: str
    motion_mm: float
    motion_start: float
    motion_share: float
    noise_hu: float
    grain_px: float
    kernel: str
    kernel_px: float
    gain: float
    offset_hu: float
    low_hu: int
    high_hu: int
    padded: bool

    @classmethod
    def draw(cls, rng: np.random.Generator, slices: tuple[int, int]) -> Confounders:
        """`slices`: fewest and most."""

        def between(low: float, high: float) -> float:
            return round(float(rng.uniform(low, high)), 4)

        def near(middle: float, spread: float) -> float:
            return round(middle + spread * float(np.clip(rng.standard_normal(), -2, 2)), 4)

        low_hu, high_hu = WINDOWS_HU[int(rng.integers(len(WINDOWS_HU)))]
        return cls(
            slices=int(rng.integers(slices[0], slices[1] + 1)),
            coverage=between(0.94, 1.12),
            shift_x_mm=between(-10, 10),
            shift_y_mm=between(-10, 10),
            shift_z_mm=between(-8, 8),
            view=between(1.1, 1.3),
            body_scale=between(0.88, 1.12),
            fat_mm=between(6, 36),
            lung_hu=near(-850, 32),
            gravity_hu_per_mm=between(0.1, 0.7),
            vessel_share=between(0.35, 1.0),
            dependent_hu=between(60, 400) if rng.random() < 0.65 else 0.0,
            dependent_mm=between(6, 26),
            plates=int(rng.choice(5, p=(0.4, 0.2, 0.2, 0.1, 0.1))),
            motion=str(rng.choice(MOTIONS, p=(0.5, 0.25, 0.25))),
            motion_mm=between(4, 14),
            motion_start=between(0, 0.8),
            motion_share=between(0.15, 0.5),
            noise_hu=round(float(np.exp(rng.uniform(np.log(8), np.log(50)))), 4),
            grain_px=between(0.35, 1.0),
            kernel=str(rng.choice(KERNELS)),
            kernel_px=between(0.4, 0.9),
            gain=near(1, 0.012),
            offset_hu=near(0, 7),
            low_hu=low_hu,
            high_hu=high_hu,
            padded=bool(rng.random() < 0.3),
        )
