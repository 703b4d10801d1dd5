"""What a path is: DICOM files, one volume file, or pictures; and what the scan is called."""

from __future__ import annotations

import contextlib
import os
import re
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from groundglass.errors import SeriesError, UnreadableError
from groundglass.io.archive import extract_zip
from groundglass.io.dicom_file import looks_like_dicom

NIFTI = (".nii", ".nii.gz")
NRRD = (".nrrd", ".nhdr")
METAIMAGE = (".mha", ".mhd")
_PICTURES = (".png", ".jpg", ".jpeg")
_SUFFIXES = (*NIFTI, *NRRD, *METAIMAGE, *_PICTURES, ".zip", ".dcm", ".dicom", ".ima")


@dataclass(frozen=True)
class Found:
    """`kind` is dicom, nifti, nrrd, metaimage or pictures; `files` in natural order.

    `root` is what names in messages are relative to.
    """

    kind: str
    files: tuple[Path, ...]
    root: Path
    scan_id: str


@contextlib.contextmanager
def locate(path: Path) -> Iterator[Found]:
    """What lies at `path`. A zip is unpacked to a folder that is gone afterwards.

    Raises: UnreadableError where nothing readable is there; SeriesError where a folder holds
    several volume files.
    """
    path = Path(path)
    scan_id = scan_id_of(path)
    if not path.exists():
        raise UnreadableError(
            f"{path.name or path} does not exist", expected="a scan", remedy="Check the path"
        )
    if path.is_file() and path.name.lower().endswith(".zip"):
        with tempfile.TemporaryDirectory(prefix="groundglass-") as folder:
            extract_zip(path, Path(folder))
            yield _in_folder(Path(folder), scan_id, path.name)
        return
    if path.is_dir():
        yield _in_folder(path, scan_id, path.name or str(path))
        return
    if not path.is_file():
        raise UnreadableError(
            f"{path.name} is a device, pipe or socket", expected="a file or a folder"
        )
    yield _file(path, scan_id)


def scan_id_of(path: Path) -> str:
    """File stem or folder name, of [A-Za-z0-9._-] only."""
    resolved = path.resolve()
    name = resolved.name
    if not resolved.is_dir():
        for suffix in sorted(_SUFFIXES, key=len, reverse=True):
            if name.lower().endswith(suffix) and len(name) > len(suffix):
                name = name[: -len(suffix)]
                break
    clean = re.sub(r"[^A-Za-z0-9._-]+", "_", name).strip("._")
    return clean or "scan"


def natural_key(path: Path) -> list[tuple[int, int, str]]:
    """Sort key in which slice2 comes before slice10."""
    parts = re.split(r"(\d+)", str(path).lower())
    return [(0, int(part), "") if part.isdigit() else (1, 0, part) for part in parts if part]


def kind_of_name(path: Path) -> str:
    """The kind a file's name promises, '' where it promises none."""
    name = path.name.lower()
    for kind, suffixes in (
        ("nifti", NIFTI),
        ("nrrd", NRRD),
        ("metaimage", METAIMAGE),
        ("pictures", _PICTURES),
    ):
        if name.endswith(suffixes):
            return kind
    return ""


def _file(path: Path, scan_id: str) -> Found:
    if path.name.upper() == "DICOMDIR":
        return _in_folder(path.parent, scan_id_of(path.parent), path.name)
    kind = kind_of_name(path) or ("dicom" if looks_like_dicom(path) else "")
    if not kind:
        raise UnreadableError(
            f"{path.name} is no image that is known",
            expected="DICOM, a zip of DICOM, NIfTI, NRRD, MHA/MHD, PNG or JPEG",
            remedy="Name the scan's file, or its folder",
        )
    return Found(kind, (path,), path.parent, scan_id)


def _in_folder(folder: Path, scan_id: str, name: str) -> Found:
    """DICOM goes first, then one volume file, then pictures."""
    files = _walk(folder)
    if not files:
        raise UnreadableError(
            f"{name} holds no files", expected="a scan", remedy="Name the folder that it is in"
        )
    rest = tuple(path for path in files if not kind_of_name(path))
    if any(looks_like_dicom(path) for path in rest):
        return Found("dicom", rest, folder, scan_id)
    volumes = [path for path in files if kind_of_name(path) in ("nifti", "nrrd", "metaimage")]
    if len(volumes) > 1:
        listed = ", ".join(str(path.relative_to(folder)) for path in volumes[:20])
        raise SeriesError(
            f"{name} holds {len(volumes)} volume files: {listed}",
            expected="exactly one, or a DICOM series",
            remedy="Give the file itself",
        )
    if volumes:
        return Found(kind_of_name(volumes[0]), (volumes[0],), folder, scan_id)
    pictures = tuple(path for path in files if kind_of_name(path) == "pictures")
    if pictures:
        return Found("pictures", pictures, folder, scan_id)
    raise UnreadableError(
        f"{name} holds {len(files)} files and none is an image that is known",
        expected="DICOM, NIfTI, NRRD, MHA/MHD, PNG or JPEG files",
    )


def _walk(folder: Path) -> list[Path]:
    """All files below, without hidden ones, macOS's shadow folders, and pipes (they may block)."""
    out: list[Path] = []
    for base, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith((".", "__MACOSX"))]
        found = [Path(base, name) for name in names if not name.startswith(".")]
        out += [path for path in found if path.is_file()]
    return sorted(out, key=natural_key)
