"""Algorithm 1 of CovTANet as a run in one folder: TA-SegNet, its feature maps, the classifier."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from groundglass.datasets.index import IndexRow, PreparedScan, load_prepared
from groundglass.errors import SettingsError
from groundglass.networks.build import build_network
from groundglass.recipe import SliceRecipe
from groundglass.training.checkpoint import RESULT_NAME, load_result, load_state
from groundglass.training.feature_cache import FeatureCache
from groundglass.training.fusion_features import FeatureSettings, FusionFeatures
from groundglass.training.joint_loop import JointTrainer
from groundglass.training.joint_select import JointSides, select_rows
from groundglass.training.joint_settings import JointSettings
from groundglass.training.loop import Trainer
from groundglass.training.ranks import Ranks
from groundglass.training.seen_masks import refuse_seen_masks
from groundglass.training.select import select_scans
from groundglass.training.settings import TrainSettings
from groundglass.training.slice_sources import FeatureSlices
from groundglass.training.two_phase_settings import TwoPhaseSettings

log = logging.getLogger(__name__)

PHASE_1, FEATURES, PHASE_2 = "phase-1", "features", "phase-2"


class Drive(Protocol):
    """Runs a trainer to its end; what it raises leaves the run where it can be gone on with."""

    def __call__(self, trainer: Trainer | JointTrainer, what: str) -> None: ...


def run_to_the_end(trainer: Trainer | JointTrainer, what: str) -> None:
    """The plain way to drive a trainer."""
    log.info("%s: step %d of %d", what, trainer.step, trainer.settings.total_steps)
    trainer.run()


@dataclass(frozen=True)
class FrozenSegmenter:
    """A trained TA-SegNet with its recipe: `folder` is its run's."""

    folder: Path
    settings: TrainSettings

    @classmethod
    def of_run(cls, folder: Path) -> FrozenSegmenter:
        """Raises: WeightsError where the folder holds no finished run, or a damaged one."""
        values = load_state(folder / RESULT_NAME).settings
        known = {
            name: value for name, value in values.items() if name in TrainSettings.model_fields
        }
        return cls(folder, TrainSettings.model_validate(known))

    @property
    def recipe(self) -> SliceRecipe:
        return SliceRecipe.from_dict(self.settings.recipe)

    def network(self) -> Any:
        """The network with the weights of its result."""
        network = build_network(self.settings.network, base=self.settings.base)
        network.load_state_dict(load_result(self.folder).average)
        return network

    def features(self, settings: FeatureSettings, *, device: str = "cpu") -> FusionFeatures:
        """What phase 2 learns from. Raises: SettingsError as `FusionFeatures`."""
        return FusionFeatures(self.network(), self.recipe, settings, device=device)


class TwoPhases:
    """The whole of Algorithm 1 in `folder`: `phase-1/` and `phase-2/` are run folders, `features/`
    the cache between them.

    Phase 1 trains TA-SegNet on the slices of the scans with masks, or is a run that is given.
    Phase 2 freezes it, computes the features of every scan once, and trains the classifier on
    them. The test side is one for both: no patient whose mask taught phase 1 is ever held out in
    phase 2, which is checked before anything is trained. Whatever is finished is not done again.
    Source: CovTANet, Algorithm 1.
    Raises: SettingsError where that check fails, or as `select_rows`.
    """

    def __init__(self, settings: TwoPhaseSettings, folder: Path) -> None:
        self.settings, self.folder = settings, folder
        self.sides: JointSides = select_rows(settings.joint())
        self._index = Path(settings.index)
        if settings.segmenter is not None:
            self._check(FrozenSegmenter.of_run(Path(settings.segmenter)).settings)
        else:
            self._check(self._phase_1_settings())

    def _phase_1_settings(self) -> TrainSettings:
        found = self.settings.segmentation_settings()
        if found is None:
            raise SettingsError("a run of two phases has neither segmentation nor segmenter")
        return found

    def run(
        self,
        drive: Drive = run_to_the_end,
        *,
        on_features: Callable[[str, bool], None] | None = None,
    ) -> None:
        """All that is left to do, in order."""
        self.train_segmenter(drive)
        source = self.segmenter().features(
            self.settings.feature_settings, device=self._own_device()
        )
        cache = self.fill_features(source, on_features)
        self.train_classifier(drive, cache, source)

    def train_segmenter(self, drive: Drive = run_to_the_end) -> None:
        """Phase 1, unless it is finished or given."""
        if self.settings.segmenter is not None:
            return
        settings, folder = self._phase_1_settings(), self.folder / PHASE_1
        if _is_finished(folder, settings.total_steps) and settings.early_stopping is None:
            return
        chosen = select_scans(settings)
        trainer = Trainer(chosen.train, settings, folder, validation=chosen.validation)
        del chosen
        drive(trainer, "phase 1")

    def segmenter(self) -> FrozenSegmenter:
        """The segmenter of phase 1. Raises: WeightsError where it is not finished."""
        given = self.settings.segmenter
        found = FrozenSegmenter.of_run(Path(given) if given else self.folder / PHASE_1)
        self._check(found.settings)
        return found

    def fill_features(
        self, source: FusionFeatures, on_features: Callable[[str, bool], None] | None = None
    ) -> FeatureCache:
        """Features of every scan of both sides; under torchrun each process computes its share."""
        cache = FeatureCache(self.folder / FEATURES, source)
        ranks = Ranks.join(self.settings.device)
        rows = (*self.sides.train, *self.sides.held_out)[ranks.rank :: ranks.world]
        cache.fill(self._scans(rows), progress=on_features)
        ranks.wait()
        return cache

    def train_classifier(
        self, drive: Drive, cache: FeatureCache, source: FusionFeatures
    ) -> JointTrainer:
        """Phase 2, or what is left of it."""
        slices = FeatureSlices(cache.folder)
        settings = self.joint_settings(source, slices)
        trainer = JointTrainer(self.sides.train, slices, settings, self.folder / PHASE_2)
        drive(trainer, "phase 2")
        return trainer

    def joint_settings(self, source: FusionFeatures, slices: FeatureSlices) -> JointSettings:
        """Those of phase 2, which say whose features it learns from."""
        one = slices.read(self.sides.train[0].scan_id, most=1)
        found = {"features": source.key, "feature_channels": one.values.shape[1]}
        return self.settings.joint().model_copy(update=found)

    def _scans(self, rows: Sequence[IndexRow]) -> Iterator[PreparedScan]:
        for row in rows:
            yield load_prepared(self._index, row)

    def _check(self, phase_1: TrainSettings) -> None:
        refuse_seen_masks(phase_1, self.sides.held_out, index=self._index)

    def _own_device(self) -> str:
        return str(Ranks.join(self.settings.device).device(self.settings.device))


def _is_finished(folder: Path, steps: int) -> bool:
    path = folder / RESULT_NAME
    return path.exists() and load_state(path).step == steps
