"""Who is in the phantom: everything that the seed decides, and the template that it bends."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache

import numpy as np

from groundglass.phantom.fields import SmoothNoise
from groundglass.phantom.looks import LesionLook, LungLook

_KYPHOSIS_PER_MM = 0.0007
_WARP_MM = 3.0

Points = tuple[np.ndarray, np.ndarray, np.ndarray]


@dataclass(frozen=True)
class Patient:
    """Sizes and noise of one person.

    Anatomy is written in *template* mm: a straight spine and mirrored lungs. `to_template`
    bends a person's mm to it, `from_template` goes back.
    """

    scale: tuple[float, float, float]
    fat_mm: float
    heart_scale: float
    dome_mm: tuple[float, float]
    junction_shift_mm: float
    warp: tuple[SmoothNoise, SmoothNoise, SmoothNoise]
    texture: SmoothNoise
    large: SmoothNoise
    small: SmoothNoise
    density: SmoothNoise
    side_weight: tuple[float, float]
    tree_seed: int
    lung: LungLook = field(default_factory=LungLook)
    lesion: LesionLook = field(default_factory=LesionLook)

    @classmethod
    @lru_cache(maxsize=1)
    def of_seed(cls, seed: int) -> Patient:
        """The person of a seed; the last one is kept, for it is often asked for again."""
        rng = np.random.default_rng([seed, 1])
        sx, sy, sz = (float(v) for v in 1 + 0.045 * np.clip(rng.standard_normal(3), -2, 2))
        right, left = (float(v) for v in rng.uniform(-0.12, 0.12, 2))
        return cls(
            scale=(sx, sy, sz),
            fat_mm=float(rng.uniform(7, 22)),
            heart_scale=float(rng.uniform(0.92, 1.1)),
            dome_mm=(float(rng.uniform(-62, -48)), float(rng.uniform(-76, -60))),
            junction_shift_mm=float(rng.uniform(-2, 8)),
            warp=(
                SmoothNoise.make(rng, 38), SmoothNoise.make(rng, 38), SmoothNoise.make(rng, 38)
            ),
            texture=SmoothNoise.make(rng, 4.5),
            large=SmoothNoise.make(rng, 15),
            small=SmoothNoise.make(rng, 5),
            density=SmoothNoise.make(rng, 7),
            side_weight=(right, left),
            tree_seed=int(rng.integers(2**31)),
        )  # fmt: skip

    def to_template(self, x: np.ndarray, y: np.ndarray, z: np.ndarray) -> Points:
        """Template mm of positions in this person's mm; same shapes."""
        sx, sy, sz = (np.float32(s) for s in self.scale)
        wx, wy, wz = (np.float32(_WARP_MM) * w.at(x, y, z) for w in self.warp)
        tz = z / sz
        return x / sx + wx, y / sy + wy + np.float32(_KYPHOSIS_PER_MM) * tz * tz, tz + wz

    def from_template(self, points: np.ndarray) -> np.ndarray:
        """This person's mm of template positions; shape (N, 3) both."""
        wanted = np.asarray(points, dtype=np.float64).reshape(-1, 3)
        scale = np.array(self.scale)
        guess = wanted * scale
        for _ in range(4):  # the warp is gentle, so this converges to hundredths of a mm
            reached = np.stack(self.to_template(*guess.astype(np.float32).T), axis=1)
            guess = guess + (wanted - reached) * scale
        return guess
