"""All DICOM objects of a result: which kinds there are, and how each is made, saved and checked."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path

from pydicom.dataset import Dataset

from groundglass.errors import OutputError, SettingsError
from groundglass.outputs.dicom.identity import KINDS, Identity
from groundglass.outputs.dicom.read_back import check_report, check_segmentation
from groundglass.outputs.dicom.save import save_dicom
from groundglass.outputs.report.inputs import ReportInputs

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
            for name, dataset in MAKERS[kind](making):
                save_dicom(dataset, folder / name)
                written.append(name)
            _check(kind, folder, making)
    return written


def _check(kind: str, folder: Path, making: Making) -> None:
    """Read back what carries numbers or masks."""
    inputs = making.inputs
    if kind == "seg" and kind in making.made:
        check_segmentation(folder / "seg.dcm", inputs.volume, inputs.lungs, inputs.lesions)
    elif kind == "sr":
        check_report(folder / "sr.dcm", inputs.findings)


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
