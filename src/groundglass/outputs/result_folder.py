"""A result folder that is whole or absent: written beside its place, then renamed into it.

While a run works, its files lie in `.NAME.partial-HOST-PID` beside NAME. Renaming is one step
of the file system, so a kill at any moment leaves the old result, the new one, or none: never
half of one. Folders of runs that died are removed by the next run.
"""

from __future__ import annotations

import errno
import os
import re
import shutil
import socket
from pathlib import Path
from types import TracebackType

from groundglass.errors import OutputError

NEEDED_FILES = ("lungs.nii.gz", "lesions.nii.gz", "findings.json", "run.json")
"""What every whole result holds."""
RESULT_FILES = frozenset(
    {*NEEDED_FILES, "labels.json", "report.html", "report.pdf", "lesion_probability.nii.gz"}
)
"""Files a result may hold; a folder with anything else is not ours to replace."""
DICOM_FOLDER = "dicom"
_DICOM_FILE = re.compile(r"(seg|sr|report|sc-\d+)\.dcm")
"""A result may hold this folder with such files alone: one of that name may be somebody's scan."""


def is_complete(final: Path) -> bool:
    """Whether `final` holds a whole result."""
    return all((final / name).is_file() for name in NEEDED_FILES)


class ResultFolder:
    """Context manager: gives the folder to write into, and puts it in place at the end.

    Entering checks `final` (absent, empty, or an older result); leaving without an exception
    puts the new result in place; leaving with one removes what was written. Where `final`
    cannot be renamed over (a mount point, a read-only parent) the files are written into a
    folder inside it and moved one by one, run.json last, which `is_complete` needs.
    Raises: OutputError where `final` holds foreign files, a whole result and `overwrite` is
    False, or where nothing can be written.
    """

    def __init__(self, final: Path, overwrite: bool = False) -> None:
        self.final = Path(os.path.abspath(final))
        self.overwrite = overwrite
        self._tag = f"{socket.gethostname()}-{os.getpid()}"
        self._inside = False
        self.partial = self.final.with_name(f".{self.final.name}.partial-{self._tag}")

    def __enter__(self) -> Path:
        try:
            self.final.parent.mkdir(parents=True, exist_ok=True)
            _clean_up(self.final)
            self._check_final()
            self._inside = os.path.ismount(self.final) or (
                self.final.is_dir() and not os.access(self.final.parent, os.W_OK)
            )
            if self._inside:
                self.partial = self.final / f".{self.final.name}.partial-{self._tag}"
            shutil.rmtree(self.partial, ignore_errors=True)
            self.partial.mkdir()
        except OSError as error:
            raise self._failed(error) from error
        return self.partial

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            if kind is None:
                self._put_in_place()
        except OSError as error:
            raise self._failed(error) from error
        finally:
            shutil.rmtree(self.partial, ignore_errors=True)

    def _check_final(self) -> None:
        if not self.final.exists():
            return
        if not self.final.is_dir():
            raise OutputError(
                f"{self.final} is a file", expected="a folder", remedy="Name another place"
            )
        foreign = sorted(
            name
            for child in self.final.iterdir()
            if not _is_temporary(child.name, self.final.name)
            for name in _foreign_in(child)
        )
        if foreign:
            shown = ", ".join(foreign[:3]) + (", ..." if len(foreign) > 3 else "")
            raise OutputError(
                f"{self.final} holds files that are no result of ours ({shown})",
                expected="an empty folder or an older result",
                remedy="Name another folder; nothing in this one was touched",
            )
        if is_complete(self.final) and not self.overwrite:
            raise OutputError(
                f"{self.final} already holds a whole result",
                expected="an empty folder",
                remedy="Name another folder, or ask for the old result to be overwritten",
            )

    def _put_in_place(self) -> None:
        missing = [name for name in NEEDED_FILES if not (self.partial / name).is_file()]
        if missing:
            raise OutputError(
                f"result for {self.final} lacks {', '.join(missing)}",
                expected="all of " + ", ".join(NEEDED_FILES),
            )
        self._check_final()  # it may have filled up meanwhile
        if self._inside:
            self._move_inside()
            return
        aside = self.final.with_name(f".{self.final.name}.old-{self._tag}")
        if self.final.exists():
            os.rename(self.final, aside)
        try:
            os.rename(self.partial, self.final)
        except OSError:
            if aside.exists():
                os.rename(aside, self.final)
            raise
        shutil.rmtree(aside, ignore_errors=True)

    def _move_inside(self) -> None:
        (self.final / "run.json").unlink(missing_ok=True)
        for name in RESULT_FILES - {"run.json"}:
            (self.final / name).unlink(missing_ok=True)
        shutil.rmtree(self.final / DICOM_FOLDER, ignore_errors=True)
        for child in sorted(self.partial.iterdir(), key=lambda path: path.name == "run.json"):
            os.replace(child, self.final / child.name)

    def _failed(self, error: OSError) -> OutputError:
        return OutputError(
            f"result folder {self.final} could not be written ({error.strerror or error})",
            remedy="Check that the place is writable and has room",
        )


def _foreign_in(child: Path) -> list[str]:
    """What of this file or folder is no part of a result."""
    if child.name == DICOM_FOLDER and child.is_dir():
        return [
            f"{child.name}/{inner.name}"
            for inner in child.iterdir()
            if not _DICOM_FILE.fullmatch(inner.name)
        ]
    return [] if child.name in RESULT_FILES else [child.name]


def _is_temporary(name: str, final_name: str) -> bool:
    return _owner(name, final_name) is not None


def _owner(name: str, final_name: str) -> tuple[str, str, int] | None:
    """(kind, host, process) of a folder that a run named, or None."""
    pattern = rf"\.{re.escape(final_name)}\.(partial|old)-(.+)-(\d+)"
    match = re.fullmatch(pattern, name)
    return (match[1], match[2], int(match[3])) if match else None


def _clean_up(final: Path) -> None:
    """Remove what dead runs on this machine left; give back a whole result they set aside."""
    for folder in (final.parent, final):
        if not folder.is_dir():
            continue
        for child in folder.iterdir():
            owner = _owner(child.name, final.name)
            if owner is None or owner[1] != socket.gethostname() or _is_alive(owner[2]):
                continue
            if owner[0] == "old" and is_complete(child) and not final.exists():
                os.rename(child, final)
            else:
                shutil.rmtree(child, ignore_errors=True)


def _is_alive(process: int) -> bool:
    """Whether a process other than this one runs under the number."""
    if process == os.getpid():
        return False  # a run before us had our number (common in containers)
    try:
        os.kill(process, 0)
    except OSError as error:
        return error.errno == errno.EPERM
    return True
