"""Runs whose lesion network is shown the lungs' box unmasked: one, several, one from a mean."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from groundglass.errors import SettingsError
from groundglass.studies.budget import StageBudget
from groundglass.studies.mean_predictor import MeanPredictor
from groundglass.studies.patient_parts import patient_parts
from groundglass.studies.plan import TEACHERS, Learner, Variant
from groundglass.studies.run_result import RunResult
from groundglass.studies.run_settings import Split, run_settings
from groundglass.studies.runs import StudyRuns, size_word
from groundglass.training.maps import save_map

PLAIN = Variant()
"""A network as its catalog entry says, from scratch."""


class BoxRuns:
    """Such runs of one study, under `Budget.box_of`; trained and kept as its other ones."""

    def __init__(self, runs: StudyRuns) -> None:
        self._runs = runs

    def one(
        self,
        network: str,
        split: Split,
        variant: Variant = PLAIN,
        *,
        hold_out: tuple[str, ...] = (),
        soft_targets: Path | None = None,
        which: str = "",
    ) -> RunResult:
        """The second stage, shown the whole box from the first step.

        `hold_out`: scans left out beside the fold's test side; `soft_targets`: a folder of maps to
        learn from beside the reference; `which` tells such runs apart by name.
        Raises: SettingsError where the budget has none.
        """
        settings = run_settings(
            "lesions",
            network,
            place=self._runs.place(split),
            spend=self._spend(network),
            hold_out=hold_out,
            validation=self._runs.validation(split),
        )
        weights = variant.encoder_weights
        changes: dict[str, Any] = {
            "recipe": {**settings.recipe, "mask_outside": False},
            "augment": settings.augment.model_copy(
                update={"paste": variant.paste, "opacity": variant.opacity}
            ),
            "loss": variant.loss or settings.loss,
            "encoder_weights": None if weights is None else str(weights),
            "soft_targets": None if soft_targets is None else str(soft_targets),
        }
        name = self._name(network, variant, which)
        return self._runs.train(settings.model_copy(update=changes), split, name)

    def teachers(
        self, network: str, split: Split, variant: Variant = PLAIN
    ) -> tuple[RunResult, ...]:
        """`TEACHERS` networks as `one`, each without another part of the training patients.

        Raises: SettingsError as `one` and `teaching_parts`.
        """
        return tuple(
            self.one(network, split, variant, hold_out=part, which=_without(number))
            for number, part in enumerate(self.teaching_parts(split))
        )

    def teaching_parts(self, split: Split) -> tuple[tuple[str, ...], ...]:
        """What each teacher is trained without; the validation patients are in no part.

        Raises: SettingsError where there are fewer patients with lesions than parts.
        """
        validation = set(self._runs.validation(split))
        judges = {row.group for row in self._runs.rows if row.scan_id in validation}
        rows = [row for row in self._runs.train_rows(split) if row.group not in judges]
        sick = {row.group for row in rows if not row.is_healthy}
        if len(sick) < TEACHERS:
            raise SettingsError(
                f"patients with lesions to train on in fold {split.fold}: {len(sick)}",
                expected=f"{TEACHERS} or more for a mean of {TEACHERS} networks",
                remedy="Leave those rows out with --rows, or add patients to the index",
            )
        return patient_parts(rows, TEACHERS)

    def distilled(
        self,
        network: str,
        split: Split,
        teachers: Sequence[RunResult],
        variant: Variant = PLAIN,
    ) -> RunResult:
        """One network as `one` that learns from the reference and the mean of `teachers`.

        The mean's probabilities of each training scan are kept as uint8, 0 to 255; those that are
        there are used. Raises: SettingsError as `one`.
        """
        size = size_word(self._spend(network))
        folder = self._runs.folder_of(split) / f"soft-of-{network}{variant.suffix}-{size}"
        rows = self._runs.train_rows(split)
        missing = [row for row in rows if not (folder / f"{row.scan_id}.npz").exists()]
        if missing:
            mean = MeanPredictor([run.predictor() for run in teachers])
            for row in missing:
                self._runs.tell(f"  mean of the teachers on {row.scan_id}")
                chance = mean.probability(self._runs.scan(row))
                save_map(folder, row.scan_id, np.rint(chance * 255).astype(np.uint8))
        return self.one(network, split, variant, soft_targets=folder, which=_DISTILLED)

    def names(self, network: str, variant: Variant, learner: Learner) -> list[str]:
        """The names of the runs that a row takes. Raises: SettingsError as `one`."""
        taught = [_without(number) for number in range(TEACHERS)]
        ends = {"one": [""], "mean": taught, "distilled": [*taught, _DISTILLED]}
        return [self._name(network, variant, which) for which in ends[learner]]

    def _name(self, network: str, variant: Variant, which: str) -> str:
        return f"box-{network}{which}{variant.suffix}-{size_word(self._spend(network))}"

    def _spend(self, network: str) -> StageBudget:
        budget = self._runs.budget
        spend = budget.box_of(network)
        if spend is None:
            raise SettingsError(f"budget {budget.name} trains no network on the whole box")
        return spend


_DISTILLED = "-distilled"


def _without(part: int) -> str:
    return f"-without-{part}"
