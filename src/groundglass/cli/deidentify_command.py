"""`groundglass deidentify`: DICOM, NIfTI and NRRD without who the patient is."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from groundglass.deidentification.dicom_files import Outcome
    from groundglass.deidentification.secret_key import SecretKey


def deidentify(
    input: Annotated[
        Path,
        typer.Argument(
            help="DICOM folder, zip or file; NIfTI or NRRD file",
            metavar="INPUT",
            show_default=False,
        ),
    ],
    out: Annotated[
        Path, typer.Argument(help="New folder for the result", metavar="OUT", show_default=False)
    ],
    profile: Annotated[
        str, typer.Option("--profile", help="basic, longitudinal or research")
    ] = "basic",
    key: Annotated[
        Path | None,
        typer.Option(
            "--key",
            help="Secret key file, made if it is not there; without one, a random key for this run",
            show_default=False,
        ),
    ] = None,
    mapping: Annotated[
        Path | None,
        typer.Option(
            "--mapping", help="Write old and new names here (mode 0600)", show_default=False
        ),
    ] = None,
    keep_burned_in: Annotated[
        bool,
        typer.Option("--keep-burned-in", help="Also write images whose pixels may show text"),
    ] = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="Errors only")] = False,
) -> None:
    """Write the input without names, ids, dates, UIDs and free text (DICOM PS3.15, annex E).

    Pixels are not changed: look at the images before you give them away.
    """
    from groundglass.cli.speech import set_up_logging
    from groundglass.deidentification.profiles import find_profile
    from groundglass.deidentification.run import deidentify_input

    set_up_logging(quiet=quiet, verbose=False)
    chosen = find_profile(profile)
    outcome = deidentify_input(
        input, out, load_key(key), profile=chosen, mapping=mapping, keep_burned_in=keep_burned_in
    )
    if not quiet:
        typer.echo("\n".join(outcome_lines(outcome)), err=True)
        typer.echo(str(out))


def load_key(path: Path | None) -> SecretKey:
    """The key of a file, or a random one."""
    from groundglass.deidentification.secret_key import random_key, read_or_make_key

    return random_key() if path is None else read_or_make_key(path)


def outcome_lines(outcome: Outcome) -> list[str]:
    """What was done, in a few lines for a person; without any name."""
    from groundglass.deidentification.profiles import NOT_REMOVED

    lines = [f"{outcome.written} files written"]
    if outcome.count("patient"):
        lines[0] += (
            f": {outcome.count('patient')} patients, {outcome.count('study')} studies, "
            f"{outcome.count('series')} series"
        )
    if outcome.redacted:
        lines.append(f"{outcome.redacted} attributes that stay held a name or number and were cut")
    if outcome.silent:
        lines.append(f"{outcome.silent} images do not say whether text is burned in: look at them")
    lines += [f"left out: {count} files, {reason}" for reason, count in outcome.left_out.items()]
    lines.append(f"not removed: {NOT_REMOVED}")
    return lines
