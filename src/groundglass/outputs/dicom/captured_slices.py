"""Slices as color pictures with everything burnt in: for viewers that draw no segmentation."""

from __future__ import annotations

import io
from functools import cache

import cv2
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from groundglass.outputs.fonts import font_bytes
from groundglass.outputs.report.charts import percent_text
from groundglass.outputs.report.pictures import smooth_contours
from groundglass.outputs.report.scene import Scene

NOTICE = "Research use only. Not a medical device."
_LESION, _LUNG, _LETTER, _WORDS = (255, 138, 42), (77, 181, 240), (255, 224, 138), (235, 238, 243)
_WARNING = (245, 196, 81)
_FILL = 0.28
_SHORTEST, _LONGEST = 512, 1024
"""Longest side of a slice's picture in pixels: scans in between keep their own resolution."""
_STRIP = 30
_TEXT = 13


def draw_capture(scene: Scene, d: int) -> np.ndarray:
    """Axial slice `d` of the scene, the patient's right on the left, all of its field of view.

    Above it stand the notice and the slice's place, below it a legend. Proportions are true.
    Shape: (rows, columns, 3) uint8 RGB, the same for every slice of a scan.
    """
    width, height = _size(scene)
    gray = scene.gray(scene.axial.array[d])
    finer = width * height >= gray.size
    how = cv2.INTER_CUBIC if finer else cv2.INTER_AREA
    picture = cv2.cvtColor(cv2.resize(gray, (width, height), interpolation=how), cv2.COLOR_GRAY2RGB)
    _overlay(picture, scene, d)
    wide = max(width, _SHORTEST)
    frame = np.zeros((height + 2 * _STRIP, wide, 3), np.uint8)
    left = (wide - width) // 2
    frame[_STRIP : _STRIP + height, left : left + width] = picture
    image = Image.fromarray(frame)
    _words(image, scene, d)
    return np.asarray(image)


def _size(scene: Scene) -> tuple[int, int]:
    """Width and height of the slice's picture."""
    _, rows, columns = scene.axial.shape
    _, row_mm, column_mm = scene.axial.spacing_mm
    tall, wide = rows * row_mm, columns * column_mm
    longest = min(max(rows, columns, _SHORTEST), _LONGEST)
    scale = longest / max(tall, wide)
    return max(1, round(wide * scale)), max(1, round(tall * scale))


def _overlay(picture: np.ndarray, scene: Scene, d: int) -> None:
    """Outline of each lung; lesions filled and outlined."""
    size = (picture.shape[1], picture.shape[0])
    for label in (1, 2):
        lung = smooth_contours((scene.lungs[d] == label).astype(np.uint8), size)
        cv2.polylines(picture, lung, True, _LUNG, 1, cv2.LINE_AA)
    lesions = smooth_contours((scene.lesions[d] > 0).astype(np.uint8), size)
    if lesions:
        filled = picture.copy()
        cv2.fillPoly(filled, lesions, _LESION, cv2.LINE_AA)
        cv2.addWeighted(filled, _FILL, picture, 1 - _FILL, 0, dst=picture)
        cv2.polylines(picture, lesions, True, _LESION, 1, cv2.LINE_AA)


def _words(image: Image.Image, scene: Scene, d: int) -> None:
    draw = ImageDraw.Draw(image)
    wide, tall = image.size
    top, bottom = _STRIP // 2, tall - _STRIP // 2
    draw.text((8, top), NOTICE, _WARNING, _font(bold=True), anchor="lm")
    draw.text((wide - 8, top), scene.position_text(d), _WORDS, _font(), anchor="rm")
    middle = tall // 2
    for x, letter, anchor in ((8, "R", "lm"), (wide - 8, "L", "rm")):
        draw.text((x, middle), letter, _LETTER, _font(22, bold=True), anchor=anchor,
                  stroke_width=2, stroke_fill=(0, 0, 0))  # fmt: skip
    lung, lesion = int(scene.counts.lung[d].sum()), int(scene.counts.lesion[d].sum())
    share = f", {percent_text(100.0 * lesion / lung)} of the lungs here" if lung else ""
    x = 8.0
    for color, words in ((_LUNG, "lungs"), (_LESION, f"lesions{share}")):
        filled = tuple(round(_FILL * part) for part in color) if color == _LESION else None
        draw.rectangle((x, bottom - 6, x + 12, bottom + 6), fill=filled, outline=color)
        draw.text((x + 18, bottom), words, _WORDS, _font(), anchor="lm")
        x += 18 + draw.textlength(words, _font()) + 16
    draw.text((wide - 8, bottom), "Groundglass", _WORDS, _font(), anchor="rm")


@cache
def _font(size: int = _TEXT, *, bold: bool = False) -> ImageFont.FreeTypeFont:
    """Laid out by Pillow itself, so that it does not depend on what else is installed."""
    data = io.BytesIO(font_bytes(bold=bold))
    return ImageFont.truetype(data, size, layout_engine=ImageFont.Layout.BASIC)
