"""The study's trainings and predictions, each done once, kept on disk, and gone on with."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from groundglass.datasets.folds import Folds, patient_folds, read_folds, slice_split
from groundglass.datasets.index import IndexRow, PreparedScan, load_prepared, read_index
from groundglass.errors import DatasetError, SettingsError
from groundglass.networks.build import build_network
from groundglass.studies.budget import Budget, StageBudget
from groundglass.studies.patient_parts import patient_parts
from groundglass.studies.plan import begun_suffix
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
        self.tell = tell
        self._device, self._threads = device, threads
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
            place=self.place(split),
            spend=self.budget.lungs,
            validation=self.validation(split),
        )
        return self.train(settings, split, f"lungs-{network}")

    def lesions(
        self, network: str, split: Split, spend: StageBudget, *, loss: str | None = None
    ) -> RunResult:
        """The second stage, trained inside out-of-fold lungs, or as the budget says."""
        settings = run_settings(
            "lesions",
            network,
            place=self.place(split),
            spend=spend,
            lungs=None if self.budget.lung_half is None else self.training_lungs(split),
            validation=self.validation(split),
        )
        name = f"lesions-{network}"
        if loss is not None:
            settings, name = settings.model_copy(update={"loss": loss}), f"{name}-{loss}"
        return self.train(settings, split, f"{name}-{size_word(spend)}")

    def context(self, network: str, split: Split) -> RunResult:
        """The second stage, trained on with the whole box shown; see `Budget.context`.

        Raises: SettingsError where the budget has none.
        """
        spend = self.budget.context
        if spend is None:
            raise SettingsError(f"budget {self.budget.name} trains no network with context")
        start = self.lesions(network, split, self.budget.cascade_lesions)
        settings = context_settings(self.place(split), network, spend, start.folder)
        return self.train(settings, split, f"context-{network}-{size_word(spend)}")

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
            place=self.place(split),
            spend=self.budget.direct,
            hold_out=self.halves(split)[1] if half else (),
            validation=() if half else self.validation(split),
        )
        if loss is not None:
            settings = settings.model_copy(update={"loss": loss})
        if encoder_weights is not None:
            settings = settings.model_copy(update={"encoder_weights": str(encoder_weights)})
        which = f"{network}-{loss}" if loss else network
        name = f"direct-{which}{'-half' if half else ''}{begun_suffix(encoder_weights)}"
        return self.train(settings, split, name)

    def published(self, network: str, split: Split) -> RunResult:
        """Lesions from whole slices, trained much as MiniSeg's authors did.

        Raises: SettingsError where the budget has nothing for it.
        """
        spend = self.budget.published
        if spend is None:
            raise SettingsError(f"budget {self.budget.name} trains no network as published")
        settings = published_settings(self.place(split), network, spend)
        return self.train(settings, split, f"published-{network}")

    def check_encoder_weights(self, network: str, file: Path) -> None:
        """Raises: SettingsError where it does not fit; MissingExtraError as `build_network`."""
        build_network(network, base=self.budget.base, encoder_weights=file)

    def training_lungs(self, split: Split) -> Path:
        """Lungs of every training scan, from a network that was trained on other patients.

        Two networks, each on half of the training patients, predict each other's half.
        Raises: SettingsError where the budget has none.
        """
        spend = self.budget.lung_half
        if spend is None:
            raise SettingsError(f"budget {self.budget.name} trains no out-of-fold lungs")
        folder = self.folder_of(split) / "lungs-of-training"
        halves = self.halves(split)
        for number, seen in enumerate(halves):
            others = halves[1 - number]
            if all((folder / f"{scan_id}.npz").exists() for scan_id in others):
                continue
            settings = run_settings(
                "lungs",
                LUNGS_FOR_TRAINING,
                place=self.place(split),
                spend=spend,
                hold_out=others,
            )
            log.debug("half %d sees %s", number, seen)
            run = self.train(settings, split, f"lungs-half-{number}")
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
        folder = self.folder_of(split) / f"lungs-of-test-{network}"
        if not (folder / f"{scan.row.scan_id}.npz").exists():
            run = self.lungs(network, split)
            found = run.predictor().probability(scan) >= run.recipe.threshold
            save_map(folder, scan.row.scan_id, on_all_slices(scan, cleaned_lungs(found)))
        return load_map(folder, scan)

    def validation(self, split: Split) -> tuple[str, ...]:
        """The next fold's scans with lesions, where the budget stops early; else none."""
        if not self.budget.validate_every or split.protocol != "patients":
            return ()
        folds = self.folds(split).folds
        following = folds[(split.fold + 1) % len(folds)]
        return tuple(
            row.scan_id for row in self.rows if row.scan_id in following.test and not row.is_healthy
        )

    def train(self, settings: TrainSettings, split: Split, name: str) -> RunResult:
        """The run called `name`, trained if it is not there yet, gone on with if it is not done.

        Raises: DatasetError, SettingsError and WeightsError as `Trainer` and the data.
        """
        folder = self.folder_of(split) / name
        if not (folder / RESULT_NAME).exists():
            self.tell(f"{split.protocol} fold {split.fold}: {name}")
            chosen = select_scans(settings)
            trainer = Trainer(chosen.train, settings, folder, validation=chosen.validation)
            del chosen
            trainer.run(self._watch)
        stored = load_state(folder / RESULT_NAME)
        slices = sum(settings.phase_at(step)[0].batch for step in range(stored.step))
        device = str(stored.settings.get("device", ""))
        return RunResult(folder, settings, stored.seconds, slices, device)

    def has_begun(self, split: Split, names: Sequence[str]) -> bool:
        """Whether all of these runs have a checkpoint: weights to begin with are read no more."""
        return all((self.folder_of(split) / name / STATE_NAME).exists() for name in names)

    def place(self, split: Split) -> RunPlace:
        """What the settings of a run need to know of the study."""
        return RunPlace(self.index, split, self.budget, self._device, self._threads, self.seed)

    def folder_of(self, split: Split) -> Path:
        """Where the runs of a split are kept."""
        return self.folder / f"{split.protocol}-{split.fold}"

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

    def _watch(self, progress: Progress) -> None:
        if progress.step % 50 == 0 or progress.step == progress.total:
            self.tell(
                f"  {progress.step}/{progress.total} loss {progress.loss:.3f} "
                f"{progress.slices_per_second:.1f} slices/s"
            )


def size_word(spend: StageBudget) -> str:
    """Its first size and steps, as names of runs have them."""
    return f"{spend.size[0]}x{spend.size[1]}-{spend.steps}"
