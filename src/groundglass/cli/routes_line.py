"""Both routes to diagnosis and severity in one line for a person."""

from __future__ import annotations

from groundglass.findings import Findings


def routes_line(findings: Findings) -> str:
    """Both routes to diagnosis and severity in one line."""
    measured, learned = findings.routes.measured, findings.routes.learned
    certainty = f", {measured.certainty}" if measured.certainty else ""
    text = (
        f"measured: {measured.answer}{certainty}" if measured.answer else "measured: not reliable"
    )
    if learned is None:
        return f"{text}; learned: no classifier given"
    said = learned.answer or "abstains"
    phantoms = " (learned from made-up scans)" if learned.is_phantom_trained else ""
    differ = ". THEY DIFFER" if findings.routes.agreement.state == "differ" else ""
    return f"{text}; learned: {said}{phantoms}{differ}"
