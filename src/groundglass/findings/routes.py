"""Diagnosis and severity by two routes: the measured share, and a learned head where one is given.

The classes are the CovTANet paper's: normal, mild (less than 25 % of the lungs), severe. Source:
Mahmud et al., arXiv 2101.00691, sections II-E and III-A. An `answer` is null where its route
abstains; its numbers then stay for the record and must not be used.
"""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from groundglass.findings.part import Part

Answer = Literal["normal", "mild", "severe"]


class MeasuredRoute(Part):
    """Route 1: the class that the measured share of lesion falls into."""

    answer: Answer | None = Field(description="Null where `not_reliable` gives a reason.")
    not_reliable: list[str] = Field(description="Why the share must not be used as an answer.")
    caveats: list[str] = Field(description="What weakens the answer without forbidding it.")
    involvement_percent: float = Field(ge=0, le=100, description="As in `lesions`.")
    range_percent: tuple[float, float] | None = Field(
        description="As in `lesions.uncertainty`; null where no probability was given."
    )
    classes_in_range: list[Answer] = Field(
        description="Classes that the range touches, the lightest first; without a range that of "
        "the share alone."
    )
    certainty: Literal["clear", "borderline"] | None = Field(
        description="clear: the whole range lies in one class. borderline: it touches another. "
        "Null without a range, and where the share is not reliable."
    )
    nearest_border_percent: float = Field(description="The border that is nearest to the range.")
    points_to_border: float = Field(
        ge=0,
        description="Percentage points from the range (without one, from the share) to that "
        "border; 0 where the border lies in it.",
    )
    mild_from_percent: float = Field(description="Below is normal.")
    severe_from_percent: float
    statement: str
    definition: str


class SliceWeight(Part):
    """One slice and its part in a head's answer: how much of it went in, not why."""

    index: int = Field(ge=0, description="Along `profile.array_axis` of the masks.")
    position_mm: float | None = Field(description="As in `profile`.")
    weight: float = Field(ge=0, le=1, description="All slices that were read sum to 1.")


class HeadFindings(Part):
    """One of the two questions to the learned head."""

    is_yes: bool = Field(description="Whether the probability reaches the threshold.")
    probability: float = Field(ge=0, le=1)
    is_calibrated: bool = Field(
        description="Whether a temperature was fitted; else the probability only ranks scans."
    )
    logit: float
    threshold: float
    threshold_rule: str = Field(description="How, and on which scans, the threshold was chosen.")
    slices: list[SliceWeight] = Field(description="The greatest weights, the greatest first.")


class LearnedRoute(Part):
    """Route 2: what a classifier of whole scans says, learned from labels."""

    answer: Answer | None = Field(description="Null where `abstained` gives a reason.")
    abstained: list[str] = Field(description="Why the answer must not be used.")
    name: str
    version: str
    license: str
    trained_on: str
    is_phantom_trained: bool = Field(
        description="It learned from made-up scans, so it says nothing about patients."
    )
    slices_read: int = Field(ge=1, description="Spread evenly, each would weigh 1 / slices_read.")
    diagnosis: HeadFindings = Field(description="Findings against normal.")
    severity: HeadFindings = Field(
        description="Severe against mild; means nothing where the diagnosis is normal."
    )
    statement: str
    definition: str


class Agreement(Part):
    """Whether both routes come to the same class."""

    state: Literal["agree", "differ", "not_compared"] = Field(
        description="not_compared: at least one route has no answer."
    )
    statement: str


class Routes(Part):
    measured: MeasuredRoute
    learned: LearnedRoute | None = Field(description="Null where no classifier was given.")
    agreement: Agreement
