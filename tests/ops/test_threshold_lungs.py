"""Lungs by threshold and airways, in HU."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from groundglass.ops.airways import find_airways, find_trachea_in_mask
from groundglass.ops.body import body_mask, middle_columns
from groundglass.ops.threshold_lungs import threshold_lungs

SPACING_MM = (5.0, 3.0, 3.0)


def test_lungs_without_trachea_gas_and_outside_air(chest: SimpleNamespace) -> None:
    labels = chest.lungs()
    found = threshold_lungs(chest.chest_hu(labels), SPACING_MM)
    assert chest.dice(found, labels > 0) > 0.98
    assert not found[chest.trachea() & (labels == 0)].any()
    assert not found[chest.stomach_gas() & (labels == 0)].any()
    assert not found[:, :4].any()


def test_vessels_are_filled(chest: SimpleNamespace) -> None:
    labels = chest.lungs()
    hu = chest.chest_hu(labels)
    hu[:, 38:40, 28:30] = np.maximum(hu[:, 38:40, 28:30], 40)
    found = threshold_lungs(hu, SPACING_MM)
    assert found[20, 38:40, 28:30].all()


def test_no_air_no_lungs(chest: SimpleNamespace) -> None:
    assert not threshold_lungs(np.full((4, 20, 20), 40, dtype=np.int16), SPACING_MM).any()
    assert not threshold_lungs(np.full((4, 20, 20), -1000, dtype=np.int16), SPACING_MM).any()


def test_body_leaves_the_table_out(chest: SimpleNamespace) -> None:
    body = body_mask(chest.chest_hu(chest.lungs()), SPACING_MM)
    assert body[:, 20:60, 20:90].all()
    assert not body[:, 76:].any()
    assert np.allclose(middle_columns(body), 55.5, atol=1.0)
    assert middle_columns(np.zeros((2, 3, 5), dtype=bool)).tolist() == [2.0, 2.0]


def test_airways_follow_the_trachea_and_leave_the_lungs(chest: SimpleNamespace) -> None:
    labels = chest.lungs()
    hu = chest.chest_hu(labels)
    airways = find_airways(hu, body_mask(hu, SPACING_MM), SPACING_MM)
    assert (airways & chest.trachea()).sum() > 0.95 * chest.trachea().sum()
    assert (airways & (labels > 0)).sum() < 0.01 * (labels > 0).sum()


def test_a_leak_into_the_lung_stops_the_growing(chest: SimpleNamespace) -> None:
    labels = chest.lungs()
    hu = chest.chest_hu(labels)
    hu[labels > 0] = -960  # emphysema: as dark as the lumen
    hu[26:28, 39:42, 30:80] = -990
    airways = find_airways(hu, body_mask(hu, SPACING_MM), SPACING_MM)
    assert (airways & (labels > 0)).sum() < 0.05 * (labels > 0).sum()


def test_no_trachea_no_airways(chest: SimpleNamespace) -> None:
    hu = np.where(chest.lungs() > 0, -850, 40).astype(np.int16)
    assert not find_airways(hu, np.ones(hu.shape, dtype=bool), SPACING_MM).any()


def test_trachea_by_shape_needs_length(chest: SimpleNamespace) -> None:
    mask = chest.trachea() | (chest.lungs() > 0)
    found = find_trachea_in_mask(mask, SPACING_MM, middle=55.5)
    assert found.any()
    assert not (found & (chest.lungs() > 0)).any()
    assert not find_trachea_in_mask(mask[30:32], SPACING_MM, middle=55.5).any()
    assert not find_trachea_in_mask(mask, SPACING_MM, middle=20.0).any()
    assert not find_trachea_in_mask(np.zeros_like(mask), SPACING_MM, middle=55.5).any()


def test_the_small_real_scan(cip_dir: Path, chest: SimpleNamespace) -> None:
    nrrd = pytest.importorskip("nrrd")
    hu, header = nrrd.read(str(cip_dir / "ct-64.nrrd"))
    whole, _ = nrrd.read(str(cip_dir / "wholeLung-64.nrrd"))
    d, h, w = (float(np.linalg.norm(v)) for v in header["space directions"][::-1])
    assert chest.dice(threshold_lungs(hu.T, (d, h, w)), whole.T > 0) > 0.97
