"""A finished run of `groundglass train covtanet`, with everything that its weights must tell."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open

from groundglass.datasets.index import IndexRow, read_index
from groundglass.errors import SettingsError, WeightsError
from groundglass.networks.covtanet import VolumeClassifier
from groundglass.training.checkpoint import RESULT_NAME, TrainingState, load_state
from groundglass.training.fusion_features import FeatureSettings, weights_sha256
from groundglass.training.joint_network import joint_network
from groundglass.training.joint_select import JointSides, select_rows
from groundglass.training.joint_settings import JointSettings
from groundglass.training.seen_masks import seen_groups
from groundglass.training.two_phases import FEATURES, PHASE_1, PHASE_2, FrozenSegmenter

_NAMED = 20


@dataclass(frozen=True, eq=False)
class FinishedClassifier:
    """`state` and `settings` are those of the second phase; `features` is its cache of maps."""

    folder: Path
    state: TrainingState
    settings: JointSettings
    sides: JointSides
    segmenter: FrozenSegmenter
    feature_settings: FeatureSettings
    features: Path

    @classmethod
    def of(
        cls,
        folder: Path,
        *,
        index: Path | None = None,
        folds: Path | None = None,
        segmenter: Path | None = None,
    ) -> FinishedClassifier:
        """Read a run folder.

        `index`, `folds`: where these are now, left out where they were in training. `segmenter`:
        the run of phase 1, where it is not in the folder.
        Raises: WeightsError where a phase is missing, unfinished, or not what the features were
        made with; SettingsError and DatasetError as `select_rows`.
        """
        state = load_state(_result(folder / PHASE_2))
        trained = JointSettings.model_validate(state.settings)
        moved = {"index": index, "folds": folds}
        settings = trained.model_copy(update={k: str(v) for k, v in moved.items() if v})
        phase_1 = segmenter or folder / PHASE_1
        _result(phase_1)
        found = FrozenSegmenter.of_run(phase_1)
        if folds and found.settings.folds == trained.folds:  # one file, which both phases named
            own = found.settings.model_copy(update={"folds": str(folds)})
            found = replace(found, settings=own)
        features = folder / FEATURES / settings.features[:16]
        record = _feature_record(features, settings.features)
        if record.pop("weights_sha256") != weights_sha256(found.network().state_dict()):
            raise WeightsError(
                f"the segmenter {phase_1} is not the one that the features of {folder} are of",
                expected="the run that was frozen in phase 1",
                remedy="Name it with --segmenter",
            )
        record.pop("recipe")
        chosen = FeatureSettings(**record)
        return cls(folder, state, settings, select_rows(settings), found, chosen, features)

    @property
    def index(self) -> Path:
        return Path(self.settings.index)

    @property
    def classifier_sha256(self) -> str:
        """Of the weights that are used: what ties a calibration to this run."""
        return weights_sha256(self.state.average)

    def network(self) -> VolumeClassifier:
        """The classifier with the weights that are used."""
        network = joint_network(self.settings)
        network.load_state_dict(self.state.average)
        return network.eval()

    def test_rows(self, scans: Sequence[str] | None = None) -> list[IndexRow]:
        """Those named, or all that were held out; none of a patient that taught either phase.

        Raises: SettingsError naming those that are not in the index or were learned from.
        """
        if scans is None:
            rows = list(self.sides.held_out)
        else:
            known = {row.scan_id: row for row in read_index(self.index)}
            if away := [name for name in scans if name not in known]:
                raise SettingsError(
                    f"scans {_listed(away)} are not in {self.index}", expected="scans of the index"
                )
            rows = [known[name] for name in dict.fromkeys(scans)]
        if not rows:
            raise SettingsError(
                f"run {self.folder} held no scan out",
                expected="scans of patients that it did not learn from",
                remedy="Train with hold_out or folds",
            )
        learned = {row.group for row in self.sides.train}
        learned |= seen_groups(self.segmenter.settings, index=self.index)
        if leaks := [row.scan_id for row in rows if row.group in learned]:
            raise SettingsError(
                f"the patients of {_listed(leaks)} taught a phase of {self.folder}",
                expected="scans of other patients: on those any network looks good",
                remedy="Leave --scans out to take the scans that were held out",
            )
        return rows


def _result(folder: Path) -> Path:
    if not (folder / RESULT_NAME).is_file():
        raise WeightsError(
            f"{folder} holds no finished run",
            expected=f"{RESULT_NAME} in it",
            remedy="Finish it with groundglass train covtanet, or name the folder of phase 1 with "
            "--segmenter",
        )
    return folder / RESULT_NAME


def _feature_record(folder: Path, key: str) -> dict[str, Any]:
    """What the cached features are of, from one of the files, checked against its key."""
    for path in sorted(folder.glob("*.safetensors")):
        try:
            with safe_open(path, framework="np") as stored:
                record = json.loads((stored.metadata() or {})["source"])
        except (OSError, SafetensorError, KeyError, ValueError):
            continue
        text = json.dumps(record, sort_keys=True)
        if hashlib.sha256(text.encode()).hexdigest() == key:
            return record
    raise WeightsError(
        f"{folder} has no features that the run learned from",
        expected="those that groundglass train covtanet wrote there",
        remedy="Run the training again: finished phases are left alone, and features made anew",
    )


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return f"{', '.join(names[:_NAMED])}{more}"
