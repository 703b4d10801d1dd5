"""What a classifier of scans must beat: the most frequent label, and the involved share alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from groundglass.errors import InputError
from groundglass.metrics.overlap import Confusion
from groundglass.metrics.scored_cases import ScoredCases, confusion_of_calls

_NAMED = 20
"""Cases that a message names one by one."""


@dataclass(frozen=True)
class MajorityClass:
    """The label that most training cases have, said of every case. `share` of them have it.

    Its sensitivity and specificity are 0 and 1, its balanced accuracy one half; AUROC does not
    apply, as it ranks nothing.
    """

    label: bool
    share: float

    @classmethod
    def of(cls, training: Sequence[bool] | np.ndarray) -> MajorityClass:
        """From the labels of the training side, bool or 0/1. Positive, where both are as many.

        Raises: InputError where there is no label, or another than 0 and 1.
        """
        labels = _labels(training)
        positive = float(labels.mean())
        return cls(positive >= 0.5, max(positive, 1 - positive))

    def counts(self, labels: Sequence[bool] | np.ndarray) -> Confusion:
        """Counts of test cases; its accuracy is what a network must exceed.

        Raises: InputError as `of`.
        """
        truth = _labels(labels)
        return confusion_of_calls(np.full(truth.shape, self.label), truth)


def involved_percent(lungs: np.ndarray, lesions: np.ndarray) -> float | None:
    """Share of the lungs that is lesion, in percent; None without a lung or a lesion.

    Lungs are both masks together, as lungs found by density leave dense lesions out.
    Shape: two masks (D, H, W), bool or 0/1. Raises: InputError where the shapes differ.
    """
    if lungs.shape != lesions.shape:
        raise InputError(
            f"lesions have shape {lesions.shape}", expected=f"that of the lungs, {lungs.shape}"
        )
    whole = int(np.count_nonzero((lungs > 0) | (lesions > 0)))
    return 100.0 * int(np.count_nonzero(lesions)) / whole if whole else None


def share_cases(
    percent: Sequence[float | None], labels: Sequence[bool] | np.ndarray, groups: Sequence[str]
) -> ScoredCases:
    """Scans scored by their involved share: the rule "severe from x % of the lungs".

    Its AUROC is `auroc` of them; its threshold comes from `choose_by_youden` on the training or
    validation side, and `ThresholdChoice.judge` measures it on the test side.
    Raises: InputError naming the patients of scans without a share, and as `ScoredCases.of`.
    """
    bare = [group for share, group in zip(percent, groups, strict=False) if share is None]
    if bare:
        more = f" and {len(bare) - _NAMED} more" if len(bare) > _NAMED else ""
        raise InputError(
            f"scans of {', '.join(bare[:_NAMED])}{more} have no involved share, as no lung was "
            "found in them",
            expected="a share for every scan",
            remedy="Leave them out of every row of the table, and say so",
        )
    return ScoredCases.of(np.array(percent, dtype=np.float64), labels, groups)


def _labels(values: Sequence[bool] | np.ndarray) -> np.ndarray:
    array = np.asarray(values)
    if array.ndim != 1 or not array.size:
        raise InputError(f"labels have shape {array.shape}", expected="one or more, in a row")
    if array.dtype != bool and not np.isin(array, (0, 1)).all():
        raise InputError("labels hold other values than 0 and 1", expected="0 or 1")
    return array.astype(bool)
