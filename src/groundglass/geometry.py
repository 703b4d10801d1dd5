"""Where voxels are: one frame inside, LPS in mm; index order (D, H, W).

`affine` is 4x4 and maps an array index (d, h, w, 1) to LPS mm (x to the patient's left,
y to the back, z to the head), the frame of DICOM. Other frames are converted at the door.
Nothing here resamples: reorientation is a permutation and flips, with an exact inverse.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import permutations

import numpy as np

from groundglass.errors import GeometryError

LPS_FROM_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])
"""Left-multiply a RAS affine with this to get the LPS one (and the other way round)."""

_POSITIVE = "LPS"
_NEGATIVE = "RAI"


def checked_affine(affine: np.ndarray) -> np.ndarray:
    """Return `affine` as float64 (4, 4), or raise `GeometryError` where it is no grid."""
    out = np.asarray(affine, dtype=np.float64)
    if out.shape != (4, 4) or not np.isfinite(out).all():
        raise GeometryError(
            f"affine of shape {out.shape} is not a finite 4x4 matrix",
            expected="index to LPS mm",
        )
    columns = np.linalg.norm(out[:3, :3], axis=0)
    if columns.min() <= 0 or abs(np.linalg.det(out[:3, :3])) < 1e-9 * columns.prod():
        raise GeometryError(
            f"affine has axes of length {columns.round(6).tolist()} mm that span no volume",
            expected="three independent axes",
            remedy="Check the header's spacing and direction",
        )
    return out


def axis_spacing_mm(affine: np.ndarray) -> tuple[float, float, float]:
    """Length in mm of one step along each array axis (D, H, W)."""
    d, h, w = np.linalg.norm(np.asarray(affine)[:3, :3], axis=0)
    return float(d), float(h), float(w)


def slice_distance_mm(affine: np.ndarray) -> float:
    """Distance in mm between slice planes, along their normal.

    Equals the first axis's length on an orthogonal grid; on a tilted (sheared) one it is
    shorter, and it is the one that belongs into volumes.
    """
    matrix = np.asarray(affine, dtype=np.float64)[:3, :3]
    return float(abs(np.linalg.det(matrix)) / np.linalg.norm(np.cross(matrix[:, 1], matrix[:, 2])))


def voxel_volume_ml(affine: np.ndarray) -> float:
    """Volume of one voxel in ml; right for sheared grids too."""
    return float(abs(np.linalg.det(np.asarray(affine, dtype=np.float64)[:3, :3])) / 1000.0)


def shear_degrees(affine: np.ndarray) -> float:
    """Angle in degrees between the slice axis and the slice normal (gantry tilt); 0 if none."""
    length = axis_spacing_mm(affine)[0]
    return float(np.degrees(np.arccos(np.clip(slice_distance_mm(affine) / length, -1.0, 1.0))))


@dataclass(frozen=True)
class AxisOrder:
    """A permutation of axes and flips that turns a grid toward another one, exactly.

    `source[i]` is the old axis that becomes new axis i; `flipped[i]` says whether new axis i
    runs backwards through it.
    """

    source: tuple[int, int, int]
    flipped: tuple[bool, bool, bool]

    def apply(self, array: np.ndarray) -> np.ndarray:
        """Reorder a (D, H, W) array; a view, nothing is copied."""
        return np.transpose(array, self.source)[self._slices()]

    def undo(self, array: np.ndarray) -> np.ndarray:
        """Exact inverse of `apply`; a view, nothing is copied."""
        return np.transpose(array[self._slices()], np.argsort(self.source))

    def apply_to_affine(self, affine: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
        """Affine of `apply(array)` for an array of `shape` on `affine`."""
        step = np.zeros((4, 4))
        step[3, 3] = 1.0
        for new, (old, flip) in enumerate(zip(self.source, self.flipped, strict=True)):
            step[old, new] = -1.0 if flip else 1.0
            if flip:
                step[old, 3] = shape[old] - 1
        return np.asarray(affine, dtype=np.float64) @ step

    def _slices(self) -> tuple[slice, ...]:
        return tuple(slice(None, None, -1 if flip else None) for flip in self.flipped)


def axial_order(affine: np.ndarray) -> AxisOrder:
    """The order that brings a grid closest to axial: D to the head, H to the back, W to the left.

    For an oblique grid each array axis goes to the body axis it is closest to, all three at
    once (best of the six permutations), so any rotation gives a valid order.
    """
    matrix = np.asarray(affine, dtype=np.float64)[:3, :3]
    cosines = matrix / np.linalg.norm(matrix, axis=0)  # rows x, y, z; columns d, h, w
    body_axes = (2, 1, 0)  # what the new axes D, H, W shall follow: z, y, x
    best = max(
        permutations(range(3)),
        key=lambda p: sum(abs(cosines[b, a]) for b, a in zip(body_axes, p, strict=True)),
    )
    flips = [bool(cosines[b, a] < 0) for b, a in zip(body_axes, best, strict=True)]
    return AxisOrder((best[0], best[1], best[2]), (flips[0], flips[1], flips[2]))


def axis_codes(affine: np.ndarray) -> str:
    """Three letters, where each array axis (D, H, W) points: for example 'SPL'."""
    matrix = np.asarray(affine, dtype=np.float64)[:3, :3]
    order = axial_order(affine)
    letters = [""] * 3
    for body_axis, array_axis in zip((2, 1, 0), order.source, strict=True):
        positive = matrix[body_axis, array_axis] > 0
        letters[array_axis] = (_POSITIVE if positive else _NEGATIVE)[body_axis]
    return "".join(letters)


def reversed_axes_affine(affine: np.ndarray) -> np.ndarray:
    """Affine for index order (W, H, D) from one for (D, H, W), and back."""
    return np.asarray(affine, dtype=np.float64)[:, [2, 1, 0, 3]]
