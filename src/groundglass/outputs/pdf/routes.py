"""Diagnosis and severity by two routes: alerts, table, what carried the learned answer."""

from __future__ import annotations

from reportlab.lib.colors import HexColor
from reportlab.platypus import CondPageBreak, Flowable, KeepTogether, Spacer, Table, TableStyle

from groundglass.findings import Findings
from groundglass.outputs.pdf.attention import HEAD_COLORS, AttentionDrawing
from groundglass.outputs.pdf.figures import Key
from groundglass.outputs.pdf.further_pages import picture_rows
from groundglass.outputs.pdf.looks import LINE, OUTLINE, PALE, SOFT, WARN, WIDTH, Writer
from groundglass.outputs.report.route_section import RouteSection

_LABEL, _LEAST_ROOM = 78.0, 120.0
_WORDS = {"diagnosis": "findings or normal", "severity": "severe or mild"}


def alerts(writer: Writer, section: RouteSection) -> list[Flowable]:
    """What must be seen before any figure; nothing where there is nothing of the kind."""
    return [writer.item("!", WARN, "Attention", text) for text in section.alerts]


def routes(writer: Writer, section: RouteSection, findings: Findings) -> list[Flowable]:
    """Both routes side by side; plot and maps where the learned head has an answer."""
    learned = findings.routes.learned
    definition = findings.routes.measured.definition
    if learned is not None:
        definition += f" {learned.definition}"
    out: list[Flowable] = [
        CondPageBreak(_LEAST_ROOM),
        writer.say("Diagnosis and severity: two routes", "heading"),
        writer.say(findings.routes.agreement.statement),
        _table(writer, section, has_learned=learned is not None),
        writer.say(definition, "fine"),
    ]
    return out + _carried(writer, section)


def _table(writer: Writer, section: RouteSection, *, has_learned: bool) -> Table:
    """Rows may part between pages: their texts are as long as the reasons are."""
    sides = 2 if has_learned else 1
    names = ("Route 1: the measured share", "Route 2: the learned head")[:sides]
    rows = [["", *[writer.say(name, "label") for name in names]]]
    for row in section.rows:
        texts = (row.measured, row.learned)[:sides]
        cells = [
            [writer.say(line, "cell") for line in (text or "\u2013").split("\n")] for text in texts
        ]
        rows.append([writer.say(row.label, "label"), *cells])
    style = TableStyle(
        [
            ("BACKGROUND", (0, 0), (-1, 0), PALE),
            ("LINEABOVE", (0, 1), (-1, -1), 0.5, LINE),
            ("VALIGN", (0, 0), (-1, -1), "TOP"),
            ("TOPPADDING", (0, 0), (-1, -1), 1.5),
            ("BOTTOMPADDING", (0, 0), (-1, -1), 2.5),
            ("LEFTPADDING", (0, 0), (-1, -1), 2),
        ]
    )
    widths = [_LABEL, *[(WIDTH - _LABEL) / sides] * sides]
    return Table(rows, colWidths=widths, style=style, repeatRows=1, splitInRow=1)


def _carried(writer: Writer, section: RouteSection) -> list[Flowable]:
    """Weights of the slices, and maps of regions on the greatest."""
    if not section.carried:
        return []
    out: list[Flowable] = [writer.say("What carried the learned answer", "heading")]
    out += [writer.say(text) for text in section.carried]
    if section.plot is None:
        out.append(writer.say(f"No plot of the slices: {section.plot_missing}.", "fine"))
    else:
        names = [(HEAD_COLORS[head.name], _WORDS[head.name]) for head in section.plot.heads]
        key = Key((*names, (SOFT, "dashed: all slices weighing the same")), WIDTH)
        out.append(KeepTogether([Spacer(1, 6), AttentionDrawing(section.plot, WIDTH), key]))
    for maps in section.maps:
        title = writer.say(f"{maps.title}: slices with the greatest weight", "heading")
        out += [title, *picture_rows(writer, maps.pictures)]
    if section.maps:
        entries = (
            (HexColor("#5c01a6"), "weak"), (HexColor("#f0f921"), "strongest"),
            (OUTLINE, "lesion mask (white line)"),
        )  # fmt: skip
        out += [Key(entries, WIDTH), writer.say(section.maps_note, "fine")]
    elif section.maps_missing:
        out.append(writer.say(f"No maps of regions: {section.maps_missing}.", "fine"))
    return out
