"""One scan from disk to a whole result folder."""

from __future__ import annotations

import datetime
import json
import platform
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np

import groundglass
from groundglass.deidentification.scan import Deidentification, deidentified
from groundglass.errors import GeometryError, NoLungError
from groundglass.findings import Findings
from groundglass.geometry import axial_order
from groundglass.intensity import IntensityChoice
from groundglass.io.read import read_mask, read_scan
from groundglass.labels import LESION_LABELS, LUNG_LABELS
from groundglass.measurement.measure import measure
from groundglass.measurement.uncertainty import LesionProbability
from groundglass.metrics.overlap import confusion
from groundglass.outputs.masks import write_mask, write_probability
from groundglass.outputs.pdf.render import write_pdf
from groundglass.outputs.report.inputs import ReportInputs
from groundglass.outputs.report.write import write_report
from groundglass.outputs.result_folder import ResultFolder
from groundglass.pipeline.classify import LoadedClassifier, classify_scan
from groundglass.pipeline.dicom import plan_dicom, write_dicom
from groundglass.predictor.cascade import Cascade, Segmentation
from groundglass.predictor.stopwatch import Stopwatch, peak_memory_mib
from groundglass.volume import Volume

RESEARCH_USE = "Research use only. Not a medical device."
_REPORTED_PACKAGES = (
    "numpy",
    "scipy",
    "onnxruntime",
    "opencv-python-headless",
    "pydicom",
    "highdicom",
    "nibabel",
)


@dataclass(frozen=True)
class AnalyzeOptions:
    """What the user asked for, apart from input, output and engine.

    `nominal_spacing`: the header's voxel spacing was not measured, so no ml are reported.
    `dicom`: kinds of DICOM objects; None leaves it to the input (`plan_dicom`).
    `deidentification`: nothing that is written says who the patient is.
    """

    series: str | None = None
    intensity: IntensityChoice = field(default_factory=IntensityChoice)
    allow_gaps: bool = False
    probability: bool = False
    nominal_spacing: bool = False
    pdf: bool = False
    deidentification: Deidentification | None = None
    overwrite: bool = True
    dicom: tuple[str, ...] | None = None


@dataclass(frozen=True)
class Analysis:
    """A finished analysis: where it lies, what it says, and its Dice with a reference if any."""

    folder: Path
    findings: Findings
    run: dict[str, Any]
    agreement: dict[str, float]


def analyze_scan(
    path: Path,
    folder: Path,
    cascade: Cascade,
    *,
    options: AnalyzeOptions | None = None,
    reference: dict[str, Path] | None = None,
    scan_id: str | None = None,
    classifier: LoadedClassifier | None = None,
) -> Analysis:
    """Read, segment, measure, and write `folder`: whole, or not at all.

    `reference`: label files 'lungs' and 'lesions' on the same grid, drawn in the report.
    `classifier`: gives the learned route to diagnosis and severity.
    Raises: InputError, NoLungError, OutputError, WeightsError.
    """
    options = options or AnalyzeOptions()
    watch = Stopwatch()
    with ResultFolder(folder, overwrite=options.overwrite) as partial:
        with watch.stage("read"):
            volume = read_scan(
                path,
                series=options.series,
                intensity=options.intensity,
                allow_gaps=options.allow_gaps,
            )
            if options.nominal_spacing:
                volume = replace(volume, spacing_is_real=False)
            if options.deidentification is not None:
                volume = deidentified(volume, options.deidentification, scan_id=scan_id)
            plan = plan_dicom(
                options.dicom, volume, cascade, hides_time=options.deidentification is not None
            )
        with _naming(path, volume.source.scan_id):
            segmentation = cascade.segment(volume, watch)
        with watch.stage("measure"):
            chance = _lesion_probability(segmentation, cascade)
            findings = measure(volume, segmentation.lungs, segmentation.lesions, probability=chance)
            findings = _with_notes(findings, segmentation, scan_id)
        with _naming(path, volume.source.scan_id):
            classified = classify_scan(
                classifier, volume, segmentation.lungs, findings=findings, watch=watch
            )
        findings = classified.findings
        with watch.stage("write masks"):
            _write_masks(partial, volume, segmentation, options)
        run = _run_record(path, volume, cascade, segmentation, options=options)
        run["classifier"] = classified.record
        run["warnings"] = list(findings.warnings)
        with watch.stage("report"):
            masks = _reference_masks(reference, volume)
            shown = ReportInputs(
                volume,
                segmentation.lungs,
                segmentation.lesions,
                findings,
                provenance=_for_report(run, watch),
                reference=masks,
                classification=classified.classification,
            )
            write_report(partial / "report.html", shown)
            if options.pdf:
                write_pdf(partial / "report.pdf", shown)
        run["dicom"] = write_dicom(plan, partial, shown, watch)
        run["seconds"] = {name: round(spent, 3) for name, spent in watch.seconds.items()}
        run["seconds_total"] = round(sum(watch.seconds.values()), 3)
        run["peak_memory_mib"] = peak_memory_mib()
        (partial / "findings.json").write_text(
            findings.model_dump_json(indent=1) + "\n", encoding="utf-8"
        )
        (partial / "run.json").write_text(json.dumps(run, indent=1) + "\n", encoding="utf-8")
    return Analysis(folder, findings, run, _agreement(masks, segmentation))


@contextmanager
def _naming(path: Path, scan_id: str) -> Iterator[None]:
    """Have a missing lung say whose: most of what looks for lungs knows an array, not its file."""
    try:
        yield
    except NoLungError as error:
        if repr(scan_id) in error.problem:
            raise
        raise NoLungError(
            f"{path}: {error.problem}", expected=error.expected, remedy=error.remedy
        ) from error


def _lesion_probability(segmentation: Segmentation, cascade: Cascade) -> LesionProbability:
    stage = cascade.stages["lesions"]
    return LesionProbability(
        segmentation.probability,
        stage.slice_recipe().threshold,
        stage.temperature,
        is_calibrated=stage.is_calibrated,
    )


def _with_notes(findings: Findings, segmentation: Segmentation, scan_id: str | None) -> Findings:
    warnings = [*findings.warnings, *(n for n in segmentation.notes if n not in findings.warnings)]
    changes: dict[str, Any] = {"warnings": type(findings.warnings)(warnings)}
    if scan_id is not None:
        changes["scan"] = findings.scan.model_copy(update={"id": scan_id})
    return findings.model_copy(update=changes)


def _write_masks(
    folder: Path, volume: Volume, segmentation: Segmentation, options: AnalyzeOptions
) -> None:
    write_mask(folder / "lungs.nii.gz", segmentation.lungs, volume.affine, LUNG_LABELS)
    write_mask(folder / "lesions.nii.gz", segmentation.lesions, volume.affine, LESION_LABELS)
    if options.probability:
        share = segmentation.probability.astype(np.float32) / 255
        write_probability(folder / "lesion_probability.nii.gz", share, volume.affine)


def _reference_masks(
    reference: dict[str, Path] | None, volume: Volume
) -> dict[str, np.ndarray] | None:
    """Reference labels in the scan's axis order. Raises: GeometryError where grids differ."""
    if not reference:
        return None
    axial, order = volume.to_axial()
    masks = {}
    for name, path in reference.items():
        array, affine = read_mask(path)
        own = axial_order(affine)
        turned = own.apply_to_affine(affine, array.shape)
        array = own.apply(array)
        if array.shape != axial.shape or not np.allclose(turned, axial.affine, atol=0.05):
            raise GeometryError(
                f"reference {path.name} of shape {array.shape} lies on another grid",
                expected=f"the scan's grid of shape {axial.shape}",
            )
        masks[name] = np.ascontiguousarray(order.undo(array))
    return masks


def _agreement(masks: dict[str, np.ndarray] | None, segmentation: Segmentation) -> dict[str, float]:
    """Dice of each region with its reference."""
    out = {}
    for name, reference in (masks or {}).items():
        ours = (segmentation.lungs if name == "lungs" else segmentation.lesions) > 0
        dice = confusion(ours, reference > 0).dice
        if dice is not None:
            out[name] = dice
    return out


def _run_record(
    path: Path,
    volume: Volume,
    cascade: Cascade,
    segmentation: Segmentation,
    *,
    options: AnalyzeOptions,
) -> dict[str, Any]:
    """The run manifest: enough to say what was done and to do it again."""
    manifest = cascade.weights["lungs"].manifest
    lesion_manifest = cascade.weights["lesions"].manifest
    return {
        "groundglass": groundglass.__version__,
        "notice": RESEARCH_USE,
        **_when_and_what(path, volume, options.deidentification),
        "series": {
            "uid": volume.source.series_uid or None,
            "kind": volume.source.kind,
            "chosen_because": volume.source.choice or None,
            "findings": [f.message for f in volume.source.findings],
        },
        "intensity": {
            "domain": volume.intensity.domain,
            "found": volume.intensity.found,
            "evidence": volume.intensity.evidence,
            "equalized_already": segmentation.was_equalized,
        },
        "weights": {
            "name": manifest.name,
            "version": manifest.version,
            "license": manifest.license,
            "lesion_model": {
                "name": lesion_manifest.name,
                "version": lesion_manifest.version,
                "license": lesion_manifest.license,
                "network": cascade.stages["lesions"].network,
            },
            "sha256": {
                name: (stage.safetensors if cascade.engine == "torch" else stage.onnx).sha256
                for name, stage in cascade.stages.items()
            },
            "temperature": {name: stage.temperature for name, stage in cascade.stages.items()},
            "calibrated": {name: stage.is_calibrated for name, stage in cascade.stages.items()},
        },
        "recipe": {s: stage.recipe for s, stage in cascade.stages.items()},
        "engine": {"name": cascade.engine, "device": cascade.device},
        "settings": {
            "lung_step_mm": cascade.settings.lung_step_mm,
            "density_lungs": cascade.settings.density_lungs,
            "lesion_floor_hu": cascade.settings.lesion_floor_hu,
            "flips": cascade.settings.flips,
            "allow_gaps": options.allow_gaps,
            "nominal_spacing": options.nominal_spacing,
        },
        "slices_seen": segmentation.slices_seen,
        "versions": {"python": platform.python_version(), **_package_versions()},
    }


def _when_and_what(path: Path, volume: Volume, how: Deidentification | None) -> dict[str, Any]:
    if how is not None:  # no time either: many a scan is analyzed on the day it was made
        name = volume.source.scan_id
        return {"finished": None, "input": name, "deidentification": how.provenance()}
    now = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    return {"finished": now, "input": path.name, "deidentification": None}


def _package_versions() -> dict[str, str]:
    out = {}
    for name in _REPORTED_PACKAGES:
        try:
            out[name] = version(name)
        except PackageNotFoundError:
            out[name] = "unknown"
    return out


def _for_report(run: dict[str, Any], watch: Stopwatch) -> dict[str, Any]:
    shown = {k: v for k, v in run.items() if k not in ("warnings", "notice")}
    shown["seconds"] = {name: round(spent, 2) for name, spent in watch.seconds.items()}
    return shown
