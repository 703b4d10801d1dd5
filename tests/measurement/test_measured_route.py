"""Route 1: the class of a share, and how near its range comes to a border."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from groundglass.findings import LesionFindings, Uncertainty
from groundglass.findings.routes import MeasuredRoute
from groundglass.measurement.measured_route import (
    ANSWERS,
    class_of_share,
    measured_alone,
    measured_route,
    share_text,
)


def route(
    share: float,
    between: tuple[float, float] | None,
    *,
    not_reliable: tuple[str, ...] = (),
    is_calibrated: bool = True,
) -> MeasuredRoute:
    known = None
    if between is not None:
        known = Uncertainty.model_construct(
            involvement_low_percent=between[0],
            involvement_high_percent=between[1],
            is_calibrated=is_calibrated,
        )
    lesions = LesionFindings.model_construct(involvement_percent=share, uncertainty=known)
    return measured_route(
        lesions, not_reliable=list(not_reliable), caveats=[], noise_floor_percent=0.3
    )


@pytest.mark.parametrize(
    ("share", "answer"),
    [
        *((0.0, "normal"), (0.299, "normal"), (0.3, "mild"), (24.99, "mild")),
        *((25.0, "severe"), (60.0, "severe"), (100.0, "severe")),
    ],
)
def test_classes_are_the_papers(share: float, answer: str) -> None:
    assert class_of_share(share, 0.3) == answer
    assert route(share, None).answer == answer


@pytest.mark.parametrize(
    ("share", "between", "classes", "certainty", "border", "points"),
    [
        (5.0, (3.0, 6.0), ["mild"], "clear", 0.3, 2.7),
        (20.0, (18.0, 23.0), ["mild"], "clear", 25.0, 2.0),
        (20.0, (12.0, 27.5), ["mild", "severe"], "borderline", 25.0, 0.0),
        (20.0, (12.0, 25.0), ["mild", "severe"], "borderline", 25.0, 0.0),
        (0.2, (0.0, 0.6), ["normal", "mild"], "borderline", 0.3, 0.0),
        (0.1, (0.05, 0.2), ["normal"], "clear", 0.3, 0.1),
        (40.0, (31.0, 45.0), ["severe"], "clear", 25.0, 6.0),
        (9.0, (0.1, 30.0), ["normal", "mild", "severe"], "borderline", 0.3, 0.0),
    ],
)
def test_how_near_the_range_comes_to_a_border(
    share: float,
    between: tuple[float, float],
    classes: list[str],
    certainty: str,
    border: float,
    points: float,
) -> None:
    found = route(share, between)
    assert found.classes_in_range == classes
    assert found.certainty == certainty
    assert (found.nearest_border_percent, found.points_to_border) == (border, pytest.approx(points))
    assert ("Borderline" in found.statement) is (certainty == "borderline")


@given(st.lists(st.floats(0, 100), min_size=3, max_size=3))
def test_the_answer_is_in_its_range_and_clear_means_a_distance(shares: list[float]) -> None:
    low, share, high = sorted(shares)
    found = route(share, (low, high))
    assert found.answer in found.classes_in_range
    assert found.classes_in_range == sorted(found.classes_in_range, key=ANSWERS.index)
    if found.points_to_border > 0:
        assert found.certainty == "clear"


def test_statements() -> None:
    assert route(10.5, (3.7, 17.3)).statement == (
        "The measured share says mild: 10.5 % of the lungs (range 3.7 to 17.3 %), clear of the "
        "nearest border, 0.3 %, by 3.4 points."
    )
    assert route(20.0, (12.0, 27.5)).statement.endswith("the range reaches into severe.")
    assert "nothing is known of its range" in route(20.0, None).statement


def test_a_range_that_is_not_calibrated_is_too_narrow() -> None:
    assert route(5.0, (3.0, 6.0)).caveats == []
    (caveat,) = route(5.0, (3.0, 6.0), is_calibrated=False).caveats
    assert "too narrow" in caveat


def test_a_share_that_is_not_reliable_gives_no_answer() -> None:
    found = route(30.0, (20.0, 40.0), not_reliable=("Lung volume 192 ml.",))
    assert (found.answer, found.certainty) == (None, None)
    assert found.involvement_percent == 30.0
    assert found.classes_in_range == ["mild", "severe"]
    assert found.statement.endswith("is not reliable as an answer. Lung volume 192 ml.")
    assert "mild" not in found.statement


def test_without_a_classifier_nothing_is_compared() -> None:
    alone = measured_alone(route(5.0, None))
    assert (alone.learned, alone.agreement.state) == (None, "not_compared")
    assert alone.agreement.statement.startswith("No classifier was given")
    bad = measured_alone(route(5.0, None, not_reliable=("x.",)))
    assert "neither route has an answer" in bad.agreement.statement


def test_small_shares_are_not_rounded_away() -> None:
    assert [share_text(s) for s in (0.0, 0.29, 1.0, 24.96)] == ["0.0", "0.29", "1.0", "25.0"]
