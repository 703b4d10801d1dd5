"""Which DICOM objects a run writes: decided before the long work, done at its end."""

from __future__ import annotations

import datetime
import logging
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from groundglass.errors import OutputError, SettingsError
from groundglass.findings import Findings
from groundglass.outputs.dicom.identity import KINDS, Algorithm, Identity, make_identity
from groundglass.outputs.dicom.write import DEFAULT_KINDS, Making, write_objects
from groundglass.outputs.report.inputs import ReportInputs
from groundglass.outputs.result_folder import DICOM_FOLDER
from groundglass.predictor.cascade import Cascade
from groundglass.predictor.stopwatch import Stopwatch
from groundglass.volume import Volume

log = logging.getLogger(__name__)
_NO_TIME = datetime.datetime(1900, 1, 1)


@dataclass(frozen=True)
class DicomPlan:
    """`kinds` to write, none without an `identity`; `notes`: why a kind is left out."""

    kinds: tuple[str, ...] = ()
    identity: Identity | None = None
    notes: dict[str, str] = field(default_factory=dict)


def plan_dicom(
    asked: tuple[str, ...] | None,
    volume: Volume,
    cascade: Cascade,
    *,
    hides_time: bool = False,
) -> DicomPlan:
    """What to write for this scan. `asked` is None where the user left it to us.

    `hides_time`: the objects say nothing of when they were made. Where it is left to us, a
    DICOM scan gets the default kinds, unless its headers lack what ties an object to it:
    that is noted, and the analysis goes on. What the user asks for must be possible.
    Raises: SettingsError for an unknown kind; OutputError where objects are asked for and the scan
    is no DICOM or cannot be referred to.
    """
    unknown = sorted(set(asked or ()) - set(KINDS))
    if unknown:
        raise SettingsError(f"DICOM kinds are {asked}", expected=f"some of {', '.join(KINDS)}")
    if asked == () or (asked is None and volume.source.kind != "dicom"):
        return DicomPlan()
    kinds = DEFAULT_KINDS if asked is None else asked
    algorithms = {
        role: Algorithm(
            weights.manifest.name, weights.manifest.version, cascade.stages[role].network
        )
        for role, weights in cascade.weights.items()
    }
    try:
        created = _study_time(volume) if hides_time else None
        return DicomPlan(kinds, make_identity(volume, algorithms, created=created))
    except OutputError as error:
        if asked is not None:
            raise
        log.warning("no DICOM objects are written: %s", error)
        return DicomPlan(notes=dict.fromkeys(kinds, error.problem))


def write_dicom(
    plan: DicomPlan, folder: Path, inputs: ReportInputs, watch: Stopwatch
) -> dict[str, Any]:
    """Write the planned objects into `folder`/dicom; what run.json says of them.

    Raises: OutputError.
    """
    files: list[str] = []
    notes = dict(plan.notes)
    if plan.identity is not None:
        making = Making(inputs, _with_classifier(plan.identity, inputs.findings))
        files = write_objects(folder / DICOM_FOLDER, plan.kinds, making, stage=watch.stage)
        notes |= making.notes
    return {"files": [f"{DICOM_FOLDER}/{name}" for name in files], "left_out": notes}


def _with_classifier(identity: Identity, findings: Findings) -> Identity:
    """The same identity that names the classifier too, which says who it is with its answer."""
    learned = findings.routes.learned
    if learned is None:
        return identity
    named = {**identity.algorithms, "classifier": Algorithm(learned.name, learned.version)}
    return replace(identity, algorithms=named)


def _study_time(volume: Volume) -> datetime.datetime:
    """Date and time of the study as its cleaned header has them, else those that say nothing.

    A scan is often analyzed on the day it was made, so the run's own date would give the study's
    away; one moved like the study's would give the move away, as files keep their true date.
    """
    header = volume.source.header.get("dataset") or {}
    text = f"{header.get('StudyDate') or ''} {str(header.get('StudyTime') or '')[:6]:0<6}"
    try:
        return datetime.datetime.strptime(text, "%Y%m%d %H%M%S")
    except ValueError:
        return _NO_TIME
