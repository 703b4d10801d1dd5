"""A tiny classifier of whole scans, trained for seconds on drawn chests; and folders like one's."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
from scipy.ndimage import gaussian_filter

from groundglass.datasets.grades import GRADES
from groundglass.datasets.index import (
    IndexRow,
    PreparedScan,
    save_prepared,
    spacing_text,
    write_index,
)
from groundglass.intensity import Intensity
from groundglass.io.phantom_mark import HEADER_NOTE
from groundglass.ops.frames import frame_images, frame_masks, frame_of
from groundglass.recipe import SliceRecipe
from groundglass.volume import Source, Volume
from groundglass.weights.classifier_manifest import ClassifierManifest
from groundglass.weights.store import ClassifierWeights

GRADE = {"normal": "CT-0", "mild": "CT-1", "severe": "CT-3"}
HELD_OUT_EACH, EACH = 3, 11


def phantom_header() -> dict[str, Any]:
    """What a NIfTI that is marked as a phantom has for a header."""
    header = nib.Nifti1Header()
    header["descrip"] = HEADER_NOTE.encode()
    return {"nifti_header": header}


@dataclass(frozen=True)
class Chest:
    """A drawn scan on its own grid, marked as a phantom, with its lungs (uint8 0/1)."""

    volume: Volume
    lungs: np.ndarray
    lesions: np.ndarray


def draw_chest(seed: int, scan_class: str, *, noise_hu: float | None = None) -> Chest:
    """Two lungs with vessels in a body, bright patches in them; people and noise differ."""
    rng = np.random.default_rng(seed)
    slices = int(rng.integers(9, 13))
    scale = rng.uniform(0.92, 1.08)
    k, i, j = np.mgrid[:slices, :64, :64].astype(np.float32)
    body = ((i - 32) / (22 * scale)) ** 2 + ((j - 32) / (29 * scale)) ** 2 < 1
    height = np.sin(np.pi * (k + 0.7) / (slices + 0.4))
    lungs = np.zeros(body.shape, bool)
    for column in (20, 44):
        size = scale * (0.5 + 0.5 * height)
        lungs |= ((i - 31) / (15 * size)) ** 2 + ((j - column) / (9 * size)) ** 2 < 1
    lungs[0] = lungs[-1] = False
    hu = np.where(body, 40.0, -1000.0)
    vessels = gaussian_filter(rng.standard_normal(body.shape), (0.5, 1, 1))
    hu = np.where(lungs, rng.normal(-850, 20) + 500 * np.clip(vessels - 0.35, 0, 1), hu)
    lesions = np.zeros(body.shape, bool)
    for _ in range({"normal": 0, "mild": 2, "severe": 9}[scan_class]):
        at, row = rng.uniform(2, slices - 2), rng.uniform(22, 42)
        column = rng.choice((20, 44)) + rng.uniform(-5, 5)
        lesions |= (k - at) ** 2 * 9 + (i - row) ** 2 + (j - column) ** 2 < 30
    lesions &= lungs
    hu = np.where(lesions, -480.0, hu)
    noise = float(rng.uniform(8, 25)) if noise_hu is None else noise_hu
    hu = hu + noise * rng.standard_normal(hu.shape)
    affine = np.diag([5.5, 5.5, 25.0, 1.0])[:, [2, 1, 0, 3]]
    source = Source(f"chest_{scan_class}_{seed}", "nifti", "made.nii.gz", header=phantom_header())
    array = np.clip(np.rint(hu), -1024, 3071).astype(np.int16)
    volume = Volume(array, affine, Intensity("hu", "given", "made"), source)
    return Chest(volume, lungs.astype(np.uint8), lesions.astype(np.uint8))


def prepare_chest(chest: Chest, scan_class: str) -> PreparedScan:
    """What `groundglass prepare` stores of it."""
    volume, order = chest.volume.to_axial()
    frame = frame_of(volume)
    lungs = frame_masks(order.apply(chest.lungs) > 0, frame)
    lesions = frame_masks(order.apply(chest.lesions) > 0, frame)
    name = volume.source.scan_id
    diagnosis, severity = GRADES[GRADE[scan_class]]
    row = IndexRow(
        scan_id=name,
        patient_id=name,
        group=name,
        file=f"{name}.npz",
        domain=volume.intensity.domain,
        slices=len(lungs),
        lung_voxels=int(lungs.sum()),
        lesion_voxels=int(lesions.sum()),
        lungs_by="reference",
        license="none",
        source="phantom",
        source_shape="x".join(map(str, volume.shape)),
        spacing_mm=spacing_text(volume),
        diagnosis=diagnosis,
        severity=severity,
        grade=GRADE[scan_class],
        lesions_by="grade" if scan_class == "normal" else "reference",
    )
    return PreparedScan(row, frame_images(volume.array, frame), lungs, lesions)


@dataclass(frozen=True)
class MadeClassifier:
    """`prepared`: index; `run`: both phases; `calibration`: calibration.json; `weights`: packed.

    Nine scans were held out: the last three seeds of each class, which has the seeds 0 to 10.
    """

    prepared: Path
    run: Path
    calibration: Path
    weights: ClassifierWeights


def train_classifier(folder: Path) -> tuple[Path, Path]:
    """Prepared folder and run folder."""
    from groundglass.training.two_phase_settings import TwoPhaseSettings
    from groundglass.training.two_phases import TwoPhases

    prepared, run = folder / "prepared", folder / "run"
    rows, held = [], []
    for scan_class in GRADE:
        for seed in range(EACH):
            scan = prepare_chest(draw_chest(seed, scan_class), scan_class)
            row = save_prepared(prepared, scan)
            rows.append(replace(row, source="phantom"))
            held += [row.scan_id] if seed >= EACH - HELD_OUT_EACH else []
    write_index(prepared, rows)
    values: dict[str, Any] = {
        "name": "tiny",
        "index": str(prepared),
        "hold_out": held,
        "threads": 1,
        "segmentation": {
            "stage": "direct",
            "network": "ta-segnet",
            "base": 2,
            "recipe": {"stage": "direct", "network_size": [64, 64]},
            "phases": [{"size": [64, 64], "steps": 8, "batch": 3, "lr": 5e-3, "lr_end": 1e-3}],
        },
        "features": {"grid": [16, 16]},
        "classification": {
            "base": 1,
            "slices": 6,
            "steps": 25,
            "batch": 6,
            "lr": 1e-2,
            "lr_end": 1e-3,
        },
    }
    TwoPhases(TwoPhaseSettings.model_validate(values), run).run()
    return prepared, run


def make_classifier(folder: Path) -> MadeClassifier:
    """Trained, calibrated and packed."""
    from groundglass.training.classifier_calibration import calibrate_classifier
    from groundglass.training.classifier_pack import ClassifierPackSettings, pack_classifier
    from groundglass.training.finished_classifier import FinishedClassifier

    prepared, run = train_classifier(folder)
    finished = FinishedClassifier.of(run)
    record, _ = calibrate_classifier(finished, finished.test_rows())
    path = folder / "calibration.json"
    path.write_text(record.to_json(), encoding="utf-8")
    said = ClassifierPackSettings("tiny-classifier", "1", "for a test", "CC0-1.0", ("chests",))
    manifest = pack_classifier(finished, record, folder / "weights", said)
    weights = ClassifierWeights(folder / "weights", manifest)
    return MadeClassifier(prepared, run, path, weights)


def write_classifier_weights(
    folder: Path, *, name: str = "heads", **changes: Any
) -> ClassifierWeights:
    """A folder with a classifier's manifest around files of a few bytes: nothing can be loaded."""
    folder.mkdir(parents=True, exist_ok=True)

    def file(kind: str) -> dict[str, str]:
        content = f"{name} {kind}".encode()
        (folder / kind).write_bytes(content)
        return {"file": kind, "sha256": hashlib.sha256(content).hexdigest()}

    head = {
        "temperature": 1.0,
        "is_calibrated": False,
        "threshold": 0.5,
        "threshold_rule": "none",
        "measured": {},
    }
    values: dict[str, Any] = {
        "name": name,
        "version": "1",
        "title": "made for a test",
        "license": "CC0-1.0",
        "training_data": ["none"],
        "phantoms": True,
        "lungs_by": ["reference"],
        "held_out": ["a", "b"],
        "calibrated_on": ["a"],
        "accuracy": {},
        "segmenter": {
            "network": "ta-segnet",
            "base": 2,
            "parameters": 1,
            "channels": 8,
            "recipe": SliceRecipe("direct", (64, 64)).to_dict(),
            "grid": [16, 16],
            "storage": "uint8",
            "mixed_precision": False,
            "onnx": file("segmenter.onnx"),
            "safetensors": file("segmenter.safetensors"),
            "trained": {},
        },
        "classifier": {
            "classifier": "covtanet",
            "base": 1,
            "parameters": 1,
            "slices": 6,
            "encoder": file("encoder.onnx"),
            "head": file("head.onnx"),
            "safetensors": file("classifier.safetensors"),
            "trained": {},
        },
        "diagnosis": head,
        "severity": head,
        "known": {
            "file": file("known.npz"),
            "scans": 3,
            "limit": 1.5,
            "limit_rule": "the largest of the distances of 2 held-out scans",
            "slices": {"low": 4, "high": 12},
            "shown_mm": None,
            "lungs_ml": {"low": 900.0, "high": 5000.0},
            "lung_median": {"low": -930.0, "high": -700.0},
            "lung_noise": None,
            "domains": ["hu"],
        },
    }
    manifest = ClassifierManifest.model_validate({**values, **changes})
    (folder / "manifest.json").write_text(manifest.to_json(), encoding="utf-8")
    return ClassifierWeights(folder, manifest)
