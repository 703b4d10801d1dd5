"""Many scans in one call: the model loaded once, a bad scan reported, the others finished."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from groundglass.deidentification.scan import scan_pseudonym
from groundglass.deidentification.secret_key import SecretKey
from groundglass.errors import GroundglassError, OutputError
from groundglass.io.found import scan_id_of
from groundglass.outputs.cohort import CohortRow, write_cohort
from groundglass.pipeline.analyze import AnalyzeOptions, analyze_scan
from groundglass.pipeline.classify import LoadedClassifier
from groundglass.pipeline.resume import AskedModels, result_to_keep
from groundglass.predictor.cascade import Cascade

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class CohortJob:
    """One input and the folder its result goes to."""

    scan_id: str
    path: Path
    folder: Path


def plan_cohort(inputs: Sequence[Path], out: Path, key: SecretKey | None = None) -> list[CohortJob]:
    """A folder OUT/<scan_id>/ for every input; equal names get the parent's name or a number.

    With a `key` the names are pseudonyms. The same inputs (and key) give the same folders
    again, which `--resume` needs.
    """
    jobs: list[CohortJob] = []
    taken: set[str] = set()
    for path in inputs:
        name = scan_id_of(path)
        if name in taken:
            name = f"{scan_id_of(path.absolute().parent)}-{name}"
        base, number = name, 2
        while name in taken:
            name, number = f"{base}-{number}", number + 1
        taken.add(name)
        if key is not None:
            name = scan_pseudonym(key, name)
        jobs.append(CohortJob(name, path, out / name))
    return jobs


def analyze_cohort(
    jobs: Sequence[CohortJob],
    out: Path,
    load_cascade: Callable[[], Cascade],
    *,
    options: AnalyzeOptions,
    resume: bool | AskedModels = False,
    on_row: Callable[[CohortRow], None] | None = None,
    load_classifier: Callable[[], LoadedClassifier | None] | None = None,
) -> list[CohortRow]:
    """Analyze every job and write OUT/cohort.csv after each, so that a kill loses no row.

    With `resume`, whole results that are what this call would make stay (`pipeline.resume`); True
    does not ask which models made them. Models are loaded once, and only if needed.
    Raises: OutputError where OUT cannot be made or written; whatever `load_cascade` or
    `load_classifier` raises, for without the models asked for no scan can be analyzed.
    """
    rows: list[CohortRow] = []
    cascade: Cascade | None = None
    classifier: LoadedClassifier | None = None
    _make_folder(out)
    for job in jobs:
        began = time.perf_counter()
        row = _kept(job, options, resume) if resume else None
        if row is None:
            if cascade is None:
                cascade = load_cascade()
                classifier = None if load_classifier is None else load_classifier()
            try:
                analysis = analyze_scan(
                    job.path,
                    job.folder,
                    cascade,
                    options=options,
                    scan_id=job.scan_id,
                    classifier=classifier,
                )
                spent = time.perf_counter() - began
                row = CohortRow(
                    job.scan_id, str(job.path), "done", findings=analysis.findings, seconds=spent
                )
            except GroundglassError as error:
                row = CohortRow(job.scan_id, str(job.path), "failed", error=str(error))
            except Exception as error:
                # A scan that trips over something nobody foresaw must not cost the others.
                log.exception("unexpected failure on %s", job.path)
                text = f"unexpected {type(error).__name__}: {error}"
                row = CohortRow(job.scan_id, str(job.path), "failed", error=text)
        if options.deidentification is not None:
            row = _without_names(row)
        rows.append(row)
        write_cohort(out / "cohort.csv", rows)
        if on_row is not None:
            on_row(row)
    return rows


def _without_names(row: CohortRow) -> CohortRow:
    """The row without path and error text, which name files; the log, no result, has the text."""
    error = row.error
    if error:
        log.error("%s (%s): %s", row.scan_id, row.input, error)
        error = "text withheld, as it may name the patient; the log has it"
    return replace(row, input=row.scan_id, error=error)


def _make_folder(out: Path) -> None:
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(
            f"{out} cannot be made ({error.strerror or error})",
            expected="a folder",
            remedy="Choose another -o",
        ) from error


def _kept(job: CohortJob, options: AnalyzeOptions, resume: bool | AskedModels) -> CohortRow | None:
    models = None if isinstance(resume, bool) else resume
    old = result_to_keep(job.folder, job.path, options, models)
    if old is None:
        return None
    return CohortRow(
        job.scan_id, str(job.path), "skipped", findings=old.findings, seconds=old.seconds
    )


def check_outputs(inputs: Sequence[Path], out: Path) -> None:
    """Raises: OutputError where OUT lies inside an input folder: results would become input.

    Also where one file is given that lies in OUT: replacing an older result would remove it.
    """
    target = out.resolve()
    for path in inputs:
        source = path.resolve()
        if len(inputs) == 1 and source.parent == target:
            raise OutputError(
                f"input {path} lies inside the output {out}",
                expected="a folder for results alone",
                remedy="Choose another -o",
            )
        if source.is_dir() and (target == source or source in target.parents):
            raise OutputError(
                f"output {out} lies inside the input {path}",
                expected="a folder outside of it",
                remedy="Choose another -o",
            )
