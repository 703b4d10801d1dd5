"""Slices that nobody labeled, from any folder of pictures or scans, brought into frames."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from groundglass.datasets.index import (
    INDEX_NAME,
    IndexRow,
    PreparedScan,
    count_slices,
    load_prepared,
    read_index,
)
from groundglass.errors import DatasetError, InputError, NoLungError
from groundglass.intensity import Intensity, IntensityChoice, resolve_intensity
from groundglass.io.dicom_file import looks_like_dicom
from groundglass.io.found import kind_of_name, natural_key, scan_id_of
from groundglass.io.pictures import read_pictures
from groundglass.io.read import read_scan
from groundglass.ops.dark_slices import dark_slices
from groundglass.ops.frames import FRAME_SIZE, frame_images, frame_masks, frame_of
from groundglass.ops.slice_image import Frame
from groundglass.volume import Source, Volume

FindLungs = Callable[[Volume], np.ndarray]
"""From a scan to its lungs on the scan's grid, (D, H, W), 0 outside."""
ProgressCallback = Callable[[int, int, str], None]
"""Called with (scans done, scans in all, scan id) after each scan."""

NAME = "unlabeled"
_NAMED = 20
"""Problems that a message names one by one."""


@dataclass(frozen=True)
class _Item:
    """One scan: a path that `read_scan` takes, or the pictures of one folder."""

    scan_id: str
    path: Path
    pictures: tuple[Path, ...] = ()


def read_unlabelled(
    source: Path,
    *,
    intensity: IntensityChoice | None = None,
    find_lungs: FindLungs | None = None,
    license: str = "unknown",
    progress: ProgressCallback | None = None,
) -> list[PreparedScan]:
    """Read all slices at `source`, at any depth; every scan's `lesions` are empty.

    `source`: a folder of PNG or JPEG slices (of any sizes; those of one folder are one scan), of
    NIfTI, NRRD, MHA/MHD or zip files (each one scan), of DICOM series (each folder one scan), of
    several of these, a single file, or a prepared folder, whose lesion masks are dropped.
    Dark slices are left out. `find_lungs` gives scans lungs (`lungs_by` "predicted"; pictures of
    one folder must then be of one size); without it they have none (`lungs_by` "none").
    Raises: DatasetError where nothing is there, or one that names all files that cannot be read.
    """
    if (source / INDEX_NAME).is_file():
        return [without_lesions(load_prepared(source, row)) for row in read_index(source)]
    items = _with_unique_ids(list(_items(source, source)))
    scans: list[PreparedScan] = []
    problems: list[DatasetError] = []
    for done, item in enumerate(items, start=1):
        try:
            read = _read_pictures if item.pictures else _read_volume
            scans.append(read(item, intensity, find_lungs, license))
        except _ProblemsError as error:
            problems += error.problems
        except DatasetError as error:
            problems.append(error)
        if progress is not None:
            progress(done, len(items), item.scan_id)
    if not items:
        raise DatasetError(
            f"{source} holds no slices" if source.exists() else f"{source} does not exist",
            expected="PNG or JPEG slices, or DICOM, NIfTI, NRRD or MHA/MHD scans, at any depth",
        )
    if problems:
        raise _joined(source, problems)
    return scans


def without_lesions(scan: PreparedScan) -> PreparedScan:
    """The scan as if nobody had labeled its lesions; the masks it came with are not looked at."""
    row = replace(scan.row, lesion_voxels=0, lesion_slices=0)
    empty = np.zeros(scan.image.shape, np.uint8)
    return PreparedScan(row, scan.image, scan.lungs, empty, scan.slices)


class _ProblemsError(DatasetError):
    """Several pictures of one folder cannot be used."""

    def __init__(self, problems: list[DatasetError]) -> None:
        super().__init__(f"{len(problems)} pictures cannot be used")
        self.problems = problems


def _joined(source: Path, problems: Sequence[DatasetError]) -> DatasetError:
    if len(problems) == 1:
        return problems[0]
    named = "; ".join(error.problem for error in problems[:_NAMED])
    more = f"; and {len(problems) - _NAMED} more" if len(problems) > _NAMED else ""
    return DatasetError(
        f"{source} has {len(problems)} problems: {named}{more}",
        expected="every file a gray chest CT slice or scan",
        remedy="Take these files out of the folder, or get them again",
    )


def _items(path: Path, root: Path) -> Iterator[_Item]:
    """Scans at or below `path`, in natural order."""
    if path.is_file():
        pictures = (path,) if kind_of_name(path) == "pictures" else ()
        yield _Item(_scan_id(path, root), path, pictures)
        return
    if not path.is_dir():
        return
    entries = [p for p in path.iterdir() if not p.name.startswith((".", "__MACOSX"))]
    entries.sort(key=natural_key)
    files = [entry for entry in entries if entry.is_file()]
    if any(not kind_of_name(p) and looks_like_dicom(p) for p in files):
        yield _Item(_scan_id(path, root), path)  # with all folders below, as `read_scan` does
        return
    pictures = tuple(p for p in files if kind_of_name(p) == "pictures")
    if pictures:
        yield _Item(_scan_id(path, root), path, pictures)
    for entry in entries:
        if entry.is_dir():
            yield from _items(entry, root)
        elif entry not in pictures and (kind_of_name(entry) or entry.suffix.lower() == ".zip"):
            yield _Item(_scan_id(entry, root), entry)


def _scan_id(path: Path, root: Path) -> str:
    """Folders below `root` and the file's stem, of [A-Za-z0-9._-] only."""
    if path == root:
        return scan_id_of(path)
    parts = [*path.relative_to(root).parts[:-1], scan_id_of(path)]
    return re.sub(r"[^A-Za-z0-9._-]+", "_", "_".join(parts)).strip("._")


def _with_unique_ids(items: list[_Item]) -> list[_Item]:
    """a.nii and a.mha, say, would be called alike: the second becomes a-2."""
    taken: set[str] = set()
    out = []
    for item in items:
        name, number = item.scan_id, 2
        while name in taken:
            name, number = f"{item.scan_id}-{number}", number + 1
        taken.add(name)
        out.append(replace(item, scan_id=name))
    return out


def _read_volume(
    item: _Item, choice: IntensityChoice | None, find_lungs: FindLungs | None, license: str
) -> PreparedScan:
    try:
        volume, _ = read_scan(item.path, intensity=choice).to_axial()
        lungs = None if find_lungs is None else find_lungs(volume) > 0
    except (InputError, NoLungError) as error:
        raise DatasetError(f"{item.path} cannot be used: {error.problem}") from error
    frame = frame_of(volume)
    images = frame_images(volume.array, frame)
    masks = None if lungs is None else frame_masks(lungs, frame)
    dark = dark_slices(volume.array, volume.intensity)
    shape = "x".join(map(str, volume.shape))
    return _prepared(item, images, masks, volume.intensity, dark=dark, license=license, shape=shape)


def _read_pictures(
    item: _Item, choice: IntensityChoice | None, find_lungs: FindLungs | None, license: str
) -> PreparedScan:
    """Each picture is framed by its own size; what the values mean is decided for all together."""
    planes: list[np.ndarray] = []
    problems: list[DatasetError] = []
    for path in item.pictures:
        try:
            planes.append(read_pictures([path]).array[0])
        except InputError as error:
            problems.append(DatasetError(f"{path} cannot be used: {error.problem}"))
    if problems:
        raise _ProblemsError(problems)
    if len({plane.dtype for plane in planes}) > 1:
        raise DatasetError(
            f"{item.path} has pictures of 8 and of 16 bit", expected="slices of one depth"
        )
    framed = np.stack([_frame(plane).place(plane) for plane in planes])
    try:
        images, domain = resolve_intensity(framed, choice, name=item.scan_id)
        masks = None if find_lungs is None else _lungs_of(item, planes, choice, find_lungs)
    except (InputError, NoLungError) as error:
        raise DatasetError(f"{item.path} cannot be used: {error.problem}") from error
    dark = dark_slices(images, domain)
    return _prepared(item, images, masks, domain, dark=dark, license=license, shape="")


def _lungs_of(
    item: _Item, planes: list[np.ndarray], choice: IntensityChoice | None, find_lungs: FindLungs
) -> np.ndarray:
    """Lungs of a folder's pictures, taken as one scan, in frames."""
    sizes = sorted({plane.shape for plane in planes})
    if len(sizes) > 1:
        raise DatasetError(
            f"{item.path} has pictures of sizes {', '.join(map(str, sizes[:5]))}",
            expected="one size, where lungs are to be found first",
            remedy="Give each scan a folder of its own",
        )
    raw = read_pictures(item.pictures)
    array, domain = resolve_intensity(raw.array, choice, name=item.scan_id)
    source = Source(item.scan_id, "pictures", str(item.path))
    volume = Volume(array, raw.affine, domain, source, spacing_is_real=False)
    return frame_masks(find_lungs(volume) > 0, _frame(planes[0]))


def _frame(plane: np.ndarray) -> Frame:
    return Frame.fit((plane.shape[0], plane.shape[1]), FRAME_SIZE)


def _prepared(
    item: _Item,
    images: np.ndarray,
    lungs: np.ndarray | None,
    intensity: Intensity,
    *,
    dark: np.ndarray,
    license: str,
    shape: str,
) -> PreparedScan:
    """Shape: frames (D, S, S), lungs likewise or None, `dark` (D,) bool."""
    if dark.all():
        raise DatasetError(f"{item.path} has nothing but dark slices", expected="a chest CT")
    keep = ~dark
    images = np.ascontiguousarray(images[keep])
    shown = np.zeros(images.shape, np.uint8) if lungs is None else lungs[keep]
    row = IndexRow(
        scan_id=item.scan_id,
        patient_id=item.scan_id,
        group=item.scan_id,
        file=f"{item.scan_id}.npz",
        domain=intensity.domain,
        slices=len(images),
        lung_voxels=int(shown.sum()),
        lesion_voxels=0,
        lungs_by="none" if lungs is None else "predicted",
        license=license,
        source=NAME,
        dark_slices=int(dark.sum()),
        lesion_slices=0,
        lung_slices=count_slices(shown),
        provenance=item.path.name,
        source_shape=shape,
    )
    return PreparedScan(row, images, shown, np.zeros(images.shape, np.uint8))
