"""Published grades of whole scans, and the two labels a network learns from them."""

from __future__ import annotations

GRADES: dict[str, tuple[str, str]] = {
    "CT-0": ("normal", ""),
    "CT-1": ("findings", "mild"),
    "CT-2": ("findings", "severe"),
    "CT-3": ("findings", "severe"),
    "CT-4": ("findings", "severe"),
}
"""Grade -> (diagnosis, severity).

Source: CovTANet's section on the data: normal is CT-0, mild CT-1 (less than 25 % of the
parenchyma involved), severe CT-2 and above. "findings" are COVID-related findings in the CT as
radiologists saw them, neither a PCR result nor a clinical diagnosis.
"""

LABELS = frozenset({("", ""), *GRADES.values()})
"""What (diagnosis, severity) of an index row may be; ("", "") is a scan that nobody graded."""
