"""The typeface of the PDF, and what becomes of characters that it cannot show.

DejaVu Sans Condensed covers Latin with all accents, Greek, Cyrillic, Armenian and Georgian. What
it lacks (Chinese, Japanese, Korean and more), and scripts that run from right to left, which
would need shaping, is written as code points: ugly, but no empty box and no name turned around.
"""

from __future__ import annotations

import io
import unicodedata
from functools import cache
from typing import cast

from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.ttfonts import TTFont, TTFontFace

from groundglass.outputs.fonts import font_bytes

REGULAR, BOLD = "GroundglassSans", "GroundglassSans-Bold"
_HIGHEST = 0xFFFF  # ReportLab's text maps hold no more


@cache
def register_typeface() -> frozenset[str]:
    """Make both weights known to ReportLab; gives the characters that both can show."""
    covered: set[int] | None = None
    for name in (REGULAR, BOLD):
        font = TTFont(name, io.BytesIO(font_bytes(bold=name == BOLD)))
        pdfmetrics.registerFont(font)
        known = set(cast(TTFontFace, font.face).charToGlyph)
        covered = known if covered is None else covered & known
    pdfmetrics.registerFontFamily(
        REGULAR, normal=REGULAR, bold=BOLD, italic=REGULAR, boldItalic=BOLD
    )
    return frozenset(chr(code) for code in covered or () if code <= _HIGHEST and _runs_right(code))


def printable(text: str) -> tuple[str, bool]:
    """The text as it can be drawn, and whether code points had to stand for some of it.

    '王 A' becomes '[U+738B] A'. Line breaks and tabs become spaces; accents are composed.
    """
    covered = register_typeface()
    out: list[str] = []
    missing: list[str] = []

    def close() -> None:
        if missing:
            out.append("[" + " ".join(f"U+{ord(c):04X}" for c in missing) + "]")
            missing.clear()

    replaced = False
    for character in unicodedata.normalize("NFC", text):
        if character in covered:
            close()
            out.append(character)
        elif character.isspace():
            close()
            out.append(" ")
        else:
            replaced = True
            missing.append(character)
    close()
    return "".join(out), replaced


def fit(text: str, font: str, size: float, width: float) -> str:
    """A drawable text cut to `width` points, with an ellipsis where something was cut."""
    if pdfmetrics.stringWidth(text, font, size) <= width:
        return text
    low, high = 0, len(text)
    while low < high:
        middle = (low + high + 1) // 2
        if pdfmetrics.stringWidth(text[:middle] + "\u2026", font, size) <= width:
            low = middle
        else:
            high = middle - 1
    return text[:low].rstrip() + "\u2026"


def _runs_right(code: int) -> bool:
    character = chr(code)
    hidden = unicodedata.category(character) in ("Cc", "Cf", "Cs", "Co", "Cn")
    return not hidden and unicodedata.bidirectional(character) not in ("R", "AL", "AN")
