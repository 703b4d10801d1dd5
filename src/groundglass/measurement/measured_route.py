"""Route 1: normal, mild or severe from the measured share, and how near the border it comes."""

from __future__ import annotations

from groundglass.findings import LesionFindings
from groundglass.findings.routes import Agreement, Answer, MeasuredRoute, Routes
from groundglass.measurement.severity import SEVERE_FROM_PERCENT, grade_mosmed

ANSWERS: tuple[Answer, ...] = ("normal", "mild", "severe")
"""From the lightest to the heaviest."""

_NARROW = "The lesion probabilities are not calibrated, so take the range as too narrow."


def class_of_share(involvement_percent: float, noise_floor_percent: float) -> Answer:
    """The paper's class of a share of both lungs: CT-0, CT-1, and CT-2 to CT-4."""
    name = grade_mosmed(involvement_percent, noise_floor_percent).name
    return "normal" if name == "CT-0" else "mild" if name == "CT-1" else "severe"


def measured_route(
    lesions: LesionFindings,
    *,
    not_reliable: list[str],
    caveats: list[str],
    noise_floor_percent: float,
) -> MeasuredRoute:
    """The route's part of the findings. It has no answer where `not_reliable` holds a reason."""
    share, known = lesions.involvement_percent, lesions.uncertainty
    between = None
    if known is not None:
        between = (known.involvement_low_percent, known.involvement_high_percent)
        if not known.is_calibrated:
            caveats = [*caveats, _NARROW]
    low, high = between or (share, share)
    ends = [ANSWERS.index(class_of_share(end, noise_floor_percent)) for end in (low, high)]
    touched = list(ANSWERS[ends[0] : ends[1] + 1])
    border, points = min(
        (
            (edge, max(edge - high, low - edge, 0.0))
            for edge in (noise_floor_percent, SEVERE_FROM_PERCENT)
        ),
        key=lambda pair: pair[1],
    )
    certainty = None
    if between is not None and not not_reliable:
        certainty = "clear" if len(touched) == 1 else "borderline"
    route = MeasuredRoute(
        answer=None if not_reliable else class_of_share(share, noise_floor_percent),
        not_reliable=not_reliable,
        caveats=caveats,
        involvement_percent=share,
        range_percent=between,
        classes_in_range=touched,
        certainty=certainty,
        nearest_border_percent=border,
        points_to_border=round(points, 3),
        mild_from_percent=noise_floor_percent,
        severe_from_percent=SEVERE_FROM_PERCENT,
        statement="",
        definition=(
            f"Lesion share of both lungs: normal below {noise_floor_percent:g} %, which is marked "
            f"in healthy lungs too; mild below {SEVERE_FROM_PERCENT:g} % (CT-1); severe from there "
            "on (CT-2 to CT-4). Borderline: the range of the share touches another class. A rule "
            "on a mask, not a test for any virus."
        ),
    )
    return route.model_copy(update={"statement": _statement(route)})


def measured_alone(route: MeasuredRoute) -> Routes:
    """The findings' part where no classifier was given."""
    text = "No classifier was given, so there is no learned answer to compare with."
    if route.answer is None:
        text += " The measured share is not reliable either, so neither route has an answer."
    return Routes(
        measured=route, learned=None, agreement=Agreement(state="not_compared", statement=text)
    )


def share_text(percent: float) -> str:
    """'12.3', or with two digits behind the point below 1."""
    return f"{percent:.2f}" if 0 < percent < 1 else f"{percent:.1f}"


def _statement(route: MeasuredRoute) -> str:
    figure = f"{share_text(route.involvement_percent)} % of the lungs"
    if route.range_percent is not None:
        low, high = (share_text(end) for end in route.range_percent)
        figure += f" (range {low} to {high} %)"
    if route.answer is None:
        reasons = " ".join(route.not_reliable)
        return f"The measured share, {figure}, is not reliable as an answer. {reasons}"
    text = f"The measured share says {route.answer}: {figure}"
    if route.certainty is None:
        return f"{text}. Without a probability nothing is known of its range."
    if route.certainty == "clear":
        return (
            f"{text}, clear of the nearest border, {route.nearest_border_percent:g} %, by "
            f"{share_text(route.points_to_border)} points."
        )
    others = [name for name in route.classes_in_range if name != route.answer]
    return f"{text}. Borderline: the range reaches into {' and '.join(others)}."
