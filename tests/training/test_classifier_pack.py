"""A run becomes weights, whole or not at all; what they say is what the run and the scans say."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from groundglass.datasets.index import load_prepared
from groundglass.errors import SettingsError, WeightsError
from groundglass.metrics.familiarity import Familiar, Limit, LungLook, PooledFeatures
from groundglass.training import classifier_pack as module
from groundglass.training.classifier_calibration import ClassifierCalibration
from groundglass.training.classifier_known import LEAST_SHIFT, WIDER
from groundglass.training.classifier_pack import ClassifierPackSettings, pack_classifier
from groundglass.training.finished_classifier import FinishedClassifier
from groundglass.training.slice_sources import FeatureSlices
from groundglass.weights.store import find_classifier_weights

from ..made_classifier import MadeClassifier

SAID = ClassifierPackSettings("n", "1", "t", "CC0-1.0", ("a phantom each",), {"dice": 0.5})


@pytest.fixture(scope="module")
def run(made_classifier: MadeClassifier) -> FinishedClassifier:
    return FinishedClassifier.of(made_classifier.run)


@pytest.fixture
def calibration(made_classifier: MadeClassifier) -> ClassifierCalibration:
    return ClassifierCalibration.read(made_classifier.calibration)


def test_the_manifest_tells(
    made_classifier: MadeClassifier, run: FinishedClassifier, calibration: ClassifierCalibration
) -> None:
    weights = find_classifier_weights(str(made_classifier.weights.folder))
    manifest = weights.manifest
    assert manifest == made_classifier.weights.manifest
    assert len(weights.verify()) == 6
    assert manifest.phantoms
    assert manifest.lungs_by == ("reference",)
    assert manifest.held_out == tuple(row.scan_id for row in run.sides.held_out)
    assert manifest.calibrated_on == calibration.scans
    assert manifest.segmenter.recipe == run.segmenter.recipe.to_dict()
    assert manifest.segmenter.channels == 8
    assert manifest.segmenter.storage == "uint8"
    assert manifest.segmenter.trained["encoder_weights"] is None
    assert manifest.classifier.slices == 6
    assert manifest.classifier.trained["scans"] == 24
    assert manifest.diagnosis.threshold == calibration.diagnosis.threshold
    assert manifest.diagnosis.temperature == (calibration.diagnosis.temperature or 1.0)
    assert manifest.severity.is_calibrated is (calibration.severity.temperature is not None)
    on = manifest.accuracy["calibration"]["on"]
    assert on.startswith("9 held-out scans of 9 patients (3 normal, 3 mild, 3 severe")
    assert "phantoms" in on


def test_numbers_are_rounded_to_half(made_classifier: MadeClassifier, run) -> None:
    stored = load_file(made_classifier.weights.path("classifier-safetensors"))
    for name, value in run.state.average.items():
        expected = value.half() if value.is_floating_point() else value
        assert torch.equal(stored[name], expected)


def test_what_it_knows_is_that_of_the_training_scans(
    made_classifier: MadeClassifier, run: FinishedClassifier
) -> None:
    known = made_classifier.weights.manifest.known
    source = FeatureSlices(run.features)

    def pooled(scan_id: str) -> np.ndarray:
        return PooledFeatures.of(source.read(scan_id, most=6).values)

    vectors = [pooled(row.scan_id) for row in run.sides.train]
    familiar = Familiar.of(vectors)
    content = made_classifier.weights.path("known").read_bytes()
    fresh = pooled("chest_mild_9")
    assert Familiar.from_bytes(content).distance(fresh) == familiar.distance(fresh)
    held = [familiar.distance(pooled(row.scan_id)) for row in run.sides.held_out]
    limit = Limit.of(held, Familiar.left_out(vectors))
    assert (known.limit, known.limit_rule) == (limit.value, limit.rule)
    assert (known.scans, known.domains) == (24, ("hu",))
    volumes = [row.lungs_ml for row in run.sides.train]
    assert known.lungs_ml is not None
    assert known.lungs_ml.low == pytest.approx(min(v for v in volumes if v) / WIDER)
    steps = [
        float(np.diff(source.read(row.scan_id, most=6).slices).mean()) * 25.0
        for row in run.sides.train
    ]
    assert known.shown_mm is not None
    assert known.shown_mm.high == pytest.approx(max(steps) * WIDER)
    scans = [load_prepared(run.index, row) for row in run.sides.train]
    shown = [source.read(row.scan_id, most=6).slices for row in run.sides.train]
    looks = [LungLook.of(s.image[d], s.lungs[d]) for s, d in zip(scans, shown, strict=True)]
    medians = [look.median for look in looks if look]
    assert known.lung_median is not None
    further = max(LEAST_SHIFT, (max(medians) - min(medians)) / 4)
    assert known.lung_median.low == pytest.approx(min(medians) - further)


def test_the_data_say_that_they_are_phantoms(
    run: FinishedClassifier, calibration: ClassifierCalibration, tmp_path: Path
) -> None:
    (tmp_path / "w").mkdir()  # an empty folder is taken
    manifest = pack_classifier(run, calibration, tmp_path / "w", SAID)
    assert manifest.training_data == ("a phantom each",)
    assert manifest.accuracy["measured"] == {"dice": 0.5}
    assert sorted(path.name for path in tmp_path.iterdir()) == ["w"]
    with pytest.raises(SettingsError, match="is there already; expected a folder that is new"):
        pack_classifier(run, calibration, tmp_path / "w", SAID)


def test_another_runs_calibration_is_refused(
    run: FinishedClassifier, calibration: ClassifierCalibration, tmp_path: Path
) -> None:
    other = calibration.model_copy(update={"classifier_sha256": "0" * 64})
    with pytest.raises(SettingsError, match=r"is of a classifier 000000000000\.\.\."):
        pack_classifier(run, other, tmp_path / "w", SAID)
    trained = calibration.model_copy(update={"scans": ("chest_mild_0",)})
    with pytest.raises(SettingsError, match="the patients of chest_mild_0 taught a phase"):
        pack_classifier(run, trained, tmp_path / "w", SAID)
    assert not list(tmp_path.iterdir())


def test_a_failure_leaves_nothing(
    run: FinishedClassifier,
    calibration: ClassifierCalibration,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fail(*_, **__):
        raise WeightsError("no")

    monkeypatch.setattr(module, "write_second_phase", fail)
    with pytest.raises(WeightsError, match="no"):
        pack_classifier(run, calibration, tmp_path / "w", SAID)
    assert not list(tmp_path.iterdir())


def test_one_scan_of_a_patient_makes_no_phantoms_of_it(
    made_classifier: MadeClassifier, tmp_path: Path, calibration: ClassifierCalibration
) -> None:
    """The mark comes from the index of either phase, not from words."""
    from groundglass.datasets.index import read_index, write_index

    index = tmp_path / "prepared"
    shutil.copytree(made_classifier.prepared, index)
    write_index(index, [replace(row, source="a hospital") for row in read_index(index)])
    moved = FinishedClassifier.of(made_classifier.run, index=index)
    assert module._learned_from_phantoms(moved)  # phase 1's own index still says so
    elsewhere = moved.segmenter.settings.model_copy(update={"index": str(index)})
    patients = FinishedClassifier.of(made_classifier.run, index=index)
    object.__setattr__(patients.segmenter, "settings", elsewhere)
    assert not module._learned_from_phantoms(patients)
