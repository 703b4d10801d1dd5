"""PNG and JPEG slices: no units and no orientation, so both are assumed and said."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from groundglass.errors import GeometryError, UnreadableError
from groundglass.io.limits import LIMITS, check_array
from groundglass.io.volume_files import RawVolume
from groundglass.volume import Finding

_GRAY_NOISE = 4
"""JPEG stores gray as color with rounding: channels this close are one gray value."""


def read_pictures(paths: Sequence[Path]) -> RawVolume:
    """A stack of pictures in the order given, taken as axial slices from head to foot.

    Rows run to the back, columns to the patient's left (as radiologists look at slices), all
    steps are 1. Raises: UnreadableError (damaged, in color), GeometryError (sizes differ).
    """
    first = _read_picture(paths[0])
    check_array((len(paths), *first.shape), first.dtype.itemsize, f"set of {len(paths)} pictures")
    array = np.empty((len(paths), *first.shape), first.dtype)
    for index, path in enumerate(paths):
        picture = first if index == 0 else _read_picture(path)
        if picture.shape != first.shape:
            raise GeometryError(
                f"{path.name} has shape {picture.shape}, {paths[0].name} {first.shape}",
                expected="slices of one size",
                remedy="Give each scan a folder of its own",
            )
        if picture.dtype.itemsize > array.dtype.itemsize:
            raise UnreadableError(
                f"{path.name} is {picture.dtype}, {paths[0].name} {first.dtype}",
                expected="slices of one depth",
            )
        array[index] = picture
    affine = np.array([[0, 0, 1, 0], [0, 1, 0, 0], [-1, 0, 0, 0], [0, 0, 0, 1]], float)
    text = (
        "pictures have no units or orientation: taken as axial slices seen from the feet, "
        "in the order of their names from head to foot"
    )
    finding = Finding("assumed_orientation", "warning", text)
    return RawVolume(array, affine, (finding,), {}, spacing_is_real=False)


def _read_picture(path: Path) -> np.ndarray:
    """(H, W), uint8 or uint16."""
    from PIL import Image

    try:
        with Image.open(path) as image:
            if image.width * image.height > LIMITS.picture_pixels:
                raise UnreadableError(
                    f"{path.name} has {image.width} x {image.height} pixels",
                    expected=f"at most {LIMITS.picture_pixels}",
                )
            if image.mode == "1":
                raise UnreadableError(f"{path.name} is black and white", expected="gray values")
            if image.mode in ("L", "LA"):
                return np.asarray(image.convert("L"))
            if image.mode.startswith("I"):
                return np.asarray(image).astype(np.uint16)
            return _gray(np.asarray(image.convert("RGB")), path)
    except UnreadableError:
        raise
    except Exception as error:  # Pillow raises whatever a damaged file leads it to
        raise UnreadableError(
            f"{path.name} cannot be read as a picture ({type(error).__name__})",
            expected="a whole PNG or JPEG",
        ) from error


def _gray(rgb: np.ndarray, path: Path) -> np.ndarray:
    spread = int((rgb.max(axis=2).astype(int) - rgb.min(axis=2)).max())
    if spread > _GRAY_NOISE:
        raise UnreadableError(
            f"{path.name} is in color (channels differ by {spread})",
            expected="a gray CT slice",
            remedy="Give the slice without overlays",
        )
    return rgb[..., 0] if spread == 0 else np.rint(rgb.mean(axis=2)).astype(np.uint8)
