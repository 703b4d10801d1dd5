"""Scans in two halves for out-of-fold predictions: a network of one predicts the other."""

from __future__ import annotations

from collections.abc import Iterable

from groundglass.datasets.index import IndexRow


def patient_halves(rows: Iterable[IndexRow]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Scan ids of both halves, sorted; every patient whole, like numbers of slices."""
    groups: dict[str, list[IndexRow]] = {}
    for row in rows:
        groups.setdefault(row.group, []).append(row)
    order = sorted(
        groups, key=lambda g: (groups[g][0].is_healthy, -sum(r.slices for r in groups[g]), g)
    )
    sides: tuple[list[str], list[str]] = ([], [])
    for place, name in enumerate(order):  # 0 1 1 0 0 1 1 0: the larger ones on both sides
        sides[(place + 1) // 2 % 2].extend(row.scan_id for row in groups[name])
    return tuple(sorted(sides[0])), tuple(sorted(sides[1]))
