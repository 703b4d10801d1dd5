"""The weight of each slice in the learned answer, under the lesion share, as drawn on paper."""

from __future__ import annotations

from reportlab.pdfgen.canvas import Canvas

from groundglass.outputs.pdf.figures import Drawing, trace
from groundglass.outputs.pdf.looks import ACCENT, LEFT_LUNG, LINE, RIGHT_LUNG, SOFT
from groundglass.outputs.report.attention_plot import AttentionPlot

HEAD_COLORS = {"diagnosis": RIGHT_LUNG, "severity": LEFT_LUNG}
_SIZE = 6.8


class AttentionDrawing(Drawing):
    """Two panels, one above the other, along the body axis."""

    def __init__(self, plot: AttentionPlot, width: float) -> None:
        super().__init__((plot.width, plot.height), width)
        self.plot = plot

    def paint(self, canvas: Canvas) -> None:
        plot, point = self.plot, 1 / self.scale
        for panel, words in (
            (plot.share_panel, "lesion share of the lungs in the slice"),
            (plot.weight_panel, "weight of the slice in the answer"),
        ):
            self.text(plot.left, panel[0] - 9, words, size=_SIZE, anchor=0.0)
        canvas.setLineWidth(0.5 * point)
        canvas.setStrokeColor(LINE)
        for tick in (*plot.share_ticks, *plot.weight_ticks):
            canvas.line(plot.left, tick.at, plot.right, tick.at)
            mark = f"{tick.text}\u00a0%"
            self.text(plot.left - 6, tick.at + 2.4 * point, mark, size=_SIZE, anchor=1.0)
        canvas.setFillColor(ACCENT, 0.25)
        canvas.drawPath(trace(canvas, plot.area), stroke=0, fill=1)
        canvas.setStrokeColor(SOFT)
        canvas.setDash([2 * point, 2 * point])
        canvas.line(plot.left, plot.even, plot.right, plot.even)
        canvas.setDash([])
        self._heads(canvas)
        canvas.setFillColor(SOFT, 1)
        y = plot.weight_panel[1] + 2
        for at in plot.markers:
            triangle = f"M{at:.1f} {y}L{at + 4:.1f} {y + 7}L{at - 4:.1f} {y + 7}Z"
            canvas.drawPath(trace(canvas, triangle), stroke=0, fill=1)
        for tick in plot.x_ticks:
            self.text(tick.at, plot.weight_panel[1] + 23, tick.text, size=_SIZE)
        self.text((plot.left + plot.right) / 2, plot.height - 3, plot.axis_title, size=_SIZE)

    def _heads(self, canvas: Canvas) -> None:
        """Dots for findings, squares for severity: they are told apart in gray too."""
        for head in self.plot.heads:
            color = HEAD_COLORS[head.name]
            canvas.setStrokeColor(color)
            canvas.setFillColor(color, 1)
            canvas.setLineWidth(0.9 / self.scale)
            canvas.drawPath(trace(canvas, head.path), stroke=1, fill=0)
            for x, y in head.dots:
                if head.name == "diagnosis":
                    canvas.circle(x, y, 3, stroke=0, fill=1)
                else:
                    canvas.rect(x - 2.8, y - 2.8, 5.6, 5.6, stroke=0, fill=1)
