"""Slices and masks of a whole scan, brought into the square frames that a data set stores."""

from __future__ import annotations

import numpy as np

from groundglass.ops.slice_image import Frame
from groundglass.volume import Volume

FRAME_SIZE = 256
"""Edge of a stored frame in pixels: the paper's slice size, and the recipe's `frame_size`."""


def frame_of(volume: Volume, size: int = FRAME_SIZE) -> Frame:
    """The frame of an axial scan's slices: aspect kept in mm where the spacing is real."""
    _, height, width = volume.shape
    _, row_mm, column_mm = volume.spacing_mm
    spacing = (row_mm, column_mm) if volume.spacing_is_real else (1.0, 1.0)
    return Frame.fit((height, width), size, spacing)


def frame_images(array: np.ndarray, frame: Frame) -> np.ndarray:
    """Shape: (D, H, W) int16 or uint8 -> (D, S, S) of the same type."""
    return np.stack([frame.place(image) for image in array])


def frame_masks(mask: np.ndarray, frame: Frame) -> np.ndarray:
    """Masks shrink as gray levels and are cut at one half, so that edges stay where they are.

    Shape: (D, H, W) bool -> (D, S, S) uint8 0/1.
    """
    gray = mask.astype(np.uint8) * np.uint8(255)
    return np.stack([(frame.place(image) > 127).astype(np.uint8) for image in gray])
