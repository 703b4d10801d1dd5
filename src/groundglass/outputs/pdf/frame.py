"""What stands on every page: whose scan, what the report is not for, and the page's number."""

from __future__ import annotations

from typing import Any

from reportlab.lib.units import mm
from reportlab.pdfgen.canvas import Canvas

from groundglass.outputs.pdf.looks import (
    ACCENT,
    INK,
    LINE,
    MARGIN,
    PAGE_HEIGHT,
    PAGE_WIDTH,
    SOFT,
    WARN,
    WARN_BACK,
    WIDTH,
)
from groundglass.outputs.pdf.typeface import BOLD, REGULAR, fit

HEAD_SIZE = 8.5


def numbered_canvas(name: str, who: str, *, notice: str) -> type[Canvas]:
    """A canvas that draws head and foot once the number of pages is known.

    `name`: of the scan; `who`: patient and study in one line, or ''; both drawable.
    """

    class NumberedCanvas(Canvas):
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            super().__init__(*args, **kwargs)
            self._kept: list[dict[str, Any]] = []

        def showPage(self) -> None:  # noqa: N802  ReportLab's name
            self._kept.append(dict(self.__dict__))
            self._startPage()  # pyright: ignore[reportAttributeAccessIssue] - the stubs lack it

        def save(self) -> None:
            for number, state in enumerate(self._kept, start=1):
                self.__dict__.update(state)
                _head(self, name, who, notice)
                _foot(self, notice, f"page {number} of {len(self._kept)}")
                super().showPage()
            super().save()

    return NumberedCanvas


def _head(canvas: Canvas, name: str, who: str, notice: str) -> None:
    top = PAGE_HEIGHT - 12 * mm
    width = canvas.stringWidth(notice, BOLD, HEAD_SIZE) + 14
    canvas.setFillColor(WARN_BACK)
    canvas.roundRect(MARGIN + WIDTH - width, top - 4, width, 15, 3, stroke=0, fill=1)
    canvas.setFillColor(WARN)
    canvas.setFont(BOLD, HEAD_SIZE)
    canvas.drawString(MARGIN + WIDTH - width + 7, top, notice)
    brand = "Groundglass \u00b7 chest CT report"
    canvas.setFillColor(ACCENT)
    canvas.setFont(BOLD, HEAD_SIZE)
    canvas.drawString(MARGIN, top, brand)
    used = canvas.stringWidth(brand, BOLD, HEAD_SIZE) + 10
    canvas.setFillColor(INK)
    canvas.setFont(REGULAR, HEAD_SIZE)
    room = WIDTH - width - used - 10
    canvas.drawString(MARGIN + used, top, fit(name, REGULAR, HEAD_SIZE, room))
    if who:
        canvas.drawString(MARGIN, top - 15, fit(who, REGULAR, HEAD_SIZE, WIDTH))
    canvas.setStrokeColor(LINE)
    canvas.setLineWidth(0.5)
    canvas.line(MARGIN, top - 21, MARGIN + WIDTH, top - 21)


def _foot(canvas: Canvas, notice: str, number: str) -> None:
    canvas.setFont(REGULAR, 7.5)
    canvas.setFillColor(SOFT)
    canvas.drawString(MARGIN, 9 * mm, notice)
    canvas.drawRightString(PAGE_WIDTH - MARGIN, 9 * mm, number)
