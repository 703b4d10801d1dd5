"""Training batches from labeled and pseudo-labeled scans, each with its share."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from groundglass.datasets.index import PreparedScan
from groundglass.training.samples import Samples
from groundglass.training.settings import TrainSettings


class MixedSamples(Samples):
    """`Samples` of the labeled scans, which give way to pseudo-labeled ones for a share.

    Each place of a batch is labeled with probability `labeled_share`, drawn from (seed, step,
    place) alone. The labeled draw is that of the run's settings. Among pseudo-labeled scans, those
    in which nothing was found weigh by their slices but get `lesion_free_share` at most: a network
    that finds nothing must not teach itself to find nothing. Where nothing was found in any of
    them, labeled scans with lesions stand in for those with. Maps that the settings name (`lungs`,
    `soft_targets`) are for the labeled scans.
    Raises: as `Samples`.
    """

    def __init__(
        self,
        labelled: Sequence[PreparedScan],
        pseudo: Sequence[PreparedScan],
        settings: TrainSettings,
        *,
        labeled_share: float,
    ) -> None:
        super().__init__(labelled, settings)
        self._share = labeled_share
        found = [scan for scan in pseudo if not scan.row.is_healthy]
        empty = [scan for scan in pseudo if scan.row.is_healthy]
        slices = sum(len(scan.image) for scan in pseudo)
        weight = sum(len(scan.image) for scan in empty) / slices if slices else 0.0
        own = settings.model_copy(
            update={
                "healthy_share": min(weight, settings.lesion_free_share),
                "lungs": None,
                "soft_targets": None,
                "every": 1,
            }
        )
        with_lesions = found or [scan for scan in labelled if not scan.row.is_healthy]
        self._pseudo = Samples([*with_lesions, *empty], own)

    def batch(self, step: int, *, rank: int = 0, world: int = 1) -> tuple[np.ndarray, np.ndarray]:
        """Input and target of `step`, as `Samples.batch`."""
        phase, _ = self._settings.phase_at(step)
        images, targets = [], []
        for place in range(rank, phase.batch, world):
            rng = np.random.default_rng([self._settings.seed, step, place, 1])
            # One place of the whole batch: its draw does not depend on what the others are.
            if rng.random() < self._share:
                image, target = super().batch(step, rank=place, world=phase.batch)
            else:
                image, target = self._pseudo.batch(step, rank=place, world=phase.batch)
            images.append(image)
            targets.append(target)
        return np.concatenate(images), np.concatenate(targets)
