from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from groundglass.datasets.index import load_prepared
from groundglass.errors import DatasetError
from groundglass.recipe import SliceRecipe
from groundglass.training.scan_inputs import ScanInputs
from groundglass.training.slice_sources import ALL_SLICES, GraySlices

from .made_cohort import write_cohort_index

RECIPE = SliceRecipe("direct", (32, 48))


def test_gray_slices_are_those_of_the_predictor_over_the_lungs_extent(tmp_path: Path) -> None:
    rows = write_cohort_index(tmp_path, each=1)
    source = GraySlices(tmp_path, rows, RECIPE)
    inputs = ScanInputs.of(load_prepared(tmp_path, rows[0]), RECIPE)
    found = source.read("mild_0", most=ALL_SLICES)
    assert found.slices.tolist() == [1, 2, 3, 4]  # the first shows no lung
    assert np.array_equal(found.values, inputs.batch(found.slices))
    (tmp_path / rows[0].file).unlink()  # kept: not read again
    assert source.read("mild_0", most=2, offset=0.0).slices.tolist() == [1, 3]


def test_other_scans_are_refused(tmp_path: Path) -> None:
    rows = write_cohort_index(tmp_path, each=1)
    with pytest.raises(DatasetError, match="scan severe_0 is not among those"):
        GraySlices(tmp_path, rows[:1], RECIPE).read("severe_0", most=1)
