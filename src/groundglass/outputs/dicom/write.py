"""All DICOM objects of a result: which kinds there are, and how each is made, saved and checked."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path

from pydicom.dataset import Dataset

from groundglass.errors import GroundglassError, OutputError, SettingsError
from groundglass.outputs.dicom.identity import KINDS, Identity
from groundglass.outputs.dicom.read_back import check_report, check_segmentation
from groundglass.outputs.dicom.read_back_documents import (
    check_document,
    check_owner,
    check_picture,
)
from groundglass.outputs.dicom.save import save_dicom
from groundglass.outputs.report.inputs import ReportInputs

log = logging.getLogger(__name__)

DEFAULT_KINDS = ("seg", "sr", "pdf")
"""Without `sc`: pictures repeat what the segmentation says, and fill an archive with copies."""


@dataclass
class Making:
    """What a maker is given. `made`: single objects of this run so far, by kind; `notes`: why an
    object that was asked for is not there, by kind."""

    inputs: ReportInputs
    identity: Identity
    made: dict[str, Dataset] = field(default_factory=dict)
    notes: dict[str, str] = field(default_factory=dict)


Maker = Callable[[Making], Iterator[tuple[str, Dataset]]]
"""Gives file names and datasets, one at a time, in the order they are written."""


def parse_dicom_kinds(text: str) -> tuple[str, ...]:
    """'seg,sr' as ('seg', 'sr'), in the order of `KINDS`; 'none' as (). Raises: SettingsError."""
    names = {name.strip() for name in text.lower().split(",")}
    if names == {"none"}:
        return ()
    unknown = sorted(names - set(KINDS))
    if unknown:
        raise SettingsError(
            f"--dicom is {text!r}", expected=f"some of {', '.join(KINDS)}, or none alone"
        )
    return tuple(kind for kind in KINDS if kind in names)


def write_objects(
    folder: Path,
    kinds: Sequence[str],
    making: Making,
    *,
    stage: Callable[[str], AbstractContextManager[None]],
) -> list[str]:
    """Make, save and read back every kind asked for; the names of the files, in `folder`.

    `folder` is made. `stage` is entered once a kind, to time it. Whoever calls this removes the
    folder if it raises. Raises: OutputError where an object cannot be written, or differs from
    what it should say when it is read again.
    """
    try:
        folder.mkdir()
    except OSError as error:
        raise OutputError(f"{folder} could not be made ({error.strerror or error})") from error
    written = []
    for kind in sorted(kinds, key=list(KINDS).index):
        with stage(f"dicom: {kind}"):
            for name, dataset in _make(kind, making):
                save_dicom(dataset, folder / name)
                _check(kind, folder / name, dataset, making.inputs)
                written.append(name)
    return written


def _make(kind: str, making: Making) -> Iterator[tuple[str, Dataset]]:
    try:
        yield from MAKERS[kind](making)
    except GroundglassError:
        raise
    except Exception as error:  # a header can hold what no library has thought of
        log.debug("making %s", kind, exc_info=True)
        raise OutputError(
            f"the DICOM object {kind!r} could not be made ({type(error).__name__}: {error})",
            expected="a header that DICOM objects can be derived from",
            remedy="Run it again with --dicom none, and please report this",
        ) from error


def _check(kind: str, path: Path, made: Dataset, inputs: ReportInputs) -> None:
    """Read a file back: what it carries, and whose it is. Raises: OutputError."""
    check_owner(path, made)
    if kind == "seg":
        check_segmentation(path, inputs.volume, inputs.lungs, inputs.lesions)
    elif kind == "sr":
        check_report(path, inputs.findings)
    elif kind == "pdf":
        check_document(path, made)
    else:
        check_picture(path, made)


def _segmentation(making: Making) -> Iterator[tuple[str, Dataset]]:
    from groundglass.outputs.dicom.segmentation import make_segmentation

    inputs = making.inputs
    made = make_segmentation(inputs.volume, inputs.lungs, inputs.lesions, identity=making.identity)
    if made is None:
        making.notes["seg"] = "no slice that has a source image holds lung or lesion"
        return
    making.made["seg"] = made
    yield "seg.dcm", made


def _report(making: Making) -> Iterator[tuple[str, Dataset]]:
    from groundglass.outputs.dicom.report_sr import make_report

    yield (
        "sr.dcm",
        make_report(
            making.inputs.findings,
            identity=making.identity,
            segmentation=making.made.get("seg"),
        ),
    )


def _pdf(making: Making) -> Iterator[tuple[str, Dataset]]:
    from groundglass.outputs.dicom.encapsulated_pdf import encapsulate_report

    yield "report.dcm", encapsulate_report(making.inputs, making.identity)


def _pictures(making: Making) -> Iterator[tuple[str, Dataset]]:
    from groundglass.outputs.dicom.secondary_capture import make_captures

    for dataset in make_captures(making.inputs, making.identity):
        yield f"sc-{dataset.InstanceNumber:03d}.dcm", dataset


MAKERS: dict[str, Maker] = {"seg": _segmentation, "sr": _report, "pdf": _pdf, "sc": _pictures}
