"""Whether a classifier's probability for a scan means what it says; tested on other patients."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from groundglass.errors import InputError
from groundglass.metrics.calibration import LogitHistogram, Reliability, fit_temperature
from groundglass.metrics.scored_cases import ScoredCases

CASE_BINS = 10
"""A study has hundreds of scans where a mask has millions of pixels."""


@dataclass(frozen=True)
class CaseTemperature:
    """One temperature fitted on the logits of some patients, or None with the reason.

    `fitted_on` names the patients.
    """

    temperature: float | None
    reason: str
    fitted_on: frozenset[str]

    def judge(self, cases: ScoredCases, *, bins: int = CASE_BINS) -> CaseCalibration:
        """Reliability of the logits of other patients, as they are and with the temperature.

        Raises: InputError naming the patients that it was fitted on and that are among `cases`.
        """
        cases.refuse_patients_of(self.fitted_on, "temperature")
        counted = LogitHistogram.of(cases.scores, cases.labels)
        after = None
        if self.temperature is not None:
            after = Reliability.of(counted, temperature=self.temperature, bins=bins)
        return CaseCalibration(self, Reliability.of(counted, bins=bins), after)


@dataclass(frozen=True, eq=False)
class CaseCalibration:
    """Reliability of a classifier on patients that its temperature has not seen.

    `after` is None where no temperature could be fitted.
    """

    fitted: CaseTemperature
    before: Reliability
    after: Reliability | None

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON; figures as in `Reliability.to_dict`, of cases."""
        return {
            "temperature": self.fitted.temperature,
            "reason": self.fitted.reason,
            "fitted_on_patients": len(self.fitted.fitted_on),
            "before": self.before.to_dict(counted="cases"),
            "after": None if self.after is None else self.after.to_dict(counted="cases"),
        }


def fit_case_temperature(validation: ScoredCases) -> CaseTemperature:
    """The temperature with the least log loss on these cases, whose scores are logits.

    It moves no logit across 0 and changes no ranking. Few cases are often separated without a
    mistake; then there is no best temperature, and the reason says so. Logits beyond
    `LOGIT_LIMIT` count at the end and all to 0.02, as those of pixels do.
    Source: Guo et al. 2017, section 4.2 (temperature scaling).
    """
    patients = frozenset(validation.groups)
    if not validation.positives or not validation.negatives:
        found = f"{validation.positives} of {len(validation.labels)} cases are positive"
        return CaseTemperature(None, f"{found}, and a temperature needs both labels", patients)
    try:
        fitted = fit_temperature(LogitHistogram.of(validation.scores, validation.labels))
    except InputError as error:
        return CaseTemperature(None, error.problem, patients)
    return CaseTemperature(fitted, "", patients)
