"""From a finished run of both phases to weights that analysis classifies scans with."""

from __future__ import annotations

import platform
import shutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from groundglass.datasets.index import IndexRow, read_index
from groundglass.errors import SettingsError, WeightsError
from groundglass.networks.build import build_network
from groundglass.training.checkpoint import load_result
from groundglass.training.classifier_calibration import ClassifierCalibration, HeadCalibration
from groundglass.training.classifier_export import rounded, write_second_phase, write_segmenter
from groundglass.training.classifier_known import write_known
from groundglass.training.finished_classifier import FinishedClassifier
from groundglass.training.half_weights import hashed
from groundglass.training.pack import trained_record
from groundglass.weights.classifier_manifest import (
    ClassifierManifest,
    ClassifierPart,
    HeadPart,
    SegmenterPart,
)
from groundglass.weights.manifest import MANIFEST_NAME

PHANTOM_DATA = "made-up phantoms, no patients"


@dataclass(frozen=True)
class ClassifierPackSettings:
    """What the manifest says besides what the run and its calibration know."""

    name: str
    version: str
    title: str
    license: str
    training_data: tuple[str, ...]
    accuracy: dict[str, Any] = field(default_factory=dict)
    hardware: str = ""


def pack_classifier(
    run: FinishedClassifier,
    calibration: ClassifierCalibration,
    destination: Path,
    settings: ClassifierPackSettings,
) -> ClassifierManifest:
    """Write `destination`, whole or not at all: networks, manifest, what they learned from.

    Both networks are rounded to float16 first, so that every engine computes with the same ones.
    Raises: SettingsError where the destination is not empty, or the calibration is of another run
    or on scans that taught it; WeightsError where an export differs from its network; DatasetError
    where features or index are missing.
    """
    if calibration.classifier_sha256 != run.classifier_sha256:
        raise SettingsError(
            f"the calibration is of a classifier {calibration.classifier_sha256[:12]}..., and "
            f"{run.folder} holds {run.classifier_sha256[:12]}...",
            expected="the calibration of this run",
            remedy=f"Make it with: groundglass calibrate-classifier {run.folder}",
        )
    used = run.test_rows(calibration.scans)
    if destination.exists() and (not destination.is_dir() or any(destination.iterdir())):
        raise SettingsError(
            f"{destination} is there already", expected="a folder that is new or empty"
        )
    partial = destination.with_name(f".{destination.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    try:
        manifest = _write(run, calibration, partial, settings, used)
        if destination.exists():
            destination.rmdir()
        partial.rename(destination)
    except OSError as error:
        raise WeightsError(f"weights cannot be written to {destination}: {error}") from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return manifest


def _write(
    run: FinishedClassifier,
    calibration: ClassifierCalibration,
    folder: Path,
    settings: ClassifierPackSettings,
    used: list[IndexRow],
) -> ClassifierManifest:
    phantoms = _learned_from_phantoms(run)
    data = settings.training_data
    if phantoms and not any("phantom" in text for text in data):
        data = (*data, PHANTOM_DATA)
    manifest = ClassifierManifest(
        name=settings.name,
        version=settings.version,
        title=settings.title,
        license=settings.license,
        training_data=data,
        phantoms=phantoms,
        lungs_by=tuple(sorted({row.lungs_by for row in run.sides.train})),
        held_out=tuple(row.scan_id for row in run.sides.held_out),
        calibrated_on=calibration.scans,
        accuracy=_accuracy(calibration, settings.accuracy),
        segmenter=_segmenter(run, folder, settings.hardware),
        classifier=_classifier(run, calibration.slices, folder, settings.hardware),
        diagnosis=_head(calibration.diagnosis),
        severity=_head(calibration.severity),
        known=write_known(run, used, calibration.slices, folder),
    )
    (folder / MANIFEST_NAME).write_text(manifest.to_json(), encoding="utf-8")
    return manifest


def _segmenter(run: FinishedClassifier, folder: Path, hardware: str) -> SegmenterPart:
    one, kept = run.segmenter, run.feature_settings
    state = load_result(one.folder)
    network = rounded(build_network(one.settings.network, base=one.settings.base), state.average)
    return SegmenterPart(
        network=one.settings.network,
        base=one.settings.base,
        parameters=sum(p.numel() for p in network.parameters()),
        channels=write_segmenter(network, one.recipe.network_size, kept.grid, folder),
        recipe=one.recipe.to_dict(),
        grid=kept.grid,
        storage=kept.storage,
        mixed_precision=kept.mixed_precision,
        onnx=hashed(folder / "segmenter.onnx"),
        safetensors=hashed(folder / "segmenter.safetensors"),
        trained=trained_record(state.settings, state.step, state.seconds, hardware),
    )


def _classifier(
    run: FinishedClassifier, slices: int, folder: Path, hardware: str
) -> ClassifierPart:
    network, settings = rounded(run.network(), run.state.average), run.settings
    write_second_phase(network, run.feature_settings.grid, folder)
    return ClassifierPart(
        classifier=settings.classifier,
        base=settings.base,
        parameters=sum(p.numel() for p in network.parameters()),
        slices=slices,
        encoder=hashed(folder / "encoder.onnx"),
        head=hashed(folder / "head.onnx"),
        safetensors=hashed(folder / "classifier.safetensors"),
        trained={
            "steps": run.state.step,
            "batch": settings.batch,
            "scans": len(run.sides.train),
            "slices": settings.slices,
            "hold_out": list(settings.hold_out),
            "fold": settings.fold if settings.folds else None,
            "balanced": settings.balanced,
            "hours": round(run.state.seconds / 3600, 2),
            "hardware": hardware or platform.processor() or platform.machine(),
            "seed": settings.seed,
            "torch": torch.__version__,
        },
    )


def _head(found: HeadCalibration) -> HeadPart:
    return HeadPart(
        temperature=found.temperature or 1.0,
        is_calibrated=found.temperature is not None,
        threshold=found.threshold,
        threshold_rule=found.threshold_rule,
        measured=found.measured,
    )


def _accuracy(calibration: ClassifierCalibration, given: dict[str, Any]) -> dict[str, Any]:
    """What the calibration measured with each patient left out, and what the user adds."""
    kept = ("auroc", "auroc_interval", "auroc_note", "left_out")
    counts = ", ".join(f"{n} {name}" for name, n in calibration.counts.items())
    made_up = ", made-up phantoms" if calibration.phantoms else ""
    heads = {
        name: {key: head.measured.get(key) for key in kept}
        for name, head in (
            ("diagnosis", calibration.diagnosis),
            ("severity", calibration.severity),
        )
    }
    on = f"{len(calibration.scans)} held-out scans of {calibration.patients} patients"
    found = {"on": f"{on} ({counts}{made_up})", "note": calibration.note, **heads}
    return {"calibration": found, **({"measured": given} if given else {})}


def _learned_from_phantoms(run: FinishedClassifier) -> bool:
    """Whether either phase saw made-up scans."""
    rows = list(run.sides.train)
    own = Path(run.segmenter.settings.index)
    if own.is_dir():
        rows += read_index(own)
    return any(row.is_phantom for row in rows)
