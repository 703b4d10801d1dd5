"""Trainings and answers of the study of CovTANet's classifiers, each made once and kept."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import asdict
from importlib.util import find_spec
from pathlib import Path

from groundglass.classifier_catalog import CLASSIFIERS, ClassifierEntry, classifier_entry
from groundglass.datasets.class_tasks import TASKS, find_task, scan_classes, task_labels
from groundglass.datasets.folds import patient_folds
from groundglass.datasets.index import (
    INDEX_NAME,
    IndexRow,
    file_sha256,
    read_index,
)
from groundglass.networks.build import build_classifier, build_network
from groundglass.studies.class_row import (
    ClassRow,
    TaskCases,
    count_weights,
    read_class_row,
    task_cases,
    write_class_row,
)
from groundglass.studies.covtanet_baselines import (
    BASELINES,
    MAJORITY,
    SHARE,
    majority_row,
    share_row,
)
from groundglass.studies.covtanet_budget import ClassBudget
from groundglass.training.checkpoint import RESULT_NAME, load_state
from groundglass.training.joint_loop import JointTrainer
from groundglass.training.joint_predict import JointPredictor, ScanPrediction
from groundglass.training.joint_settings import JointSettings
from groundglass.training.loop import Trainer
from groundglass.training.slice_sources import FeatureSlices, GraySlices, SliceSource
from groundglass.training.two_phase_settings import TwoPhaseSettings
from groundglass.training.two_phases import FEATURES, PHASE_1, PHASE_2, Drive, TwoPhases

Tell = Callable[[str], None]
ROWS: tuple[str, ...] = (*(entry.name for entry in CLASSIFIERS), MAJORITY, SHARE)
"""Rows of Table IV and the two baselines, as they are printed."""

LABELS = {
    **BASELINES,
    "covtanet": "CovTANet",
    "vgg-19": "VGG-19",
    "resnet-50": "ResNet-50",
    "xception": "Xception",
    "densenet-121": "DenseNet-121",
    "inception-v3": "Inception-v3",
}


def lacking(key: str) -> str:
    """Why a row cannot be made here, or ''."""
    needs = "" if key in (MAJORITY, SHARE) else classifier_entry(key).needs
    return f"it needs the package {needs} (extra train)" if needs and not find_spec(needs) else ""


class ClassRuns:
    """All runs of the study in `folder`, under one budget.

    Layout: `folds.json`; `fold-<n>/phase-1`, `features`, `phase-2` of CovTANet; `fold-<n>/<rival>`;
    `fold-<n>/shares.json`, the involved share of every scan; `rows/<row>-<fold>.json`.
    Scans in which no lung is known take no part (`without_lungs`): they have no involved share, and
    every row is judged on the same scans.
    Raises: DatasetError for scans that are not graded; SettingsError as `patient_folds`.
    """

    def __init__(
        self,
        index: Path,
        folder: Path,
        budget: ClassBudget,
        *,
        device: str,
        threads: int,
        seed: int,
        tell: Tell,
    ) -> None:
        self.index, self.folder, self.budget, self.seed = index, folder, budget, seed
        self._device, self._threads, self._tell = device, threads, tell
        self.rows = read_index(index)
        scan_classes(self.rows)
        self.without_lungs = tuple(r.scan_id for r in self.rows if not r.lung_voxels)
        self._folds = folder / "folds.json"
        if not self._folds.exists():
            patient_folds(self.rows, count=budget.fold_count, seed=seed).save(self._folds)
        self._gray: GraySlices | None = None

    @property
    def made_with(self) -> str:
        """What a stored row depends on, in words: the start of a hash for what is long."""
        spend = {k: v for k, v in asdict(self.budget).items() if k not in ("folds", "description")}
        digest = hashlib.sha256(json.dumps(spend, sort_keys=True).encode()).hexdigest()
        scans = file_sha256(self.index / INDEX_NAME)
        return f"budget {self.budget.name} {digest[:8]}, seed {self.seed}, index {scans[:8]}"

    def row(self, key: str, fold: int) -> ClassRow:
        """One row on one fold: read where it is there, else made. Raises as the trainings."""
        path = self.folder / "rows" / f"{key}-{fold}.json"
        if path.exists():
            return read_class_row(path, self.made_with)
        if key == MAJORITY:
            row = majority_row(self, fold)
        elif key == SHARE:
            row = share_row(self, fold, device=self._device)
        else:
            row = self._classifier(classifier_entry(key), fold)
        write_class_row(path, row, self.made_with)
        return row

    def curves(self, fold: int) -> dict[str, Path]:
        """Run folders of a fold, by the label of their row."""
        found = {LABELS["covtanet"]: self.of_fold(fold) / PHASE_2}
        rivals = (entry.name for entry in CLASSIFIERS if entry.in_channels == 1)
        return found | {LABELS[name]: self.of_fold(fold) / name for name in rivals}

    def of_fold(self, fold: int) -> Path:
        """Where a fold's runs are."""
        return self.folder / f"fold-{fold}"

    def phases(self, fold: int) -> TwoPhases:
        """CovTANet's two phases on one fold."""
        settings = TwoPhaseSettings(
            name=f"covtanet-fold-{fold}",
            index=str(self.index),
            folds=str(self._folds),
            fold=fold,
            seed=self.seed,
            threads=self._threads,
            device=self._device,
            hold_out=self.without_lungs,
            segmentation=self.budget.segmentation(),
            features={"grid": self.budget.grid},
            classification={"classifier": "covtanet", **self.budget.classification()},
        )
        return TwoPhases(settings, self.of_fold(fold))

    def test_rows(self, phases: TwoPhases) -> list[IndexRow]:
        """Scans that every row of a fold is judged on."""
        return [row for row in phases.sides.held_out if row.lung_voxels]

    def _classifier(self, entry: ClassifierEntry, fold: int) -> ClassRow:
        phases, folder = self.phases(fold), self.of_fold(fold)
        seconds = 0.0
        parameters = count_weights(build_classifier(entry.name, base=self.budget.base))
        if entry.in_channels == 1:
            source, folder = self._gray_slices(), folder / entry.name
            self._train_rival(entry, phases, source, folder)
        else:
            phases.run(self.drive(fold))
            seconds = load_state(folder / PHASE_1 / RESULT_NAME).seconds
            parameters += count_weights(
                build_network("ta-segnet", base=self.budget.segmentation_base)
            )
            features = phases.segmenter().features(phases.settings.feature_settings)
            source = FeatureSlices(folder / FEATURES / features.key[:16])
            folder = folder / PHASE_2
        seconds += load_state(folder / RESULT_NAME).seconds
        predictor = JointPredictor.of_run(folder, source, device=self._device)
        tested = self.test_rows(phases)
        said = {row.scan_id: predictor.predict(row.scan_id) for row in tested}
        parts = tuple(_network_part(fold, task.key, tested, said) for task in TASKS)
        return ClassRow(entry.name, LABELS[entry.name], parameters, seconds / 60, parts)

    def _train_rival(
        self, entry: ClassifierEntry, phases: TwoPhases, source: SliceSource, folder: Path
    ) -> None:
        shared = phases.settings.joint().model_dump()
        values = {**shared, "name": f"{entry.name}-fold-{shared['fold']}"}
        values |= {"classifier": entry.name, "gray_size": self.budget.gray_size}
        settings = JointSettings.model_validate(values)
        if (folder / RESULT_NAME).exists():
            return
        trainer = JointTrainer(phases.sides.train, source, settings, folder)
        self.drive(settings.fold)(trainer, entry.name)

    def _gray_slices(self) -> GraySlices:
        if self._gray is None:
            values = {"classifier": "vgg-19", "gray_size": self.budget.gray_size}
            settings = JointSettings(
                name="gray", index=str(self.index), **self.budget.classification(), **values
            )
            assert settings.gray_recipe is not None
            self._gray = GraySlices(self.index, self.rows, settings.gray_recipe)
        return self._gray

    def drive(self, fold: int) -> Drive:
        """Runs a trainer of a fold to its end, and tells of it."""

        def drive(trainer: Trainer | JointTrainer, what: str) -> None:
            total = trainer.settings.total_steps
            if trainer.step < total:
                self._tell(f"fold {fold}: {what}, {total} steps")
            trainer.run()

        return drive


def _network_part(
    fold: int, task: str, tested: Sequence[IndexRow], said: dict[str, ScanPrediction]
) -> TaskCases:
    """Logits of the task's head; 0 is the probability 0.5."""
    chosen = task_labels(find_task(task), tested)
    head = chosen.task.head
    scores = [getattr(said[row.scan_id], head) for row in chosen.rows]
    return task_cases(fold, task, chosen.rows, chosen.labels, scores, 0.0)
