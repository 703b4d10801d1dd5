"""Connected components, holes and balls in mm: the morphology that masks need.

All masks are bool (D, H, W). Balls are measured in mm, so thick slices get flat balls: a radius
below the slice distance stays inside the slice.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
from scipy import ndimage

_FACES = ndimage.generate_binary_structure(3, 1)
_IN_PLANE = _FACES.copy()
_IN_PLANE[0] = _IN_PLANE[2] = False

_BLOCK = np.ones((3, 3), dtype=np.uint8)

Box = tuple[slice, slice, slice]


@dataclass(frozen=True)
class Component:
    """One connected component: its number in the label array, voxel count and bounding box."""

    number: int
    voxels: int
    box: Box


def label_components(
    mask: np.ndarray, *, in_plane: bool = False
) -> tuple[np.ndarray, list[Component]]:
    """Number the 6-connected components (4-connected per slice with `in_plane`).

    Returns the int32 label array and the components, largest first.
    """
    labels = np.empty(mask.shape, dtype=np.int32)
    count = int(ndimage.label(mask, structure=_IN_PLANE if in_plane else _FACES, output=labels))  # pyright: ignore[reportArgumentType]
    if count == 0:
        return labels, []
    sizes = np.bincount(labels.reshape(-1), minlength=count + 1)
    boxes = ndimage.find_objects(labels)
    found = [Component(i, int(sizes[i]), boxes[i - 1]) for i in range(1, count + 1)]
    return labels, sorted(found, key=lambda c: -c.voxels)


def bounding_box(mask: np.ndarray, *, margin: int = 0) -> Box | None:
    """Smallest box around True voxels, widened by `margin` voxels inside the array; or None."""
    sides = []
    for axis in range(3):
        other = tuple(a for a in range(3) if a != axis)
        hits = np.flatnonzero(mask.any(axis=other))
        if hits.size == 0:
            return None
        stop = min(mask.shape[axis], int(hits[-1]) + 1 + margin)
        sides.append(slice(max(0, int(hits[0]) - margin), stop))
    return sides[0], sides[1], sides[2]


def fill_holes(mask: np.ndarray) -> np.ndarray:
    """Fill what is enclosed in 3-D (the grid's border encloses nothing)."""
    box = bounding_box(mask)
    if box is None:
        return mask.copy()
    labels, parts = label_components(~mask[box])
    sides = (labels[0], labels[-1], labels[:, 0], labels[:, -1], labels[:, :, 0], labels[:, :, -1])
    out = mask.copy()
    out[box] |= ~_reaching(labels, len(parts), sides)[labels]
    return out


def fill_holes_in_plane(
    mask: np.ndarray, *, max_voxels: int | None = None, max_supported: int = 0
) -> np.ndarray:
    """Fill what is enclosed within its slice, up to `max_voxels` a hole.

    The limit keeps the dome of the diaphragm out, which a slice through the lung base encloses.
    Holes up to `max_supported` voxels are filled too where at least half of them rests on mask,
    or on what was filled, in the slice below (index d - 1): lesions do, a dome does not.
    """
    box = bounding_box(mask)
    if box is None:
        return mask.copy()
    labels, parts = label_components(~mask[box], in_plane=True)
    sides = (labels[:, 0], labels[:, -1], labels[:, :, 0], labels[:, :, -1])
    outside = _reaching(labels, len(parts), sides)
    filled = ~outside[labels]
    holes = [part for part in parts if not outside[part.number]]
    for hole in sorted(holes, key=lambda part: part.box[0].start):
        if max_voxels is None or hole.voxels <= max_voxels:
            continue
        d, rows, columns = hole.box[0].start, hole.box[1], hole.box[2]
        here = labels[d, rows, columns] == hole.number
        rests = d > 0 and filled[d - 1, rows, columns][here].mean() >= 0.5
        if hole.voxels > max_supported or not rests:
            filled[d, rows, columns][here] = False
    out = mask.copy()
    out[box] = filled
    return out


def _reaching(labels: np.ndarray, count: int, sides: tuple[np.ndarray, ...]) -> np.ndarray:
    """For each component number, whether it reaches one of the sides; False for 0. (count + 1,)."""
    reached = np.zeros(count + 1, dtype=bool)
    for side in sides:
        reached[np.unique(side)] = True
    reached[0] = False
    return reached


def ball_dilate(
    mask: np.ndarray, radius_mm: float, spacing_mm: tuple[float, float, float]
) -> np.ndarray:
    """All voxels within `radius_mm` of the mask, on the same grid."""
    box = bounding_box(mask, margin=_margin(radius_mm, spacing_mm))
    if box is None or radius_mm <= 0:
        return mask.copy()
    out = mask.copy()
    out[box] = distance_mm(~mask[box], spacing_mm) <= radius_mm
    return out


def ball_erode(
    mask: np.ndarray, radius_mm: float, spacing_mm: tuple[float, float, float]
) -> np.ndarray:
    """Voxels farther than `radius_mm` from everything outside the mask (grid's edge: inside)."""
    box = bounding_box(mask, margin=1)
    if box is None or radius_mm <= 0:
        return mask.copy()
    out = mask.copy()
    out[box] = distance_mm(mask[box], spacing_mm) > radius_mm
    return out


def disk_close(
    mask: np.ndarray, radius_mm: float, spacing_mm: tuple[float, float, float]
) -> np.ndarray:
    """Closing with a disk within each slice: right whatever the slice distance is said to be.

    Never takes a voxel away; beyond the slice's border is background.
    """
    rows, columns = (int(radius_mm / step + 0.5) for step in spacing_mm[1:])
    if rows == 0 and columns == 0:
        return mask.copy()
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * columns + 1, 2 * rows + 1))
    widths = ((0, 0), (rows, rows), (columns, columns))  # or the border would count as mask
    padded = np.pad(mask, widths)
    closed = _each_slice(padded, lambda image: cv2.morphologyEx(image, cv2.MORPH_CLOSE, kernel))
    return closed[:, rows : rows + mask.shape[1], columns : columns + mask.shape[2]]


def grow_in_plane(labels: np.ndarray) -> np.ndarray:
    """Each slice grown by one pixel (8 neighbors); of two uint8 labels the higher one wins."""
    return _each_slice(labels, lambda image: cv2.dilate(image, _BLOCK))


def shrink_in_plane(mask: np.ndarray) -> np.ndarray:
    """Each slice shrunk by one pixel (8 neighbors); the slice's border does not shrink it."""
    return _each_slice(mask, lambda image: cv2.erode(image, _BLOCK))


def _each_slice(array: np.ndarray, change: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    """Apply an OpenCV operation to every slice of a bool or uint8 array that is not empty."""
    images = np.ascontiguousarray(array).view(np.uint8)
    out = np.zeros_like(images)
    for d in np.flatnonzero(images.any(axis=(1, 2))):
        out[d] = change(images[d])
    return out.view(array.dtype)


def _margin(radius_mm: float, spacing_mm: tuple[float, float, float]) -> int:
    return int(np.ceil(radius_mm / min(spacing_mm))) + 1


def distance_mm(mask: np.ndarray, spacing_mm: tuple[float, float, float]) -> np.ndarray:
    """Distance in mm to the nearest False voxel; infinite where there is none."""
    if mask.all():
        return np.full(mask.shape, np.inf, dtype=np.float32)
    return np.asarray(ndimage.distance_transform_edt(mask, sampling=spacing_mm), dtype=np.float32)


def distance_and_nearest(
    mask: np.ndarray, spacing_mm: tuple[float, float, float]
) -> tuple[np.ndarray, tuple[np.ndarray, ...]]:
    """Distance in mm to the nearest False voxel, and its index; the mask has one at least."""
    index = np.empty((mask.ndim, *mask.shape), dtype=np.int32)
    distance: np.ndarray = np.empty(mask.shape, dtype=np.float64)
    ndimage.distance_transform_edt(
        mask, sampling=spacing_mm, return_indices=True, distances=distance, indices=index
    )
    return distance, tuple(index[axis] for axis in range(mask.ndim))
