"""Scans that are in a data set twice, under other gray levels, sizes, flips and orders."""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from groundglass.datasets.duplicates import (
    DuplicatePair,
    find_duplicates,
    fingerprint,
    merge_groups,
)
from groundglass.datasets.index import PreparedScan
from groundglass.io.read import read_scan
from groundglass.ops.frames import frame_images, frame_of
from groundglass.ops.slice_image import equalize, scale_to_eight_bit

from .made_scans import made_scan

ONE = made_scan("one", seed=1)


def changed(image: np.ndarray, *, gray: bool = False) -> PreparedScan:
    """The scan `other`: the same patient in other values, or fewer slices."""
    masks = np.zeros(image.shape, np.uint8)
    domain = "uint8" if gray else "hu"
    row = replace(ONE.row, scan_id="other", group="other", domain=domain, slices=len(image))
    return PreparedScan(row, image, masks, masks)


def stretched(image: np.ndarray, *, clahe: bool) -> np.ndarray:
    """Each slice 8 bit by its own range, and equalized."""
    gray = np.stack([scale_to_eight_bit(one, None) for one in image])
    return np.stack([equalize(one, 7, 8) for one in gray]) if clahe else gray


def alike(scan: PreparedScan) -> DuplicatePair | None:
    pairs = find_duplicates([fingerprint(ONE), fingerprint(scan)])
    return pairs[0] if pairs else None


def test_other_patients_are_not_alike() -> None:
    prints = [fingerprint(made_scan(f"scan{seed}", seed=seed)) for seed in range(5)]
    assert find_duplicates(prints) == []


def test_a_copy_is_identical_slice_by_slice() -> None:
    pair = alike(changed(ONE.image.copy()))
    assert pair is not None
    assert (pair.exact, pair.near, pair.slices, pair.flip) == (6, 6, 6, "")
    assert pair.correlation == pytest.approx(1, abs=1e-5)


def test_an_offset_and_8_bit_by_its_own_range_are_identical_too() -> None:
    moved = alike(changed(ONE.image[2:5] + np.int16(20)))
    gray = alike(changed(stretched(ONE.image, clahe=False), gray=True))
    assert moved is not None
    assert gray is not None
    assert (moved.exact, moved.slices, gray.exact) == (3, 3, 6)


@pytest.mark.parametrize(
    ("name", "axes"),
    [("", ()), ("up-down", 1), ("left-right", 2), ("up-down and left-right", (1, 2))],
)
def test_equalized_8_bit_is_found_flipped_and_in_any_order(name: str, axes: object) -> None:
    image = stretched(ONE.image, clahe=True)[[4, 1, 3]]
    pair = alike(changed(np.flip(image, axes) if axes else image, gray=True))  # type: ignore[arg-type]
    assert pair is not None
    assert (pair.exact, pair.near, pair.slices, pair.flip) == (0, 3, 3, name)


def test_noise_and_another_size_are_found() -> None:
    noisy = ONE.image + np.random.default_rng(0).normal(0, 25, ONE.image.shape)
    larger = np.stack([cv2.resize(one.astype(np.float32), (96, 96)) for one in ONE.image])
    for image in (noisy, larger):
        pair = alike(changed(np.clip(image, -1024, 3071).astype(np.int16)))
        assert pair is not None
        assert (pair.exact, pair.near) == (0, 6)


def test_flat_slices_are_like_nothing() -> None:
    flat = np.full((2, 64, 64), -1000, np.int16)
    a, b = changed(flat), changed(flat)
    prints = [fingerprint(a), fingerprint(replace(b, row=replace(b.row, scan_id="b")))]
    assert find_duplicates(prints) == []
    mixed = changed(np.concatenate([flat, ONE.image[:1]]))
    pair = alike(mixed)
    assert pair is not None
    assert (pair.near, pair.exact) == (1, 1)


def test_groups_are_joined_through_chains_with_the_reason(
    caplog: pytest.LogCaptureFixture,
) -> None:
    rows = [
        replace(ONE.row, scan_id=name, group=group, provenance="from there")
        for name, group in [("a", "ga"), ("b", "gb"), ("b2", "gb"), ("c", "gc"), ("d", "gd")]
    ]
    pairs = [
        DuplicatePair("b", "c", 1, 2, 6, "up-down", 0.97),
        DuplicatePair("c", "a", 0, 3, 6, "", 0.95),
        DuplicatePair("a", "b", 0, 1, 6, "", 0.91),
    ]
    with caplog.at_level(logging.WARNING):
        merged, reasons = merge_groups(rows, pairs)
    assert [row.group for row in merged] == ["ga", "ga", "ga", "ga", "gd"]
    assert len(reasons) == 2
    assert reasons[0] == (
        "group gc joined gb: 2 of 6 slices of b and c are alike "
        "(correlation up to 0.970, c flipped up-down), 1 identical"
    )
    assert all(reason in caplog.text for reason in reasons)
    assert merged[3].provenance == f"from there; {reasons[0]}; {reasons[1]}"
    assert merged[0].provenance == merged[4].provenance == "from there"
    assert [row.patient_id for row in merged] == [row.patient_id for row in rows]


def test_a_real_chest_in_hu_and_as_equalized_8_bit(cip_dir: Path) -> None:
    volume, _ = read_scan(cip_dir / "ct-64.nrrd").to_axial()
    image = frame_images(volume.array, frame_of(volume))
    hu, gray = changed(image), changed(stretched(image[::3], clahe=True), gray=True)
    gray = replace(gray, row=replace(gray.row, scan_id="gray"))
    (pair,) = find_duplicates([fingerprint(hu), fingerprint(gray)])
    assert (pair.exact, pair.near, pair.slices, pair.flip) == (0, 27, 27, "")
