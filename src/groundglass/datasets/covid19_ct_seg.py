"""The 20-case set "COVID-19 CT Lung and Infection Segmentation", brought into frames.

Source: Ma et al., Zenodo 3757476; the second source of CHS-Net's fused set and the
'Dataset-2' of CovTANet.
"""

from __future__ import annotations

from pathlib import Path

from groundglass.datasets.index import IndexRow
from groundglass.datasets.nifti_folders import Layout, prepare_folders
from groundglass.datasets.staging import ProgressCallback

IMAGES = "COVID-19-CT-Seg_20cases"
LUNGS = "Lung_Mask"
INFECTIONS = "Infection_Mask"
LICENSE = "CC BY-NC-SA 4.0"
NAME = "covid19-ct-seg"

GROUPS = {
    "radiopaedia_10_85902_1": "radiopaedia_10",
    "radiopaedia_10_85902_3": "radiopaedia_10",
    "radiopaedia_29_86490_1": "radiopaedia_29",
    "radiopaedia_29_86491_1": "radiopaedia_29",
}
"""Scans that share a Radiopaedia case number; any other is its own group.

Those of case 10 are one patient by the authors' word (issue 3 of the repository
JunMa11/COVID-19-CT-Seg-Benchmark: 20 scans, 19 patients); those of case 29 may be.
"""

PUBLISHED = (
    *(f"coronacases_{number:03d}" for number in range(1, 11)),
    "radiopaedia_4_85506_1",
    "radiopaedia_7_85703_0",
    "radiopaedia_10_85902_1",
    "radiopaedia_10_85902_3",
    "radiopaedia_14_85914_0",
    "radiopaedia_27_86410_0",
    "radiopaedia_29_86490_1",
    "radiopaedia_29_86491_1",
    "radiopaedia_36_86526_0",
    "radiopaedia_40_86625_0",
)


def prepare_covid19_ct_seg(
    source: Path, destination: Path, *, progress: ProgressCallback | None = None
) -> list[IndexRow]:
    """Read the official layout under `source`; write frames, masks and index to `destination`.

    Lung masks may be 1 and 2 (left and right) or binary; they are merged. What else happens to
    a case, and to files that are missing or damaged: see `prepare_folders`.
    Raises: DatasetError naming all files that are missing, unreadable or do not fit.
    """
    layout = Layout(
        name=NAME,
        license=LICENSE,
        record="Zenodo 3757476",
        images=IMAGES,
        lungs=LUNGS,
        infections=INFECTIONS,
        infection_labels=frozenset({0, 1}),
        lesion_labels=frozenset({1}),
        scan_id=_scan_id,
        unpack="Unpack the archives of Zenodo record 3757476 side by side",
        published=PUBLISHED,
        groups=GROUPS,
    )
    return prepare_folders(layout, source, destination, progress=progress)


def _scan_id(path: Path) -> str:
    """The case's name; some copies of the images spell it out, as in coronacases_org_case007."""
    name = path.name.removesuffix(".gz").removesuffix(".nii").removesuffix("-dcm")
    name = name.replace("_org_covid-19-pneumonia-", "_").replace("_org_case", "_")
    return name.replace("_org_", "_")
