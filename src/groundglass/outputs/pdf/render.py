"""`render_pdf`: everything about one scan on a few pages of A4."""

from __future__ import annotations

import io
import os
from pathlib import Path

from reportlab.platypus import Flowable, SimpleDocTemplate, Spacer

from groundglass.errors import OutputError
from groundglass.outputs.pdf import first_page, further_pages
from groundglass.outputs.pdf.frame import HEAD_SIZE, numbered_canvas
from groundglass.outputs.pdf.looks import (
    BOTTOM,
    MARGIN,
    PAGE_HEIGHT,
    PAGE_WIDTH,
    TOP,
    WIDTH,
    Writer,
)
from groundglass.outputs.pdf.subject import Subject
from groundglass.outputs.pdf.typeface import REGULAR, fit
from groundglass.outputs.report.charts import plot_profile
from groundglass.outputs.report.facts import agreement_rows
from groundglass.outputs.report.inputs import ReportInputs
from groundglass.outputs.report.pictures import draw_axial, draw_planes
from groundglass.outputs.report.scene import Scene, choose_even, choose_most_involved

_PICTURES = 6
_LONGEST_PX = 520
_LARGER_PX = 760  # of a scan with one or two slices, which are shown larger
_NOTE = (
    "[U+\u2026] stands for characters that the typeface of this report lacks, by their Unicode "
    "numbers."
)


def write_pdf(path: Path, inputs: ReportInputs, *, subject: Subject | None = None) -> None:
    """Write the report as PDF: beside its place, then renamed into it.

    Raises: OutputError where it cannot be written.
    """
    data = render_pdf(inputs, subject=subject)
    beside = path.with_name(f".{path.name}.partial-{os.getpid()}")
    try:
        beside.write_bytes(data)
        os.replace(beside, path)
    except OSError as error:
        raise OutputError(
            f"{path} could not be written ({error.strerror or error})",
            remedy="Check that the folder exists, is writable and has room",
        ) from error
    finally:
        beside.unlink(missing_ok=True)


def render_pdf(
    inputs: ReportInputs, *, subject: Subject | None = None, compressed: bool = True
) -> bytes:
    """The report as PDF, typefaces embedded; the same inputs give the same bytes.

    `subject`: whose scan it is, printed on every page; left out, the report names the scan alone,
    as the HTML report does. The PDF's own title names the scan and never the patient.
    `compressed`: False leaves the pages' content readable in the file, for tests.
    """
    writer = Writer()
    story = _story(writer, inputs, subject)
    name = inputs.findings.scan.id
    title = "".join(c if c.isprintable() else " " for c in f"{name}: chest CT report")
    stream = io.BytesIO()
    document = SimpleDocTemplate(
        stream,
        pagesize=(PAGE_WIDTH, PAGE_HEIGHT),
        leftMargin=MARGIN - 6,  # a frame pads its content by 6 points
        rightMargin=MARGIN - 6,
        topMargin=TOP - 6,
        bottomMargin=BOTTOM - 6,
        title=title,
        author="Groundglass",
        subject=inputs.findings.intended_use,
        creator="Groundglass",
        lang="en",
        invariant=1,
        pageCompression=int(compressed),
    )
    who = _in_one_line(writer, subject) if subject is not None else ""
    if writer.replaced:
        story.insert(1, writer.say(_NOTE, "fine"))
    canvas = numbered_canvas(writer.plain(name), who, notice=inputs.findings.intended_use)
    document.build(story, canvasmaker=canvas)
    return stream.getvalue()


def _in_one_line(writer: Writer, subject: Subject) -> str:
    """Patient and study for the head of each page; a long name must not push out the rest."""
    parts = [
        value if name == "Patient" else f"{name} {value}"
        for name, value in subject.rows()
        if name != "Sex"
    ]
    return " \u00b7 ".join(fit(writer.plain(part), REGULAR, HEAD_SIZE, WIDTH / 3) for part in parts)


def _story(writer: Writer, inputs: ReportInputs, subject: Subject | None) -> list[Flowable]:
    """All parts, in the order of reading."""
    scene, findings = Scene.build(inputs), inputs.findings
    first, last = scene.extent
    most = choose_most_involved(scene.counts.lesion.sum(axis=1), _PICTURES)
    title = "Most involved slices, head to feet"
    if not most or last - first + 1 <= _PICTURES:
        most = choose_even(first, last, _PICTURES)
        whole = last - first + 1 <= _PICTURES
        title = f"{'All slices with lung' if whole else 'Even sample over the lungs'}, head to feet"
    longest = _LARGER_PX if len(most) <= 2 else _LONGEST_PX
    slices = [draw_axial(scene, d, longest=longest) for d in most]
    return [
        *first_page.heading(writer, findings, subject),
        *first_page.statement(writer, findings),
        first_page.main_figures(writer, findings),
        *first_page.zone_table(writer, findings),
        *first_page.course(writer, plot_profile(scene, most)),
        *further_pages.images(writer, scene, findings, title, slices),
        *further_pages.planes(writer, findings, draw_planes(scene, longest=_LONGEST_PX)),
        *further_pages.agreement(writer, agreement_rows(scene)),
        *further_pages.lesions(writer, scene, findings),
        *further_pages.quality(writer, findings),
        *further_pages.definitions(writer, findings),
        *further_pages.provenance(writer, inputs.provenance),
        Spacer(1, 6),
        writer.say(
            "Numbers come from an automatic segmentation and can be wrong: look at the images. "
            "Not for diagnosis or for decisions about patients.",
            "fine",
        ),
    ]
