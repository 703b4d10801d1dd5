"""Scans in equal parts, for networks that each leave one out and predict it."""

from __future__ import annotations

from collections.abc import Iterable

from groundglass.datasets.index import IndexRow


def patient_parts(rows: Iterable[IndexRow], count: int = 2) -> tuple[tuple[str, ...], ...]:
    """Scan ids of `count` parts, sorted; every patient whole, like numbers of slices."""
    groups: dict[str, list[IndexRow]] = {}
    for row in rows:
        groups.setdefault(row.group, []).append(row)
    order = sorted(
        groups, key=lambda g: (groups[g][0].is_healthy, -sum(r.slices for r in groups[g]), g)
    )
    parts: list[list[str]] = [[] for _ in range(count)]
    for place, name in enumerate(order):  # of two 0 1 1 0 0 1 1 0: the larger ones on all sides
        turn, within = divmod(place, count)
        number = within if turn % 2 == 0 else count - 1 - within
        parts[number].extend(row.scan_id for row in groups[name])
    return tuple(tuple(sorted(part)) for part in parts)
