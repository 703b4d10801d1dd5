"""Geometry of a drawn figure: the weight of each slice in both learned heads, over the profile."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from groundglass.classification import ScanClassification
from groundglass.outputs.report.charts import Tick, position_ticks, scale_to
from groundglass.outputs.report.scene import Scene

_WIDTH, _HEIGHT, _LEFT, _RIGHT = 1040, 330, 52, 12
_SHARE_PANEL, _WEIGHT_PANEL = (22, 92), (132, 284)
"""Top and bottom of the two panels."""


@dataclass(frozen=True)
class HeadLine:
    """One head: a path through its weights, and a dot for each slice that it read."""

    name: str
    path: str
    dots: tuple[tuple[float, float], ...]


@dataclass(frozen=True)
class AttentionPlot:
    """Paths and ticks of the plot, in its own pixels. `even`: the height of an even weight."""

    area: str
    heads: tuple[HeadLine, ...]
    even: float
    share_ticks: tuple[Tick, ...]
    weight_ticks: tuple[Tick, ...]
    x_ticks: tuple[Tick, ...]
    markers: tuple[float, ...]
    axis_title: str
    alt: str
    width: int = _WIDTH
    height: int = _HEIGHT
    left: int = _LEFT
    right: int = _WIDTH - _RIGHT
    share_panel: tuple[int, int] = _SHARE_PANEL
    weight_panel: tuple[int, int] = _WEIGHT_PANEL


def plot_attention(
    scene: Scene, answer: ScanClassification, heads: Sequence[str], shown: Sequence[int]
) -> AttentionPlot | None:
    """The weights of `heads` ('diagnosis', 'severity') slice by slice, the lesion share above them.

    `shown`: slices that have pictures. None where fewer than three slices were read.
    """
    if len(answer.slices) < 3:
        return None
    order = np.argsort(answer.slices)
    slices = np.asarray(answer.slices)[order]
    weights = {n: 100.0 * np.asarray(getattr(answer, n).slice_weights)[order] for n in heads}
    first, last = min(scene.extent[0], int(slices[0])), max(scene.extent[1], int(slices[-1]))
    shares = np.nan_to_num(scene.counts.involvement_percent()[first : last + 1])
    share_top, _ = scale_to(float(shares.max(initial=0.0)))
    top, step = scale_to(max(float(values.max()) for values in weights.values()))

    def x(d: float) -> float:
        return round(_LEFT + (d - first) / (last - first) * (_WIDTH - _LEFT - _RIGHT), 1)

    def y(value: float, highest: float, panel: tuple[int, int]) -> float:
        return round(panel[0] + (1 - value / highest) * (panel[1] - panel[0]), 1)

    floor = _SHARE_PANEL[1]
    course = "L".join(
        f"{x(first + i)} {y(float(s), share_top, _SHARE_PANEL)}" for i, s in enumerate(shares)
    )
    lines = []
    for name, values in weights.items():
        points = zip(slices, values, strict=True)
        dots = tuple((x(int(d)), y(float(w), top, _WEIGHT_PANEL)) for d, w in points)
        lines.append(HeadLine(name, "M" + "L".join(f"{a} {b}" for a, b in dots), dots))
    ticks, title = position_ticks(scene, first, last)
    return AttentionPlot(
        area=f"M{x(first)} {floor}L{course}L{x(last)} {floor}Z",
        heads=tuple(lines),
        even=y(100.0 / len(slices), top, _WEIGHT_PANEL),
        share_ticks=tuple(
            Tick(y(v, share_top, _SHARE_PANEL), f"{v:g}") for v in (0.0, float(share_top))
        ),
        weight_ticks=tuple(
            Tick(y(step * i, top, _WEIGHT_PANEL), f"{step * i:g}")
            for i in range(round(top / step) + 1)
        ),
        x_ticks=tuple(Tick(x(d), text) for d, text in ticks),
        markers=tuple(x(d) for d in shown),
        axis_title=title,
        alt=_alt(weights, slices, scene),
    )


def _alt(weights: dict[str, np.ndarray], slices: np.ndarray, scene: Scene) -> str:
    words = {"diagnosis": "findings", "severity": "severe"}
    most = [
        f"for {words[name]} {values.max():.0f} % at "
        f"{scene.position_text(int(slices[values.argmax()]))}"
        for name, values in weights.items()
    ]
    return (
        f"Plot of the weight of {len(slices)} slices from the feet to the head, below the share of "
        f"the lungs that is lesion. The greatest weight is {' and '.join(most)}."
    )
