"""MosMedData: 1,110 graded chest CTs, 50 of them with lesions drawn, brought into frames.

Source: Morozov et al., "MosMedData: Chest CT Scans With COVID-19 Related Findings Dataset",
arXiv 2005.06465, https://mosmed.ai/datasets/covid19_1110; the layout and the words quoted here
are those of the publisher's README (`mosmed_registry.py` says where it was read). The data set
of CovTANet.

The grade is "based on radiologic findings only, neither on polymerase chain reaction (PCR) test
results or clinical verification": a label says COVID-related findings, not COVID-19. "Each study
corresponds to unique patient", so every scan is a group of its own. Only every tenth image was
kept ("InstanceNumber % 10 = 0"), and grading came before that: a small lesion may lie between the
slices.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path

import numpy as np

from groundglass.datasets.axial_masks import read_axial_mask
from groundglass.datasets.grades import GRADES
from groundglass.datasets.index import IndexRow, PreparedScan, spacing_text
from groundglass.datasets.mosmed_registry import Stock, Study, take_stock
from groundglass.datasets.phantom_sources import PHANTOM_LICENSE, phantom_source
from groundglass.datasets.staging import ProgressCallback, prepare_cases
from groundglass.errors import DatasetError, InputError
from groundglass.geometry import AxisOrder
from groundglass.io.phantom_mark import MARKER, is_phantom_folder, is_phantom_header, read_marker
from groundglass.io.read import read_scan
from groundglass.ops.dark_slices import kept_slices
from groundglass.ops.frames import frame_images, frame_masks, frame_of
from groundglass.ops.threshold_lungs import threshold_lungs
from groundglass.volume import Volume

log = logging.getLogger(__name__)

NAME = "mosmed"
LICENSE = "CC BY-NC-ND 3.0"
RECORD = "MosMedData COVID19_1110 1.0, mosmed.ai/datasets/covid19_1110"
LABELS = frozenset({0, 1})
"""The masks are "binary pixel masks" of ground glass and consolidation together."""


@dataclass(frozen=True)
class _Origin:
    """Whose scans these are: what their index rows say of source, terms and record."""

    source: str
    license: str
    record: str
    is_phantom: bool


@dataclass(frozen=True)
class _Case:
    scan_id: str
    study: Study
    stock: Stock
    origin: _Origin
    masks_by_index: bool


def prepare_mosmed(
    source: Path,
    destination: Path,
    *,
    every: bool = False,
    masks_by_index: bool = False,
    progress: ProgressCallback | None = None,
) -> list[IndexRow]:
    """Read the published layout under `source`; write frames, masks and index to `destination`.

    The 50 studies with a mask, for segmentation; with `every` all of them, for classification:
    the lesions of those without a mask are empty, and `lesions_by` of the row says whether that
    means something ("grade", of normal scans) or nothing ("none"). No lung masks are published:
    lungs are those of `threshold_lungs`, which leaves dense lesions out. Lesion outside of them
    is counted, logged and kept; the lungs are not widened by it, as they would tell where it is.
    Dark slices are dropped, as from the other sets.

    A mask is turned by its own affine and must then lie where its scan does; `masks_by_index`
    takes it voxel for voxel on the scan's grid, whatever its affine says, and the provenance
    says so. The registry is held against the disk first, and nothing is read where they
    disagree about a study that is wanted; what differs elsewhere is logged. Nothing is put into
    place before every study was read.
    Written to the published layout; tested on small files made in it, not on the scans.

    Phantoms in this layout (`groundglass phantom --cohort`) never pass for the data set: a folder
    with their marker gives rows of source "mosmed-phantom", with ids, terms and provenance to
    match, and each scan's header must agree with the marker, or the scan is refused.
    Raises: DatasetError naming all files that are missing, unreadable or do not fit;
    MissingExtraError without openpyxl.
    """
    stock = take_stock(source, every=every)
    for note in stock.notes:
        log.warning("%s: %s", stock.root, note)
    if stock.problems:
        raise DatasetError(
            f"{stock.root} disagrees with its registry: {'; '.join(stock.problems)}",
            expected="every study where the registry says, and no other",
            remedy="Get these files again, or make the registry say what is there",
        )
    if not stock.studies:
        raise DatasetError(
            f"{stock.root} lists no study with a mask",
            expected="50 of them, of grade CT-1",
            remedy="Get the registry again, or prepare all studies with --all",
        )

    origin = _origin(source, stock)
    if origin.is_phantom:
        log.warning("%s holds made-up phantoms, marked as %s", stock.root, origin.source)

    def join(problems: Sequence[DatasetError]) -> DatasetError:
        return DatasetError(
            f"{stock.root} has {len(problems)} problems: " + "; ".join(p.problem for p in problems),
            expected="every file whole and fitting",
            remedy="Get these files again, or take their studies out of folders and registry",
        )

    return prepare_cases(
        [
            _Case(f"{origin.source}_{one.name}", one, stock, origin, masks_by_index)
            for one in stock.studies
        ],
        _prepare_case,
        destination=destination,
        problems=(),
        join=join,
        progress=progress,
    )


def _origin(source: Path, stock: Stock) -> _Origin:
    """Phantoms where the marker lies beside the registry or in the folder that was named."""
    marked = next((f for f in (stock.root, source) if is_phantom_folder(f)), None)
    if marked is None:
        return _Origin(NAME, LICENSE, RECORD, False)
    settings = read_marker(marked).get("settings")
    seed = settings.get("seed") if isinstance(settings, dict) else None
    record = f"made-up phantoms, no patients (groundglass phantom --cohort, seed {seed})"
    return _Origin(phantom_source(NAME), PHANTOM_LICENSE, record, True)


def _prepare_case(case: _Case) -> PreparedScan:
    study, path = case.study, case.stock.file(case.study.image)
    try:
        volume, order = read_scan(path).to_axial()
    except InputError as error:
        raise DatasetError(f"{path} cannot be used: {error.problem}") from error
    _check_origin(path, volume, case.origin)
    if not volume.is_hu:
        raise DatasetError(
            f"{path} is not in HU ({volume.intensity.evidence})", expected="HU, as published"
        )
    array = np.ascontiguousarray(volume.array)
    lesions = _lesions(case, volume, order)
    lungs = threshold_lungs(array, volume.spacing_mm)
    if not lungs.any():
        if study.mask:
            raise DatasetError(
                f"{path} shows no lung that a threshold finds",
                expected="a chest CT with the body's outline in the field of view",
            )
        log.warning("%s: a threshold finds no lung; kept without", case.scan_id)
    outside = int((lesions & ~lungs).sum())
    if outside:
        log.warning(
            "%s: %d of %d lesion voxels lie outside the lungs that a threshold finds; kept",
            case.scan_id,
            outside,
            int(lesions.sum()),
        )
    keep = kept_slices(case.scan_id, volume, lungs | lesions)
    if not keep.any():
        raise DatasetError(f"{path} has nothing but dark slices", expected="a chest CT")
    frame = frame_of(volume)
    images, lung_frames = frame_images(array[keep], frame), frame_masks(lungs[keep], frame)
    lesion_frames = frame_masks(lesions[keep], frame)
    diagnosis, severity = GRADES[study.grade]
    row = IndexRow(
        scan_id=case.scan_id,
        patient_id=case.scan_id,
        group=case.scan_id,
        file=f"{case.scan_id}.npz",
        domain=volume.intensity.domain,
        slices=len(images),
        lung_voxels=int(lung_frames.sum()),
        lesion_voxels=int(lesion_frames.sum()),
        lungs_by="threshold" if lungs.any() else "none",
        license=case.origin.license,
        source=case.origin.source,
        dark_slices=int((~keep).sum()),
        provenance=_provenance(case, keep),
        source_shape="x".join(map(str, volume.shape)),
        spacing_mm=spacing_text(volume),
        diagnosis=diagnosis,
        severity=severity,
        grade=study.grade,
        lesions_by="reference" if study.mask else "grade" if diagnosis == "normal" else "none",
    )
    return PreparedScan(row, images, lung_frames, lesion_frames)


def _check_origin(path: Path, volume: Volume, origin: _Origin) -> None:
    """Phantoms among patients, or patients among phantoms, are refused."""
    if is_phantom_header(volume.source.header) == origin.is_phantom:
        return
    if origin.is_phantom:
        raise DatasetError(
            f"{path} lies in a folder marked by {MARKER}, but its header does not say that it is "
            "a phantom",
            expected="phantoms only",
            remedy="Keep scans of patients apart from phantoms",
        )
    raise DatasetError(
        f"{path} is a phantom by its header, but no {MARKER} marks its folder",
        expected="scans of patients only",
        remedy=f"Keep phantoms apart, in their own folder with its {MARKER}",
    )


def _lesions(case: _Case, volume: Volume, order: AxisOrder) -> np.ndarray:
    """(D, H, W) bool on the axial scan's grid; empty where no mask is published."""
    if not case.study.mask:
        return np.zeros(volume.shape, bool)
    path, image = (case.stock.file(name) for name in (case.study.mask, case.study.image))
    mask, affine = read_axial_mask(
        path, volume, image, labels=LABELS, order=order if case.masks_by_index else None
    )
    apart = _apart_mm(affine, volume)
    if apart > 0.5 * min(volume.spacing_mm) and not case.masks_by_index:
        raise DatasetError(
            f"{path} lies up to {apart:.2f} mm from where {image} does, by their affines",
            expected=f"the same grid, within half a voxel ({0.5 * min(volume.spacing_mm):.2f} mm)",
            remedy="Get both again; if the voxels correspond one to one, use --masks-by-index",
        )
    if not mask.any():
        log.warning("%s: its mask marks nothing", case.scan_id)
    return mask > 0


def _apart_mm(affine: np.ndarray, volume: Volume) -> float:
    """How far the volume's corner voxels are from those of a grid like it on `affine`."""
    corners = np.array([[*c, 1] for c in product(*((0, n - 1) for n in volume.shape))]).T
    return float(np.linalg.norm(((affine - volume.affine) @ corners)[:3], axis=0).max())


def _provenance(case: _Case, keep: np.ndarray) -> str:
    files = ", ".join(filter(None, (case.study.image, case.study.mask)))
    text = f"{case.origin.record}: {files}"
    if case.study.mask and case.masks_by_index:
        text += "; mask taken voxel for voxel, its affine not used"
    if not keep.all():
        text += f"; dark slices dropped: {', '.join(map(str, np.flatnonzero(~keep)))}"
    return text
