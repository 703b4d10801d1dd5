"""What the report says first: scan, statement, main figures, zones, course along the body."""

from __future__ import annotations

from typing import Any

from reportlab.platypus import Flowable, KeepTogether, Spacer, Table, TableStyle

from groundglass.findings import Findings
from groundglass.outputs.pdf.figures import InvolvementBar, Key, ProfileDrawing
from groundglass.outputs.pdf.looks import (
    ACCENT,
    LEFT_LUNG,
    LINE,
    PALE,
    RIGHT_LUNG,
    SOFT,
    WIDTH,
    ZONES,
    Writer,
    zone_ink,
)
from groundglass.outputs.pdf.subject import Subject
from groundglass.outputs.report.charts import ProfilePlot, percent_text
from groundglass.outputs.report.facts import scan_rows
from groundglass.outputs.report.lesion_table import involvement_range, ml_text

_SPAN_COLUMNS = (1, 4, 7)


def heading(writer: Writer, findings: Findings, subject: Subject | None) -> list[Flowable]:
    """Which scan this is, and whose."""
    out: list[Flowable] = [writer.say(findings.scan.id, "title")]
    if subject is not None and subject.rows():
        out.append(writer.pairs(subject.rows(), "body"))
    return [*out, writer.pairs(scan_rows(findings))]


def statement(writer: Writer, findings: Findings) -> list[Flowable]:
    """The diagnosis in words, with its evidence and definition."""
    diagnosis = findings.diagnosis
    out: list[Flowable] = [writer.say(f"Diagnosis by {diagnosis.basis}", "heading")]
    out.append(writer.say(diagnosis.statement, "statement"))
    out += [writer.say(line, "item", bullet="\u2022") for line in diagnosis.evidence]
    return [*out, writer.say(diagnosis.definition, "fine"), Spacer(1, 4)]


def main_figures(writer: Writer, findings: Findings) -> Flowable:
    """Involvement, large, and six tiles beside it."""
    left, tile = WIDTH * 0.34, WIDTH * 0.22
    rows = [
        [_tile(writer, *texts) for texts in row]
        for row in (_tiles(findings)[:3], _tiles(findings)[3:])
    ]
    tiles = Table(rows, colWidths=[tile] * 3, style=_boxes())
    hero: list[Flowable] = [
        writer.say("Lungs involved", "label"),
        writer.say(percent_text(findings.lesions.involvement_percent), "hero"),
    ]
    between = involvement_range(findings)
    if between and findings.lesions.uncertainty is not None:
        sure = "" if findings.lesions.uncertainty.is_calibrated else ", not calibrated"
        hero.append(writer.say(f"range {between}{sure}", "label"))
    hero += [Spacer(1, 4), InvolvementBar(findings, left - 14)]
    table = Table([[hero, tiles]], colWidths=[left, WIDTH - left])
    table.setStyle(
        TableStyle(
            [
                ("VALIGN", (0, 0), (-1, -1), "TOP"),
                ("LEFTPADDING", (0, 0), (-1, -1), 0),
                ("RIGHTPADDING", (0, 0), (-1, -1), 0),
                ("TOPPADDING", (0, 0), (-1, -1), 2),
            ]
        )
    )
    return table


def _tiles(findings: Findings) -> list[tuple[str, str, str]]:
    """Name, value and small print of each tile."""
    lesions, lungs, score = findings.lesions, findings.lungs, findings.severity.zonal_score
    mosmed = findings.severity.mosmed
    units = lungs.total.volume_ml is not None
    largest = "none"
    if lesions.largest_share_percent is not None:
        size = (
            "" if lesions.largest_volume_ml is None else f"{ml_text(lesions.largest_volume_ml)}, "
        )
        largest = f"largest {size}{lesions.largest_share_percent:.0f}\u00a0% of all"
    if lesions.ground_glass_percent is None:
        glass, solid = "\u2013", "intensities are not HU" if lesions.involvement_percent else "none"
    else:
        glass = f"{lesions.ground_glass_percent:.0f}\u00a0%"
        solid = f"ground glass; consolidation {lesions.consolidation_percent:.0f}\u00a0%"
    points = "\u2013" if score.value is None else f"{score.value} / {score.maximum}"
    return [
        ("MosMed grade", mosmed.name, mosmed.band),
        ("Zonal score", points, "0 to 5 points a zone"),
        ("Connected lesions", str(lesions.count), largest),
        ("Lung volume", ml_text(lungs.total.volume_ml), "" if units else "no physical units"),
        ("Lesion volume", ml_text(lesions.volume_ml), "" if units else "no physical units"),
        ("Lesion density", glass, solid),
    ]


def _tile(writer: Writer, name: str, value: str, small: str) -> list[Flowable]:
    return [writer.say(name, "label"), writer.say(value, "tile"), writer.say(small, "label")]


def _boxes() -> TableStyle:
    return TableStyle(
        [
            ("BOX", (0, 0), (-1, -1), 0.5, LINE),
            ("INNERGRID", (0, 0), (-1, -1), 0.5, LINE),
            ("VALIGN", (0, 0), (-1, -1), "TOP"),
            ("TOPPADDING", (0, 0), (-1, -1), 3),
            ("BOTTOMPADDING", (0, 0), (-1, -1), 4),
        ]
    )


def zone_table(writer: Writer, findings: Findings) -> list[Flowable]:
    """Both lungs by zone, the patient's right on the left as in the pictures."""
    lesions, lungs = findings.lesions, findings.lungs
    rows: list[list[Any]] = [
        ["", *_spread(writer, ("Right lung", "Left lung", "Both lungs"))],
        ["", *[writer.say(name, "label-center") for name in ("lesion", "involved", "points")] * 3],
    ]
    colors: list[tuple[Any, ...]] = []
    for name in ("upper", "middle", "lower"):
        row: list[Any] = [writer.say(f"{name} zone", "cell")]
        for side, first in (("right", 1), ("left", 4)):
            zone = getattr(getattr(lesions, side).zones, name)
            points: int | None = getattr(getattr(findings.severity.zonal_score, side), name)
            shown = "\u2013" if points is None else str(points)
            texts = (ml_text(zone.volume_ml), percent_text(zone.involvement_percent), shown)
            row += [writer.say(text, "center") for text in texts]
            if points is not None:
                at = (first + 2, len(rows))
                colors.append(("BACKGROUND", at, at, ZONES[points]))
                row[-1] = writer.say(shown, "center", color=zone_ink(points))
        rows.append([*row, "", "", ""])
    whole: list[Any] = [writer.say("whole lung", "cell")]
    for burden in (lesions.right, lesions.left, lesions):
        whole += _burden(writer, burden)
    score = findings.severity.zonal_score
    whole[-1] = writer.say(
        "\u2013" if score.value is None else f"{score.value} / {score.maximum}", "center"
    )
    volumes = [ml_text(part.volume_ml) for part in (lungs.right, lungs.left, lungs.total)]
    rows += [whole, [writer.say("lung volume", "cell"), *_spread(writer, volumes)]]
    column = (WIDTH - 72) / 9
    table = Table(rows, colWidths=[72, *[column] * 9], style=_zone_style(len(rows), colors))
    title = writer.say("Lungs and zones", "heading")
    return [KeepTogether([title, table, writer.say(lesions.zone_definition, "fine")])]


def _burden(writer: Writer, burden: Any) -> list[Flowable | str]:
    """Cells of one lung, or of both."""
    texts = (ml_text(burden.volume_ml), percent_text(burden.involvement_percent))
    return [*[writer.say(text, "center") for text in texts], ""]


def _spread(writer: Writer, texts: tuple[str, ...] | list[str]) -> list[Any]:
    """One text for each three columns."""
    return [cell for text in texts for cell in (writer.say(text, "center"), "", "")]


def _zone_style(rows: int, colors: list[tuple[Any, ...]]) -> TableStyle:
    spans = [
        ("SPAN", (first, row), (first + 2, row)) for row in (0, rows - 1) for first in _SPAN_COLUMNS
    ]
    return TableStyle(
        [
            *spans,
            *colors,
            ("LINEBELOW", (0, 1), (-1, -1), 0.5, LINE),
            *[("LINEAFTER", (c, 0), (c, -1), 0.5, LINE) for c in (0, 3, 6)],
            ("BACKGROUND", (0, 0), (-1, 0), PALE),
            ("VALIGN", (0, 0), (-1, -1), "MIDDLE"),
            ("TOPPADDING", (0, 0), (-1, -1), 1.5),
            ("BOTTOMPADDING", (0, 0), (-1, -1), 2.5),
            ("LEFTPADDING", (0, 0), (-1, -1), 2),
            ("RIGHTPADDING", (0, 0), (-1, -1), 2),
        ]
    )


def course(writer: Writer, plot: ProfilePlot | None) -> list[Flowable]:
    """The plot along the body axis."""
    title = writer.say("Along the body axis", "heading")
    if plot is None:
        text = "Fewer than three slices hold lung, so there is no course to plot."
        return [KeepTogether([title, writer.say(text)])]
    key = Key(((ACCENT, "both lungs"), (RIGHT_LUNG, "right"), (LEFT_LUNG, "left (dashed)"),
               (SOFT, "triangles: slices shown")), WIDTH)  # fmt: skip
    note = "Lesion share of the lungs in each slice."
    return [
        KeepTogether([title, ProfileDrawing(plot, WIDTH * 0.86), key, writer.say(note, "fine")])
    ]
