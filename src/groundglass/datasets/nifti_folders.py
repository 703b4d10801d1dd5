"""Data sets published as three folders of NIfTI: scans, lung masks, infection masks."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from groundglass.datasets.axial_masks import read_axial_mask
from groundglass.datasets.index import IndexRow, PreparedScan, spacing_text
from groundglass.datasets.staging import ProgressCallback, prepare_cases
from groundglass.errors import DatasetError, InputError
from groundglass.io.read import read_scan
from groundglass.ops.dark_slices import kept_slices
from groundglass.ops.frames import frame_images, frame_masks, frame_of
from groundglass.volume import Volume

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Layout:
    """How one data set is laid out, and what its labels mean.

    `infection_labels` may occur in an infection mask, those in `lesion_labels` count as lesion;
    `published` are the scan ids of the whole set, of which a copy may hold fewer.
    """

    name: str
    license: str
    record: str
    images: str
    lungs: str
    infections: str
    infection_labels: frozenset[int]
    lesion_labels: frozenset[int]
    scan_id: Callable[[Path], str]
    unpack: str
    published: tuple[str, ...]
    lung_labels: frozenset[int] = frozenset({0, 1, 2})
    groups: dict[str, str] = field(default_factory=dict)

    @property
    def folders(self) -> tuple[str, str, str]:
        return self.images, self.lungs, self.infections


@dataclass(frozen=True)
class _Case:
    scan_id: str
    image: Path
    lungs: Path
    infection: Path


def prepare_folders(
    layout: Layout, source: Path, destination: Path, *, progress: ProgressCallback | None = None
) -> list[IndexRow]:
    """Read every case under `source`; write frames, masks and index to `destination`.

    Each volume and mask is turned to axial order by its own affine, dark slices are dropped
    (but for those a mask marks), lungs become binary. Infection outside the lungs is counted,
    logged and kept. Values stay in HU, or in 8 bit where the file holds that. Nothing is put
    into place before every case was read.
    Raises: DatasetError, one that names all files that are missing, unreadable or do not fit.
    """
    cases, problems = _find_cases(layout, source)

    def join(problems: Sequence[DatasetError]) -> DatasetError:
        return DatasetError(
            f"{source} has {len(problems)} problems: " + "; ".join(p.problem for p in problems),
            expected="every file whole and fitting",
            remedy="Get these files again, or remove their cases from all three folders",
        )

    return prepare_cases(
        cases,
        lambda case: _prepare_case(layout, case),
        destination=destination,
        problems=problems,
        join=join,
        progress=progress,
    )


def _find_cases(layout: Layout, source: Path) -> tuple[list[_Case], list[DatasetError]]:
    """Every image with both its masks; and what is missing."""
    files = {name: _files_by_id(layout, _folder(layout, source, name)) for name in layout.folders}
    scan_ids = sorted(set().union(*files.values()))
    if not scan_ids:
        raise DatasetError(
            f"{source / layout.images} holds no NIfTI file", expected="*.nii.gz or *.nii"
        )
    away = [name for name in layout.published if name not in scan_ids]
    if away:
        log.warning(
            "%s: %d of the %d published scans are not there: %s",
            source,
            len(away),
            len(layout.published),
            ", ".join(away),
        )
    whole = [i for i in scan_ids if all(i in files[name] for name in files)]
    cases = [_Case(i, *(files[name][i] for name in layout.folders)) for i in whole]
    # A missing file is named as a counterpart that is there is.
    missing = [
        f"{name}/{next(files[other][i].name for other in files if i in files[other])}"
        for i in scan_ids
        for name in files
        if i not in files[name]
    ]
    if not missing:
        return cases, []
    error = DatasetError(
        f"{source} lacks {', '.join(missing)}",
        expected=f"every case in each of {layout.images}, {layout.lungs} and {layout.infections}",
        remedy="Unpack all three archives, or remove the case from all three folders",
    )
    return cases, [error]


def _folder(layout: Layout, source: Path, name: str) -> Path:
    """The folder `name`, or the one of that name inside it, as some archives unpack."""
    folder = source / name
    if not folder.is_dir():
        raise DatasetError(
            f"{folder} is missing",
            expected=f"the official layout: {', '.join(f'{one}/' for one in layout.folders)}",
            remedy=layout.unpack,
        )
    inner = folder / name
    return inner if inner.is_dir() and not _nifti_files(folder) else folder


def _nifti_files(folder: Path) -> list[Path]:
    return [
        path
        for path in sorted(folder.iterdir())
        if path.name.endswith((".nii", ".nii.gz")) and not path.name.startswith(".")
    ]


def _files_by_id(layout: Layout, folder: Path) -> dict[str, Path]:
    found: dict[str, Path] = {}
    for path in _nifti_files(folder):
        scan_id = layout.scan_id(path)
        if scan_id in found:
            raise DatasetError(
                f"{folder} has {found[scan_id].name} and {path.name}",
                expected=f"one file for case {scan_id}",
            )
        found[scan_id] = path
    return found


def _prepare_case(layout: Layout, case: _Case) -> PreparedScan:
    try:
        volume, _ = read_scan(case.image).to_axial()
    except InputError as error:
        raise DatasetError(f"{case.image} cannot be used: {error.problem}") from error
    lungs = _axial_mask(case.lungs, volume, case.image, labels=layout.lung_labels) > 0
    labels = _axial_mask(case.infection, volume, case.image, labels=layout.infection_labels)
    lesions = np.isin(labels, sorted(layout.lesion_labels))
    if not lungs.any():
        raise DatasetError(f"{case.lungs} marks no lung", expected="a lung mask with voxels in it")
    outside = int((lesions & ~lungs).sum())
    if outside:
        log.warning(
            "%s: %d of %d infection voxels lie outside the lung mask; kept",
            case.scan_id,
            outside,
            int(lesions.sum()),
        )
    keep = kept_slices(case.scan_id, volume, lungs | lesions)
    files = zip(layout.folders, (case.image, case.lungs, case.infection), strict=True)
    provenance = f"{layout.record}: {', '.join(f'{name}/{path.name}' for name, path in files)}"
    if not keep.all():
        dropped = ", ".join(map(str, np.flatnonzero(~keep)))
        provenance += f"; dark slices dropped: {dropped}"
    frame = frame_of(volume)
    image, lung_frames = frame_images(volume.array[keep], frame), frame_masks(lungs[keep], frame)
    lesion_frames = frame_masks(lesions[keep], frame)
    group = layout.groups.get(case.scan_id, case.scan_id)
    row = IndexRow(
        scan_id=case.scan_id,
        patient_id=group,
        group=group,
        file=f"{case.scan_id}.npz",
        domain=volume.intensity.domain,
        slices=len(image),
        lung_voxels=int(lung_frames.sum()),
        lesion_voxels=int(lesion_frames.sum()),
        lungs_by="reference",
        license=layout.license,
        source=layout.name,
        dark_slices=int((~keep).sum()),
        provenance=provenance,
        source_shape="x".join(map(str, volume.shape)),
        spacing_mm=spacing_text(volume),
    )
    return PreparedScan(row, image, lung_frames, lesion_frames)


def _axial_mask(path: Path, volume: Volume, image: Path, *, labels: frozenset[int]) -> np.ndarray:
    """A label map in the axial order of its own affine, (D, H, W) on the scan's grid."""
    mask, affine = read_axial_mask(path, volume, image, labels=labels)
    shift = np.abs(affine - volume.affine).max()
    if shift > 0.5 * min(volume.spacing_mm):
        log.warning("%s: its affine differs from the scan's by up to %.2f mm", path, shift)
    return mask
