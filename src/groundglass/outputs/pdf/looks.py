"""Colors, sizes and paragraph styles of the PDF, and the one way text gets into it."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from reportlab.lib.colors import Color, HexColor, white
from reportlab.lib.enums import TA_CENTER, TA_RIGHT
from reportlab.lib.pagesizes import A4
from reportlab.lib.styles import ParagraphStyle
from reportlab.lib.units import mm
from reportlab.platypus import Paragraph

from groundglass.outputs.pdf.typeface import BOLD, REGULAR, printable, register_typeface

PAGE_WIDTH, PAGE_HEIGHT = A4
MARGIN, TOP, BOTTOM = 15 * mm, 25 * mm, 16 * mm
WIDTH = PAGE_WIDTH - 2 * MARGIN
"""Of the text, in points."""

INK, SOFT, LINE, PALE = (HexColor(c) for c in ("#1b2330", "#5a6577", "#dde1e8", "#f4f5f7"))
ACCENT, GOOD, WARN, WARN_BACK = (HexColor(c) for c in ("#c2410c", "#15803d", "#9a5b00", "#fff4d6"))
RIGHT_LUNG, LEFT_LUNG = HexColor("#2563a8"), HexColor("#7a5195")
LESION, LUNG, REFERENCE, LETTER = (
    HexColor(c) for c in ("#ff8a2a", "#4db5f0", "#c8ff3e", "#ffe08a")
)
ZONES: tuple[Color, ...] = tuple(
    HexColor(c) for c in ("#e6ebf1", "#fde6c8", "#fcc587", "#f5964b", "#d9571f", "#94270b")
)
"""By points, 0 to 5."""


def zone_ink(points: int | None) -> Color:
    """Color of text that reads well on a zone's color."""
    return white if points is not None and points >= 4 else INK


def _style(name: str, size: float, leading: float, **more: object) -> ParagraphStyle:
    look = {"fontName": REGULAR, "textColor": INK, **more}
    return ParagraphStyle(name, fontSize=size, leading=leading, **look)


STYLES = {
    style.name: style
    for style in (
        _style("title", 16, 19, fontName=BOLD, spaceAfter=3),
        _style("heading", 9.5, 12, fontName=BOLD, spaceBefore=9, spaceAfter=3, keepWithNext=1),
        _style("statement", 12, 15.5, fontName=BOLD, spaceAfter=3),
        _style("body", 8.6, 11.6),
        _style(
            "item",
            8.6,
            11.6,
            leftIndent=11,
            bulletIndent=1,
            bulletFontName=REGULAR,
            bulletFontSize=8.6,
            spaceAfter=1.5,
        ),
        _style("fine", 7.4, 9.8, textColor=SOFT, spaceAfter=2),
        _style("hero", 27, 31, fontName=BOLD),
        _style("tile", 13, 16, fontName=BOLD),
        _style("cell", 8, 10),
        _style("number", 8, 10, alignment=TA_RIGHT),
        _style("center", 8, 10, alignment=TA_CENTER),
        _style("label", 7.4, 9.4, textColor=SOFT),
        _style("label-right", 7.4, 9.4, textColor=SOFT, alignment=TA_RIGHT),
        _style("label-center", 7.4, 9.4, textColor=SOFT, alignment=TA_CENTER),
    )
}


class Writer:
    """Makes paragraphs of texts; remembers whether one held characters that cannot be shown."""

    def __init__(self) -> None:
        register_typeface()
        self.replaced = False

    def plain(self, text: str) -> str:
        """The text as it can be drawn."""
        out, replaced = printable(text)
        self.replaced |= replaced
        return out

    def markup(self, text: str) -> str:
        """The same, safe inside a paragraph's markup."""
        return escape(self.plain(text), quote=False)

    def say(
        self,
        text: str,
        style: str = "body",
        *,
        bullet: str | None = None,
        color: Color | None = None,
    ) -> Paragraph:
        """A paragraph of plain text, in the style's color unless another is given."""
        look = STYLES[style]
        if color is not None:
            look = ParagraphStyle("colored", look, textColor=color)
        return Paragraph(self.markup(text), look, bulletText=bullet)

    def terms(self, term: str, text: str, style: str = "fine") -> Paragraph:
        """A paragraph that begins with the bold term it explains."""
        return self.pairs([(term, text)], style)

    def pairs(self, pairs: Sequence[tuple[str, str]], style: str = "fine") -> Paragraph:
        """A paragraph of bold terms, each with its text behind it."""
        parts = [
            f'<b><font color="#{INK.hexval()[2:]}">{self.markup(term)}</font></b>'
            f"&nbsp; {self.markup(text)}"
            for term, text in pairs
        ]
        return Paragraph("&nbsp;&nbsp; ".join(parts), STYLES[style])

    def item(self, mark: str, color: Color, term: str, text: str) -> Paragraph:
        """A list item with a colored mark and a bold term."""
        look = ParagraphStyle("item-marked", STYLES["item"], bulletFontName=BOLD, bulletColor=color)
        marked = f"<b>{self.markup(term)}</b>&nbsp; {self.markup(text)}"
        return Paragraph(marked, look, bulletText=mark)
