"""Whether a scan is like those a classifier learned from: a distance between pooled features.

Of each scan the mean and the deviation of every feature channel over its slices and places are
kept; no scan of a patient is. NumPy alone.
"""

from __future__ import annotations

import io
import math
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from groundglass.errors import InputError, WeightsError

FALSE_ALARMS = 0.05
"""Share of scans like the held-out ones that may lie beyond the limit, where these are enough."""


FEWEST = math.ceil(1 / FALSE_ALARMS) - 1
"""Held-out scans from which on their distances alone set a limit with so few false alarms: 19."""


class PooledFeatures:
    """Adds up feature maps batch by batch."""

    def __init__(self) -> None:
        self._count = 0
        self._sum: np.ndarray | float = 0.0
        self._squares: np.ndarray | float = 0.0

    def add(self, features: np.ndarray) -> None:
        """Shape: (N, C, h, w)."""
        values = features.astype(np.float64)
        self._count += values.shape[0] * values.shape[2] * values.shape[3]
        self._sum = self._sum + values.sum(axis=(0, 2, 3))
        self._squares = self._squares + np.square(values).sum(axis=(0, 2, 3))

    @property
    def vector(self) -> np.ndarray:
        """Mean, then standard deviation of each channel. Shape: (2 C,) float64.

        Raises: InputError where nothing was added.
        """
        if not self._count:
            raise InputError("no feature map was added", expected="one slice or more")
        mean = np.asarray(self._sum) / self._count
        variance = np.asarray(self._squares) / self._count - np.square(mean)
        return np.concatenate([mean, np.sqrt(np.maximum(variance, 0.0))])

    @classmethod
    def of(cls, features: np.ndarray) -> np.ndarray:
        """The vector of one stack of maps (N, C, h, w)."""
        pooled = cls()
        pooled.add(features)
        return pooled.vector


@dataclass(frozen=True)
class LungLook:
    """`median` value of the lungs' pixels, and `noise`: the median difference of two below each
    other. Both in the frames' own unit, HU or gray levels; a window or an offset shows in the
    first, noise, blur and padding in the second. The networks' input hides much of either.
    """

    median: float
    noise: float

    @classmethod
    def of(cls, frames: np.ndarray, lungs: np.ndarray) -> LungLook | None:
        """Of the slices shown, (K, S, S) int16 HU or uint8, and their lungs, (K, S, S) 0/1.

        None where no two pixels of lung lie below each other.
        """
        values: list[np.ndarray] = []
        steps: list[np.ndarray] = []
        for frame, mask in zip(frames, lungs, strict=True):  # one at a time: scans are large
            inside = mask > 0
            whole = frame.astype(np.int16)
            values.append(whole[inside])
            steps.append(np.abs(np.diff(whole, axis=0))[inside[1:] & inside[:-1]])
        every = np.concatenate(steps) if steps else np.empty(0)
        if not every.size:
            return None
        return cls(float(np.median(np.concatenate(values))), float(np.median(every)))


@dataclass(frozen=True, eq=False)
class Familiar:
    """What the scans learned from have in common.

    `mean` and `scale` of each number over them, and the `precision` of the scaled numbers: the
    inverse of their covariance, shrunk towards a multiple of the identity.
    Source: Ledoit & Wolf, "A well-conditioned estimator for large-dimensional covariance matrices",
    2004; distances as Lee et al., "A simple unified framework for detecting out-of-distribution
    samples", NeurIPS 2018 (one Gaussian here, for all classes).
    Shape: (P,), (P,), (P, P) float64.
    """

    mean: np.ndarray
    scale: np.ndarray
    precision: np.ndarray

    @classmethod
    def of(cls, vectors: Sequence[np.ndarray]) -> Familiar:
        """Fit on one vector a scan. Raises: InputError for fewer than two, or all alike."""
        if len(vectors) < 2:
            raise InputError(f"{len(vectors)} scans were learned from", expected="two or more")
        rows = np.stack(vectors).astype(np.float64)
        mean, scale = rows.mean(axis=0), rows.std(axis=0)
        usual = float(np.median(scale))
        if not np.isfinite(rows).all() or not scale.max() > 0:
            raise InputError(
                "the pooled features of all scans are alike or not finite",
                expected="numbers that differ between scans",
            )
        # A number that never changed (a dead channel) must not become infinitely telling.
        scale = np.maximum(scale, max(1e-3 * usual, 1e-6 * float(scale.max())))
        return cls(mean, scale, _precision((rows - mean) / scale))

    def distance(self, vector: np.ndarray) -> float:
        """Mahalanobis distance over the root of P: about 1 for a scan like these.

        Raises: InputError for a vector of another length.
        """
        if vector.shape != self.mean.shape:
            raise InputError(
                f"pooled features have shape {vector.shape}", expected=str(self.mean.shape)
            )
        z = (vector - self.mean) / self.scale
        return math.sqrt(max(0.0, float(z @ self.precision @ z)) / len(z))

    @staticmethod
    def left_out(vectors: Sequence[np.ndarray]) -> list[float]:
        """The distance of each scan from what the others have in common.

        Raises: InputError as `of` on all but one.
        """
        return [
            Familiar.of([*vectors[:k], *vectors[k + 1 :]]).distance(one)
            for k, one in enumerate(vectors)
        ]

    def to_bytes(self) -> bytes:
        """As .npz, without pickle."""
        out = io.BytesIO()
        np.savez(out, mean=self.mean, scale=self.scale, precision=self.precision)
        return out.getvalue()

    @classmethod
    def from_bytes(cls, content: bytes) -> Familiar:
        """Undo `to_bytes`. Raises: WeightsError where it is something else."""
        try:
            with np.load(io.BytesIO(content), allow_pickle=False) as stored:
                found = cls(stored["mean"], stored["scale"], stored["precision"])
            count = len(found.mean)
            if found.scale.shape != (count,) or found.precision.shape != (count, count):
                raise ValueError(f"shapes {found.scale.shape}, {found.precision.shape}")
        except (OSError, ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile) as error:
            raise WeightsError(f"what the classifier knows is damaged: {error}") from error
        return found


@dataclass(frozen=True)
class Limit:
    """The largest distance that still counts as familiar, and how it was set."""

    value: float
    rule: str

    @classmethod
    def of(cls, held_out: Sequence[float], learned: Sequence[float] = ()) -> Limit:
        """From the distances of scans that were held out.

        Of n scans the k-th smallest, k = ceil((n + 1) 0.95): another scan of their kind lies beyond
        with a chance of at most 1 - k / (n + 1), whatever the distribution. Fewer than 19 give no
        such k; then the scans learned from are counted too, each by its distance from the others
        (`Familiar.left_out`), and of still too few the largest is taken.
        Source: split conformal prediction, Vovk et al. 2005; joined with the jackknife where few.
        Raises: InputError for none held out.
        """
        if not len(held_out):
            raise InputError("no held-out scan sets the limit", expected="one or more")
        found, whose = sorted(held_out), f"{len(held_out)} held-out scans"
        if len(found) < FEWEST and len(learned):
            found = sorted([*held_out, *learned])
            whose += f" and {len(learned)} learned from, each judged by the others"
        count = len(found)
        place = min(count, math.ceil((count + 1) * (1 - FALSE_ALARMS)))
        which = "the largest" if place == count else f"number {place} from the least"
        share = 100 * (count + 1 - place) / (count + 1)
        rule = (
            f"{which} of the distances of {whose}; of further scans like these about {share:.2g} % "
            "lie beyond"
        )
        return cls(max(found[place - 1], 1e-9), rule)


def _precision(z: np.ndarray) -> np.ndarray:
    """Inverse of the shrunk covariance. Shape: centered (n, P) -> (P, P)."""
    count, width = z.shape
    covariance = z.T @ z / count
    middle = float(np.trace(covariance)) / width
    spread = float(np.square(covariance - middle * np.eye(width)).sum())
    lengths = np.square(z).sum(axis=1)
    noise = float(np.square(lengths).sum() / count - np.square(covariance).sum()) / count
    # Of few scans the estimated noise may be about nothing; some shrinkage keeps it invertible.
    share = float(np.clip(noise / spread if spread > 0 else 1.0, 1e-3, 1.0))
    shrunk = (1 - share) * covariance + share * middle * np.eye(width)
    return np.linalg.inv(shrunk)
