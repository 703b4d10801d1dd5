"""The PDF: what it says, that it is the same each time, and that all of it is on the page."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from groundglass.errors import OutputError
from groundglass.findings import Findings
from groundglass.measurement import measure
from groundglass.measurement.uncertainty import LesionProbability
from groundglass.outputs.pdf import Subject, render_pdf, write_pdf
from groundglass.outputs.pdf.looks import MARGIN, PAGE_HEIGHT, PAGE_WIDTH
from groundglass.outputs.report import ReportInputs
from groundglass.volume import Source

from .reading import glyphs, open_pdf, page_count, page_texts

NOTICE = "Research use only. Not a medical device."
HASH = "0f" * 32
PROVENANCE = {"weights": {"name": "w", "sha256": {"lungs": HASH}}, "recipe": {"a": {"b": {"c": 1}}}}


def inputs_of(case, **changes) -> ReportInputs:
    parts = {"findings": case.findings, "provenance": PROVENANCE, **changes}
    return ReportInputs(case.volume, case.lungs, case.lesions, **parts)


def renamed(findings: Findings, name: str) -> Findings:
    return findings.model_copy(update={"scan": findings.scan.model_copy(update={"id": name})})


@pytest.fixture(scope="module")
def report(case) -> bytes:
    return render_pdf(inputs_of(case))


def test_same_inputs_give_the_same_bytes(case, report: bytes) -> None:
    render_pdf(inputs_of(case, findings=renamed(case.findings, "Ж other letters ž")))
    assert render_pdf(inputs_of(case)) == report


def test_notice_and_page_number_on_every_page(case) -> None:
    """Read from the file itself: ASCII stands in the pages as it is."""
    pdf = render_pdf(inputs_of(case), compressed=False)
    pages = page_count(pdf)
    assert 2 <= pages <= 4
    assert pdf.count(f"({NOTICE}) Tj".encode()) == 2 * pages
    for number in range(1, pages + 1):
        assert pdf.count(f"(page {number} of {pages}) Tj".encode()) == 1


def test_typefaces_are_embedded_and_the_title_names_the_scan(report: bytes) -> None:
    assert report.count(b"/FontFile2") == 2
    assert b"DejaVuSansCondensed-Bold" in report
    assert b"case-1: chest CT report" in report
    assert b"/Lang (en)" in report


def test_what_the_html_says_is_there(case, report: bytes) -> None:
    text = " ".join(page_texts(report))
    found = case.findings
    for said in (
        found.diagnosis.statement,
        *found.diagnosis.evidence,
        found.severity.mosmed.definition,
        found.severity.zonal_score.definition,
        found.lesions.zone_definition,
        found.quality.edge.text,
        f"{found.lungs.total.volume_ml:,.0f} ml",
        f"{found.lesions.right.zones.lower.involvement_percent:.1f} %",
        "right lung, lower zone",
        HASH,
        "Not printed for its length: recipe.",
    ):
        assert " ".join(said.split()) in text, said


def test_range_and_confidence_where_there_is_a_probability(case) -> None:
    chance = LesionProbability((case.lesions * 230).astype(np.uint8), 0.5, 1.0, is_calibrated=False)
    found = measure(case.volume, case.lungs, case.lesions, probability=chance)
    text = " ".join(page_texts(render_pdf(inputs_of(case, findings=found))))
    assert "not calibrated" in text
    assert "Mean prob." in text
    assert f"{found.lesions.items[0].mean_probability:.2f}" in text


def test_patient_is_named_only_where_asked(case) -> None:
    subject = Subject("Żółć, Åsa", "ID-7", "1964-02-29", "female", "2020-03-14", "A5")
    named = page_texts(render_pdf(inputs_of(case), subject=subject))
    assert all("Żółć, Åsa · ID ID-7 · Born 1964-02-29" in text for text in named)
    assert "female" in named[0]
    pdf = render_pdf(inputs_of(case), subject=subject)
    document = open_pdf(pdf)
    assert not any("Żółć" in value for value in document.get_metadata_dict().values())
    document.close()


def test_characters_without_a_glyph_are_explained(case) -> None:
    pages = page_texts(render_pdf(inputs_of(case, findings=renamed(case.findings, "王 scan"))))
    assert "[U+738B] scan" in pages[0]
    assert "by their Unicode numbers" in pages[0]
    assert "Unicode" not in page_texts(render_pdf(inputs_of(case)))[0]


def test_markup_in_a_name_is_text(case) -> None:
    name = "<b>&amp;<para> & </i>"
    pages = page_texts(render_pdf(inputs_of(case, findings=renamed(case.findings, name))))
    assert name in pages[0]


def with_long_texts(found: Findings, words: list[str], number: int) -> Findings:
    long = [word * number for word in words]
    gaps = found.quality.gaps.model_copy(update={"text": long[1]})
    return renamed(found, long[0]).model_copy(
        update={
            "warnings": long * 3,
            "quality": found.quality.model_copy(update={"gaps": gaps}),
            "diagnosis": found.diagnosis.model_copy(
                update={"statement": long[2], "evidence": long, "definition": long[0]}
            ),
        }
    )


words = st.text(st.characters(codec="utf-8"), min_size=1, max_size=12)


@given(st.lists(words, min_size=3, max_size=3), st.integers(1, 60))
@settings(max_examples=8, deadline=None)
def test_no_text_leaves_the_page(case, texts: list[str], number: int) -> None:
    found = with_long_texts(case.findings, texts, number)
    long = texts[0] * number
    small = replace(
        inputs_of(case, findings=found), provenance={"input": long, "weights": {long[:99]: long}}
    )
    pdf = render_pdf(small, subject=Subject(long, long, long, long, long, long))
    seen = 0
    for glyph in glyphs(pdf):
        seen += 1
        assert glyph.left >= MARGIN - 2, glyph
        assert glyph.right <= PAGE_WIDTH - MARGIN + 2, glyph
        assert glyph.bottom >= 20, glyph
        assert glyph.top <= PAGE_HEIGHT - 20, glyph
    assert seen > 1000


def test_body_text_stays_clear_of_head_and_foot(case) -> None:
    found = with_long_texts(case.findings, ["warning ", "gap ", "words "], 400)
    ends = [(g.bottom, g.top) for g in glyphs(render_pdf(inputs_of(case, findings=found)))]
    in_body = [(low, high) for low, high in ends if low > 33 and high < PAGE_HEIGHT - 60]
    assert len(in_body) > 0.9 * len(ends)
    assert min(low for low, _ in in_body) > 40


def test_undefined_cases(make_case) -> None:
    """No lesion; one slice; no physical units; a reference."""
    case = make_case()
    nothing = np.zeros_like(case.lesions)
    found = measure(case.volume, case.lungs, nothing)
    text = " ".join(page_texts(render_pdf(ReportInputs(case.volume, case.lungs, nothing, found))))
    assert "No lesion is large enough to be counted." in text
    assert "Even sample over the lungs" in text
    one = " ".join(page_texts(render_pdf(inputs_of(make_case((1, 40, 48))))))
    assert "there is no course to plot" in one
    bare = make_case((2, 40, 48), spacing_is_real=False, source=Source("s", "png", "s.png"))
    pdf = render_pdf(inputs_of(bare, reference={"lesions": bare.lesions}))
    text = " ".join(page_texts(pdf))
    assert "no physical units" in text
    assert "Dice of the lesions, pooled over all voxels: 1.000." in text
    assert " ml " not in text.split("Warnings")[0]


def test_pictures_and_contours_are_drawn(case, report: bytes) -> None:
    """On the page with pictures there is lesion orange, and lung blue."""
    document = open_pdf(report)
    page = np.asarray(document[1].render(scale=1.5).to_pil().convert("RGB")).astype(int)
    document.close()
    for color in ((255, 138, 42), (77, 181, 240)):
        assert (np.abs(page - color).max(axis=-1) < 40).sum() > 200


def test_whole_or_absent(case, tmp_path: Path) -> None:
    write_pdf(tmp_path / "report.pdf", inputs_of(case))
    assert (tmp_path / "report.pdf").read_bytes().startswith(b"%PDF-")
    assert [path.name for path in tmp_path.iterdir()] == ["report.pdf"]
    with pytest.raises(OutputError, match=r"report\.pdf could not be written"):
        write_pdf(tmp_path / "absent" / "report.pdf", inputs_of(case))
