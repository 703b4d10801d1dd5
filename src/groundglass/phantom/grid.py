"""The phantom's sampling grid, and a coarser one beside it for everything smooth.

Frame: anatomy mm, LPS directions, origin in the middle of the chest. All is made on the axial
order (D to the head, H to the back, W to the left) and permuted at the end, so that every
orientation of one grid holds the same voxels.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import cv2
import numpy as np

from groundglass.geometry import AxisOrder, axial_order, axis_spacing_mm
from groundglass.phantom.settings import PhantomSettings

WORLD_FROM_ANATOMY_MM = np.array([3.5, -161.0, -214.0])
"""Where the scanner's frame has the middle of the chest: nowhere near zero, as in real scans."""

_CENTER_MM = np.array([0.0, 5.0, -5.0])
_DIRECTIONS = {
    "L": (1, 0, 0), "R": (-1, 0, 0), "P": (0, 1, 0),
    "A": (0, -1, 0), "S": (0, 0, 1), "I": (0, 0, -1),
}  # fmt: skip

Box = tuple[slice, slice, slice]


@dataclass(frozen=True)
class Grid:
    """(D, H, W) in axial order with its affine from index to anatomy mm."""

    shape: tuple[int, int, int]
    affine: np.ndarray

    def coordinates_mm(
        self, index: tuple[np.ndarray, np.ndarray, np.ndarray]
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """x, y, z in mm, float32, at the outer product of three index vectors.

        Axes on which a coordinate does not depend stay of length 1 (broadcastable).
        """
        d, h, w = index
        axes = (d.reshape(-1, 1, 1), h.reshape(1, -1, 1), w.reshape(1, 1, -1))
        out = []
        for row in range(3):
            total = np.full((1, 1, 1), self.affine[row, 3])
            for step, axis in zip(self.affine[row, :3], axes, strict=True):
                if abs(step) > 1e-12:
                    total = total + step * axis
            out.append(total.astype(np.float32))
        return out[0], out[1], out[2]

    def coordinates_in(self, box: Box) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The same for all indices of a box. It is asked for often: cut from vectors kept, if the
        grid is neither tilted nor oblique."""
        if self._vectors is None:
            d, h, w = (np.arange(s.start, s.stop) for s in box)
            return self.coordinates_mm((d, h, w))
        x, y, z = self._vectors
        return x[_within(box, x)], y[_within(box, y)], z[_within(box, z)]

    @cached_property
    def _vectors(self) -> tuple[np.ndarray, np.ndarray, np.ndarray] | None:
        """Coordinates of the whole grid where each depends on one axis, else None."""
        if (np.count_nonzero(np.abs(self.affine[:3, :3]) > 1e-12, axis=1) > 1).any():
            return None
        d, h, w = (np.arange(n) for n in self.shape)
        return self.coordinates_mm((d, h, w))

    def boxes_around(self, low_mm: np.ndarray, high_mm: np.ndarray) -> Iterator[Box | None]:
        """Smallest index boxes that hold the body boxes low..high (N, 3) mm; None if outside."""
        inverse = self._inverse
        middle = (low_mm + high_mm) / 2 @ inverse[:3, :3].T + inverse[:3, 3]
        reach = (high_mm - low_mm) / 2 @ np.abs(inverse[:3, :3]).T
        start = np.maximum(np.ceil(middle - reach), 0).astype(int).tolist()
        stop = np.minimum(np.floor(middle + reach) + 1, self.shape).astype(int).tolist()
        for (d, h, w), (d1, h1, w1) in zip(start, stop, strict=True):
            empty = d >= d1 or h >= h1 or w >= w1
            yield None if empty else (slice(d, d1), slice(h, h1), slice(w, w1))

    def box_around(self, low_mm: np.ndarray, high_mm: np.ndarray) -> Box | None:
        """The same for one body box."""
        return next(self.boxes_around(low_mm[None], high_mm[None]))

    @cached_property
    def _inverse(self) -> np.ndarray:
        return np.linalg.inv(self.affine)

    @cached_property
    def blur_mm(self) -> float:
        """Width of an edge in the image: the pixel, and no sharper than a scanner."""
        _, h, w = axis_spacing_mm(self.affine)
        return float(max(1.0, 1.2 * max(h, w)))


def _within(box: Box, coordinate: np.ndarray) -> tuple[slice, ...]:
    """The box, whole along axes on which the coordinate does not depend."""
    return tuple(slice(None) if n == 1 else s for s, n in zip(box, coordinate.shape, strict=True))


@dataclass(frozen=True)
class CoarseGrid:
    """Index positions of a thinned grid that keeps both ends of every axis."""

    fine: Grid
    index: tuple[np.ndarray, np.ndarray, np.ndarray]

    @classmethod
    def of(cls, grid: Grid, step_mm: float) -> CoarseGrid:
        vectors = []
        for count, spacing in zip(grid.shape, axis_spacing_mm(grid.affine), strict=True):
            wanted = int(np.ceil((count - 1) * spacing / step_mm)) + 1
            vectors.append(np.linspace(0, count - 1, min(count, wanted)))
        return cls(grid, (vectors[0], vectors[1], vectors[2]))

    @property
    def step_mm(self) -> float:
        """Largest distance between neighbors."""
        spacing = axis_spacing_mm(self.fine.affine)
        steps = [s * (v[1] - v[0]) for s, v in zip(spacing, self.index, strict=True) if len(v) > 1]
        return max(steps, default=1.0)

    def coordinates_mm(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """x, y, z of all points, full arrays of the coarse shape, float32."""
        x, y, z = np.broadcast_arrays(*self.fine.coordinates_mm(self.index))
        return x, y, z

    def fine_slices(self, fields: np.ndarray) -> Iterator[np.ndarray]:
        """Trilinear interpolation of (F, d, h, w) fields: one (F, H, W) float32 per fine slice.

        The array yielded is reused for the next slice.
        """
        positions = np.interp(
            np.arange(self.fine.shape[0]), self.index[0], np.arange(len(self.index[0]))
        )
        lower = np.minimum(positions.astype(int), max(0, fields.shape[1] - 2))
        ready: dict[int, np.ndarray] = {}
        out = np.empty((fields.shape[0], *self.fine.shape[1:]), np.float32)
        for at, below in zip(positions, lower, strict=True):
            above = min(below + 1, fields.shape[1] - 1)
            ready = {k: v for k, v in ready.items() if k in (below, above)}
            for k in (below, above):
                if k not in ready:
                    ready[k] = np.stack([self._enlarge(f[k]) for f in fields])
            np.subtract(ready[above], ready[below], out=out)
            out *= np.float32(at - below)
            out += ready[below]
            yield out

    def _enlarge(self, image: np.ndarray) -> np.ndarray:
        """Linear enlargement with corners on corners (cv2.resize has them half a pixel off)."""
        _, height, width = self.fine.shape
        if image.shape == (height, width):
            return image
        sy = (image.shape[0] - 1) / max(1, height - 1)
        sx = (image.shape[1] - 1) / max(1, width - 1)
        return cv2.warpAffine(
            np.ascontiguousarray(image),
            np.array([[sx, 0, 0], [0, sy, 0]]),
            (width, height),
            flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
            borderMode=cv2.BORDER_REPLICATE,
        )


def make_grid(settings: PhantomSettings) -> tuple[Grid, AxisOrder, np.ndarray]:
    """The axial grid, the order that led to it, and the affine to world LPS as written.

    `order.undo` brings arrays made on the axial grid to `settings.shape` and orientation.
    """
    written = np.eye(4)
    for axis, (letter, step) in enumerate(
        zip(settings.orientation, settings.step_mm(), strict=True)
    ):
        written[:3, axis] = np.array(_DIRECTIONS[letter]) * step
    order = axial_order(written)
    d, h, w = order.apply(np.empty(settings.shape, np.uint8)).shape
    spacing = [settings.step_mm()[axis] for axis in order.source]
    tilt = np.radians(settings.tilt_degrees)
    columns = np.zeros((3, 3))
    columns[:, 0] = (0, 0, spacing[0])
    columns[:, 1] = np.array([0, np.cos(tilt), np.sin(tilt)]) * spacing[1]
    columns[:, 2] = (spacing[2], 0, 0)
    affine = np.eye(4)
    affine[:3, :3] = _rotation(settings.rotation_degrees) @ columns
    affine[:3, 3] = _CENTER_MM - affine[:3, :3] @ ((np.array([d, h, w]) - 1) / 2)
    world = affine.copy()
    world[:3, 3] += WORLD_FROM_ANATOMY_MM
    step = order.apply_to_affine(np.eye(4), settings.shape)
    return Grid((d, h, w), affine), order, world @ np.linalg.inv(step)


def _rotation(degrees: tuple[float, float, float]) -> np.ndarray:
    """Rotation about x, then y, then z."""
    out = np.eye(3)
    for axis, angle in enumerate(np.radians(degrees)):
        turn = np.eye(3)
        i, j = (axis + 1) % 3, (axis + 2) % 3
        turn[i, i] = turn[j, j] = np.cos(angle)
        turn[i, j], turn[j, i] = -np.sin(angle), np.sin(angle)
        out = turn @ out
    return out
