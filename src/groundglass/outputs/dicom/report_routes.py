"""What the measurement report says of the two routes to a class: codes where they may be used.

The class itself has standard codes; what it is the class of, and how sure a head is, have codes of
our own scheme. A route without an answer gives its reason in words, and neither code nor number,
and so does a head that learned from made-up scans: machines read codes and not the words beside.
"""

from __future__ import annotations

from dataclasses import dataclass

from groundglass.findings import Findings
from groundglass.outputs.dicom.identity import RESEARCH_USE, Algorithm
from groundglass.outputs.dicom.report_numbers import LEARNED, SCHEME, WHOLE, has_usable_head
from groundglass.outputs.dicom.segments import Coded

CONCLUSION: Coded = ("121077", "DCM", "Conclusion")
MEASURED_CLASS: Coded = ("MEASURED-CLASS", SCHEME, "Class by measured lesion share")
_MEASURED_TEXT: Coded = ("MEASURED-TEXT", SCHEME, "What the measured share says")
_MEASURED_DEFINITION: Coded = ("MEASURED-DEF", SCHEME, "Definition of the class by measured share")
LEARNED_CLASS: Coded = ("LEARNED-CLASS", SCHEME, "Class by learned classifier")
_LEARNED_TEXT: Coded = ("LEARNED-TEXT", SCHEME, "What the learned classifier says")
_LEARNED_DEFINITION: Coded = ("LEARNED-DEF", SCHEME, "Definition of the class by classifier")
_AGREEMENT: Coded = ("AGREEMENT", SCHEME, "Whether both routes agree")
_CLASS_CODES: dict[str, Coded] = {
    "normal": ("17621005", "SCT", "Normal"),
    "mild": ("255604002", "SCT", "Mild"),
    "severe": ("24484000", "SCT", "Severe"),
}


@dataclass(frozen=True)
class RouteContent:
    """One route, for the group of the report that it belongs to.

    `question` and `answer`: a coded item, None without an answer that a machine may use. `texts`:
    items in words. `algorithm`: what gave the answer, None for the rule on the measured share.
    """

    group: str
    question: Coded
    answer: Coded | None
    texts: tuple[tuple[Coded, str], ...]
    algorithm: Algorithm | None = None


def route_contents(findings: Findings) -> tuple[RouteContent, ...]:
    """The measured route, and the learned one where a classifier was given."""
    routes = findings.routes
    measured, learned = routes.measured, routes.learned
    words = " ".join((measured.statement, *measured.caveats))
    out = [
        RouteContent(
            WHOLE,
            MEASURED_CLASS,
            None if measured.answer is None else _CLASS_CODES[measured.answer],
            ((_MEASURED_TEXT, words), (_MEASURED_DEFINITION, measured.definition)),
        )
    ]
    if learned is not None:
        out.append(
            RouteContent(
                LEARNED,
                LEARNED_CLASS,
                _CLASS_CODES[str(learned.answer)] if has_usable_head(findings) else None,
                (
                    (_LEARNED_TEXT, f"{RESEARCH_USE}. {learned.statement}"),
                    (_LEARNED_DEFINITION, learned.definition),
                    (_AGREEMENT, routes.agreement.statement),
                ),
                Algorithm(learned.name, learned.version),
            )
        )
    return tuple(out)


def conclusion(findings: Findings) -> str:
    """The statement by rule, with a doubt before it where the measured share is not reliable."""
    statement = findings.diagnosis.statement
    if findings.routes.measured.answer is None:
        return f"NOT RELIABLE, see the measured share: {statement}"
    return statement
