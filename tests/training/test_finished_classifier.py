"""A finished run is known by its parts, and its training patients are kept out of its test."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from groundglass.datasets.folds import patient_folds
from groundglass.datasets.index import read_index
from groundglass.errors import DatasetError, SettingsError, WeightsError
from groundglass.training.checkpoint import load_state, save_state
from groundglass.training.finished_classifier import FinishedClassifier

from ..made_classifier import EACH, GRADE, HELD_OUT_EACH, MadeClassifier


@pytest.fixture
def run(made_classifier: MadeClassifier, tmp_path: Path) -> Path:
    """A copy that may be spoiled."""
    return Path(shutil.copytree(made_classifier.run, tmp_path / "run"))


def test_what_is_in_the_folder(made_classifier: MadeClassifier) -> None:
    found = FinishedClassifier.of(made_classifier.run)
    assert found.settings.classifier == "covtanet"
    assert found.feature_settings.grid == (16, 16)
    assert found.features.name == found.settings.features[:16]
    assert len(found.sides.train) == len(GRADE) * (EACH - HELD_OUT_EACH)
    assert [row.scan_id for row in found.test_rows()] == sorted(
        f"chest_{name}_{seed}" for name in GRADE for seed in range(8, 11)
    )
    state = found.network().state_dict()
    assert all(torch.equal(value, state[name]) for name, value in found.state.average.items())


def test_named_scans_are_taken_once_and_trained_ones_refused(
    made_classifier: MadeClassifier,
) -> None:
    found = FinishedClassifier.of(made_classifier.run)
    rows = found.test_rows(["chest_mild_9", "chest_normal_8", "chest_mild_9"])
    assert [row.scan_id for row in rows] == ["chest_mild_9", "chest_normal_8"]
    with pytest.raises(SettingsError, match="the patients of chest_mild_0 taught a phase of"):
        found.test_rows(["chest_mild_9", "chest_mild_0"])
    with pytest.raises(SettingsError, match="scans nobody are not in"):
        found.test_rows(["nobody"])


def test_another_scan_of_a_trained_patient_is_refused(
    made_classifier: MadeClassifier, tmp_path: Path
) -> None:
    """The same group under another name: a second scan of a patient that it learned from."""
    from dataclasses import replace

    from groundglass.datasets.index import write_index

    index = tmp_path / "index"
    shutil.copytree(made_classifier.prepared, index)
    rows = {row.scan_id: row for row in read_index(index)}
    twin = replace(rows["chest_mild_0"], scan_id="twin")
    write_index(index, [twin])
    found = FinishedClassifier.of(made_classifier.run, index=index)
    with pytest.raises(SettingsError, match="the patients of twin taught a phase"):
        found.test_rows(["twin"])


def test_folds_that_moved_hold_for_both_phases(run: Path, made_classifier: MadeClassifier) -> None:
    for phase in ("phase-1", "phase-2"):
        path = run / phase / "result.safetensors"
        state = load_state(path)
        state.settings["folds"] = "gone.json"
        save_state(path, state)
    with pytest.raises(DatasetError, match=r"gone\.json"):
        FinishedClassifier.of(run)
    folds = run.parent / "folds.json"
    patient_folds(read_index(made_classifier.prepared), count=2, seed=0).save(folds)
    found = FinishedClassifier.of(run, folds=folds)
    assert found.segmenter.settings.folds == str(folds)
    tested = {row.group for row in found.test_rows()}
    assert tested
    assert not tested & {row.group for row in found.sides.train}


def test_unfinished_phases_are_refused(run: Path) -> None:
    with pytest.raises(WeightsError, match=r"phase-2 holds no finished run"):
        FinishedClassifier.of(run / "nowhere")
    (run / "phase-1").rename(run.parent / "elsewhere")
    with pytest.raises(WeightsError, match=r"phase-1 holds no finished run.*--segmenter"):
        FinishedClassifier.of(run)
    found = FinishedClassifier.of(run, segmenter=run.parent / "elsewhere")
    assert found.segmenter.folder == run.parent / "elsewhere"


def test_another_segmenter_is_refused(run: Path) -> None:
    path = run / "phase-1" / "result.safetensors"
    state = load_state(path)
    next(iter(state.average.values())).add_(1.0)
    save_state(path, state)
    with pytest.raises(WeightsError, match="is not the one that the features of"):
        FinishedClassifier.of(run)


def test_lost_features_are_named(run: Path) -> None:
    (folder,) = (run / "features").iterdir()
    first = sorted(folder.iterdir())[0]
    first.write_bytes(b"?")  # one damaged file does not hide what the others are of
    FinishedClassifier.of(run)
    tensors = load_file(sorted(folder.iterdir())[1])
    for path in folder.iterdir():
        save_file(tensors, path, metadata={"source": "{}"})
    with pytest.raises(WeightsError, match="has no features that the run learned from"):
        FinishedClassifier.of(run)


def test_spacing_gives_the_lungs_volume(made_classifier: MadeClassifier) -> None:
    """By the index alone, near what the scan's own mask has."""
    from ..made_classifier import draw_chest

    found = FinishedClassifier.of(made_classifier.run)
    row = next(r for r in found.sides.train if r.scan_id == "chest_mild_3")
    chest = draw_chest(3, "mild")
    exact = np.count_nonzero(chest.lungs) * (chest.volume.voxel_volume_ml or 0)
    assert row.slice_mm == 25.0
    assert row.lungs_ml == pytest.approx(exact, rel=0.02)
