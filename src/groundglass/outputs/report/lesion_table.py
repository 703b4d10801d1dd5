"""The largest lesions as rows, and in plain words how sure the network is of its figures."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from groundglass.findings import Findings, LesionItem
from groundglass.outputs.report.charts import percent_text
from groundglass.outputs.report.scene import Scene

_WORDS = ("high", "moderate", "low")


@dataclass(frozen=True)
class LesionRow:
    """One lesion as the report prints it; '' where no probability was given."""

    number: int
    where: str
    slice_text: str
    size: str
    range_text: str
    share: str
    probability: str
    unsure: str
    confidence: str


def lesion_rows(scene: Scene, findings: Findings) -> tuple[LesionRow, ...]:
    """Rows of the table, largest lesion first."""
    axis = scene.order.source[0]
    rows = []
    for item in findings.lesions.items:
        place = f"slice {item.center_index[axis] + 1}"
        if item.center_mm is not None:
            place += f", z\u00a0{item.center_mm[2]:.0f}\u00a0mm".replace("-", "\u2212")
        zone = f", {item.zone} zone" if item.zone else ""
        rows.append(
            LesionRow(
                number=item.number,
                where=f"{item.side} lung{zone}",
                slice_text=place,
                size=_size(item),
                range_text=_range(item),
                share=percent_text(item.share_percent),
                probability="" if item.mean_probability is None else f"{item.mean_probability:.2f}",
                unsure=_whole_percent(item.low_confidence_percent),
                confidence=item.confidence or "",
            )
        )
    return tuple(rows)


def certainty_sentences(findings: Findings) -> tuple[str, ...]:
    """How sure the network is of what it marked; nothing without a probability."""
    known = findings.lesions.uncertainty
    if known is None:
        return ()
    out = []
    if known.low_confidence_percent is not None:
        out.append(
            f"{_whole_percent(known.low_confidence_percent)} of the lesion volume is low in "
            f"confidence: its probability is just above the threshold of {known.threshold:g}."
        )
    words = Counter(item.confidence for item in findings.lesions.items)
    named = [f"{words[word]} {word}" for word in _WORDS if words[word]]
    if len(findings.lesions.items) > 1:
        listed = f"the {len(findings.lesions.items)} lesions listed"
        one = len(named) == 1
        out.append(
            f"Confidence in {listed} is {named[0].split()[1]} throughout."
            if one
            else f"Confidence in {listed}: {', '.join(named)}."
        )
    if known.is_calibrated:
        out.append(
            "Probabilities were calibrated by one temperature, which mends part of a network's "
            "sureness: `groundglass weights show` says how well they held on patients left out."
        )
    else:
        out.append(
            "The probabilities of these weights are not calibrated: they say which lesion is more "
            "certain than another, not how often the network is right. Networks are mostly too "
            "sure, so take the ranges as too narrow."
        )
    return tuple(out)


def involvement_range(findings: Findings) -> str:
    """'3.1 % to 6.0 %', or '' without a probability."""
    known = findings.lesions.uncertainty
    if known is None:
        return ""
    low, high = known.involvement_low_percent, known.involvement_high_percent
    return f"{percent_text(low)} to {percent_text(high)}"


def ml_text(volume: float | None) -> str:
    """'12.3 ml'; an en dash where it is not known."""
    if volume is None:
        return "\u2013"
    return f"{_ml_number(volume, volume)}\u00a0ml"


def _ml_number(volume: float, beside: float) -> str:
    """With as many digits as `beside` deserves."""
    if beside >= 100:
        return f"{volume:,.0f}"
    return f"{volume:.1f}" if beside >= 1 or volume == 0 else f"{volume:.2g}"


def _size(item: LesionItem) -> str:
    if item.volume_ml is None:
        return f"{item.voxels:,}\u00a0voxels"
    return ml_text(item.volume_ml)


def _range(item: LesionItem) -> str:
    ends: Sequence[float | int | None] = (item.volume_low_ml, item.volume_high_ml)
    if item.volume_ml is None:
        ends = (item.voxels_low, item.voxels_high)
    low, high = ends
    if low is None or high is None:
        return ""
    if item.volume_ml is None:
        return f"{low:,.0f} to {high:,.0f}"
    return f"{_ml_number(low, high)} to {_ml_number(high, high)}\u00a0ml"


def _whole_percent(share: float | None) -> str:
    if share is None:
        return ""
    return "<\u00a01\u00a0%" if 0 < share < 1 else f"{share:.0f}\u00a0%"
