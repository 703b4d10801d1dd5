"""`groundglass phantom`: procedural chest CTs whose lungs and lesions are known."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from groundglass.phantom.dicom_writer import DicomOptions
    from groundglass.phantom.settings import PhantomSettings

_Out = Annotated[
    Path | None, typer.Argument(help="New folder to write into; or --out.", show_default=False)
]
_Form = Annotated[str, typer.Option("--format", help="dicom or nifti.")]
_Size = Annotated[
    str,
    typer.Option(
        help="Voxels along the array axes D,H,W (axial: slices, rows, columns). "
        "Cohort: one number, of rows and of columns; left out, 128."
    ),
]
_Spacing = Annotated[
    str | None, typer.Option(help="mm along D,H,W. Left out: the whole chest fits into the grid.")
]
_Seed = Annotated[
    int, typer.Option(help="Which patient, or which cohort; the same seed is the same one.")
]
_Involvement = Annotated[float, typer.Option(help="Share of the lungs that is diseased, 0 to 0.8.")]
_Consolidation = Annotated[
    float, typer.Option(help="Share of the lesions that is consolidated, 0 to 1.")
]
_Noise = Annotated[float, typer.Option(help="Standard deviation of the noise in HU.")]
_Tilt = Annotated[float, typer.Option(help="Gantry tilt in degrees.")]
_Orientation = Annotated[
    str, typer.Option(help="Where D, H, W point, in letters of L/R, P/A, S/I.")
]
_Oblique = Annotated[str, typer.Option(help="Turn of the grid about x,y,z in degrees.")]
_Missing = Annotated[str, typer.Option(help="DICOM: slices to leave out, such as 10,11,40.")]
_Duplicate = Annotated[str, typer.Option(help="DICOM: slices to write twice.")]
_Scout = Annotated[
    str, typer.Option(help="DICOM: add a localizer: none, same or other series UID, or both.")
]
_Second = Annotated[
    bool, typer.Option("--second-series", help="DICOM: add every other slice as a series.")
]
_Shuffle = Annotated[bool, typer.Option("--shuffle-names", help="DICOM: file names in no order.")]
_Syntax = Annotated[str, typer.Option(help="DICOM: explicit, implicit, rle, jpegls or jpeg2000.")]
_Unsigned = Annotated[
    bool, typer.Option("--unsigned", help="DICOM: store HU + 1024, intercept -1024.")
]
_Enhanced = Annotated[
    bool, typer.Option("--enhanced", help="DICOM: one enhanced multi-frame file.")
]
_Domain = Annotated[str, typer.Option(help="NIfTI: hu, hu+1024, or uint8 (window 1500 at -600).")]
_Cohort = Annotated[
    int | None,
    typer.Option(help="So many scans of several people, laid out as MosMedData; NIfTI in HU."),
]
_Folder = Annotated[
    Path | None, typer.Option("--out", help="Cohort: also a folder that it was begun in.")
]
_Slices = Annotated[str, typer.Option(help="Cohort: fewest and most slices of a scan.")]
_Shares = Annotated[
    str,
    typer.Option(help="Cohort: scans of CT-0 to CT-4: balanced, mosmed, or such as 5,3,2,1,1."),
]
_Masks = Annotated[
    str, typer.Option(help="Cohort: share of the scans labeled CT-1 that have a mask, or all.")
]
_LabelNoise = Annotated[
    float, typer.Option(help="Cohort: chance of a wrong label at 25 %; falls with the distance.")
]
_Only = Annotated[str, typer.Option(help="Cohort: only these of its scans, such as 3,17.")]
_Jobs = Annotated[int, typer.Option(help="Cohort: processes.")]

_SHARED = ("out", "folder", "size", "seed")
_COHORT = ("cohort", "slices", "shares", "masks", "label_noise", "only", "jobs")


def phantom(
    context: typer.Context,
    out: _Out = None,
    form: _Form = "dicom",
    size: _Size = "96,256,256",
    spacing: _Spacing = None,
    seed: _Seed = 0,
    involvement: _Involvement = 0.1,
    consolidation: _Consolidation = 0.3,
    noise: _Noise = 20.0,
    tilt: _Tilt = 0.0,
    orientation: _Orientation = "SPL",
    oblique: _Oblique = "0,0,0",
    missing: _Missing = "",
    duplicate: _Duplicate = "",
    scout: _Scout = "none",
    second_series: _Second = False,
    shuffle_names: _Shuffle = False,
    transfer_syntax: _Syntax = "explicit",
    unsigned: _Unsigned = False,
    enhanced: _Enhanced = False,
    domain: _Domain = "hu",
    cohort: _Cohort = None,
    folder: _Folder = None,
    slices: _Slices = "12,48",
    shares: _Shares = "balanced",
    masks: _Masks = "0.3",
    label_noise: _LabelNoise = 0.3,
    only: _Only = "",
    jobs: _Jobs = 1,
) -> None:
    """Make a procedural chest CT with known lungs, lesions and shares, for tests and benchmarks.

    It is no substitute for real data: accuracy on a phantom says nothing about patients.
    Written are the scan (dicom/ or ct.nii.gz) and beside it lungs.nii.gz (1 right, 2 left),
    lesions.nii.gz and truth.json. With --cohort, many scans as `groundglass prepare mosmed`
    reads them, with cohort_truth.csv; interrupted, it goes on.
    """
    from groundglass.cli.phantom_cohort import DEFAULT_SIZE, cohort_settings, write_cohort_tree
    from groundglass.phantom.dicom_writer import DicomOptions
    from groundglass.phantom.settings import PhantomSettings

    place = _place(out, folder)
    given = _given(context)
    _refuse_idle(given, is_cohort=cohort is not None)
    if cohort is not None:
        settings = cohort_settings(
            cohort,
            seed=seed,
            size=_wholes("--size", size if "size" in given else str(DEFAULT_SIZE)),
            slices=_wholes("--slices", slices, 2),
            shares=shares,
            masks=masks,
            label_noise=label_noise,
        )
        chosen = _wholes("--only", only)
        typer.echo(write_cohort_tree(place, settings, only=chosen, jobs=jobs))
        return
    d, h, w = _wholes("--size", size, 3)
    step = _numbers("--spacing", spacing, 3) if spacing else None
    x, y, z = _numbers("--oblique", oblique, 3)
    single = PhantomSettings(
        shape=(d, h, w),
        spacing_mm=(step[0], step[1], step[2]) if step else None,
        seed=seed,
        involvement=involvement,
        consolidation_share=consolidation,
        noise_hu=noise,
        tilt_degrees=tilt,
        orientation=orientation.upper(),
        rotation_degrees=(x, y, z),
    )
    options = DicomOptions(
        missing=tuple(_wholes("--missing", missing)),
        duplicates=tuple(_wholes("--duplicate", duplicate)),
        scout=scout,
        second_series=second_series,
        shuffle_names=shuffle_names,
        transfer_syntax=transfer_syntax,
        unsigned=unsigned,
        enhanced=enhanced,
    )
    typer.echo(_write(place, form, single, options=options, domain=domain))


def _place(out: Path | None, folder: Path | None) -> Path:
    """The folder, named in either way."""
    from groundglass.errors import SettingsError

    if out is None and folder is None:
        raise SettingsError("no folder to write into was named", expected="OUT or --out DIR")
    if out is not None and folder is not None:
        raise SettingsError(f"both {out} and --out {folder} were named", expected="one of them")
    return out or folder or Path()


def _given(context: typer.Context) -> dict[str, str]:
    """Parameters that were typed -> their option as it is typed."""
    return {
        one.name: one.opts[0]
        for one in context.command.params
        if one.name and getattr(context.get_parameter_source(one.name), "name", "") == "COMMANDLINE"
    }


def _refuse_idle(given: dict[str, str], *, is_cohort: bool) -> None:
    """Options of the other kind of phantom would have no effect: say so."""
    from groundglass.errors import SettingsError

    known = set(_SHARED) | set(_COHORT)
    idle = [o for n, o in given.items() if (n not in known if is_cohort else n in _COHORT)]
    if idle:
        kind = "with --cohort" if is_cohort else "without --cohort"
        raise SettingsError(f"{', '.join(idle)} have no effect {kind}", expected="them left out")


def _write(
    out: Path, form: str, settings: PhantomSettings, *, options: DicomOptions, domain: str
) -> str:
    """Make and write the phantom; a sentence about it."""
    from groundglass.errors import SettingsError
    from groundglass.io.placing import new_folder
    from groundglass.phantom.chest import make_phantom
    from groundglass.phantom.dicom_writer import DicomOptions, write_dicom_series
    from groundglass.phantom.nifti_writer import DOMAINS, write_nifti, write_reference

    for option, value, known in (
        ("--format", form, ("dicom", "nifti")),
        ("--domain", domain, DOMAINS),
    ):
        if value not in known:
            raise SettingsError(f"{option} is {value!r}", expected=f"one of {', '.join(known)}")
    idle = {"dicom": domain != "hu", "nifti": options != DicomOptions()}[form]
    if idle:
        other = {"dicom": "--domain is for nifti", "nifti": "an option is for dicom"}[form]
        raise SettingsError(f"--format is {form!r}, but {other}", expected="options of one form")
    with new_folder(out) as partial:
        made = make_phantom(settings)
        if form == "dicom":
            write_dicom_series(made, partial / "dicom", options)
            write_reference(made, partial, written={"format": form, **options.to_dict()})
        else:
            write_nifti(made, partial / "ct.nii.gz", domain)
            write_reference(made, partial, written={"format": form, "domain": domain})
    share = made.truth["lesions"]["involvement_percent"]
    lungs = f"lungs {made.truth['lungs']['total']['volume_ml']:.0f} ml, {share or 0:.1f} % diseased"
    if share is None:
        lungs = "no lung in the field of view"
    return f"{out}: {lungs}. A phantom, no substitute for real data."


def _numbers(option: str, text: str, count: int | None = None) -> list[float]:
    """Numbers between commas; `count` of them if given. Raises: SettingsError."""
    from groundglass.errors import SettingsError

    try:
        values = [float(part) for part in text.split(",")] if text.strip() else []
    except ValueError:
        values = None
    if values is None or (count is not None and len(values) != count):
        raise SettingsError(
            f"{option} is {text!r}",
            expected=f"{count or 'some'} numbers with commas between them",
        )
    return values


def _wholes(option: str, text: str, count: int | None = None) -> list[int]:
    """Whole numbers between commas. Raises: SettingsError."""
    from groundglass.errors import SettingsError

    values = _numbers(option, text, count)
    if any(value != int(value) for value in values):
        raise SettingsError(f"{option} is {text!r}", expected="whole numbers")
    return [int(value) for value in values]
