"""Both routes on paper: alerts before any figure, the table, plot and maps of the learned head."""

from __future__ import annotations

import numpy as np
import pytest

from groundglass.classification import ScanClassification
from groundglass.findings import Findings
from groundglass.measurement import MeasureSettings, measure
from groundglass.measurement.learned_route import with_learned
from groundglass.measurement.uncertainty import LesionProbability
from groundglass.outputs.pdf import render_pdf
from groundglass.outputs.report import ReportInputs

from ...made_classification import made_classification, made_head
from .reading import page_texts

SLICES = tuple(range(2, 22, 2))
WEIGHTS = (0.02, 0.3, 0.2, 0.1, 0.08, 0.08, 0.07, 0.06, 0.05, 0.04)


def answer(findings: float = 0.9, **changes: object) -> ScanClassification:
    heat = np.ones((40, 48), np.float32)
    heads = {
        "diagnosis": made_head(findings, WEIGHTS, regions={4: heat, 6: heat}),
        "severity": made_head(0.2, WEIGHTS[::-1]),
    }
    return made_classification(slices=SLICES, **{**heads, **changes})


@pytest.fixture
def reliable(case) -> Findings:
    return measure(
        case.volume, case.lungs, case.lesions, settings=MeasureSettings(coarsest_pixel_mm=6.0),
        probability=LesionProbability(case.lesions * np.uint8(240), 0.5, is_calibrated=True),
    )  # fmt: skip


def texts(case, findings: Findings, said: ScanClassification | None = None) -> str:
    inputs = ReportInputs(case.volume, case.lungs, case.lesions, findings, classification=said)
    return " ".join(page_texts(render_pdf(inputs)))


def test_an_unreliable_share_is_said_before_the_figures(case) -> None:
    text = texts(case, case.findings)
    reason = case.findings.routes.measured.statement
    assert text.index(reason) < text.index("Diagnosis by rule · not reliable")
    assert "Lungs involved · not reliable" in text


def test_a_reliable_share_needs_no_alert(case, reliable: Findings) -> None:
    text = texts(case, reliable)
    assert "Attention" not in text
    assert "· not reliable" not in text
    assert reliable.routes.agreement.statement in text
    assert "Route 2" not in text


def test_both_routes_with_plot_and_maps(case, reliable: Findings) -> None:
    said = answer()
    text = texts(case, with_learned(reliable, said), said)
    for words in (
        "Route 2: the learned head",
        "made 3, learned from 9 scans (CC0-1.0)",
        "weight of the slice in the answer",
        "Findings or normal: slices with the greatest weight",
        "30.0 % of the weight",
        "they say where the head looked, not why",
    ):
        assert words in text, words


def test_a_head_that_abstains_shows_nothing(case, reliable: Findings) -> None:
    said = answer(abstained=("Only made-up scans were seen.",))
    text = texts(case, with_learned(reliable, said), said)
    assert "Only made-up scans were seen." in text
    assert "What carried the learned answer" not in text


def test_long_reasons_go_over_to_the_next_page(case, reliable: Findings) -> None:
    said = answer(abstained=tuple(f"Reason {i}: {'long ' * 200}." for i in range(12)))
    text = texts(case, with_learned(reliable, said), said)
    assert all(f"Reason {i}:" in text for i in range(12))
