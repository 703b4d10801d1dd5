"""Both routes to diagnosis and severity as rows of plain text, for a report of any form."""

from __future__ import annotations

from dataclasses import dataclass

from groundglass.findings import Findings
from groundglass.findings.routes import HeadFindings, LearnedRoute, MeasuredRoute
from groundglass.measurement.learned_route import PHANTOM_NOTE, chance_text
from groundglass.measurement.measured_route import share_text

_NOTHING = "\u2013"
_RECORD = "\u2013 (kept in findings.json for the record)"


@dataclass(frozen=True)
class RouteRow:
    """One row of the table: what it is about, and what each route says of it.

    Texts may hold several lines.
    """

    label: str
    measured: str
    learned: str


def route_rows(findings: Findings) -> tuple[RouteRow, ...]:
    """Rows of the table. Without a classifier the learned side is empty throughout."""
    measured, learned = findings.routes.measured, findings.routes.learned
    grade = findings.severity.mosmed.name
    ours = _measured_cells(measured, grade)
    theirs = {} if learned is None else _learned_cells(learned)
    rows = [RouteRow(label, ours[label], theirs.get(label, "")) for label in ours]
    return tuple(row for row in rows if row.measured or row.learned)


def route_alerts(findings: Findings) -> tuple[str, ...]:
    """What a reader must see at the head of a report; empty where there is nothing of the kind."""
    routes = findings.routes
    out = []
    if routes.measured.answer is None:
        out.append(routes.measured.statement)
    if routes.learned is not None and routes.learned.answer is None:
        out.append(routes.learned.statement)
    if routes.agreement.state == "differ":
        out.append(routes.agreement.statement)
    return tuple(out)


def _measured_cells(route: MeasuredRoute, grade: str) -> dict[str, str]:
    return {
        "Answer": route.answer or "not reliable",
        "Figures": f"{share_text(route.involvement_percent)}\u00a0% of the lungs, {grade}",
        "Borders": (
            f"mild from {route.mild_from_percent:g}\u00a0%, severe from "
            f"{route.severe_from_percent:g}\u00a0% of the lungs"
        ),
        "How sure": _certainty(route),
        "Not used, because": "\n".join(route.not_reliable),
        "To bear in mind": "\n".join(route.caveats),
        "Made by": "Rule on the segmented lesions",
    }


def _certainty(route: MeasuredRoute) -> str:
    if route.range_percent is None:
        return "No probability was given, so there is no range."
    low, high = (share_text(end) for end in route.range_percent)
    text = f"range {low} to {high}\u00a0%"
    if route.certainty is None:
        return f"{_NOTHING} ({text})"
    if route.certainty == "clear":
        points = share_text(route.points_to_border)
        return (
            f"Clear: {text}, {points} points from the border at "
            f"{route.nearest_border_percent:g}\u00a0%"
        )
    others = [name for name in route.classes_in_range if name != route.answer]
    return f"Borderline: {text} reaches into {' and '.join(others)}"


def _learned_cells(route: LearnedRoute) -> dict[str, str]:
    findings, severe = route.diagnosis, route.severity
    cells = {
        "Answer": _answer(route),
        "Figures": _RECORD,
        "Borders": _thresholds(findings, severe),
        "How sure": _NOTHING,
        "Not used, because": "\n".join(route.abstained),
        "To bear in mind": PHANTOM_NOTE if route.is_phantom_trained else "",
        "Made by": (
            f"{route.name} {route.version}, learned from {route.trained_on.rstrip('.')} "
            f"({route.license})"
        ),
    }
    if route.answer is None:
        return cells
    cells["Figures"] = f"findings {chance_text(findings.probability)}"
    if route.answer == "normal":
        cells["Figures"] += "; severe is not asked of a normal scan"
        cells["How sure"] = _calibration([("The figure", findings)])
    else:
        cells["Figures"] += f"; severe {chance_text(severe.probability)}"
        cells["How sure"] = _calibration([("Findings", findings), ("Severe", severe)])
    return cells


def _answer(route: LearnedRoute) -> str:
    if route.answer is None:
        return "abstains"
    return f"class {route.answer} of made-up scans" if route.is_phantom_trained else route.answer


def _thresholds(findings: HeadFindings, severe: HeadFindings) -> str:
    """Both thresholds and how they were chosen, once where it is the same of both."""
    rules = [head.threshold_rule.strip().rstrip(".") for head in (findings, severe)]
    texts = [
        f"findings from {chance_text(findings.threshold)}",
        f"severe from {chance_text(severe.threshold)}",
    ]
    if rules[0] == rules[1]:
        return ", ".join(texts) + (f" (both: {rules[0]})" if rules[0] else "")
    pairs = zip(texts, rules, strict=True)
    return "\n".join(f"{text} ({rule})" if rule else text for text, rule in pairs)


def _calibration(heads: list[tuple[str, HeadFindings]]) -> str:
    """In words, once where it is the same of both heads."""
    if all(head.is_calibrated for _, head in heads):
        return "Calibrated: on scans like those it was fitted to, a chance."
    if not any(head.is_calibrated for _, head in heads):
        return "Not calibrated: a high figure ranks a scan above others, it is no chance."
    words = {
        True: "calibrated, on scans like those it was fitted to a chance",
        False: "not calibrated, it ranks scans and is no chance",
    }
    return "\n".join(f"{name}: {words[head.is_calibrated]}." for name, head in heads)
