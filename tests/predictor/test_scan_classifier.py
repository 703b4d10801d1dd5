"""A tiny trained classifier in the product: it must say what it said in training."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter

from groundglass.classification import ScanClassification
from groundglass.datasets.index import load_prepared, read_index
from groundglass.errors import (
    InputError,
    MissingExtraError,
    NoLungError,
    SettingsError,
    WeightsError,
)
from groundglass.geometry import AxisOrder, axial_order
from groundglass.predictor import scan_classifier as module
from groundglass.predictor.scan_classifier import ABSTAINED, NO_TORCH, ScanClassifier
from groundglass.training.finished_classifier import FinishedClassifier
from groundglass.training.joint_predict import JointPredictor
from groundglass.training.slice_sources import FeatureSlices
from groundglass.volume import Volume

from ..made_classifier import Chest, MadeClassifier, draw_chest


@pytest.fixture(autouse=True)
def _one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def classifier(made_classifier: MadeClassifier) -> ScanClassifier:
    return ScanClassifier(made_classifier.weights)


@pytest.mark.parametrize("scan_class", ["normal", "mild", "severe"])
def test_it_says_what_the_run_said(
    made_classifier: MadeClassifier, classifier: ScanClassifier, scan_class: str
) -> None:
    """The run's own answer on the prepared scan, from the features that it cached.

    Weights in float16 and features rounded in 8 bit are all that may differ.
    """
    run = FinishedClassifier.of(made_classifier.run)
    predictor = JointPredictor(run.network(), FeatureSlices(run.features))
    manifest = made_classifier.weights.manifest
    for seed in (8, 9, 10):  # held out, and on the prepared scan's own grid
        chest = draw_chest(seed, scan_class)
        expected = predictor.predict(f"chest_{scan_class}_{seed}", most=manifest.classifier.slices)
        said = classifier.classify(chest.volume, chest.lungs)
        assert said.slices.tolist() == expected.slices.tolist()
        assert said.diagnosis.logit == pytest.approx(expected.diagnosis, abs=5e-3)
        assert said.severity.logit == pytest.approx(expected.severity, abs=5e-3)
        temperature = manifest.diagnosis.temperature
        chance = 1 / (1 + np.exp(-expected.diagnosis / temperature))
        assert said.diagnosis.probability == pytest.approx(chance, abs=5e-3 / temperature)
        np.testing.assert_allclose(
            said.diagnosis.slice_weights, expected.diagnosis_weights, atol=2e-3
        )
        assert said.severity.slice_weights.sum() == pytest.approx(1, abs=1e-5)


def test_the_network_sees_the_very_images_of_training(
    made_classifier: MadeClassifier, classifier: ScanClassifier, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Bit for bit: one scan sent through both, none of the rounding in between."""
    seen: list[np.ndarray] = []
    engine = classifier._engine
    original = engine.features
    monkeypatch.setattr(engine, "features", lambda x: seen.append(x) or original(x))
    chest = draw_chest(3, "mild")
    said = classifier.classify(chest.volume, chest.lungs)
    run = FinishedClassifier.of(made_classifier.run)
    row = next(r for r in read_index(made_classifier.prepared) if r.scan_id == "chest_mild_3")
    from groundglass.training.scan_inputs import ScanInputs

    inputs = ScanInputs.of(load_prepared(made_classifier.prepared, row), run.segmenter.recipe)
    assert np.array_equal(np.concatenate(seen), inputs.batch(said.slices))


def test_engines_agree(made_classifier: MadeClassifier, classifier: ScanClassifier) -> None:
    chest = draw_chest(20, "severe")
    expected = classifier.classify(chest.volume, chest.lungs)
    for engine in ("torch", "openvino"):
        said = ScanClassifier(made_classifier.weights, engine=engine).classify(
            chest.volume, chest.lungs
        )
        # A feature next to the middle of two 8-bit steps may fall to either.
        assert said.diagnosis.logit == pytest.approx(expected.diagnosis.logit, abs=1e-3)
        assert said.severity.logit == pytest.approx(expected.severity.logit, abs=1e-3)
        np.testing.assert_allclose(
            said.severity.slice_weights, expected.severity.slice_weights, atol=1e-3
        )


def turned(chest: Chest) -> Chest:
    """The same scan stored from head to feet, columns first."""

    def turn(array: np.ndarray) -> np.ndarray:
        return np.ascontiguousarray(array.transpose(2, 1, 0)[:, :, ::-1])

    old = chest.volume
    affine = old.affine[:, [2, 1, 0, 3]].copy()
    affine[:, 3] = old.affine @ [old.shape[0] - 1, 0, 0, 1]
    affine[:, 2] *= -1
    volume = replace(old, array=turn(old.array), affine=affine)
    assert axial_order(affine) != AxisOrder((0, 1, 2), (False, False, False))
    return Chest(volume, turn(chest.lungs), turn(chest.lesions))


def test_the_order_of_axes_changes_nothing(classifier: ScanClassifier) -> None:
    chest = draw_chest(21, "mild")
    other = turned(chest)
    one = classifier.classify(chest.volume, chest.lungs)
    two = classifier.classify(other.volume, other.lungs)
    assert one.slices.tolist() == two.slices.tolist()
    assert one.diagnosis.logit == two.diagnosis.logit
    assert one.abstained == two.abstained
    assert one.diagnosis.regions.keys() == two.diagnosis.regions.keys()
    for d, found in one.diagnosis.regions.items():
        assert np.array_equal(found, two.diagnosis.regions[d])


def test_dark_slices_are_left_out_as_preparing_does(classifier: ScanClassifier) -> None:
    """Air below the feet: the others keep their answer, and indices count it."""
    chest = draw_chest(22, "mild")
    before = classifier.classify(chest.volume, chest.lungs)
    air = np.full((2, *chest.volume.shape[1:]), -1000, np.int16)
    volume = replace(chest.volume, array=np.concatenate([air, chest.volume.array]))
    lungs = np.concatenate([np.zeros(air.shape, np.uint8), chest.lungs])
    after = classifier.classify(volume, lungs)
    assert after.slices.tolist() == (before.slices + 2).tolist()
    assert after.diagnosis.logit == before.diagnosis.logit


def test_regions_of_the_slices_with_the_greatest_weights(
    classifier: ScanClassifier, monkeypatch: pytest.MonkeyPatch
) -> None:
    chest = draw_chest(23, "severe")
    whole = classifier.classify(chest.volume, chest.lungs)
    assert not whole.abstained
    assert whole.regions_missing == ""
    monkeypatch.setattr(module, "MAPPED_SLICES", 2)
    said = classifier.classify(chest.volume, chest.lungs)
    for answer, all_six in ((said.diagnosis, whole.diagnosis), (said.severity, whole.severity)):
        most = said.slices[np.argsort(-answer.slice_weights)[:2]]
        assert sorted(answer.regions) == sorted(most.tolist())
        assert len(all_six.regions) == 6
        for found in all_six.regions.values():
            assert found.shape == chest.volume.shape[1:]
            assert found.dtype == np.float32
            assert 0 <= found.min() <= found.max() <= 1


def odd(name: str, volume: Volume) -> Volume:
    a = volume.array.astype(np.float32)
    rng = np.random.default_rng(0)
    changed = {
        "soft tissue window": np.clip(a, -160, 240),
        "300 HU off": a + 300,
        "negative": -a - 1000,
        "noise of 150 HU": a + 150 * rng.standard_normal(a.shape),
        "blurred": gaussian_filter(a, (0, 3, 3)),
        "columns in no order": rng.permuted(a, axis=2),
    }[name]
    return replace(volume, array=np.clip(np.rint(changed), -1024, 3071).astype(np.int16))


UNLIKE, MEDIAN, NOISE = "looks unlike the 24 scans", "median of the lungs is", "pixels of the lungs"


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("soft tissue window", UNLIKE),
        ("soft tissue window", MEDIAN),
        ("negative", UNLIKE),
        ("blurred", UNLIKE),
        ("columns in no order", UNLIKE),
        ("noise of 150 HU", UNLIKE),
        ("noise of 150 HU", NOISE),
        ("300 HU off", MEDIAN),
    ],
)
def test_it_abstains_on_what_is_unlike(classifier: ScanClassifier, name: str, reason: str) -> None:
    for seed, scan_class in ((31, "normal"), (32, "mild"), (33, "severe")):
        chest = draw_chest(seed, scan_class)
        said = classifier.classify(odd(name, chest.volume), chest.lungs)
        assert any(reason in sentence for sentence in said.abstained)
        assert said.diagnosis.regions == {}
        assert said.regions_missing == ABSTAINED


def test_it_answers_on_what_is_like(classifier: ScanClassifier) -> None:
    """Twenty fresh scans: a limit for one false alarm in twenty lets most of them pass."""
    names = ("normal", "mild", "severe")
    chests = [draw_chest(seed, names[seed % 3]) for seed in range(100, 120)]
    said = [classifier.classify(chest.volume, chest.lungs) for chest in chests]
    assert sum(bool(one.abstained) for one in said) <= 5


def test_phantoms_taught_it_so_it_abstains_on_patients(classifier: ScanClassifier) -> None:
    chest = draw_chest(23, "severe")
    patient = replace(chest.volume, source=replace(chest.volume.source, header={}))
    said = classifier.classify(patient, chest.lungs)
    assert said.abstained == (
        "The classifier was trained on made-up phantoms, and this scan is not marked as one: its "
        "answer has no meaning for a patient.",
    )
    assert said.diagnosis.logit == classifier.classify(chest.volume, chest.lungs).diagnosis.logit


def test_the_value_says_whose_it_is(
    made_classifier: MadeClassifier, classifier: ScanClassifier
) -> None:
    chest = draw_chest(24, "normal")
    said = classifier.classify(chest.volume, chest.lungs)
    assert isinstance(said, ScanClassification)
    manifest = made_classifier.weights.manifest
    assert (said.name, said.version, said.license) == ("tiny-classifier", "1", "CC0-1.0")
    assert said.trained_on == "chests; made-up phantoms, no patients"
    assert said.diagnosis.threshold == manifest.diagnosis.threshold
    assert said.severity.threshold_rule == manifest.severity.threshold_rule
    assert said.diagnosis.is_calibrated is manifest.diagnosis.is_calibrated


def test_it_runs_without_torch(made_classifier: MadeClassifier, tmp_path) -> None:
    """ONNX Runtime alone, and no maps of regions, with what to install."""
    chest = draw_chest(23, "severe")
    np.savez(tmp_path / "chest.npz", array=chest.volume.array, lungs=chest.lungs)
    script = f"""
import sys
sys.modules["torch"] = sys.modules["safetensors"] = None
import numpy as np
from groundglass.intensity import Intensity
from groundglass.predictor.scan_classifier import ScanClassifier
from groundglass.volume import Source, Volume
from groundglass.weights.store import find_classifier_weights
import groundglass.predictor.familiar_scan as familiar
familiar.is_phantom_header = lambda header: True
stored = np.load({str(tmp_path / "chest.npz")!r})
volume = Volume(stored["array"], np.array({chest.volume.affine.tolist()}),
                Intensity("hu", "given", ""), Source("a", "nifti", "a"))
classifier = ScanClassifier(find_classifier_weights({str(made_classifier.weights.folder)!r}))
said = classifier.classify(volume, stored["lungs"])
print(said.regions_missing, said.abstained, said.diagnosis.logit, sep="|")
"""
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    missing, abstained, logit = done.stdout.strip().split("|")
    assert (missing, abstained) == (NO_TORCH, "()")
    expected = ScanClassifier(made_classifier.weights).classify(chest.volume, chest.lungs)
    assert float(logit) == pytest.approx(expected.diagnosis.logit, abs=1e-6)


def test_bad_input_is_refused(classifier: ScanClassifier) -> None:
    chest = draw_chest(23, "severe")
    with pytest.raises(InputError, match=r"the lung mask has shape \(3, 3, 3\); expected the scan"):
        classifier.classify(chest.volume, np.ones((3, 3, 3), np.uint8))
    with pytest.raises(NoLungError, match="has no lung to classify"):
        classifier.classify(chest.volume, np.zeros(chest.volume.shape, np.uint8))


def test_bad_weights_and_engines_are_refused(
    made_classifier: MadeClassifier, monkeypatch: pytest.MonkeyPatch, tmp_path
) -> None:
    import shutil

    from groundglass.weights.store import find_classifier_weights

    with pytest.raises(SettingsError, match="--engine is 'tpu'"):
        ScanClassifier(made_classifier.weights, engine="tpu")
    shutil.copytree(made_classifier.weights.folder, tmp_path / "w")
    (tmp_path / "w" / "head.onnx").write_bytes(b"?")
    with pytest.raises(WeightsError, match=r"head\.onnx has SHA-256"):
        ScanClassifier(find_classifier_weights(str(tmp_path / "w")))
    monkeypatch.setitem(sys.modules, "safetensors.torch", None)
    with pytest.raises(MissingExtraError, match="--engine torch"):
        ScanClassifier(made_classifier.weights, engine="torch")
