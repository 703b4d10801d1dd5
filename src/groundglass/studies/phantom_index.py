"""A prepared set of phantoms, so that a study can be tried where no data set is at hand."""

from __future__ import annotations

from pathlib import Path

from groundglass.datasets.index import (
    INDEX_NAME,
    IndexRow,
    PreparedScan,
    save_prepared,
    write_index,
)
from groundglass.datasets.phantom_sources import PHANTOM, PHANTOM_LICENSE
from groundglass.ops.frames import frame_images, frame_masks, frame_of
from groundglass.phantom.chest import make_phantom
from groundglass.phantom.settings import PhantomSettings

SOURCE = PHANTOM
"""Tables made from this source say in their first line that they show made-up phantoms."""


def write_phantom_index(folder: Path, *, patients: int = 5, slices: int = 12) -> Path:
    """Prepare `patients` phantoms of growing involvement and one without lesions.

    A folder that is there already is used as it is. Returns the folder.
    """
    if (folder / INDEX_NAME).exists():
        return folder
    rows: list[IndexRow] = []
    for seed in range(patients + 1):
        involvement = 0.08 * seed
        settings = PhantomSettings(shape=(slices, 128, 128), seed=seed, involvement=involvement)
        phantom = make_phantom(settings)
        volume, order = phantom.volume.to_axial()
        frame = frame_of(volume)
        image = frame_images(volume.array, frame)
        lungs = frame_masks(order.apply(phantom.lungs) > 0, frame)
        lesions = frame_masks(order.apply(phantom.lesions) > 0, frame)
        row = IndexRow(
            scan_id=f"phantom_{seed}",
            patient_id=f"phantom_{seed}",
            group=f"phantom_{seed}",
            file=f"phantom_{seed}.npz",
            domain=volume.intensity.domain,
            slices=len(image),
            lung_voxels=int(lungs.sum()),
            lesion_voxels=int(lesions.sum()),
            lungs_by="reference",
            license=PHANTOM_LICENSE,
            source=SOURCE,
        )
        rows.append(save_prepared(folder, PreparedScan(row, image, lungs, lesions)))
    write_index(folder, rows)
    return folder
