"""Unlabeled scans on their way into the training set, slice by slice."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from groundglass.datasets.index import PreparedScan, count_slices
from groundglass.datasets.unlabelled import without_lesions
from groundglass.errors import DatasetError, SettingsError

SOURCE = "pseudo"
"""`source` of the rows of pseudo-labeled scans."""

Chunk = dict[str, np.ndarray]
"""Slices by scan id: rising indices."""


class PseudoPool:
    """The unlabeled scans without the lesions they came with, and the pseudo labels so far.

    Raises: DatasetError where scan ids are not unique, or stage "lesions" finds no lungs in a scan;
    SettingsError for stage "lungs".
    """

    def __init__(self, scans: Sequence[PreparedScan], stage: str) -> None:
        if stage == "lungs":
            raise SettingsError("stage is 'lungs'", expected="lesions or direct for pseudo labels")
        self.scans = {scan.row.scan_id: without_lesions(scan) for scan in scans}
        if len(self.scans) < len(scans):
            raise DatasetError(
                f"{len(scans)} unlabeled scans have {len(self.scans)} names",
                expected="a scan_id of its own for each",
            )
        self._inside = stage == "lesions"
        if self._inside:
            bare = [name for name, scan in self.scans.items() if not scan.lungs.any()]
            if bare:
                raise DatasetError(
                    f"unlabeled scans have no lungs: {', '.join(bare[:20])}",
                    expected="lungs, predicted or drawn, for stage lesions",
                    remedy="Predict them first, or use a network of stage direct",
                )
        self._masks = {name: np.zeros(s.image.shape, np.uint8) for name, s in self.scans.items()}
        self._done = {name: np.zeros(len(s.image), bool) for name, s in self.scans.items()}

    def candidates(self) -> list[tuple[str, int]]:
        """All slices that may be trained on: (scan id, index). Raises: DatasetError, if none."""
        pairs = [
            (name, d)
            for name, scan in self.scans.items()
            for d in range(len(scan.image))
            if not self._inside or scan.lungs[d].any()
        ]
        if not pairs:
            raise DatasetError("there are no unlabeled slices", expected="at least one")
        return pairs

    def add(self, scan_id: str, slices: np.ndarray, masks: np.ndarray) -> None:
        """Take in the labels of some slices. Shape: `masks` (K, S, S) uint8 0/1."""
        self._masks[scan_id][slices] = masks
        self._done[scan_id][slices] = True

    def labeled(self) -> list[PreparedScan]:
        """The slices labeled so far, as scans of the training set; counts are of these slices."""
        out = []
        for name, scan in self.scans.items():
            slices = np.flatnonzero(self._done[name])
            if not slices.size:
                continue
            part, lesions = scan.take(slices), self._masks[name][slices]
            row = replace(
                scan.row,
                slices=len(slices),
                lung_voxels=int(part.lungs.sum()),
                lung_slices=count_slices(part.lungs),
                lesion_voxels=int(lesions.sum()),
                lesion_slices=count_slices(lesions),
                source=SOURCE,
            )
            out.append(PreparedScan(row, part.image, part.lungs, lesions, part.slices))
        return out


def draw_chunks(
    pairs: Sequence[tuple[str, int]], *, seed: Sequence[int], size: int, most: int | None
) -> list[Chunk]:
    """Each (scan id, slice) once, in random order, `size` to a chunk; `most` chunks, if given."""
    order = np.random.default_rng([*seed, len(pairs)]).permutation(len(pairs))
    chunks = []
    for begin in range(0, len(pairs), size)[:most]:
        chunk: dict[str, list[int]] = {}
        for name, d in sorted(pairs[i] for i in order[begin : begin + size]):
            chunk.setdefault(name, []).append(d)
        chunks.append({name: np.array(slices) for name, slices in chunk.items()})
    return chunks
