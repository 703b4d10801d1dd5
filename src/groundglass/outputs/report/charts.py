"""Geometry of the two drawn figures: involvement along the body axis, and the lung zones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from groundglass.findings import Findings
from groundglass.measurement.counts import SIDES
from groundglass.outputs.report.scene import Scene

PLOT_WIDTH, PLOT_HEIGHT = 760, 310
_LEFT, _RIGHT, _TOP, _BOTTOM = 48, 12, 14, 44
_SCALES = ((1, 0.25), (5, 1), (10, 2), (20, 5), (40, 10), (60, 20), (80, 20), (100, 25))
"""Highest value of the plot in percent, and the step of its ticks."""


@dataclass(frozen=True)
class Tick:
    at: float
    text: str


@dataclass(frozen=True)
class ProfilePlot:
    """Paths and ticks of the plot, in its own pixels. `markers`: slices shown as pictures."""

    area: str
    lines: dict[str, str]
    x_ticks: tuple[Tick, ...]
    y_ticks: tuple[Tick, ...]
    markers: tuple[float, ...]
    axis_title: str
    alt: str
    width: int = PLOT_WIDTH
    height: int = PLOT_HEIGHT
    left: int = _LEFT
    right: int = PLOT_WIDTH - _RIGHT
    top: int = _TOP
    bottom: int = PLOT_HEIGHT - _BOTTOM


def plot_profile(scene: Scene, shown: Sequence[int]) -> ProfilePlot | None:
    """Involvement of both lungs and of each, feet to head; None for fewer than three slices."""
    first, last = scene.extent
    if last - first + 1 < 3:
        return None
    along = range(first, last + 1)
    total = scene.counts.involvement_percent()[first : last + 1]
    sides = [_side_share(scene, side)[first : last + 1] for side in range(len(SIDES))]
    highest = max(float(np.nanmax(values, initial=0.0)) for values in (total, *sides))
    top, step = scale_to(highest)

    def x(d: float) -> float:
        return _LEFT + (d - first) / (last - first) * (PLOT_WIDTH - _LEFT - _RIGHT)

    def y(share: float) -> float:
        return _TOP + (1 - share / top) * (PLOT_HEIGHT - _TOP - _BOTTOM)

    ends = [f"{x(d):.1f} {y(s):.1f}" for d, s in zip(along, np.nan_to_num(total), strict=True)]
    area = f"M{x(first):.1f} {y(0):.1f}L" + "L".join(ends) + f"L{x(last):.1f} {y(0):.1f}Z"
    lines = {"total": "M" + "L".join(ends)}
    for name, values in zip(("right", "left"), sides, strict=True):
        lines[name] = _broken_line([(x(d), y(s)) for d, s in zip(along, values, strict=True)])
    ticks, title = position_ticks(scene, first, last)
    levels = [step * i for i in range(round(top / step) + 1)]
    return ProfilePlot(
        area=area,
        lines=lines,
        x_ticks=tuple(Tick(x(d), text) for d, text in ticks),
        y_ticks=tuple(Tick(y(level), f"{level:g}") for level in levels),
        markers=tuple(x(d) for d in shown if first <= d <= last),
        axis_title=title,
        alt=(
            "Plot of the share of the lungs that is lesion, slice by slice from the feet to the "
            f"head; highest {float(np.nanmax(total, initial=0.0)):.1f} % of both lungs."
        ),
    )


def scale_to(highest_percent: float) -> tuple[float, float]:
    """Highest value of a plot that has to show `highest_percent`, and the step of its ticks."""
    return next(pair for pair in _SCALES if highest_percent <= pair[0] + 1e-3)


def _side_share(scene: Scene, side: int) -> np.ndarray:
    lung, lesion = scene.counts.lung[:, side], scene.counts.lesion[:, side]
    share = np.full(len(lung), np.nan)
    np.divide(100.0 * lesion, lung, out=share, where=lung > 0)
    return share


def _broken_line(points: Sequence[tuple[float, float]]) -> str:
    """A path that breaks where a value is missing."""
    out, pen_up = [], True
    for x, y in points:
        if np.isnan(y):
            pen_up = True
            continue
        out.append(f"{'M' if pen_up else 'L'}{x:.1f} {y:.1f}")
        pen_up = False
    return "".join(out)


def position_ticks(scene: Scene, first: int, last: int) -> tuple[list[tuple[float, str]], str]:
    """Round positions between two slices: mm where they are real, else slice numbers."""
    if scene.axial.spacing_is_real:
        _, rows, columns = scene.axial.shape
        center = np.array([0.0, (rows - 1) / 2, (columns - 1) / 2, 1.0])
        start = float((scene.axial.affine @ center)[2])
        step = float(scene.axial.affine[2, 0])
        low, high = start + first * step, start + last * step
        values = _round_values(low, high)
        title = "feet  \u2190  position z in mm  \u2192  head"
        return [((v - start) / step, f"{v:g}".replace("-", "\u2212")) for v in values], title
    slices = scene.axial.shape[0]
    title = "feet  \u2190  slice  \u2192  head"
    ticks = [v for v in _round_values(first, last) if v == int(v)]
    if scene.order.flipped[0]:
        return [(v, f"{slices - v:.0f}") for v in ticks], title
    return [(v, f"{v + 1:.0f}") for v in ticks], title


def _round_values(low: float, high: float) -> list[float]:
    span = max(high - low, 1e-6)
    power = 10.0 ** np.floor(np.log10(span / 5))
    step = float(next(power * f for f in (1, 2, 5, 10) if span / (power * f) <= 7))
    first = int(np.ceil(low / step - 1e-9))
    last = int(np.floor(high / step + 1e-9))
    return [round(i * step, 6) for i in range(first, last + 1)]


@dataclass(frozen=True)
class ZoneTile:
    """One zone of the picture of the lungs; `points` -1 where it holds no lung."""

    side: str
    name: str
    y: float
    height: float
    text: str
    points: int


def zone_tiles(findings: Findings) -> tuple[ZoneTile, ...]:
    """The six zones, patient's right first, top to bottom."""
    bounds = (14.0, 80.0, 142.0, 210.0)
    tiles = []
    for side in ("right", "left"):
        burden = getattr(findings.lesions, side).zones
        points = getattr(findings.severity.zonal_score, side)
        for i, name in enumerate(("upper", "middle", "lower")):
            share = getattr(burden, name).involvement_percent
            value = getattr(points, name)
            tiles.append(
                ZoneTile(
                    side=side,
                    name=name,
                    y=bounds[i],
                    height=bounds[i + 1] - bounds[i],
                    text="\u2013" if share is None else percent_text(share),
                    points=-1 if value is None else value,
                )
            )
    return tuple(tiles)


def percent_text(share: float | None) -> str:
    """'12.3 %', '< 0.1 %' for a trace, an en dash where it is not known."""
    if share is None:
        return "\u2013"
    if 0 < share < 0.1:
        return "<\u00a00.1\u00a0%"
    return f"{share:.1f}\u00a0%"
