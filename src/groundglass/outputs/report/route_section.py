"""What the report's section on the two routes shows beside their table."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from groundglass.classification import HeadAnswer, ScanClassification
from groundglass.findings import Findings
from groundglass.findings.routes import LearnedRoute
from groundglass.outputs.report.attention_plot import AttentionPlot, plot_attention
from groundglass.outputs.report.pictures import Picture, draw_regions
from groundglass.outputs.report.route_table import RouteRow, route_alerts, route_rows
from groundglass.outputs.report.scene import Scene

_MOST_MAPS = 3
"""Pictures a head: the slices with its greatest weights."""
_MAP_PX = 420
_ASKED = {"diagnosis": "Findings or normal", "severity": "Severe or mild"}
_YES = {"diagnosis": "findings", "severity": "severe"}


_MAPS_NOTE = (
    "Maps of regions (Grad-CAM): uncolored where there is none, from violet (weak) over pink to "
    "yellow, the strongest place in any slice of that head, which may be a slice not shown. They "
    "mark what speaks for {yes}, whatever the answer is; they say where the head looked, not why, "
    "and they are blurred: a network\u2019s cell covers many pixels. The white line is the lesion "
    "mask of route 1."
)


@dataclass(frozen=True)
class HeadMaps:
    """Pictures of one head's greatest slices. `title`: what the head was asked."""

    title: str
    pictures: tuple[Picture, ...]


@dataclass(frozen=True)
class RouteSection:
    """Rows and alerts in plain text; plot and maps only where the learned head has an answer."""

    rows: tuple[RouteRow, ...]
    alerts: tuple[str, ...]
    plot: AttentionPlot | None = None
    carried: tuple[str, ...] = ()
    plot_missing: str = ""
    maps: tuple[HeadMaps, ...] = ()
    maps_note: str = ""
    maps_missing: str = ""


def build_section(
    scene: Scene, findings: Findings, answer: ScanClassification | None
) -> RouteSection:
    """The section. Of a head that abstains, or was not asked, nothing is drawn."""
    rows, alerts = route_rows(findings), route_alerts(findings)
    learned = findings.routes.learned
    if learned is None or learned.answer is None:
        return RouteSection(rows, alerts)
    heads = ["diagnosis"] if learned.answer == "normal" else ["diagnosis", "severity"]
    carried = tuple(_carried(name, learned) for name in heads)
    if answer is None:
        missing = "the weights of all slices were not kept"
        return RouteSection(rows, alerts, carried=carried, plot_missing=missing)
    maps, shown = [], set()
    for name in heads:
        chosen = greatest_maps(answer, getattr(answer, name))
        shown |= set(chosen)
        if chosen:
            pictures = tuple(_draw(scene, answer, name, d) for d in chosen)
            maps.append(HeadMaps(_ASKED[name], pictures))
    yes = " and for ".join(_YES[name] for name in heads)
    plot = plot_attention(scene, answer, heads, sorted(shown))
    return RouteSection(
        rows,
        alerts,
        plot,
        carried,
        "" if plot else "fewer than three slices were read",
        tuple(maps),
        _MAPS_NOTE.format(yes=yes) if maps else "",
        "" if maps else answer.regions_missing.rstrip(".") or "the classifier made none",
    )


def greatest_maps(answer: ScanClassification, head: HeadAnswer) -> list[int]:
    """Slices of the axial scan that have a map of the head, the greatest weight first."""
    order = np.argsort(-np.asarray(head.slice_weights), kind="stable")
    ranked = (int(answer.slices[i]) for i in order)
    return [d for d in ranked if d in head.regions][:_MOST_MAPS]


def _carried(name: str, learned: LearnedRoute) -> str:
    head = getattr(learned, name)
    share = 100.0 * sum(each.weight for each in head.slices)
    even = 100.0 * len(head.slices) / learned.slices_read
    return (
        f"{_ASKED[name]}: the {len(head.slices)} slices of {learned.slices_read} with the greatest "
        f"weights hold {share:.0f}\u00a0% of the weight; spread evenly they would hold "
        f"{even:.0f}\u00a0%."
    )


def _draw(scene: Scene, answer: ScanClassification, name: str, d: int) -> Picture:
    head: HeadAnswer = getattr(answer, name)
    weight = 100.0 * float(head.slice_weights[list(answer.slices).index(d)])
    where = scene.position_text(d)
    reach = 100.0 * float(head.regions[d].max(initial=0.0))
    detail = f"{weight:.1f}\u00a0% of the weight; map {_up_to(reach)} of the strongest"
    alt = f"Axial {where} under the map of regions, {_ASKED[name].lower()}; lesions outlined."
    texts = (where.capitalize(), detail, alt.replace("\u00a0", " "))
    return draw_regions(scene, d, head.regions[d], longest=_MAP_PX, texts=texts)


def _up_to(percent: float) -> str:
    """'up to 12 %'; never a 0 that is not one."""
    return "below 1\u00a0%" if 0 < percent < 1 else f"up to {percent:.0f}\u00a0%"
