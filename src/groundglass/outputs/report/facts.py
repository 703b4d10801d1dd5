"""What both forms of the report, HTML and PDF, say about scan, checks, window and reference."""

from __future__ import annotations

from groundglass.findings import Findings, QualityCheck
from groundglass.outputs.report.scene import Scene, pooled_dice


def check_rows(findings: Findings) -> list[dict[str, str]]:
    """Name, text and state of each check: flag, fine-check, or unknown where it was not made."""
    quality = findings.quality
    not_hu = findings.scan.intensity.domain != "hu"
    rows: list[tuple[str, QualityCheck, bool]] = [
        ("Lung volume", quality.lung_volume, findings.lungs.total.volume_ml is None),
        ("Edge of scan", quality.edge, False),
        ("Slices", quality.gaps, False),
        ("Gantry tilt", quality.tilt, False),
        ("Intensities", quality.intensities, not_hu),
    ]
    return [
        {
            "name": name,
            "text": check.text,
            "state": "flag" if check.flag else "unknown" if unmade else "fine-check",
        }
        for name, check, unmade in rows
    ]


def scan_rows(findings: Findings) -> list[tuple[str, str]]:
    """Name and value of what is known about the scan."""
    scan = findings.scan
    rows = [("Input", scan.kind)]
    if scan.series_uid:
        rows.append(("Series", scan.series_uid))
    rows.append(("Grid", " \u00d7 ".join(str(n) for n in scan.shape)))
    if scan.spacing_mm is None:
        rows.append(("Spacing", "no physical units"))
    else:
        spacing = " \u00d7 ".join(f"{step:.3g}" for step in scan.spacing_mm)
        rows.append(("Spacing", f"{spacing} mm"))
    rows.append(("Intensities", scan.intensity.evidence))
    return rows


def window_text(findings: Findings) -> str:
    """Which intensities the pictures show."""
    intensity = findings.scan.intensity
    if intensity.domain == "hu":
        return "Lung window, width 1500 HU, level \u2212600 HU."
    if intensity.window_hu is not None:
        low, high = intensity.window_hu
        span = f"{low:g} to {high:g} HU".replace("-", "\u2212")
        return f"8-bit intensities as they are, window {span}."
    return "8-bit intensities as they are; their window is not known."


def agreement_rows(scene: Scene) -> list[tuple[str, str]]:
    """Name and Dice of each reference."""
    rows = []
    for name, mask in scene.reference.items():
        value = pooled_dice(scene.lungs if name == "lungs" else scene.lesions, mask)
        rows.append((name, "both empty" if value is None else f"{value:.3f}"))
    return rows
