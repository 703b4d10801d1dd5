"""Drawn parts of the PDF: pictures with contours, the bar of involvement, the body plot."""

from __future__ import annotations

import base64
import io
import re
from typing import Any

from reportlab.lib.colors import Color, black, white
from reportlab.lib.utils import ImageReader
from reportlab.pdfgen.canvas import Canvas
from reportlab.platypus import Flowable

from groundglass.findings import Findings
from groundglass.outputs.pdf.looks import (
    ACCENT,
    INK,
    LEFT_LUNG,
    LESION,
    LETTER,
    LINE,
    LUNG,
    REFERENCE,
    RIGHT_LUNG,
    SOFT,
    ZONES,
)
from groundglass.outputs.pdf.typeface import BOLD, REGULAR
from groundglass.outputs.report.charts import ProfilePlot
from groundglass.outputs.report.pictures import Picture

_EVEN_ODD = 0  # ReportLab's FILL_EVEN_ODD: holes in a lesion stay clear
_STEP = re.compile(r"([ML])(-?[\d.]+) (-?[\d.]+)|Z")


def trace(canvas: Canvas, path: str) -> Any:
    """ReportLab's path of one as the HTML report writes it: absolute M, L and Z alone."""
    out = canvas.beginPath()
    for step in _STEP.finditer(path):
        if step[1] is None:
            out.close()
        else:
            (out.moveTo if step[1] == "M" else out.lineTo)(float(step[2]), float(step[3]))
    return out


class _Drawing(Flowable):
    """A drawing in its own units with y down, scaled into `width` points."""

    def __init__(self, size: tuple[float, float], width: float, height: float = 1e9) -> None:
        super().__init__()
        self.size = size
        self.scale = min(width / size[0], height / size[1])
        self.width, self.height = size[0] * self.scale, size[1] * self.scale

    def wrap(self, aW: float, aH: float) -> tuple[float, float]:
        return self.width, self.height

    def draw(self) -> None:
        canvas: Canvas = self.canv
        canvas.saveState()
        canvas.scale(self.scale, -self.scale)
        canvas.translate(0, -self.size[1])
        self.paint(canvas)
        canvas.restoreState()

    def paint(self, canvas: Canvas) -> None:
        raise NotImplementedError

    def text(
        self,
        x: float,
        y: float,
        words: str,
        *,
        size: float,
        color: Color = SOFT,
        bold: bool = False,
        anchor: float = 0.5,
    ) -> None:
        """Words with baseline y, in points of the page; `anchor` 0 begins at x, 1 ends there."""
        canvas: Canvas = self.canv
        canvas.saveState()
        canvas.translate(x, y)
        canvas.scale(1 / self.scale, -1 / self.scale)
        font = BOLD if bold else REGULAR
        canvas.setFont(font, size)
        canvas.setFillColor(color)
        canvas.drawString(-anchor * canvas.stringWidth(words, font, size), 0, words)
        canvas.restoreState()


class PictureDrawing(_Drawing):
    """A picture of the scan with its contours as lines, which stay sharp in print."""

    def __init__(self, picture: Picture, width: float, height: float = 1e9) -> None:
        super().__init__((picture.width, picture.height), width, height)
        self.picture = picture

    def paint(self, canvas: Canvas) -> None:
        wide, tall = self.size
        data = base64.b64decode(self.picture.uri.partition(",")[2])
        canvas.saveState()
        canvas.translate(0, tall)
        canvas.scale(1, -1)
        canvas.drawImage(ImageReader(io.BytesIO(data)), 0, 0, wide, tall)
        canvas.restoreState()
        canvas.setLineJoin(1)
        for layer in self.picture.layers:
            self._outline(canvas, layer.kind, trace(canvas, layer.path))
        self._letters(canvas)

    def _outline(self, canvas: Canvas, kind: str, path: Any) -> None:
        point = 1 / self.scale
        canvas.saveState()
        if kind == "lesion":
            canvas.setFillColor(LESION, 0.22)
            canvas.setStrokeColor(LESION)
            canvas.setLineWidth(0.7 * point)
        elif kind == "lung":
            canvas.setStrokeColor(LUNG)
            canvas.setLineWidth(0.55 * point)
        else:
            canvas.setStrokeColor(REFERENCE)
            canvas.setLineWidth(0.6 * point)
            canvas.setDash([2 * point, 1.2 * point])
        canvas.drawPath(path, stroke=1, fill=int(kind == "lesion"), fillMode=_EVEN_ODD)
        canvas.restoreState()

    def _letters(self, canvas: Canvas) -> None:
        wide, tall = self.size
        point = 1 / self.scale
        left, right, top, bottom = self.picture.letters
        middle = tall / 2 + 2.5 * point
        places = (
            (4 * point, middle, left, 0.0),
            (wide - 4 * point, middle, right, 1.0),
            (wide / 2, 9 * point, top, 0.5),
            (wide / 2, tall - 3 * point, bottom, 0.5),
        )
        for x, y, letter, anchor in places:
            for dx, dy in ((-0.5, 0), (0.5, 0), (0, -0.5), (0, 0.5)):  # a dark rim on bright bone
                at = (x + dx * point, y + dy * point)
                self.text(*at, letter, size=7.5, color=black, bold=True, anchor=anchor)
            self.text(x, y, letter, size=7.5, color=LETTER, bold=True, anchor=anchor)


class InvolvementBar(_Drawing):
    """Where the share of the lungs lies among the MosMed bands, with its range if there is one."""

    def __init__(self, findings: Findings, width: float) -> None:
        super().__init__((416, 46), width)
        self.findings = findings

    def paint(self, canvas: Canvas) -> None:
        canvas.translate(8, 0)
        lesions, grade = self.findings.lesions, self.findings.severity.mosmed.name
        for i in range(4):
            canvas.setFillColor(ZONES[i + 1])
            canvas.rect(i * 100 + 1, 2, 98, 10, stroke=0, fill=1)
            now = grade == f"CT-{i + 1}"
            color = INK if now else SOFT
            self.text(i * 100 + 50, 41, f"CT-{i + 1}", size=6.5, color=color, bold=now)
        known = lesions.uncertainty
        if known is not None:
            low, high = known.involvement_low_percent * 4, known.involvement_high_percent * 4
            canvas.setFillColor(ACCENT, 0.55)
            canvas.rect(low, 15, max(high - low, 1), 4, stroke=0, fill=1)
        at = lesions.involvement_percent * 4
        canvas.setFillColor(INK, 1)
        canvas.drawPath(
            trace(canvas, f"M{at:.1f} 13L{at - 6:.1f} 23L{at + 6:.1f} 23Z"), stroke=0, fill=1
        )


class ProfileDrawing(_Drawing):
    """Involvement along the body axis, both lungs and each."""

    def __init__(self, plot: ProfilePlot, width: float) -> None:
        super().__init__((plot.width, plot.height), width)
        self.plot = plot

    def paint(self, canvas: Canvas) -> None:
        plot, point = self.plot, 1 / self.scale
        canvas.setLineWidth(0.5 * point)
        canvas.setStrokeColor(LINE)
        for tick in plot.y_ticks:
            canvas.line(plot.left, tick.at, plot.right, tick.at)
            mark = tick.text + ("\u00a0%" if tick is plot.y_ticks[-1] else "")
            self.text(plot.left - 6, tick.at + 2.4 * point, mark, size=6.8, anchor=1.0)
        canvas.setFillColor(ACCENT, 0.16)
        canvas.drawPath(trace(canvas, plot.area), stroke=0, fill=1)
        lines = (
            ("right", RIGHT_LUNG, 0.9, []),
            ("left", LEFT_LUNG, 0.9, [3 * point, 2 * point]),
            ("total", ACCENT, 1.4, []),
        )
        for name, color, wide, dash in lines:
            canvas.setStrokeColor(color)
            canvas.setLineWidth(wide * point)
            canvas.setDash(dash)
            canvas.drawPath(trace(canvas, plot.lines[name]), stroke=1, fill=0)
        canvas.setDash([])
        canvas.setFillColor(SOFT, 1)
        for at in plot.markers:
            y = plot.bottom + 1
            triangle = f"M{at:.1f} {y}L{at + 4:.1f} {y + 7}L{at - 4:.1f} {y + 7}Z"
            canvas.drawPath(trace(canvas, triangle), stroke=0, fill=1)
        for tick in plot.x_ticks:
            self.text(tick.at, plot.bottom + 22, tick.text, size=6.8)
        self.text((plot.left + plot.right) / 2, plot.height - 3, plot.axis_title, size=6.8)


class Key(_Drawing):
    """A legend in one line: strokes or boxes of color, each with its words."""

    def __init__(self, entries: tuple[tuple[Color, str], ...], width: float) -> None:
        super().__init__((width, 10), width)
        self.entries = entries

    def paint(self, canvas: Canvas) -> None:
        x = 0.0
        for color, words in self.entries:
            canvas.setFillColor(color)
            canvas.setStrokeColor(white)
            canvas.rect(x, 2, 7, 6, stroke=0, fill=1)
            self.text(x + 10, 7.5, words, size=7.4, anchor=0.0)
            x += 10 + canvas.stringWidth(words, REGULAR, 7.4) + 14
