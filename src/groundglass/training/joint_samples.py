"""What a classifier of scans sees at step t: drawn from (seed, t, place) alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from groundglass.datasets.class_tasks import joint_labels, scan_classes
from groundglass.datasets.index import IndexRow
from groundglass.training.joint_settings import JointSettings
from groundglass.training.slice_sources import ScanSlices, SliceSource


@dataclass(frozen=True, eq=False)
class JointBatch:
    """Scans padded to the longest among them.

    `severity_weight`: by how much the mean over this share's infected scans counts, so that the
    mean over all processes' gradients is that of the whole batch; 1 for one process, 0 without any.
    Shape: `slices` (B, S, C, h, w) float32, 0 in padding; `mask` (B, S) bool, true for real slices;
    `diagnosis`, `severity` (B,) float32, as `JointLabels`.
    """

    slices: np.ndarray
    mask: np.ndarray
    diagnosis: np.ndarray
    severity: np.ndarray
    severity_weight: float


class JointSamples:
    """Draws batches of whole scans from `rows`, which must be graded.

    Place k of step t depends on (seed, t, k) alone, so that a run resumes exactly and several
    processes together see the batch of one.
    Differs: Algorithm 1 takes every scan in turn; with 684 of 1,110 scans mild, drawing each head's
    labels equally often keeps it from learning the majority.
    """

    def __init__(
        self, rows: Sequence[IndexRow], source: SliceSource, settings: JointSettings
    ) -> None:
        self._rows, self._source, self._settings = tuple(rows), source, settings
        self._labels = joint_labels(rows)
        classes = np.array(scan_classes(rows))
        self._of = {name: np.flatnonzero(classes == name) for name in ("normal", "mild", "severe")}

    def batch(self, step: int, *, rank: int = 0, world: int = 1) -> JointBatch:
        """Every `world`-th scan of the batch of `step`, from `rank` on.

        Raises: DatasetError where a scan's slices cannot be read.
        """
        draws = [self._draw(step, place) for place in range(self._settings.batch)]
        chosen = np.array([self.pick(rng) for rng in draws])
        own = range(rank, len(chosen), world)
        scans = [self._scan(int(chosen[place]), draws[place]) for place in own]
        slices, mask = padded(scans)
        sick = self._labels.diagnosis[chosen]
        mine = chosen[list(own)]
        share = float(self._labels.diagnosis[mine].sum()) * world
        return JointBatch(
            slices,
            mask,
            self._labels.diagnosis[mine],
            self._labels.severity[mine],
            share / max(1.0, float(sick.sum())),
        )

    def pick(self, rng: np.random.Generator) -> int:
        """The place of a scan in `rows`, drawn as the settings say."""
        if not self._settings.balanced:
            return int(rng.integers(len(self._rows)))
        at = rng.random()
        pool = self._of["normal" if at < 0.5 else "mild" if at < 0.75 else "severe"]
        return int(pool[rng.integers(pool.size)])

    def _draw(self, step: int, place: int) -> np.random.Generator:
        return np.random.default_rng([self._settings.seed, step, place])

    def _scan(self, place: int, rng: np.random.Generator) -> ScanSlices:
        """A scan with the slices that this time's offset gives, changed at random.

        Mirroring a feature map is not quite the map of a mirrored slice, as TA-SegNet treats left
        and right as it has learned to.
        """
        settings = self._settings
        found = self._source.read(
            self._rows[place].scan_id, most=settings.slices, offset=rng.random()
        )
        values = found.values
        if rng.random() < settings.flip_left_right:
            values = values[..., ::-1]
        if settings.is_gray:
            gain, shift = rng.uniform(-1, 1, 2) * (settings.contrast, settings.brightness)
            values = values * np.float32(1 + gain) + np.float32(shift)
        return ScanSlices(values, found.slices)


def padded(scans: Sequence[ScanSlices]) -> tuple[np.ndarray, np.ndarray]:
    """Scans of one size of slices in one array. Shape: (B, S, C, h, w) and mask (B, S)."""
    longest = max(len(scan.values) for scan in scans)
    slices = np.zeros((len(scans), longest, *scans[0].values.shape[1:]), np.float32)
    mask = np.zeros((len(scans), longest), bool)
    for place, scan in enumerate(scans):
        slices[place, : len(scan.values)] = scan.values
        mask[place, : len(scan.values)] = True
    return slices, mask
