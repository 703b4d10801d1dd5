"""DejaVu Sans Condensed 2.37, unchanged, for text in PDFs and pictures; `LICENSE.txt` is its."""

from __future__ import annotations

from importlib.resources import files


def font_bytes(*, bold: bool = False) -> bytes:
    """The TrueType file of one weight."""
    name = f"DejaVuSansCondensed{'-Bold' if bold else ''}.ttf"
    return (files("groundglass.outputs.fonts") / name).read_bytes()
