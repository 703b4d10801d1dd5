"""Pictures of the scan: a JPEG of the intensities, and contours as vector paths over it.

Contours stay apart from the picture, so that the report can hide them without a script and
prints them sharp.
"""

from __future__ import annotations

import base64
import io
from dataclasses import dataclass

import cv2
import numpy as np
from PIL import Image

from groundglass.outputs.report.scene import Scene, dice

_JPEG_QUALITY = 85
_FEWEST_SLICES, _LEAST_MM = 8, 20.0
"""Below these a coronal or sagittal view is a stripe that shows nothing."""


@dataclass(frozen=True)
class Layer:
    """One kind of contour: SVG path data in picture pixels."""

    kind: str
    path: str


@dataclass(frozen=True)
class Picture:
    """One view. `letters`: what lies at the left, right, top and bottom of the picture."""

    uri: str
    width: int
    height: int
    layers: tuple[Layer, ...]
    letters: tuple[str, str, str, str]
    title: str
    detail: str
    alt: str


@dataclass(frozen=True)
class _View:
    """One plane of the scan, turned as it is shown; spacing of rows and columns in mm."""

    values: np.ndarray
    lungs: np.ndarray
    lesions: np.ndarray
    reference: dict[str, np.ndarray]
    spacing_mm: tuple[float, float]


def draw_axial(scene: Scene, d: int, *, longest: int) -> Picture:
    """Axial slice `d` of the axial scan, as seen from the feet: patient's right on the left."""
    _, rows, columns = scene.box
    view = _view(scene, (slice(d, d + 1), rows, columns), axis=0)
    lung, lesion = scene.counts.lung[d].sum(), scene.counts.lesion[d].sum()
    detail = f"{100.0 * lesion / lung:.1f}\u00a0% of the lungs here" if lung else "no lung here"
    agreement = ""
    if "lesions" in scene.reference:
        value = dice(view.lesions, view.reference["lesions"])
        agreement = "both empty" if value is None else f"Dice {value:.2f}"
        detail += f" \u00b7 {agreement}"
    where = scene.position_text(d)
    alt = f"Axial {where}: {detail.replace(chr(0xA0), ' ')}; lesions and lungs outlined."
    letters = ("R", "L", "A", "P")
    return _picture(scene, view, longest, letters, (where.capitalize(), detail, alt))


def draw_planes(scene: Scene, *, longest: int) -> list[Picture]:
    """The coronal and the sagittal plane with most lesion; none where they would be stripes."""
    slices = scene.box[0].stop - scene.box[0].start
    if slices < _FEWEST_SLICES or slices * scene.axial.spacing_mm[0] < _LEAST_MM:
        return []
    return [draw_coronal(scene, longest=longest), draw_sagittal(scene, longest=longest)]


def draw_coronal(scene: Scene, *, longest: int) -> Picture:
    """The coronal plane with most lesion, seen from the front."""
    row = scene.plane_of_most(1)
    depth, _, columns = scene.box
    view = _view(scene, (depth, slice(row, row + 1), columns), axis=1)
    text = f"row {row + 1} of {scene.axial.shape[1]} from the front"
    alt = f"Coronal view, {text}; lesions and lungs outlined."
    return _picture(scene, view, longest, ("R", "L", "H", "F"), ("Coronal", text, alt))


def draw_sagittal(scene: Scene, *, longest: int) -> Picture:
    """The sagittal plane with most lesion, front on the left."""
    column = scene.plane_of_most(2)
    depth, rows, _ = scene.box
    view = _view(scene, (depth, rows, slice(column, column + 1)), axis=2)
    labels = scene.lungs[depth, rows, column]
    side = "right" if np.count_nonzero(labels == 1) >= np.count_nonzero(labels == 2) else "left"
    text = f"{side} lung, column {column + 1} of {scene.axial.shape[2]} from the right"
    alt = f"Sagittal view, {text}; lesions and lungs outlined."
    return _picture(scene, view, longest, ("A", "P", "H", "F"), ("Sagittal", text, alt))


def _view(scene: Scene, box: tuple[slice, slice, slice], *, axis: int) -> _View:
    def cut(array: np.ndarray) -> np.ndarray:
        plane = np.squeeze(array[box], axis=axis)
        return plane if axis == 0 else plane[::-1]  # head up

    spacing = [step for a, step in enumerate(scene.axial.spacing_mm) if a != axis]
    return _View(
        values=scene.gray(cut(scene.axial.array)),
        lungs=cut(scene.lungs),
        lesions=cut(scene.lesions),
        reference={name: cut(mask) for name, mask in scene.reference.items()},
        spacing_mm=(spacing[0], spacing[1]),
    )


def _picture(
    scene: Scene,
    view: _View,
    longest: int,
    letters: tuple[str, str, str, str],
    texts: tuple[str, str, str],
) -> Picture:
    """Scale to true proportions, at most `longest` pixels, and add the contours."""
    rows, columns = view.values.shape
    tall, wide = rows * view.spacing_mm[0], columns * view.spacing_mm[1]
    scale = longest / max(tall, wide)
    size = (max(1, round(wide * scale)), max(1, round(tall * scale)))  # OpenCV: width, height
    finer = size[0] * size[1] >= rows * columns
    how = cv2.INTER_CUBIC if finer else cv2.INTER_AREA
    image = cv2.resize(np.ascontiguousarray(view.values), size, interpolation=how)
    layers = [
        Layer("lung", contour_path((view.lungs == label).astype(np.uint8), size))
        for label in (1, 2)
    ]
    layers.append(Layer("lesion", contour_path(view.lesions > 0, size)))
    layers += [
        Layer(f"reference reference-{name}", contour_path(mask > 0, size))
        for name, mask in view.reference.items()
    ]
    return Picture(
        uri=_jpeg_uri(image),
        width=size[0],
        height=size[1],
        layers=tuple(layer for layer in layers if layer.path),
        letters=letters,
        title=texts[0],
        detail=texts[1],
        alt=texts[2],
    )


def contour_path(mask: np.ndarray, size: tuple[int, int]) -> str:
    """SVG path around a (H, W) mask scaled to `size` (width, height); '' where it is empty."""
    parts = []
    for points in smooth_contours(mask, size):
        steps = "L".join(f"{x}.5 {y}.5" for x, y in points)
        parts.append(f"M{steps}Z")
    return "".join(parts)


def smooth_contours(mask: np.ndarray, size: tuple[int, int]) -> list[np.ndarray]:
    """Closed lines around a (H, W) mask scaled to `size` (width, height), holes too.

    Shape: each (N, 2) of x, y in pixels of that size.
    """
    if not mask.any():
        return []
    smooth = cv2.resize(
        np.ascontiguousarray(mask, dtype=np.uint8) * 255, size, interpolation=cv2.INTER_LINEAR
    )
    contours, _ = cv2.findContours(
        (smooth >= 128).astype(np.uint8), cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE
    )
    return [cv2.approxPolyDP(contour, 0.6, closed=True)[:, 0, :] for contour in contours]


def _jpeg_uri(image: np.ndarray) -> str:
    stream = io.BytesIO()
    Image.fromarray(image).save(stream, "JPEG", quality=_JPEG_QUALITY, optimize=True)
    return "data:image/jpeg;base64," + base64.b64encode(stream.getvalue()).decode("ascii")
