"""A small cohort that several tests share; a scan of it takes a fraction of a second."""

from __future__ import annotations

from pathlib import Path

import pytest

from groundglass.phantom.cohort import tree as tree_module
from groundglass.phantom.cohort.scan import CohortScan, make_cohort_scan
from groundglass.phantom.cohort.settings import CohortSettings
from groundglass.phantom.cohort.tree import Truth, write_cohort

SMALL = CohortSettings(count=6, seed=4, size=56, slices=(6, 9), masks="all")


@pytest.fixture(scope="session")
def scans() -> list[CohortScan]:
    """The scans of SMALL, from number 1 on."""
    return [make_cohort_scan(SMALL, number) for number in range(1, SMALL.count + 1)]


@pytest.fixture(scope="session")
def tree(
    scans: list[CohortScan], tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, list[Truth]]:
    """The same on disk with all their masks; tests must not change it."""
    folder = tmp_path_factory.mktemp("cohort") / "tree"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tree_module, "make_cohort_scan", lambda _, number: scans[number - 1])
        return folder, write_cohort(folder, SMALL)
