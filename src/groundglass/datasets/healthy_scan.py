"""One healthy scan in HU as training data: lungs by threshold, no lesions, split in two."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from groundglass.datasets.index import (
    IndexRow,
    PreparedScan,
    save_prepared,
    spacing_text,
    write_index,
)
from groundglass.errors import DatasetError, SettingsError
from groundglass.io.read import read_scan
from groundglass.ops.frames import frame_images, frame_masks, frame_of
from groundglass.ops.threshold_lungs import threshold_lungs

LICENSE = "research use; do not redistribute"
NAME = "healthy-scan"


def prepare_healthy_scan(
    source: Path,
    destination: Path,
    *,
    scan_id: str,
    blocks: int = 8,
    license: str = LICENSE,
    collection: str = NAME,
) -> list[IndexRow]:
    """Read a lesion-free scan; write its frames and lungs as two rows, `<id>-a` and `<id>-b`.

    The scan is cut into `blocks` stretches of slices that go to the two rows in turn, so that
    one of them can be held out. Each row is a group of its own and both name the scan as the
    patient: holding one out checks that a healthy lung stays clean, not that the network
    generalizes. Lungs are those of `threshold_lungs` on the scan's own grid.
    Raises: InputError where the scan cannot be read; DatasetError where it is not in HU, has
    fewer slices than blocks, or shows no lung; SettingsError where `blocks` is below 2.
    """
    if blocks < 2:
        raise SettingsError(f"blocks is {blocks}", expected="2 or more, one for each row at least")
    volume, _ = read_scan(source).to_axial()
    if not volume.is_hu:
        raise DatasetError(
            f"{source} is not in HU ({volume.intensity.evidence})",
            expected="a scan in HU, whose lungs a threshold can find",
        )
    if volume.shape[0] < blocks:
        raise DatasetError(
            f"{source} has {volume.shape[0]} slices", expected=f"{blocks} or more, one per block"
        )
    array = np.ascontiguousarray(volume.array)
    found = threshold_lungs(array, volume.spacing_mm)
    if not found.any():
        raise DatasetError(
            f"{source} shows no lung that a threshold finds",
            expected="a healthy chest CT with the body's outline in the field of view",
        )
    frame = frame_of(volume)
    images, lungs = frame_images(array, frame), frame_masks(found, frame)
    block = np.arange(len(images)) * blocks // len(images)
    rows = []
    for parity, letter in enumerate("ab"):
        pick = block % 2 == parity
        row = IndexRow(
            scan_id=f"{scan_id}-{letter}",
            patient_id=scan_id,
            group=f"{scan_id}-{letter}",
            file=f"{scan_id}-{letter}.npz",
            domain=volume.intensity.domain,
            slices=int(pick.sum()),
            lung_voxels=int(lungs[pick].sum()),
            lesion_voxels=0,
            lungs_by="threshold",
            license=license,
            source=collection,
            dark_slices=0,
            provenance=f"{source.name}, blocks {letter} of {blocks}",
            source_shape="x".join(map(str, volume.shape)),
            spacing_mm=spacing_text(volume),
        )
        empty = np.zeros_like(lungs[pick])
        rows.append(save_prepared(destination, PreparedScan(row, images[pick], lungs[pick], empty)))
    write_index(destination, rows)
    return rows
