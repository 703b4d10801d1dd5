"""A prepared cohort of phantoms with grades, so that classifiers can be tried without data."""

from __future__ import annotations

from pathlib import Path

from groundglass.datasets.index import INDEX_NAME, write_index
from groundglass.datasets.mosmed import prepare_mosmed
from groundglass.phantom.cohort.settings import CohortSettings
from groundglass.phantom.cohort.tree import write_cohort


def write_phantom_cohort_index(folder: Path, *, scans: int = 18) -> Path:
    """Make a cohort in MosMedData's layout under `folder`, and prepare it as that set is.

    Tiny scans, about as many normal, mild and severe; every mild one has its mask. What is there is
    used as it is. Returns the prepared folder. Raises: MissingExtraError without openpyxl.
    """
    prepared = folder / "prepared"
    if (prepared / INDEX_NAME).exists():
        return prepared
    settings = CohortSettings(count=scans, size=64, slices=(8, 10), masks=1.0, edge_flips=0.0)
    write_cohort(folder / "published", settings)
    write_index(prepared, prepare_mosmed(folder / "published", prepared, every=True))
    return prepared
