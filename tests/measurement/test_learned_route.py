"""Route 2 in the findings: its class, the slices that carried it, and the comparison."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from itertools import product

import jsonschema
import numpy as np
import pytest

from groundglass.errors import GeometryError, WeightsError
from groundglass.findings import Findings, findings_schema
from groundglass.geometry import AxisOrder
from groundglass.measurement import MeasureSettings, measure
from groundglass.measurement.learned_route import chance_text, with_learned
from groundglass.volume import Volume

from ..made_classification import made_classification, made_head

MakeScan = Callable[..., tuple[Volume, np.ndarray, np.ndarray]]
FINE = MeasureSettings(plausible_lungs_ml=(100, 300), fewest_lung_slices=6, coarsest_pixel_mm=10.0)
ABSTAINS = ("Slices are 10 mm apart; it learned from 5 to 8 mm.", "Looks unlike its scans.")


@pytest.fixture
def mild(make_scan: MakeScan) -> Findings:
    """16 of 192 voxels are lesion: mild."""
    volume, lungs, lesions = make_scan()
    lesions[1:5, 1:3, 1:3] = 1
    return measure(volume, lungs, lesions, settings=FINE)


@pytest.mark.parametrize(
    ("findings", "severe", "answer", "state"),
    [
        (0.49, 0.99, "normal", "differ"),
        (0.5, 0.49, "mild", "agree"),
        (0.99, 0.5, "severe", "differ"),
    ],
)
def test_from_the_threshold_on_the_answer_is_yes(
    mild: Findings, findings: float, severe: float, answer: str, state: str
) -> None:
    found = with_learned(mild, made_classification(findings, severe))
    assert found.routes.learned is not None
    assert found.routes.learned.answer == answer
    assert found.routes.agreement.state == state
    differs = [text for text in found.warnings if text.startswith("The two routes differ")]
    assert differs == ([found.routes.agreement.statement] if state == "differ" else [])
    assert found.routes.measured == mild.routes.measured


def test_the_document_fits_its_schema(mild: Findings) -> None:
    found = with_learned(mild, made_classification(trained_on="a cohort of phantoms"))
    document = json.loads(found.to_json())
    jsonschema.validate(document, findings_schema(), cls=jsonschema.Draft202012Validator)
    assert Findings.model_validate_json(found.to_json()) == found


def test_slices_by_weight_on_the_masks_own_axis(make_scan: MakeScan, mild: Findings) -> None:
    found = with_learned(mild, made_classification())
    assert found.routes.learned is not None
    head = found.routes.learned.diagnosis
    assert [(s.index, s.position_mm, s.weight) for s in head.slices] == [
        (3, 30.0, pytest.approx(0.5)),
        (5, 50.0, pytest.approx(0.3)),
        (1, 10.0, pytest.approx(0.1)),
        (6, 60.0, pytest.approx(0.1)),
    ]
    assert found.routes.learned.slices_read == 4
    volume, lungs, lesions = make_scan()
    order = AxisOrder((1, 2, 0), (True, False, True))
    turned = replace(
        volume,
        array=order.apply(volume.array),
        affine=order.apply_to_affine(volume.affine, volume.shape),
    )
    findings = measure(turned, order.apply(lungs), order.apply(lesions), settings=FINE)
    routes = with_learned(findings, made_classification()).routes
    assert routes.learned is not None
    assert findings.profile.array_axis == 2
    listed = routes.learned.diagnosis.slices
    assert [s.index for s in listed] == [4, 2, 6, 1]  # seven less those above
    assert [s.position_mm for s in listed] == [30.0, 50.0, 10.0, 60.0]


def test_only_the_greatest_are_listed(mild: Findings) -> None:
    few = replace(FINE, listed_slices=2)
    found = with_learned(mild, made_classification(), settings=few).routes.learned
    assert found is not None
    assert [s.index for s in found.severity.slices] == [3, 5]


def test_an_abstaining_head_gives_reasons_and_no_answer(mild: Findings) -> None:
    found = with_learned(mild, made_classification(0.99, 0.99, abstained=ABSTAINS))
    learned = found.routes.learned
    assert learned is not None
    assert (learned.answer, learned.abstained) == (None, list(ABSTAINS))
    assert learned.diagnosis.probability == 0.99  # for the record
    assert found.routes.agreement.state == "not_compared"
    assert "the learned head abstains" in found.routes.agreement.statement
    assert found.warnings == [learned.statement]
    assert all(reason in learned.statement for reason in ABSTAINS)
    assert "severe" not in learned.statement


def test_nothing_is_compared_with_a_share_that_is_not_reliable(make_scan: MakeScan) -> None:
    findings = measure(*make_scan())
    state = with_learned(findings, made_classification()).routes.agreement
    assert state.state == "not_compared"
    assert state.statement == "The routes are not compared: the measured share is not reliable."
    both = with_learned(findings, made_classification(abstained=ABSTAINS)).routes.agreement
    assert "not reliable and the learned head abstains" in both.statement


def test_a_range_that_reaches_into_the_learned_answer_is_named(mild: Findings) -> None:
    border = mild.routes.measured.model_copy(
        update={"classes_in_range": ["mild", "severe"], "certainty": "borderline"}
    )
    routes = mild.routes.model_copy(update={"measured": border})
    near = mild.model_copy(update={"routes": routes})
    text = with_learned(near, made_classification(0.9, 0.9)).routes.agreement.statement
    assert "says mild (borderline), the learned head severe" in text
    assert "reaches into the learned answer" in text
    far = with_learned(near, made_classification(0.1, 0.9)).routes.agreement.statement
    assert "reaches into" not in far


@pytest.mark.parametrize(
    ("flag", "trained_on"), [(True, "a cohort"), (False, "60 phantoms"), (True, "60 phantoms")]
)
@pytest.mark.parametrize(("findings", "severe"), list(product((0.1, 0.9), repeat=2)))
def test_a_head_that_learned_from_phantoms_never_speaks_of_patients(
    mild: Findings, flag: bool, trained_on: str, findings: float, severe: float
) -> None:
    answer = made_classification(findings, severe, trained_on=trained_on)
    routes = with_learned(mild, answer, is_phantom_trained=flag).routes
    assert routes.learned is not None
    assert routes.learned.is_phantom_trained
    for text in (routes.learned.statement, routes.agreement.statement):
        assert text.endswith("says nothing about patients.")


def test_statements_say_what_is_calibrated(mild: Findings) -> None:
    def said(**changes: object) -> str:
        learned = with_learned(mild, made_classification(0.9, 0.2, **changes)).routes.learned
        assert learned is not None
        return learned.statement

    assert said() == (
        "The learned head says mild: findings 0.90 (yes from 0.50), severe 0.20 (yes from 0.50)."
    )
    rough = made_head(0.2, (0.1, 0.5, 0.3, 0.1), is_calibrated=False)
    assert "; severe not calibrated: higher ranks" in said(severity=rough)
    both = said(severity=rough, diagnosis=replace(rough, probability=0.9))
    assert "; findings and severe not calibrated: " in both
    # Of a normal scan severity is not asked, so it does not matter that it is not calibrated.
    normal = made_head(0.1, (0.1, 0.5, 0.3, 0.1))
    text = said(diagnosis=normal, severity=rough)
    assert text == "The learned head says normal: findings 0.10 (yes from 0.50)."


def test_answers_that_do_not_fit_are_refused(mild: Findings) -> None:
    with pytest.raises(GeometryError, match=r"read slices \[1, 3, 5, 8\]; expected .* 0 to 7"):
        with_learned(mild, made_classification(slices=(1, 3, 5, 8)))
    with pytest.raises(GeometryError, match="read slices"):
        with_learned(mild, made_classification(slices=(), weights=()))
    with pytest.raises(GeometryError, match="has 3 slice weights for diagnosis; expected one for"):
        with_learned(mild, made_classification(weights=(0.2, 0.3, 0.5)))
    good = made_classification()
    for bad in (
        replace(good.severity, probability=float("nan")),
        replace(good.severity, logit=float("inf")),
        replace(good.severity, slice_weights=np.array([-0.1, 0.4, 0.4, 0.3])),
        replace(good.severity, slice_weights=np.array([1.1, 0.0, 0.0, 0.0])),
    ):
        with pytest.raises(WeightsError, match="answers severity with probability"):
            with_learned(mild, replace(good, severity=bad))


def test_no_chance_is_rounded_to_certainty() -> None:
    texts = [chance_text(p) for p in (0.0, 0.001, 0.006, 0.994, 0.9999, 1.0)]
    assert texts == ["0.00", "below 0.01", "0.01", "0.99", "above 0.99", "1.00"]
