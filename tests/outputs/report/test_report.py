"""The report: self-contained, complete, and sensible in every undefined case."""

from __future__ import annotations

import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from groundglass.errors import GeometryError, OutputError
from groundglass.intensity import Intensity
from groundglass.measurement import measure
from groundglass.measurement.uncertainty import LesionProbability
from groundglass.outputs.report import ReportInputs, write_report
from groundglass.outputs.report.write import render_report
from groundglass.volume import Finding

PROVENANCE = {
    "created": "2025-01-01",
    "weights": [{"name": "lungs-1", "sha256": "ab" * 32, "licence": "CC BY-NC-SA 4.0"}],
    "versions": {"groundglass": "0.1.0"},
    "seconds": {"read": 0.25},
    "recipe": {"lungs": {"window_hu": [-1350, 150]}},
}
VOID = {"meta", "input", "br"}


class Checker(HTMLParser):
    """Collects links and labels, and checks that tags are balanced."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.links: list[str] = []
        self.unlabeled: list[str] = []
        self.tags: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        known = dict(attrs)
        self.tags.append(tag)
        self.links += [v or "" for k, v in attrs if k in ("src", "href", "action", "data")]
        if tag == "svg" and not (known.get("role") == "img" and known.get("aria-label")):
            self.unlabeled.append(str(known))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        self.handle_endtag(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def check(text: str) -> Checker:
    checker = Checker()
    checker.feed(text)
    assert checker.open == []
    assert checker.unlabeled == []
    assert "script" not in checker.tags
    assert all(link.startswith("data:image/") for link in checker.links)
    css = text[text.index("<style>") : text.index("</style>")]
    assert not re.search(r"url\(|@import", css)
    assert "Research use only. Not a medical device." in text
    return checker


def inputs_of(case, **changes) -> ReportInputs:
    parts = {
        "volume": case.volume,
        "lungs": case.lungs,
        "lesions": case.lesions,
        "findings": case.findings,
        "provenance": PROVENANCE,
    }
    return ReportInputs(**{**parts, **changes})


def test_report_is_self_contained_and_complete(tmp_path: Path, case) -> None:
    path = tmp_path / "report.html"
    write_report(path, inputs_of(case))
    text = path.read_text(encoding="utf-8")
    check(text)
    assert path.stat().st_size < 1_000_000
    assert case.findings.diagnosis.statement in text
    for words in (
        "case-1",
        "Most involved slices",
        "Coronal",
        "Sagittal",
        "Along the body axis",
        "Zones",
        case.findings.severity.mosmed.name,
        "Not the lobar",
        "ab" * 32,
        "CC BY-NC-SA 4.0",
        "window_hu",
        "level −600 HU",
    ):
        assert words in text, words


def test_same_inputs_give_the_same_bytes(case) -> None:
    assert render_report(inputs_of(case)) == render_report(inputs_of(case))


def test_text_from_outside_is_escaped(case) -> None:
    source = replace(
        case.volume.source,
        scan_id="<script>alert(1)</script>",
        findings=(Finding("x", "warning", "<b>bold</b>"),),
    )
    volume = replace(case.volume, source=source)
    findings = measure(volume, case.lungs, case.lesions)
    text = render_report(inputs_of(case, volume=volume, findings=findings))
    check(text)
    assert "<b>bold</b>" not in text


def with_probability(case, **changes) -> ReportInputs:
    """The case as analyzed: sure in the lesion, unsure in its upper slices, a faint rim."""
    chance = case.lesions * np.uint8(240)
    chance[12:][case.lesions[12:] > 0] = 110
    chance |= np.roll(case.lesions, 1, axis=0) * np.uint8(40) * (case.lungs > 0)
    chance[(case.lesions == 0) & (chance > 40)] = 40
    probability = LesionProbability(chance, 0.4, **changes)
    findings = measure(case.volume, case.lungs, case.lesions, probability=probability)
    return inputs_of(case, findings=findings)


def test_ranges_and_confidence_are_shown(case) -> None:
    inputs = with_probability(case)
    text = render_report(inputs)
    check(text)
    known = inputs.findings.lesions.uncertainty
    assert known is not None
    low, high = known.involvement_low_percent, known.involvement_high_percent
    assert f"{low:.1f}\u00a0% to {high:.1f}\u00a0%" in text
    (item,) = inputs.findings.lesions.items
    assert item.volume_ml is not None
    assert f"<td>{item.side} lung, {item.zone} zone</td>" in text
    assert f'<b class="dot {item.confidence}"></b>{item.confidence}' in text
    assert f"<td>slice {item.center_index[0] + 1}, z" in text
    assert "voxels with a probability of lesion of at least 0.9 at its low end, 0.1" in text
    assert "not calibrated" in text


def test_calibrated_weights_are_not_called_uncalibrated(case) -> None:
    text = render_report(with_probability(case, temperature=1.4, is_calibrated=True))
    check(text)
    assert "not calibrated" not in text
    assert "temperature 1.4" in text


def test_without_a_probability_no_range_is_shown(case) -> None:
    text = render_report(inputs_of(case))
    assert "Largest lesions" in text
    for words in ("calibrated", 'class="range"', "Mean probability", 'whisker"'):
        assert words not in text, words


def test_no_lesions(case) -> None:
    none = np.zeros_like(case.lesions)
    findings = measure(case.volume, case.lungs, none)
    text = render_report(inputs_of(case, lesions=none, findings=findings, provenance={}))
    check(text)
    assert "No findings of lung opacities." in text
    assert "No lesion is large enough to be counted." in text
    assert "Most involved slices" not in text
    assert "Provenance" not in text


@pytest.mark.parametrize("slices", [1, 2, 5])
def test_few_slices(make_case, slices: int) -> None:
    case = make_case((slices, 40, 48))
    text = render_report(inputs_of(case))
    check(text)
    assert "All slices with lung" in text
    assert ("Fewer than three slices" in text) is (slices < 3)


def test_eight_bit_without_units(make_case) -> None:
    case = make_case(
        array=np.full((24, 40, 48), 99, dtype=np.uint8),
        intensity=Intensity("uint8", "detected", "8-bit: test"),
        spacing_is_real=False,
    )
    text = render_report(inputs_of(case))
    check(text)
    assert "no physical units" in text
    assert " mm" not in text.split("<figcaption>", 1)[1].split("</figcaption>")[0]
    assert "their window is not known" in text


def test_known_window_is_said(make_case) -> None:
    case = make_case(
        array=np.full((24, 40, 48), 99, dtype=np.uint8),
        intensity=Intensity("window", "given", "as asked", (-1350.0, 150.0)),
    )
    assert "window −1350 to 150 HU" in render_report(inputs_of(case))


def test_reference_is_drawn_and_compared(case) -> None:
    reference = {"lesions": np.roll(case.lesions, 1, axis=2), "lungs": case.lungs > 0}
    text = render_report(inputs_of(case, reference=reference))
    check(text)
    assert 'class="layer reference reference-lesions"' in text
    assert "Dice of the lungs, pooled over all voxels: <strong>1.000</strong>" in text
    assert re.search(r"Dice 0\.\d\d", text)


def test_bad_inputs_are_refused(tmp_path: Path, case) -> None:
    with pytest.raises(GeometryError, match="reference lesions mask"):
        inputs_of(case, reference={"lesions": case.lesions[1:]})
    with pytest.raises(OutputError, match="reference 'lobes' is unknown"):
        inputs_of(case, reference={"lobes": case.lesions})
    with pytest.raises(OutputError, match="could not be written"):
        write_report(tmp_path / "nowhere" / "report.html", inputs_of(case))
