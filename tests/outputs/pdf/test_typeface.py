"""Characters that can be drawn, and what stands for the others."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from reportlab.pdfbase.pdfmetrics import stringWidth

from groundglass.outputs.pdf.typeface import BOLD, REGULAR, fit, printable, register_typeface


@pytest.mark.parametrize(
    "text",
    ["Müller", "Żółć Łukasz", "Đặng Thị Hương", "Владимир Иванович", "Παπαδόπουλος", "Հովհաննես",
     "−3.5 ≥ 2 × 10 … → µm ½ ✓"],
)  # fmt: skip
def test_what_the_typeface_covers_stays(text: str) -> None:
    assert printable(text) == (text, False)


@pytest.mark.parametrize(
    ("text", "drawn"),
    [
        ("王小東", "[U+738B U+5C0F U+6771]"),
        ("a 王 b", "a [U+738B] b"),
        ("김", "[U+AE40]"),
        ("שלום", "[U+05E9 U+05DC U+05D5 U+05DD]"),  # would be drawn back to front
        ("\u202eabc", "[U+202E]abc"),
        ("\ud800", "[U+D800]"),
        ("\x00", "[U+0000]"),
        ("\U0001f600", "[U+1F600]"),
    ],
)
def test_the_rest_becomes_code_points(text: str, drawn: str) -> None:
    assert printable(text) == (drawn, True)


def test_accents_are_composed_and_breaks_become_spaces() -> None:
    assert printable("Mu\u0308ller\nA\tB") == ("Müller A B", False)


@given(st.text(st.characters(codec=None, exclude_categories=()), max_size=40))
def test_every_text_ends_up_drawable(text: str) -> None:
    drawn, replaced = printable(text)
    assert set(drawn) <= register_typeface()
    assert replaced == ("[U+" in drawn and "[U+" not in text) or "[U+" in text
    assert printable(drawn) == (drawn, False)


@given(st.text(st.sampled_from("iWm .é"), max_size=60), st.floats(20, 300))
def test_cut_texts_fit(text: str, width: float) -> None:
    cut = fit(text, REGULAR, 9, width)
    assert stringWidth(cut, REGULAR, 9) <= width
    assert cut == text or cut.endswith("…")


def test_a_cut_text_is_as_long_as_can_be() -> None:
    text = "W" * 50
    cut = fit(text, BOLD, 10, 100)
    assert stringWidth(f"{cut[:-1]}W…", BOLD, 10) > 100 >= stringWidth(cut, BOLD, 10)
