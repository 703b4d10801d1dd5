"""The 9 volumes of "COVID-19 CT segmentation nr. 2", brought into frames.

Source: medicalsegmentation.com/covid19 ("Segmentation dataset nr. 2", scans from Radiopaedia),
also published as "MedSeg Covid Dataset 2", doi 10.6084/m9.figshare.13521509; the first source
of CHS-Net's fused set. Described there as 829 slices, 373 of them with infection.
"""

from __future__ import annotations

from pathlib import Path

from groundglass.datasets.index import IndexRow
from groundglass.datasets.nifti_folders import Layout, prepare_folders
from groundglass.datasets.staging import ProgressCallback

IMAGES = "rp_im"
LUNGS = "rp_lung_msk"
INFECTIONS = "rp_msk"
LICENSE = "unknown: see source (medicalsegmentation.com)"
"""A third party's catalog lists CC0 1.0; we could not see the publisher's own word."""
NAME = "covid19-ct-seg-nr2"
PUBLISHED = tuple(f"rp_{number}" for number in range(1, 10))

GROUND_GLASS, CONSOLIDATION, PLEURAL_EFFUSION = 1, 2, 3


def prepare_covid19_ct_seg_nr2(
    source: Path, destination: Path, *, progress: ProgressCallback | None = None
) -> list[IndexRow]:
    """Read `rp_im/`, `rp_lung_msk/` and `rp_msk/` under `source`; write frames, masks, index.

    Infection masks hold 1 ground glass, 2 consolidation, 3 pleural effusion. Lesion is 1 or 2:
    the paper counts "GGO and consolidations" as infection (CHS-Net section 4.1), and fluid in
    the pleura is outside the lungs. Lung masks may be binary or 1 and 2; they are merged.
    Files 1.nii.gz to 9.nii.gz become the scans `rp_1` to `rp_9`, each a group of its own. The
    20-case set took scans from Radiopaedia as well: once both are prepared, let
    `groundglass audit --merge-groups` put scans that are in both into one group.
    Written to the published layout; tested on small files made in it, not on the scans.
    Raises: DatasetError naming all files that are missing, unreadable or do not fit.
    """
    layout = Layout(
        name=NAME,
        license=LICENSE,
        record="medicalsegmentation.com, nr. 2",
        images=IMAGES,
        lungs=LUNGS,
        infections=INFECTIONS,
        infection_labels=frozenset({0, GROUND_GLASS, CONSOLIDATION, PLEURAL_EFFUSION}),
        lesion_labels=frozenset({GROUND_GLASS, CONSOLIDATION}),
        scan_id=_scan_id,
        unpack="Unpack rp_im.zip, rp_lung_msk.zip and rp_msk.zip side by side",
        published=PUBLISHED,
    )
    return prepare_folders(layout, source, destination, progress=progress)


def _scan_id(path: Path) -> str:
    name = path.name.removesuffix(".gz").removesuffix(".nii")
    return name if name.startswith("rp_") else f"rp_{name}"
