"""The study's trainings and predictions, each done once, kept on disk, and gone on with."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from groundglass.datasets.folds import Folds, patient_folds, read_folds, slice_split
from groundglass.datasets.index import IndexRow, PreparedScan, load_prepared, read_index
from groundglass.errors import DatasetError, SettingsError
from groundglass.networks.build import build_network
from groundglass.studies.budget import Budget, StageBudget
from groundglass.studies.mean_predictor import MeanPredictor
from groundglass.studies.patient_parts import patient_parts
from groundglass.studies.plan import TEACHERS, RowPlan, Variant, begun_suffix
from groundglass.studies.row import Protocol
from groundglass.studies.run_result import RunResult
from groundglass.studies.run_settings import (
    RunPlace,
    Split,
    context_settings,
    published_settings,
    run_settings,
)
from groundglass.studies.tested_lungs import cleaned_lungs, on_all_slices
from groundglass.training.checkpoint import RESULT_NAME, STATE_NAME, load_state
from groundglass.training.loop import Progress, Trainer
from groundglass.training.maps import load_map, save_map
from groundglass.training.select import has_masks, select_scans
from groundglass.training.settings import TrainSettings

log = logging.getLogger(__name__)

LUNGS_FOR_TRAINING = "raiu-net"
"""Whose out-of-fold lungs every second stage is trained on, so that rows differ in one thing."""

PLAIN = Variant()
"""A network as its catalog entry says, from scratch."""

Tell = Callable[[str], None]


class StudyRuns:
    """All runs of one study in `folder`, under one budget.

    Layout: `folds-<protocol>.json`; `<protocol>-<fold>/<run>/` with the trainer's checkpoint and
    curve; `<protocol>-<fold>/lungs-of-.../` with predicted lungs. Whatever is there is used.
    """

    def __init__(
        self,
        index: Path,
        folder: Path,
        budget: Budget,
        *,
        device: str = "cpu",
        threads: int = 0,
        seed: int = 0,
        tell: Tell = log.info,
    ) -> None:
        self.index = index
        self.folder = folder
        self.budget = budget
        self.seed = seed
        self._device, self._threads, self._tell = device, threads, tell
        self._indexed = read_index(index)
        self.rows = [row for row in self._indexed if has_masks(row, "lesions")]
        if not any(not row.is_healthy for row in self.rows):
            raise DatasetError(f"{index} has no scan with lesions", expected="a prepared data set")

    def split(self, protocol: Protocol, fold: int) -> Split:
        """A split of the whole index; its folds file is written when first asked for."""
        path = self.folder / f"folds-{protocol}.json"
        if not path.exists():
            made = (
                patient_folds(self._indexed, count=self.budget.fold_count, seed=self.seed)
                if protocol == "patients"
                else slice_split(self._indexed, seed=self.seed)
            )
            made.save(path)
        return Split(protocol, fold, path)

    def folds(self, split: Split) -> Folds:
        """The folds file of a split."""
        return read_folds(split.file)

    def test_scans(self, split: Split) -> list[PreparedScan]:
        """The test side, each scan reduced to its tested slices."""
        fold = self.folds(split).folds[split.fold]
        scans = []
        for row in self.rows:
            chosen = fold.test_slices(row)
            if chosen.size:
                scan = load_prepared(self.index, row)
                scans.append(scan if chosen.size == row.slices else scan.take(chosen))
        return scans

    def scan(self, row: IndexRow) -> PreparedScan:
        """A scan with all its slices."""
        return load_prepared(self.index, row)

    def train_rows(self, split: Split) -> list[IndexRow]:
        """Rows with slices on the training side."""
        fold = self.folds(split).folds[split.fold]
        return [row for row in self.rows if fold.train_slices(row).size]

    def lungs(self, network: str, split: Split) -> RunResult:
        """The first stage, trained on the whole training side."""
        settings = run_settings(
            "lungs",
            network,
            place=self._place(split),
            spend=self.budget.lungs,
            validation=self._validation(split),
        )
        return self._train(settings, split, f"lungs-{network}")

    def lesions(
        self, network: str, split: Split, spend: StageBudget, *, loss: str | None = None
    ) -> RunResult:
        """The second stage, trained inside out-of-fold lungs, or as the budget says."""
        settings = run_settings(
            "lesions",
            network,
            place=self._place(split),
            spend=spend,
            lungs=None if self.budget.lung_half is None else self.training_lungs(split),
            validation=self._validation(split),
        )
        name = f"lesions-{network}"
        if loss is not None:
            settings, name = settings.model_copy(update={"loss": loss}), f"{name}-{loss}"
        return self._train(settings, split, f"{name}-{_size(spend)}")

    def context(self, network: str, split: Split) -> RunResult:
        """The second stage, trained on with the whole box shown; see `Budget.context`.

        Raises: SettingsError where the budget has none.
        """
        spend = self.budget.context
        if spend is None:
            raise SettingsError(f"budget {self.budget.name} trains no network with context")
        start = self.lesions(network, split, self.budget.cascade_lesions)
        settings = context_settings(self._place(split), network, spend, start.folder)
        return self._train(settings, split, f"context-{network}-{_size(spend)}")

    def teachers(
        self, network: str, split: Split, variant: Variant = PLAIN
    ) -> tuple[RunResult, ...]:
        """`TEACHERS` networks as `box`, each without another part of the training patients.

        Raises: SettingsError as `box` and `teaching_parts`.
        """
        return tuple(
            self.box(network, split, variant, hold_out=part, which=f"-without-{number}")
            for number, part in enumerate(self.teaching_parts(split))
        )

    def teaching_parts(self, split: Split) -> tuple[tuple[str, ...], ...]:
        """What each teacher is trained without; the validation patients are in no part.

        Raises: SettingsError where there are fewer patients with lesions than parts.
        """
        validation = set(self._validation(split))
        judges = {row.group for row in self.rows if row.scan_id in validation}
        rows = [row for row in self.train_rows(split) if row.group not in judges]
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
        """One network as `box` that learns from the reference and the mean of `teachers`."""
        spend = self._box_spend(network)
        name = f"soft-of-{network}{variant.suffix}-{_size(spend)}"
        folder = self._folder(split) / name
        rows = self.train_rows(split)
        missing = [row for row in rows if not (folder / f"{row.scan_id}.npz").exists()]
        if missing:
            mean = MeanPredictor([run.predictor() for run in teachers])
            for row in missing:
                self._tell(f"  mean of the teachers on {row.scan_id}")
                chance = mean.probability(load_prepared(self.index, row))
                save_map(folder, row.scan_id, np.rint(chance * 255).astype(np.uint8))
        return self.box(network, split, variant, soft_targets=folder, which="-distilled")

    def box(
        self,
        network: str,
        split: Split,
        variant: Variant = PLAIN,
        *,
        hold_out: tuple[str, ...] = (),
        soft_targets: Path | None = None,
        which: str = "",
    ) -> RunResult:
        """The second stage, shown the whole box from the first step; see `Budget.box_of`.

        `hold_out`: scans left out beside the fold's test side; `soft_targets`: a folder of maps to
        learn from beside the reference; `which` tells such runs apart by name.
        Raises: SettingsError where the budget has none.
        """
        spend = self._box_spend(network)
        settings = run_settings(
            "lesions",
            network,
            place=self._place(split),
            spend=spend,
            hold_out=hold_out,
            validation=self._validation(split),
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
        name = self._box_name(network, variant, which)
        return self._train(settings.model_copy(update=changes), split, name)

    def _box_name(self, network: str, variant: Variant, which: str) -> str:
        return f"box-{network}{which}{variant.suffix}-{_size(self._box_spend(network))}"

    def _box_spend(self, network: str) -> StageBudget:
        spend = self.budget.box_of(network)
        if spend is None:
            raise SettingsError(f"budget {self.budget.name} trains no network on the whole box")
        return spend

    def direct(
        self,
        network: str,
        split: Split,
        *,
        half: bool = False,
        loss: str | None = None,
        encoder_weights: Path | None = None,
    ) -> RunResult:
        """Lesions without a lung stage; `half`: trained on the first half of the patients.

        A run that began with `encoder_weights` has the file's name in its own.
        """
        settings = run_settings(
            "direct",
            network,
            place=self._place(split),
            spend=self.budget.direct,
            hold_out=self.halves(split)[1] if half else (),
            validation=() if half else self._validation(split),
        )
        if loss is not None:
            settings = settings.model_copy(update={"loss": loss})
        if encoder_weights is not None:
            settings = settings.model_copy(update={"encoder_weights": str(encoder_weights)})
        which = f"{network}-{loss}" if loss else network
        name = f"direct-{which}{'-half' if half else ''}{begun_suffix(encoder_weights)}"
        return self._train(settings, split, name)

    def published(self, network: str, split: Split) -> RunResult:
        """Lesions from whole slices, trained as MiniSeg's authors did; see `Budget.published`.

        Raises: SettingsError where the budget has none.
        """
        spend = self.budget.published
        if spend is None:
            raise SettingsError(f"budget {self.budget.name} trains no network as published")
        settings = published_settings(self._place(split), network, spend)
        return self._train(settings, split, f"published-{network}")

    def check_encoder_weights(self, network: str, file: Path) -> None:
        """Raises: SettingsError where it does not fit; MissingExtraError as `build_network`."""
        build_network(network, base=self.budget.base, encoder_weights=file)

    def has_begun(self, plan: RowPlan, split: Split) -> bool:
        """Whether all runs of a direct or box row have a checkpoint: their file is read no more."""
        if plan.mode == "direct":
            names = [f"direct-{plan.network}{plan.variant.suffix}"]
        else:
            taught = [f"-without-{number}" for number in range(TEACHERS)]
            ends = {"one": [""], "mean": taught, "distilled": [*taught, "-distilled"]}
            names = [
                self._box_name(plan.network, plan.variant, which) for which in ends[plan.learner]
            ]
        return all((self._folder(split) / name / STATE_NAME).exists() for name in names)

    def training_lungs(self, split: Split) -> Path:
        """Lungs of every training scan, from a network that was trained on other patients.

        Two networks, each on half of the training patients, predict each other's half.
        Raises: SettingsError where the budget has none.
        """
        spend = self.budget.lung_half
        if spend is None:
            raise SettingsError(f"budget {self.budget.name} trains no out-of-fold lungs")
        folder = self._folder(split) / "lungs-of-training"
        halves = self.halves(split)
        for number, seen in enumerate(halves):
            others = halves[1 - number]
            if all((folder / f"{scan_id}.npz").exists() for scan_id in others):
                continue
            settings = run_settings(
                "lungs",
                LUNGS_FOR_TRAINING,
                place=self._place(split),
                spend=spend,
                hold_out=others,
            )
            log.debug("half %d sees %s", number, seen)
            run = self._train(settings, split, f"lungs-half-{number}")
            self._predict_lungs(run, [r for r in self.rows if r.scan_id in others], folder)
        return folder

    def halves(self, split: Split) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """The training scans in two halves, as `patient_parts`."""
        first, second = patient_parts(self.train_rows(split))
        return first, second

    def test_lungs(self, network: str, split: Split, scan: PreparedScan) -> np.ndarray:
        """Lungs of a test scan by the first stage of `network`, cleaned as the product's are.

        Shape: (D, S, S) uint8 0/1. Where the clean-up finds no lung, the network's own mask.
        """
        folder = self._folder(split) / f"lungs-of-test-{network}"
        if not (folder / f"{scan.row.scan_id}.npz").exists():
            run = self.lungs(network, split)
            found = run.predictor().probability(scan) >= run.recipe.threshold
            save_map(folder, scan.row.scan_id, on_all_slices(scan, cleaned_lungs(found)))
        return load_map(folder, scan)

    def _predict_lungs(self, run: RunResult, rows: Sequence[IndexRow], folder: Path) -> None:
        predictor = run.predictor()
        for row in rows:
            scan = load_prepared(self.index, row)
            found = (predictor.probability(scan) >= run.recipe.threshold).astype(np.uint8)
            missed = scan.lungs.any(axis=(1, 2)) & ~found.any(axis=(1, 2))
            if missed.any():
                # The second stage could not learn from a slice without any lung.
                log.warning("%s: no lung in %d slices; reference", row.scan_id, missed.sum())
                found[missed] = scan.lungs[missed]
            save_map(folder, row.scan_id, found)

    def _validation(self, split: Split) -> tuple[str, ...]:
        """The next fold's scans with lesions, where the budget stops early; else none."""
        if not self.budget.validate_every or split.protocol != "patients":
            return ()
        folds = self.folds(split).folds
        following = folds[(split.fold + 1) % len(folds)]
        return tuple(
            row.scan_id for row in self.rows if row.scan_id in following.test and not row.is_healthy
        )

    def _train(self, settings: TrainSettings, split: Split, name: str) -> RunResult:
        folder = self._folder(split) / name
        if not (folder / RESULT_NAME).exists():
            self._tell(f"{split.protocol} fold {split.fold}: {name}")
            chosen = select_scans(settings)
            trainer = Trainer(chosen.train, settings, folder, validation=chosen.validation)
            del chosen
            trainer.run(self._watch)
        stored = load_state(folder / RESULT_NAME)
        slices = sum(settings.phase_at(step)[0].batch for step in range(stored.step))
        device = str(stored.settings.get("device", ""))
        return RunResult(folder, settings, stored.seconds, slices, device)

    def _watch(self, progress: Progress) -> None:
        if progress.step % 50 == 0 or progress.step == progress.total:
            self._tell(
                f"  {progress.step}/{progress.total} loss {progress.loss:.3f} "
                f"{progress.slices_per_second:.1f} slices/s"
            )

    def _place(self, split: Split) -> RunPlace:
        return RunPlace(self.index, split, self.budget, self._device, self._threads, self.seed)

    def _folder(self, split: Split) -> Path:
        return self.folder / f"{split.protocol}-{split.fold}"


def _size(spend: StageBudget) -> str:
    return f"{spend.size[0]}x{spend.size[1]}-{spend.steps}"
