"""What `--resume` may leave as it is: a whole result that is what this call would make.

A result is made again where it lacks a file asked for now, or came from other weights, settings or
de-identification: else a cohort would silently mix two ways of measuring. More than was asked for
is no reason, nor is another engine, for engines agree.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from groundglass.findings import Findings
from groundglass.outputs.result_folder import is_complete
from groundglass.pipeline.analyze import AnalyzeOptions

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class AskedModels:
    """Name and version of the weights that a call would use, known without loading a network.

    `classifier`: None where none is asked for. `lung_step_mm`, `flips`: as in `CascadeSettings`.
    """

    lungs: tuple[str, str]
    lesions: tuple[str, str]
    classifier: tuple[str, str] | None = None
    lung_step_mm: float = 3.0
    flips: bool = False


@dataclass(frozen=True)
class OldResult:
    """A whole result that may stay."""

    findings: Findings
    seconds: float


def result_to_keep(
    folder: Path, path: Path, options: AnalyzeOptions, models: AskedModels | None = None
) -> OldResult | None:
    """The result at `folder` for the scan at `path`, or None where the scan must be analyzed.

    The reason why a whole result is not kept is logged as a warning. Without `models` those of the
    result are taken for right.
    """
    if not is_complete(folder):
        return None
    try:
        run = json.loads((folder / "run.json").read_text(encoding="utf-8"))
        findings = Findings.model_validate_json(
            (folder / "findings.json").read_text(encoding="utf-8")
        )
        seconds = float(run["seconds_total"])
        reasons = [*_other_scan(run, path, options), *_lacks(folder, run, options)]
        reasons += _other_settings(run, findings, options)
        reasons += [] if models is None else _other_models(run, models)
    except (OSError, ValidationError, ValueError, KeyError, TypeError):
        log.warning("result at %s cannot be read and is made again", folder)
        return None
    if reasons:
        log.warning("result at %s is made again: %s", folder, "; ".join(reasons))
        return None
    return OldResult(findings, seconds)


def _other_scan(run: dict[str, Any], path: Path, options: AnalyzeOptions) -> Iterator[str]:
    how, was = options.deidentification, run["deidentification"]
    asked = None if how is None else how.profile.name
    found = None if was is None else was["profile"]
    if asked != found:
        yield f"de-identification was {found or 'off'}, asked for is {asked or 'off'}"
    if how is not None or was is not None:
        return  # names and UIDs are pseudonyms
    if run["input"] != path.absolute().name:
        yield f"it is of {run['input']}"
    uid = run["series"]["uid"] or ""
    if options.series is not None and not uid.endswith(options.series.split("#")[0]):
        yield f"it is of series {uid}"


def _lacks(folder: Path, run: dict[str, Any], options: AnalyzeOptions) -> Iterator[str]:
    files = [("report.pdf", options.pdf), ("lesion_probability.nii.gz", options.probability)]
    for name, wanted in files:
        if wanted and not (folder / name).is_file():
            yield f"it lacks {name}"
    stems = {"seg": "seg", "sr": "sr", "pdf": "report", "sc": "sc-"}
    for kind in options.dicom or ():
        written = any(Path(name).name.startswith(stems[kind]) for name in run["dicom"]["files"])
        if not written and kind not in run["dicom"]["left_out"]:
            yield f"it lacks the DICOM object {kind}"


def _other_settings(
    run: dict[str, Any], findings: Findings, options: AnalyzeOptions
) -> Iterator[str]:
    if run["settings"]["nominal_spacing"] != options.nominal_spacing:
        yield "--nominal-spacing differs"
    if findings.quality.gaps.flag and not options.allow_gaps:
        yield "slices are missing, and --allow-gaps is not given"
    asked, found = options.intensity, findings.scan.intensity
    if asked.kind == "auto":
        differs = run["intensity"]["found"] == "given"
    else:
        windows = (asked.window_hu, None if asked.window_hu is None else found.window_hu)
        differs = asked.kind != found.domain or windows[0] != windows[1]
    if differs:
        yield f"intensities were taken as {found.domain}, asked for is --intensity {asked.kind}"


def _other_models(run: dict[str, Any], asked: AskedModels) -> Iterator[str]:
    used, head = run["weights"], run["classifier"]
    pairs = [("lungs", asked.lungs, used), ("lesions", asked.lesions, used["lesion_model"])]
    if asked.classifier is not None:
        pairs.append(("the classifier", asked.classifier, head or {"name": None, "version": None}))
    for what, wanted, record in pairs:
        found = (record["name"], record["version"])
        if found != wanted:
            had = "none" if found[0] is None else " ".join(found)
            yield f"weights for {what} were {had}, asked for is {' '.join(wanted)}"
    if run["settings"]["lung_step_mm"] != asked.lung_step_mm:
        yield "--exact-lungs differs"
    if run["settings"]["flips"] != asked.flips:
        yield "--flips differs"
