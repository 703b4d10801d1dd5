"""Images whose pixels may show text: nothing here reads pixels, so headers decide."""

from __future__ import annotations

from pydicom.dataset import Dataset

_SCREENS = ("1.2.840.10008.5.1.4.1.1.7", "1.2.840.10008.5.1.4.1.1.7.")
"""Secondary Capture, and its multi-frame kinds below it."""
_MODALITIES = ("SC", "OT", "DOC", "XC", "ES", "US", "IVUS", "GM", "OP")
"""Pictures by cameras, scans of paper, screens; ultrasound writes the patient into the image."""
_WORDS = ("SCREEN", "DOSE", "REPORT", "PROTOCOL", "SECONDARY_CAPTURE")


def text_in_pixels(dataset: Dataset) -> str:
    """Why the pixels may show a name, '' where nothing speaks for it.

    Silence of the header proves nothing: most CT does not say whether text is burned in.
    """
    if str(dataset.get("BurnedInAnnotation", "")).strip().upper() == "YES":
        return "its header says that text is burned in"
    sop_class = str(dataset.get("SOPClassUID", ""))
    if sop_class == _SCREENS[0] or sop_class.startswith(_SCREENS[1]):
        return "it is a screen capture"
    modality = str(dataset.get("Modality", "")).strip().upper()
    if modality in _MODALITIES:
        return f"modality {modality} often shows text"
    kind = [str(part).upper() for part in _parts(dataset.get("ImageType"))]
    if any(word in part for part in kind for word in _WORDS):
        return "its image type is that of a screen or report"
    if _has_embedded_overlay(dataset):
        return "an overlay lies in the spare bits of its pixels"
    return ""


def _parts(value: object) -> list[object]:
    if value is None or isinstance(value, str):
        return [value or ""]
    return list(value)  # type: ignore[call-overload]


def _has_embedded_overlay(dataset: Dataset) -> bool:
    """An overlay group without data of its own (retired, yet found in old CT)."""
    groups = {tag.group for tag in dataset.keys() if tag.group & 0xFF00 == 0x6000}  # noqa: SIM118
    return any((group << 16) | 0x3000 not in dataset for group in groups)
