"""A whole input, de-identified into a new folder; and the file that tells old names from new."""

from __future__ import annotations

import csv
import io
from pathlib import Path

from groundglass.deidentification.dicom_files import Outcome, deidentify_dicom
from groundglass.deidentification.profiles import Profile
from groundglass.deidentification.scan import scan_pseudonym
from groundglass.deidentification.secret_key import SecretKey, write_private
from groundglass.deidentification.volume_files import clean_volume_file
from groundglass.errors import OutputError, UnreadableError
from groundglass.io.found import Found, locate
from groundglass.io.placing import new_folder

_SUFFIXES = {"nifti": (".nii.gz", ".nii"), "nrrd": (".nrrd",)}


def deidentify_input(
    path: Path,
    out: Path,
    key: SecretKey,
    *,
    profile: Profile,
    mapping: Path | None = None,
    keep_burned_in: bool = False,
) -> Outcome:
    """De-identify a DICOM folder, zip or file, a NIfTI or an NRRD file, into the new folder `out`.

    The folder is whole or absent. `mapping`: a new file (mode 0600) for old and new names.
    Raises: UnreadableError where nothing is left to write, OutputError, SeriesError.
    """
    _check_places(path, out, mapping)
    with locate(path) as found, new_folder(out) as folder:
        outcome = (
            deidentify_dicom(
                found.files, folder, key, profile=profile, keep_burned_in=keep_burned_in
            )
            if found.kind == "dicom"
            else _volume(found, folder, key)
        )
        if not outcome.written:
            said = ", ".join(f"{count} {reason}" for reason, count in outcome.left_out.items())
            raise UnreadableError(
                f"{path.name} holds no image that can be de-identified ({said})",
                expected="DICOM images, NIfTI or NRRD",
                remedy="Where images may show text, look at them and then use --keep-burned-in",
            )
        if mapping is not None:
            write_private(mapping, _table(outcome))
    return outcome


def _check_places(path: Path, out: Path, mapping: Path | None) -> None:
    source, target = path.resolve(), out.resolve()
    if source.is_dir() and (target == source or source in target.parents):
        raise OutputError(
            f"output {out} lies inside the input {path}", expected="a folder outside of it"
        )
    if mapping is not None:
        inside = target in mapping.resolve().parents or mapping.resolve() == target
        if inside or mapping.exists():
            wrong = "lies in the output, which is to be given away" if inside else "is there"
            raise OutputError(f"mapping {mapping} {wrong}", expected="a new file elsewhere")


def _volume(found: Found, folder: Path, key: SecretKey) -> Outcome:
    source = found.files[0]
    name = source.name.lower()
    suffix = next((s for s in _SUFFIXES.get(found.kind, ()) if name.endswith(s)), "")
    pseudonym = scan_pseudonym(key, found.scan_id)
    clean_volume_file(source, folder / (pseudonym + suffix), found.kind)
    return Outcome(written=1, names={("scan", found.scan_id): pseudonym})


def _table(outcome: Outcome) -> str:
    """CSV: kind, old, new, and the days that were added to the dates of a patient."""
    stream = io.StringIO()
    writer = csv.writer(stream)
    writer.writerow(("kind", "old", "new", "days"))
    for (kind, old), new in sorted(outcome.names.items()):
        days = outcome.days.get(old, "") if kind == "patient" else ""
        writer.writerow((kind, old, new, days))
    return stream.getvalue()
