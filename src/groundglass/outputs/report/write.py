"""`write_report`: everything about one scan in a single HTML file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jinja2

from groundglass.errors import OutputError
from groundglass.outputs.report.charts import percent_text, plot_profile, zone_tiles
from groundglass.outputs.report.facts import agreement_rows, check_rows, scan_rows, window_text
from groundglass.outputs.report.inputs import ReportInputs
from groundglass.outputs.report.lesion_table import (
    certainty_sentences,
    involvement_range,
    lesion_rows,
    ml_text,
)
from groundglass.outputs.report.pictures import draw_axial, draw_planes
from groundglass.outputs.report.provenance import provenance_groups
from groundglass.outputs.report.scene import Scene, choose_even, choose_most_involved

_MOST, _EVEN = 6, 12
_LARGE_PX, _SMALL_PX = 520, 380


def write_report(path: Path, inputs: ReportInputs) -> None:
    """Write the report: self-contained, no script, no request to anywhere.

    The same inputs give the same bytes. Raises: OutputError where it cannot be written.
    """
    text = render_report(inputs)
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise OutputError(
            f"{path} could not be written ({error.strerror or error})",
            remedy="Check that the folder exists, is writable and has room",
        ) from error


def render_report(inputs: ReportInputs) -> str:
    """The HTML text of a report."""
    scene = Scene.build(inputs)
    findings = inputs.findings
    first, last = scene.extent
    most = choose_most_involved(scene.counts.lesion.sum(axis=1), _MOST)
    if last - first + 1 <= _EVEN:
        most = []  # all slices are shown in order anyway
    even = choose_even(first, last, _EVEN)
    few = len(even) <= 2
    even_px = _LARGE_PX if few else _SMALL_PX
    context: dict[str, Any] = {
        "f": findings,
        "most": [draw_axial(scene, d, longest=_LARGE_PX) for d in most],
        "even": [draw_axial(scene, d, longest=even_px) for d in even if d not in most],
        "even_is_few": few,
        "all_shown": last - first + 1 <= _EVEN,
        "planes": draw_planes(scene, longest=_LARGE_PX),
        "plot": plot_profile(scene, most or even),
        "tiles": zone_tiles(findings),
        "checks": check_rows(findings),
        "groups": provenance_groups(inputs.provenance),
        "has_reference": bool(scene.reference),
        "agreement": agreement_rows(scene),
        "scan_rows": scan_rows(findings),
        "window_text": window_text(findings),
        "lesion_rows": lesion_rows(scene, findings),
        "certainty": certainty_sentences(findings),
        "involvement_range": involvement_range(findings),
    }
    return _environment().get_template("report.html.j2").render(context)


def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("groundglass.outputs.report"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["percent"] = percent_text
    environment.filters["ml"] = ml_text
    return environment
