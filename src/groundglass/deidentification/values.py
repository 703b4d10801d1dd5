"""New values for attributes: dummies by value representation, shifted dates, cleaned words."""

from __future__ import annotations

import datetime
import re
from typing import Any

DUMMY_TEXT = "REMOVED"
_DUMMIES: dict[str, Any] = {
    "AS": "000Y",
    "DA": "19000101",
    "DT": "19000101000000",
    "TM": "000000",
    "DS": "0",
    "IS": "0",
    "UR": "http://removed.invalid",
}
_TEXT = frozenset(("AE", "CS", "LO", "LT", "PN", "SH", "ST", "UC", "UT"))
_BYTES = frozenset(("OB", "OW", "OD", "OF", "OL", "OV", "UN"))
_NUMBERS = frozenset(("FD", "FL", "SL", "SS", "SV", "UL", "US", "UV"))
_OLDEST_YEARS = 89
_DATE_TIME = r"(\d{4})(\d\d)?(\d\d)?((?:\d{2,6}(?:\.\d{1,6})?)?(?:[+-]\d{4})?)"

_VOCABULARY = """
    ap abd abdomen abdominal acquisition adult air airway and angio angiography angle apex
    arterial artery axial ax base basal bone bones body breath breathhold bronchial by chest
    chst contrast cor coronal ct ctpa cta cardiac dose delayed diffuse edge exp expiration
    expiratory fbp feet first follow followup for full hd head helical high hilar hr hrct
    hires in insp inspiration inspiratory iodine iterative iv kernel late lateral ld ldct left
    liver localizer low lower lung lungs mediastinal mediastinum medium middle mip minip mm mpr
    native noncontrast no nativ non of off oral original pe pelvis per phase plain post pre prone
    protocol pulmonary recon reconstruction reformat rib ribs right routine sag sagittal scan
    scout screening second series sharp single slice slices smooth soft soft-tissue spine
    spiral standard std sternum supine survey thick thin thoracic thorax thx tissue to topogram
    torax trachea ultra up upper venous vein volume w wc wo with without window
"""
WORDS = frozenset(_VOCABULARY.split())
"""What may stay in a description. A list of what to keep: names are never foreseen."""
_LENGTH = re.compile(r"\d{1,2}([.,]\d{1,3})?(mm|cm)")
_STEPS = ("0.5", "0.6", "0.625", "0.75", "0.8", "1.0", "1.25", "1.5", "2.0", "2.5", "3.0", "5.0")
"""Slice thicknesses, which stay without a unit too. No other number does: 17/04/21 is three."""


def dummy_value(vr: str) -> Any:
    """A value that says nothing; None where the representation has no plain one (SQ, AT, UI)."""
    if vr in _DUMMIES:
        return _DUMMIES[vr]
    if vr in _TEXT:
        return DUMMY_TEXT
    if vr in _BYTES:
        return b"\0\0"
    return 0 if vr in _NUMBERS else None


def shift_date(text: str, vr: str, days: int) -> str:
    """A DICOM date (DA) or date and time (DT) `days` later; '' where it is none.

    A time of day (TM) stays. A DT of a year or a month alone is no more exact afterwards.
    """
    text = text.strip("\0 ")
    if vr == "TM":
        return text if re.fullmatch(r"[\d:.\- ]*", text) else ""
    pattern = r"(\d{4})\.?(\d\d)\.?(\d\d)()" if vr == "DA" else _DATE_TIME
    match = re.fullmatch(pattern, text)
    if match is None:
        return ""
    year, month, day, rest = match.groups()
    try:
        # The middle of what is known: a year is mostly shifted to the year it should be.
        whole = datetime.date(int(year), int(month or 7), int(day or 15))
        moved = whole + datetime.timedelta(days=days)
    except (ValueError, OverflowError):
        return ""
    known = len(year + (month or "") + (day or ""))
    return f"{moved.year:04d}{moved.month:02d}{moved.day:02d}"[:known] + rest


def clean_words(text: str) -> str:
    """The words of radiology and slice thicknesses in `text`, in order; '' where none is."""
    parts = re.split(r"[^\w.,\-]+|_", text)
    kept = [
        part
        for part in (part.strip(".,-") for part in parts)
        if part.lower() in WORDS or part in _STEPS or _LENGTH.fullmatch(part.lower())
    ]
    return " ".join(kept)


def cap_age(text: str) -> str:
    """An age string; years over 89 become 090Y, as so few people are that old."""
    match = re.fullmatch(r"(\d{3})Y", text.strip("\0 "))
    return "090Y" if match and int(match[1]) > _OLDEST_YEARS else text
