"""Scans that are in a data set twice: found slice by slice, whatever their gray levels."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import combinations

import cv2
import numpy as np

from groundglass.datasets.index import IndexRow, PreparedScan
from groundglass.ops.slice_image import equalize, scale_to_eight_bit

log = logging.getLogger(__name__)

THRESHOLD = 0.9
"""Correlation from which on two slices are alike.

Measured on 15 patients of the 20-case set (8 bit, equalized) and one healthy scan in HU: slices
of different patients reach 0.71 at most, flips included; a slice and itself after other
processing (8 bit by the slice's own range, with and without a window, equalized once more)
0.94 at least, with 25 HU of noise 0.99. Neighboring slices of one scan reach 0.99 too and are
meant to: what is that alike must not lie on both sides of a fold.
"""

_EDGE = 32
_WINDOW_HU = (-1100.0, 500.0)
_CLAHE_CLIP, _CLAHE_TILES = 7.0, 8
_FINE = _EDGE / 16
"""Width in pixels of the blur that is taken off: what is coarser is alike in every chest."""

FLIPS = {"": (), "up-down": (1,), "left-right": (2,), "up-down and left-right": (1, 2)}


@dataclass(frozen=True)
class Fingerprint:
    """What is compared of one scan.

    `hashes`: one per slice, of its gray levels stretched to 8 bit ('' where it is flat);
    `vectors`: (D, 32, 32) float32, each slice of mean 0 and norm 1 (flat ones are 0).
    """

    scan_id: str
    group: str
    hashes: tuple[str, ...]
    vectors: np.ndarray


@dataclass(frozen=True)
class DuplicatePair:
    """Two scans with slices alike. `exact` and `near` count slices of the shorter scan.

    `flip` is how `second` must be turned to match best, `correlation` the best one's.
    """

    first: str
    second: str
    exact: int
    near: int
    slices: int
    flip: str
    correlation: float

    def __str__(self) -> str:
        turned = f", {self.second} flipped {self.flip}" if self.flip else ""
        return (
            f"{self.near} of {self.slices} slices of {self.first} and {self.second} are alike "
            f"(correlation up to {self.correlation:.3f}{turned}), {self.exact} identical"
        )


def fingerprint(scan: PreparedScan) -> Fingerprint:
    """Bring every slice to the same gray levels and size, and keep its fine structure.

    HU are windowed; then each slice is stretched to 8 bit, equalized (CLAHE; once more where
    it already was, as that cannot be undone), reduced to 32x32 by area, and freed of what is
    coarser than two of these pixels. The whole frame is compared, so no mask is needed.
    """
    hashes, vectors = [], []
    for image in scan.image:
        plain = scale_to_eight_bit(image, None)
        hashes.append(hashlib.sha256(plain.tobytes()).hexdigest() if plain.any() else "")
        shown = scale_to_eight_bit(image, _WINDOW_HU) if scan.is_hu else plain
        equal = equalize(shown, _CLAHE_CLIP, _CLAHE_TILES).astype(np.float32)
        small = cv2.resize(equal, (_EDGE, _EDGE), interpolation=cv2.INTER_AREA)
        fine = small - cv2.GaussianBlur(small, (0, 0), _FINE)
        fine -= fine.mean()
        norm = float(np.linalg.norm(fine)) if shown.any() else 0.0
        vectors.append(fine / norm if norm > 0 else np.zeros_like(fine))
    stacked = np.stack(vectors).astype(np.float32)
    return Fingerprint(scan.row.scan_id, scan.row.group, tuple(hashes), stacked)


def find_duplicates(
    prints: Sequence[Fingerprint], *, threshold: float = THRESHOLD
) -> list[DuplicatePair]:
    """Every pair of scans with at least one slice alike, most alike first.

    All slices of one are held against all of the other, upright and flipped, so that order,
    orientation and slices left out do not matter.
    """
    pairs = [_compare(one, other, threshold) for one, other in combinations(prints, 2)]
    found = [pair for pair in pairs if pair is not None]
    return sorted(found, key=lambda pair: (-pair.near / pair.slices, pair.first, pair.second))


def merge_groups(
    rows: Sequence[IndexRow], pairs: Sequence[DuplicatePair]
) -> tuple[list[IndexRow], list[str]]:
    """Put the groups of scans that are alike into one, and say why.

    The joint group has the name of the alphabetically first. All scans of the groups that are
    joined move, also those that are alike with nothing. The reason is logged and added to the
    provenance of every scan whose group changes.
    Returns: (all rows, reasons).
    """
    group_of = {row.scan_id: row.group for row in rows}
    root = {row.group: row.group for row in rows}

    def top(name: str) -> str:
        while root[name] != name:
            name = root[name]
        return name

    reasons: dict[str, str] = {}
    for pair in pairs:
        first, second = sorted((top(group_of[pair.first]), top(group_of[pair.second])))
        if first != second:
            root[second] = first
            reasons[second] = f"group {second} joined {first}: {pair}"
    merged = []
    for row in rows:
        name, why = row.group, []
        while root[name] != name:
            why.append(reasons[name])
            name = root[name]
        provenance = "; ".join(filter(None, [row.provenance, *why]))
        merged.append(replace(row, group=name, provenance=provenance))
    for reason in reasons.values():
        log.warning("%s", reason)
    return merged, list(reasons.values())


def _compare(one: Fingerprint, other: Fingerprint, threshold: float) -> DuplicatePair | None:
    short, long = (one, other) if len(one.hashes) <= len(other.hashes) else (other, one)
    known = set(long.hashes) - {""}
    same = np.array([digest in known for digest in short.hashes])
    columns = long.vectors.reshape(len(long.vectors), -1).T
    best, best_flip, near = -1.0, "", same.copy()
    for name, axes in FLIPS.items():
        turned = np.flip(short.vectors, axes) if axes else short.vectors
        top = (turned.reshape(len(turned), -1) @ columns).max(axis=1)
        near |= top >= threshold
        if top.max() > best + 1e-6:
            best, best_flip = float(top.max()), name
    if not near.any():
        return None
    return DuplicatePair(
        one.scan_id, other.scan_id, int(same.sum()), int(near.sum()), len(same), best_flip,
        min(best, 1.0),
    )  # fmt: skip
