"""Severity from shares: MosMed grade band and a zonal 0 to 5 point score."""

from __future__ import annotations

from collections.abc import Sequence

from groundglass.findings import MosMedGrade, Severity, ZonalScore, ZonePoints

SEVERE_FROM_PERCENT = 25.0
"""Where CT-1 ends, and mild becomes severe in the CovTANet paper (section III-A)."""

_BANDS = {
    "CT-0": "no lesions above the noise floor",
    "CT-1": "less than 25 % of the lungs",
    "CT-2": "25 to less than 50 % of the lungs",
    "CT-3": "50 to 75 % of the lungs",
    "CT-4": "more than 75 % of the lungs",
}


def grade_mosmed(involvement_percent: float, noise_floor_percent: float) -> MosMedGrade:
    """MosMed grade band of the involved share of both lungs together."""
    if involvement_percent < noise_floor_percent or involvement_percent == 0:
        name = "CT-0"
    elif involvement_percent < SEVERE_FROM_PERCENT:
        name = "CT-1"
    elif involvement_percent < 50:
        name = "CT-2"
    elif involvement_percent <= 75:
        name = "CT-3"
    else:
        name = "CT-4"
    return MosMedGrade(
        name=name,
        band=_BANDS[name],
        involvement_percent=involvement_percent,
        definition=(
            "Bands of the MosMed CT-0 to CT-4 scale, applied to the measured lesion share of "
            f"both lungs: CT-0 below {noise_floor_percent:g} %, CT-1 below 25 %, CT-2 25 to "
            "below 50 %, CT-3 50 to 75 %, CT-4 above 75 %. The original scale is a reader's "
            "visual estimate and looks at clinical signs too."
        ),
    )


def zone_points(share_percent: float | None, noise_floor_percent: float) -> int | None:
    """0 to 5 points for one zone's lesion share; None where the zone holds no lung."""
    if share_percent is None:
        return None
    if share_percent < noise_floor_percent or share_percent == 0:
        return 0
    if share_percent < 5:
        return 1
    if share_percent <= 25:
        return 2
    if share_percent <= 50:
        return 3
    return 4 if share_percent <= 75 else 5


def grade_severity(
    involvement_percent: float,
    right: Sequence[float | None],
    left: Sequence[float | None],
    *,
    noise_floor_percent: float,
) -> Severity:
    """Both grades; `right` and `left` are the shares of the upper, middle and lower zone."""
    points = [[zone_points(s, noise_floor_percent) for s in side] for side in (right, left)]
    known = [p for side in points for p in side if p is not None]
    names = ("upper", "middle", "lower")
    return Severity(
        mosmed=grade_mosmed(involvement_percent, noise_floor_percent),
        zonal_score=ZonalScore(
            value=sum(known) if known else None,
            maximum=5 * len(known),
            right=ZonePoints(**dict(zip(names, points[0], strict=True))),
            left=ZonePoints(**dict(zip(names, points[1], strict=True))),
            definition=(
                "Points by the lesion share of each zone (upper, middle and lower third of "
                f"each lung): 0 none (below {noise_floor_percent:g} %), 1 below 5 %, 2 from 5 "
                "to 25 %, 3 above 25 to 50 %, 4 above 50 to 75 %, 5 above 75 %; the sum over "
                "six zones is 0 to 30."
            ),
            note=(
                "Not the lobar CT severity score of 0 to 25: that one sums the same points "
                "over the five lobes, and lobes are not segmented here. The two numbers cannot "
                "be compared."
            ),
        ),
    )
