"""Parts by hand: patients whole, the larger ones on all sides."""

from __future__ import annotations

from groundglass.datasets.index import IndexRow
from groundglass.studies.patient_parts import patient_parts


def scan(scan_id: str, group: str, slices: int, lesion_voxels: int = 1) -> IndexRow:
    return IndexRow(
        scan_id=scan_id,
        patient_id=group,
        group=group,
        file=f"{scan_id}.npz",
        domain="hu",
        slices=slices,
        lung_voxels=9,
        lesion_voxels=lesion_voxels,
        lungs_by="reference",
        license="none",
        source="made",
    )


def test_larger_patients_are_on_both_sides_and_the_healthy_come_last() -> None:
    rows = [
        scan("a2", "a", 20),
        scan("h", "h", 99, lesion_voxels=0),
        scan("a1", "a", 30),  # patient a: 50 slices
        scan("b", "b", 40),
        scan("c", "c", 30),
        scan("d", "d", 10),
    ]
    # In order a, b, c, d, h: sides 0, 1, 1, 0, 0.
    assert patient_parts(rows) == (("a1", "a2", "d", "h"), ("b", "c"))
    # Of three: 0, 1, 2, 2, 1.
    assert patient_parts(rows, 3) == (("a1", "a2"), ("b", "h"), ("c", "d"))


def test_no_scan_gives_empty_parts() -> None:
    assert patient_parts([]) == ((), ())
