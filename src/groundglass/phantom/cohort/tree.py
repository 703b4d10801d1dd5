"""A cohort of phantoms on disk, laid out as MosMedData is published; interrupted, it goes on."""

from __future__ import annotations

import csv
import io
import json
import multiprocessing
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from hashlib import sha256
from pathlib import Path
from typing import Any

from groundglass.errors import OutputError, SettingsError
from groundglass.io.phantom_mark import MARKER, is_phantom_folder, read_marker
from groundglass.phantom.cohort.readme import readme_text
from groundglass.phantom.cohort.registry_sheet import REGISTRY, registry_bytes
from groundglass.phantom.cohort.scan import make_cohort_scan
from groundglass.phantom.cohort.settings import CohortSettings
from groundglass.phantom.nifti_writer import save_bytes, write_array

FORMAT = "groundglass-phantom-cohort-1"
TRUTH, TRUTHS, README = "cohort_truth.csv", "truth", "README.txt"
_STUDIES, _MASKS = "studies", "masks"

Truth = dict[str, Any]
ProgressCallback = Callable[[int, int, str], None]
"""Called with (scans whole, scans wanted, scan) after each scan, also one that was there."""


def write_cohort(
    folder: Path,
    settings: CohortSettings,
    *,
    only: Sequence[int] = (),
    jobs: int = 1,
    progress: ProgressCallback | None = None,
) -> list[Truth]:
    """Write scans 1 to `count`, or `only` these of them, and the tables of all that are there.

    `studies/CT-*/`, `masks/`, `dataset_registry.xlsx` as `groundglass prepare mosmed` reads
    them; beside them `cohort_truth.csv`, `truth/` (its lines, one file a scan), README.txt and
    the marker by which the scans are known as phantoms. A scan that is whole is not made again;
    the others are written beside and renamed, their line in `truth/` last. So a run that was
    killed goes on, and a longer cohort takes up a shorter one.
    Returns the lines of the truth table. Raises: SettingsError for other settings than the
    folder's or numbers beyond `count`, OutputError where it cannot be written or the folder
    holds something else, MissingExtraError without openpyxl.
    """
    numbers = sorted({*only}) or list(range(1, settings.count + 1))
    if not 1 <= numbers[0] <= numbers[-1] <= settings.count:
        raise SettingsError(
            f"scans {', '.join(map(str, only))} were asked for",
            expected=f"numbers from 1 to {settings.count}",
        )
    if jobs < 1:
        raise SettingsError(f"jobs is {jobs}", expected="1 or more processes")
    registry_bytes(())  # fails before hours of work where it cannot be written afterwards
    _begin(folder, settings)
    missing = [n for n in numbers if read_whole(folder, n) is None]
    done = len(numbers) - len(missing)
    for name in _make_all(folder, settings, missing, jobs):
        done += 1
        if progress is not None:
            progress(done, len(numbers), name)
    truths = [t for n in range(1, settings.count + 1) if (t := read_whole(folder, n)) is not None]
    _write_tables(folder, truths)
    return truths


def read_whole(folder: Path, number: int) -> Truth | None:
    """The truth of a scan whose files are all there as they were written, else None."""
    try:
        kept = json.loads(_truth_path(folder, number).read_text(encoding="utf-8"))
        for name, digest in kept["sha256"].items():
            if sha256((folder / name).read_bytes()).hexdigest() != digest:
                return None
        return kept["truth"]
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def write_scan(folder: Path, settings: CohortSettings, number: int) -> str:
    """Make one scan and put its files into the tree; its name."""
    scan = make_cohort_scan(settings, number)
    name = scan.plan.name
    files = {f"{_STUDIES}/{scan.label}/{name}.nii.gz": scan.hu}
    if scan.has_mask:
        files = {f"{_MASKS}/{name}_mask.nii.gz": scan.lesions, **files}
    digests = {}
    for file, array in files.items():
        partial = _partial(folder / file)
        write_array(partial, array, scan.affine)
        digests[file] = sha256(partial.read_bytes()).hexdigest()
        _into_place(partial, folder / file)
    text = json.dumps({"truth": scan.truth, "sha256": digests}, indent=1) + "\n"
    _replace(_truth_path(folder, number), text.encode())
    return name


def _begin(folder: Path, settings: CohortSettings) -> None:
    """Mark the folder before anything else is in it; refuse one that is not ours."""
    if is_phantom_folder(folder):
        _check_same(folder, settings)
    elif folder.exists() and not (folder.is_dir() and not any(folder.iterdir())):
        raise OutputError(
            f"{folder} is there, not empty and without {MARKER}",
            expected="a new or an empty folder, or one that a phantom cohort was begun in",
            remedy="Name another place",
        )
    marker = {
        "format": FORMAT,
        "note": "Made-up phantoms: no patients, no clinical meaning.",
        "settings": settings.to_dict(),
    }
    _replace(folder / MARKER, (json.dumps(marker, indent=1) + "\n").encode())
    _replace(folder / README, readme_text(settings).encode())


def _check_same(folder: Path, settings: CohortSettings) -> None:
    """All settings that a scan depends on must be those the folder was begun with."""
    found = read_marker(folder)
    kept, wanted = found.get("settings"), settings.to_dict()
    if found.get("format") != FORMAT or not isinstance(kept, dict):
        raise OutputError(
            f"{folder / MARKER} is damaged or of another version",
            expected=f"a marker of format {FORMAT}",
            remedy="Name another place",
        )
    differ = [f"{k} {kept.get(k)}" for k in wanted if k != "count" and kept.get(k) != wanted[k]]
    if not differ and kept.get("count", 0) > settings.count:
        differ = [f"count {kept['count']}"]
    if differ:
        raise SettingsError(
            f"{folder} was begun with {', '.join(differ)}",
            expected="the same settings, and as many scans or more",
            remedy="Give the same options again, or name another place",
        )


def _make_all(
    folder: Path, settings: CohortSettings, numbers: Sequence[int], jobs: int
) -> Iterator[str]:
    """Names of scans as they get done."""
    if jobs == 1 or len(numbers) < 2:
        for number in numbers:
            yield write_scan(folder, settings, number)
        return
    # Spawned, not forked: a fork of a process with threads may hang.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(min(jobs, len(numbers)), mp_context=context) as pool:
        waiting = [pool.submit(write_scan, folder, settings, number) for number in numbers]
        try:
            for one in as_completed(waiting):
                yield one.result()
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


def _write_tables(folder: Path, truths: Sequence[Truth]) -> None:
    lines = [_registry_line(one) for one in truths]
    _replace(folder / REGISTRY, registry_bytes(lines))
    _replace(folder / TRUTH, _csv(truths).encode())


def _registry_line(truth: Truth) -> tuple[int, str, str, str | None]:
    name, grade = truth["scan"], truth["label_grade"]
    mask = f"/{_MASKS}/{name}_mask.nii.gz" if truth["mask"] else None
    return truth["number"], grade, f"/{_STUDIES}/{grade}/{name}.nii.gz", mask


def _csv(truths: Iterable[Truth]) -> str:
    rows = list(truths)
    text = io.StringIO()
    if rows:
        writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    return text.getvalue()


def _truth_path(folder: Path, number: int) -> Path:
    return folder / TRUTHS / f"study_{number:04d}.json"


def _replace(path: Path, content: bytes) -> None:
    partial = _partial(path)
    save_bytes(partial, content)
    _into_place(partial, path)


def _partial(path: Path) -> Path:
    """A hidden place beside `path`, its folder made. The same again after a kill: no litter."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise _unwritable(path.parent, error) from error
    return path.with_name(f".{path.name}.partial")


def _into_place(partial: Path, path: Path) -> None:
    try:
        partial.replace(path)
    except OSError as error:
        raise _unwritable(path, error) from error


def _unwritable(path: Path, error: OSError) -> OutputError:
    return OutputError(
        f"{path} could not be written ({error.strerror or error})",
        remedy="Check that its parent is writable and has room",
    )
