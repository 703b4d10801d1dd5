"""What follows the first page: pictures, lesions, quality, definitions, provenance."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from reportlab.lib.colors import Color
from reportlab.platypus import CondPageBreak, Flowable, KeepTogether, Spacer, Table, TableStyle

from groundglass.findings import Findings
from groundglass.outputs.pdf.figures import Key, PictureDrawing
from groundglass.outputs.pdf.looks import (
    GOOD,
    LESION,
    LINE,
    LUNG,
    REFERENCE,
    SOFT,
    WARN,
    WIDTH,
    Writer,
)
from groundglass.outputs.report.facts import check_rows, window_text
from groundglass.outputs.report.lesion_table import certainty_sentences, lesion_rows
from groundglass.outputs.report.pictures import Picture
from groundglass.outputs.report.provenance import provenance_groups
from groundglass.outputs.report.scene import Scene

_GAP = 6.0
_TALLEST, _PLANES_TALLEST = 250.0, 200.0
_MARKS = {"flag": ("!", WARN), "fine-check": ("\u2713", GOOD), "unknown": ("\u2013", SOFT)}


def images(
    writer: Writer, scene: Scene, findings: Findings, title: str, slices: Sequence[Picture]
) -> list[Flowable]:
    """Axial slices, three in a row, under what is needed to read them."""
    key: list[tuple[Color, str]] = [(LESION, "lesions"), (LUNG, "lungs")]
    if scene.reference:
        key.append((REFERENCE, "reference (dashed)"))
    note = (
        f"{window_text(findings)} The patient\u2019s right is on the left of axial and coronal "
        "pictures. Proportions are true"
    )
    if findings.scan.spacing_mm is None:
        note += " only as far as the input tells, for it has no physical units"
    head: list[Flowable] = [
        CondPageBreak(WIDTH * 0.45),
        writer.say(title, "heading"),
        Key(tuple(key), WIDTH),
        writer.say(note + ".", "fine"),
    ]
    columns = 3 if len(slices) > 2 else 2
    width = (WIDTH - _GAP * (columns - 1)) / columns
    rows = [slices[i : i + columns] for i in range(0, len(slices), columns)]
    return head + [_picture_row(writer, row, [width] * columns) for row in rows]


def planes(writer: Writer, findings: Findings, views: Sequence[Picture]) -> list[Flowable]:
    """Coronal and sagittal side by side, equally tall."""
    if not views:
        return []
    shares = [view.width / view.height for view in views]
    room = WIDTH - _GAP * (len(views) - 1)
    tall = min(room / sum(shares), _PLANES_TALLEST)
    largest = "lesions" if findings.lesions.involvement_percent else "lungs"
    title = writer.say(f"Coronal and sagittal, where {largest} are largest", "heading")
    return [KeepTogether([title, _picture_row(writer, views, [tall * share for share in shares])])]


def _picture_row(writer: Writer, pictures: Sequence[Picture], widths: list[float]) -> Table:
    cells: list[Any] = [
        [
            PictureDrawing(picture, width, _TALLEST),
            Spacer(1, 2),
            writer.terms(picture.title, picture.detail, "label"),
        ]
        for picture, width in zip(pictures, widths, strict=False)
    ]
    cells += [""] * (len(widths) - len(cells))
    table = Table([cells], colWidths=[width + _GAP for width in widths], hAlign="LEFT")
    table.setStyle(
        TableStyle(
            [
                ("VALIGN", (0, 0), (-1, -1), "TOP"),
                ("LEFTPADDING", (0, 0), (-1, -1), 0),
                ("RIGHTPADDING", (0, 0), (-1, -1), _GAP),
                ("TOPPADDING", (0, 0), (-1, -1), 2),
                ("BOTTOMPADDING", (0, 0), (-1, -1), 5),
            ]
        )
    )
    return table


def agreement(writer: Writer, pairs: Sequence[tuple[str, str]]) -> list[Flowable]:
    """Dice with a reference, where one was given."""
    if not pairs:
        return []
    text = " ".join(
        f"Dice of the {name}, pooled over all voxels: {value}." for name, value in pairs
    )
    return [KeepTogether([writer.say("Beside the reference", "heading"), writer.say(text)])]


def lesions(writer: Writer, scene: Scene, findings: Findings) -> list[Flowable]:
    """How sure the network is, and the table of the largest lesions."""
    out: list[Flowable] = [writer.say("Largest lesions", "heading")]
    certainty = certainty_sentences(findings)
    if certainty:
        out.append(writer.say(" ".join(certainty)))
    rows = lesion_rows(scene, findings)
    if not rows:
        return [*out, writer.say("No lesion is large enough to be counted.")]
    names = ["No.", "Where", "Center", "Size", "Share of all"]
    widths = [22.0, 110.0, 116.0, 62.0, 50.0]
    if certainty:
        names += ["Range", "Mean prob.", "Low conf.", "Confidence"]
        widths = [20.0, 94.0, 98.0, 52.0, 40.0, 76.0, 36.0, 36.0, 58.0]
    table: list[list[Any]] = [
        [writer.say(name, _side(i, "label", "label-right")) for i, name in enumerate(names)]
    ]
    for row in rows:
        texts = [str(row.number), row.where, row.slice_text, row.size, row.share]
        if certainty:
            texts += [row.range_text, row.probability, row.unsure, row.confidence]
        table.append([writer.say(text, _side(i, "cell", "number")) for i, text in enumerate(texts)])
    style = TableStyle(
        [
            ("LINEABOVE", (0, 1), (-1, -1), 0.5, LINE),
            ("VALIGN", (0, 0), (-1, -1), "TOP"),
            ("TOPPADDING", (0, 0), (-1, -1), 1.5),
            ("BOTTOMPADDING", (0, 0), (-1, -1), 2),
            ("LEFTPADDING", (0, 0), (-1, -1), 0),
            ("RIGHTPADDING", (0, 0), (-1, -1), 5),
            *([("LEFTPADDING", (8, 0), (8, -1), 6)] if certainty else []),
        ]
    )
    scale = WIDTH / sum(widths) if certainty else 1.0
    out.append(
        Table(
            table, colWidths=[w * scale for w in widths], style=style, repeatRows=1, hAlign="LEFT"
        )
    )
    unlisted = findings.lesions.count - len(rows)
    if unlisted > 0:
        out.append(writer.say(f"{unlisted} more counted lesions are not listed.", "fine"))
    return out


def _side(column: int, left: str, right: str) -> str:
    """Words stand left, figures right."""
    return left if column in (0, 1, 2, 8) else right


def quality(writer: Writer, findings: Findings) -> list[Flowable]:
    """Checks and warnings."""
    out: list[Flowable] = [writer.say("Quality", "heading")]
    for check in check_rows(findings):
        mark, color = _MARKS[check["state"]]
        out.append(writer.item(mark, color, check["name"], check["text"]))
    out.append(writer.say("Warnings", "heading"))
    if not findings.warnings:
        return [*out, writer.say("None.")]
    return out + [writer.say(text, "item", bullet="\u2022") for text in findings.warnings]


def definitions(writer: Writer, findings: Findings) -> list[Flowable]:
    """How the figures came about, in the words of the findings."""
    found, severity, score = findings.lesions, findings.severity, findings.severity.zonal_score
    points = "" if score.value is None else f": {score.value} of {score.maximum}"
    terms = [
        (f"MosMed grade: {severity.mosmed.name}", severity.mosmed.definition),
        (f"Zonal score{points}", f"{score.definition} {score.note}"),
        ("Lesion density", found.density_definition),
        ("Connected lesions", f"{found.count_definition} {found.items_definition}"),
    ]
    known = found.uncertainty
    if known is not None:
        state = "calibrated" if known.is_calibrated else "not calibrated"
        terms += [
            (f"Probability: {state}", known.probability_definition),
            ("Range", known.range_definition),
            ("Confidence", known.confidence_definition),
        ]
    title = writer.say("How the figures are defined", "heading")
    return [title, *[writer.terms(term, text) for term, text in terms]]


def provenance(writer: Writer, facts: Mapping[str, Any]) -> list[Flowable]:
    """Weights, versions, hashes; long parts are named and left to `run.json`."""
    groups = provenance_groups(facts)
    if not groups:
        return []
    out: list[Flowable] = [writer.say("Provenance", "heading")]
    for group in groups:
        if not group.folded:
            rows = [
                f"{name}:\u00a0{value}" if name else value for name, value in group.rows if value
            ]
            title = group.title[:1].upper() + group.title[1:]
            out.append(writer.terms(title, " \u00b7 ".join(rows)))
    left_out = [group.title.lower() for group in groups if group.folded]
    if left_out:
        out.append(writer.say(f"Not printed for its length: {', '.join(left_out)}.", "fine"))
    return out
