"""`groundglass phantom`: a procedural chest CT whose lungs and lesions are known."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from groundglass.phantom.dicom_writer import DicomOptions
    from groundglass.phantom.settings import PhantomSettings

_Out = Annotated[Path, typer.Argument(help="New folder to write into.")]
_Form = Annotated[str, typer.Option("--format", help="dicom or nifti.")]
_Size = Annotated[
    str, typer.Option(help="Voxels along the array axes D,H,W (axial: slices, rows, columns).")
]
_Spacing = Annotated[
    str | None, typer.Option(help="mm along D,H,W. Left out: the whole chest fits into the grid.")
]
_Seed = Annotated[int, typer.Option(help="Which patient; the same seed is the same one.")]
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


def phantom(
    out: _Out,
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
) -> None:
    """Make a procedural chest CT with known lungs, lesions and shares, for tests and benchmarks.

    It is no substitute for real data: accuracy on a phantom says nothing about patients.
    Written are the scan (dicom/ or ct.nii.gz) and beside it lungs.nii.gz (1 right, 2 left),
    lesions.nii.gz and truth.json.
    """
    from groundglass.phantom.dicom_writer import DicomOptions
    from groundglass.phantom.settings import PhantomSettings

    d, h, w = _wholes("--size", size, 3)
    step = _numbers("--spacing", spacing, 3) if spacing else None
    x, y, z = _numbers("--oblique", oblique, 3)
    settings = PhantomSettings(
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
    typer.echo(_write(out, form, settings, options=options, domain=domain))


def _write(
    out: Path, form: str, settings: PhantomSettings, *, options: DicomOptions, domain: str
) -> str:
    """Make and write the phantom; a sentence about it."""
    from groundglass.errors import SettingsError
    from groundglass.phantom.chest import make_phantom
    from groundglass.phantom.dicom_writer import DicomOptions, write_dicom_series
    from groundglass.phantom.nifti_writer import DOMAINS, write_nifti, write_reference
    from groundglass.phantom.placing import new_folder

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
