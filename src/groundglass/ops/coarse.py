"""A coarser grid to work on: strided samples of each slice, and nearest values back.

Shape questions (which component, which side, which hole) need no sub-millimeter grid. They are
answered on every n-th voxel and brought back, so that a 512x512x300 scan takes seconds.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class CoarseGrid:
    """Every `strides[i]`-th voxel of a volume of `shape`.

    `spacing_mm` is that of the coarse grid.
    """

    shape: tuple[int, int, int]
    strides: tuple[int, int, int]
    spacing_mm: tuple[float, float, float]

    @classmethod
    def near(
        cls, shape: tuple[int, ...], spacing_mm: tuple[float, float, float], *, step_mm: float
    ) -> CoarseGrid:
        """Every slice, coarser within it: steps close to `step_mm`, never below the volume's own.

        Slices are kept because their distance may be nominal; neighbors may look unlike.
        """
        h, w = (max(1, round(step_mm / step)) for step in spacing_mm[1:])
        coarse = (spacing_mm[0], spacing_mm[1] * h, spacing_mm[2] * w)
        return cls((shape[0], shape[1], shape[2]), (1, h, w), coarse)

    def down(self, array: np.ndarray) -> np.ndarray:
        """Samples of a full (D, H, W) array, a contiguous copy."""
        return np.ascontiguousarray(array[tuple(slice(o, None, s) for o, s in self._starts())])

    def up(self, array: np.ndarray) -> np.ndarray:
        """Nearest coarse value for each voxel of the full grid."""
        out = array
        for axis, (start, stride) in enumerate(self._starts()):
            if stride > 1:
                index = (np.arange(self.shape[axis]) - start + stride // 2) // stride
                out = np.take(out, np.clip(index, 0, array.shape[axis] - 1), axis=axis)
        return out

    def _starts(self) -> list[tuple[int, int]]:
        """(first sample, stride) of each axis; an axis always keeps one sample."""
        return [
            (min((stride - 1) // 2, size - 1), stride)
            for size, stride in zip(self.shape, self.strides, strict=True)
        ]
