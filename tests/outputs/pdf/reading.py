"""Reads PDFs with another library than the one that writes them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

import pytest


@dataclass(frozen=True)
class Glyph:
    """A drawn character and its box in points, y up."""

    page: int
    character: str
    left: float
    bottom: float
    right: float
    top: float


def page_count(pdf: bytes) -> int:
    """Pages, as the file itself lists them."""
    return len(re.findall(rb"/Type /Page\b", pdf))


def open_pdf(pdf: bytes):
    """The document by PDFium; the test is skipped where that is not installed."""
    pdfium = pytest.importorskip("pypdfium2", reason="text of a PDF is read by pypdfium2")
    return pdfium.PdfDocument(pdf)


def page_texts(pdf: bytes) -> list[str]:
    """Text of each page, white space made single."""
    document = open_pdf(pdf)
    out = []
    for page in document:
        out.append(" ".join(page.get_textpage().get_text_range().split()))
    document.close()
    return out


def glyphs(pdf: bytes) -> Iterator[Glyph]:
    """Every character that leaves ink."""
    document = open_pdf(pdf)
    raw = pytest.importorskip("pypdfium2.raw")
    for number, page in enumerate(document):
        text = page.get_textpage()
        for i in range(text.count_chars()):
            character = chr(raw.FPDFText_GetUnicode(text.raw, i))
            if character.strip():
                left, bottom, right, top = text.get_charbox(i)
                yield Glyph(number, character, left, bottom, right, top)
    document.close()
