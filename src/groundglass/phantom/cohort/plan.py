"""What scan number N of a cohort will be: everything that is drawn before anything is painted."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from groundglass.phantom.cohort.confounders import Confounders
from groundglass.phantom.cohort.settings import GRADES, CohortSettings
from groundglass.phantom.looks import LesionLook

_GOLDEN = 0.6180339887498949
_SPREAD, _PERSON, _DISEASE, _LABEL = range(4)  # streams of random numbers, each its own
_SMALL_SHARE = 0.3
_AIMS = {"CT-2": (0.25, 0.5), "CT-3": (0.5, 0.75), "CT-4": (0.755, 0.8)}
KINDS = {"ground-glass": (0.0, 0.05), "mixed": (0.1, 0.4), "consolidation": (0.5, 0.9)}
"""Kind of disease -> consolidated share of its lesions, from and to."""


@dataclass(frozen=True)
class Disease:
    """Involved share aimed at (0: none), its kind, and how the lesions lie and look.

    `one_sided`: +1 keeps them to the left lung for the most part, -1 to the right, 0 to both.
    """

    involvement: float
    kind: str
    consolidation_share: float
    one_sided: int
    look: LesionLook


@dataclass(frozen=True)
class ScanPlan:
    """One scan's draw: a function of the settings (but `count`) and its number.

    `aimed_grade` is what the painting aims at; the label comes from what was painted. `place`
    (0 to 1, evenly spread within a grade) decides about a mask, `flip_draw` about a wrong label.
    """

    number: int
    aimed_grade: str
    place: float
    flip_draw: float
    patient_seed: int
    disease: Disease
    confounders: Confounders

    @property
    def name(self) -> str:
        return f"study_{self.number:04d}"

    @classmethod
    def draw(cls, settings: CohortSettings, number: int) -> ScanPlan:
        """The plan of scan `number`, from 1."""
        grade, place = _grade(settings, number)
        person = _stream(settings, number, _PERSON)
        return cls(
            number=number,
            aimed_grade=grade,
            place=place,
            flip_draw=float(_stream(settings, number, _LABEL).random()),
            patient_seed=int(person.integers(2**31)),
            disease=_disease(grade, _stream(settings, number, _DISEASE)),
            confounders=Confounders.draw(person, settings.slices),
        )


def _stream(settings: CohortSettings, number: int, stream: int) -> np.random.Generator:
    return np.random.default_rng([settings.seed, number, stream])


def _grade(settings: CohortSettings, number: int) -> tuple[str, float]:
    """Grade of a scan, and its place within the grade.

    Multiples of the golden ratio fill 0 to 1 evenly, however many there are: so every cohort
    has its shares to a scan or two, and no scan depends on how many others there are.
    """
    start = _stream(settings, 0, _SPREAD).random()
    at = (start + number * _GOLDEN) % 1.0 * sum(settings.shares)
    edges = np.cumsum(settings.shares)
    grade = min(int(np.searchsorted(edges, at, side="right")), len(GRADES) - 1)
    share = settings.shares[grade]
    return GRADES[grade], float((at - (edges[grade] - share)) / share)


def _disease(grade: str, rng: np.random.Generator) -> Disease:
    """Drawn the same way for every grade but for the involvement."""
    if grade == "CT-0":
        involvement = 0.0
    elif grade == "CT-1":
        # A third or so is very small; the others are spread so that each doubling is as likely.
        low, high = (0.01, 0.02) if rng.random() < _SMALL_SHARE else (0.02, 0.25)
        involvement = float(np.exp(rng.uniform(np.log(low), np.log(high))))
    else:
        involvement = float(rng.uniform(*_AIMS[grade]))
    kind = str(rng.choice(tuple(KINDS), p=(0.45, 0.4, 0.15)))
    look = LesionLook(
        large=float(rng.uniform(0.4, 0.75)),
        small=float(rng.uniform(0.1, 0.45)),
        peripheral=float(rng.uniform(0.3, 1.3)),
        per_mm_to_head=float(rng.uniform(-0.008, 0.002)),
        per_mm_to_back=float(rng.uniform(0.0, 0.007)),
        patch_scale=float(rng.uniform(0.6, 1.5)),
        ground_glass_hu=float(rng.uniform(-640, -440)),
    )
    return Disease(
        involvement=round(involvement, 6),
        kind=kind,
        consolidation_share=round(float(rng.uniform(*KINDS[kind])), 4),
        one_sided=int(rng.choice((-1, 0, 1), p=(0.12, 0.76, 0.12))),
        look=look,
    )
