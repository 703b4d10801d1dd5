"""`write_report`: everything about one scan in a single HTML file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jinja2

from groundglass.errors import OutputError
from groundglass.findings import Findings, QualityCheck
from groundglass.outputs.report.charts import percent_text, plot_profile, zone_tiles
from groundglass.outputs.report.inputs import ReportInputs
from groundglass.outputs.report.lesion_table import (
    certainty_sentences,
    involvement_range,
    lesion_rows,
    ml_text,
)
from groundglass.outputs.report.pictures import Picture, draw_axial, draw_coronal, draw_sagittal
from groundglass.outputs.report.provenance import provenance_groups
from groundglass.outputs.report.route_section import build_section
from groundglass.outputs.report.scene import (
    Scene,
    choose_even,
    choose_most_involved,
    pooled_dice,
)

_MOST, _EVEN = 6, 12
_LARGE_PX, _SMALL_PX = 520, 380
_FEWEST_SLICES, _LEAST_MM = 8, 20.0
"""Below these a coronal or sagittal view is a stripe that shows nothing."""


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
        "planes": _draw_planes(scene),
        "plot": plot_profile(scene, most or even),
        "tiles": zone_tiles(findings),
        "checks": _checks(findings),
        "groups": provenance_groups(inputs.provenance),
        "has_reference": bool(scene.reference),
        "agreement": _agreement(scene),
        "scan_rows": _scan_rows(findings),
        "window_text": _window_text(findings),
        "lesion_rows": lesion_rows(scene, findings),
        "certainty": certainty_sentences(findings),
        "involvement_range": involvement_range(findings),
        "routes": build_section(scene, findings, inputs.classification),
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


def _draw_planes(scene: Scene) -> list[Picture]:
    slices = scene.box[0].stop - scene.box[0].start
    if slices < _FEWEST_SLICES or slices * scene.axial.spacing_mm[0] < _LEAST_MM:
        return []
    return [draw_coronal(scene, longest=_LARGE_PX), draw_sagittal(scene, longest=_LARGE_PX)]


def _agreement(scene: Scene) -> list[tuple[str, str]]:
    rows = []
    for name, mask in scene.reference.items():
        value = pooled_dice(scene.lungs if name == "lungs" else scene.lesions, mask)
        rows.append((name, "both empty" if value is None else f"{value:.3f}"))
    return rows


def _checks(findings: Findings) -> list[dict[str, str]]:
    """Name, text and state of each check: flag, fine-check, or unknown where it was not made."""
    quality = findings.quality
    not_hu = findings.scan.intensity.domain != "hu"
    rows: list[tuple[str, QualityCheck, bool]] = [
        ("Lung volume", quality.lung_volume, findings.lungs.total.volume_ml is None),
        ("Edge of scan", quality.edge, False),
        ("Slices", quality.gaps, False),
        ("Gantry tilt", quality.tilt, False),
        ("Intensities", quality.intensities, not_hu),
    ]
    return [
        {
            "name": name,
            "text": check.text,
            "state": "flag" if check.flag else "unknown" if unmade else "fine-check",
        }
        for name, check, unmade in rows
    ]


def _scan_rows(findings: Findings) -> list[tuple[str, str]]:
    scan = findings.scan
    rows = [("Input", scan.kind)]
    if scan.series_uid:
        rows.append(("Series", scan.series_uid))
    rows.append(("Grid", " \u00d7 ".join(str(n) for n in scan.shape)))
    if scan.spacing_mm is None:
        rows.append(("Spacing", "no physical units"))
    else:
        spacing = " \u00d7 ".join(f"{step:.3g}" for step in scan.spacing_mm)
        rows.append(("Spacing", f"{spacing} mm"))
    rows.append(("Intensities", scan.intensity.evidence))
    return rows


def _window_text(findings: Findings) -> str:
    intensity = findings.scan.intensity
    if intensity.domain == "hu":
        return "Lung window, width 1500 HU, level \u2212600 HU."
    if intensity.window_hu is not None:
        low, high = intensity.window_hu
        span = f"{low:g} to {high:g} HU".replace("-", "\u2212")
        return f"8-bit intensities as they are, window {span}."
    return "8-bit intensities as they are; their window is not known."
