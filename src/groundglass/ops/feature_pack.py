"""Feature maps in few bytes, and what that costs: 8 bit with a scale per map, or half precision."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np

from groundglass.errors import InputError, SettingsError

Storage = Literal["uint8", "float16"]
STORAGES: tuple[str, ...] = get_args(Storage)
_LEVELS = 255
_LARGEST_HALF = float(np.finfo(np.float16).max)

Packed = dict[str, np.ndarray]
"""`values` (K, C, h, w); of 8 bit also `low` and `step` (K, C) float32: v = low + step * value."""


@dataclass(frozen=True)
class RoundingError:
    """How far unpacked features are from what was packed.

    `largest` and `rms` are in the features' own unit; `relative` is the rms over that of the
    features, 0 where they are all 0.
    """

    largest: float
    rms: float
    relative: float


def pack_features(features: np.ndarray, storage: Storage) -> Packed:
    """Round features to what is stored.

    "uint8": each map of each slice has a scale of its own from its lowest to its highest value,
    so that none is off by more than 1/510 of its own range, a faint map beside a strong one
    included. "float16": off by no more than 1/2048 of each value.
    Shape: (K, C, h, w) float32. Raises: SettingsError for another storage; InputError for values
    that are not finite or, in half precision, beyond 65,504.
    """
    if storage not in STORAGES:
        raise SettingsError(f"storage is {storage!r}", expected=" or ".join(STORAGES))
    largest = float(np.abs(features).max(initial=0.0))
    if not np.isfinite(largest):
        raise InputError("features hold values that are not finite", expected="finite numbers")
    if storage == "float16":
        if largest > _LARGEST_HALF:
            raise InputError(
                f"features reach {largest:.6g}",
                expected=f"at most {_LARGEST_HALF:g} in half precision",
                remedy="Store them as uint8",
            )
        return {"values": features.astype(np.float16)}
    low = features.min(axis=(2, 3))
    step = (features.max(axis=(2, 3)) - low) / np.float32(_LEVELS)
    whole = (features - low[..., None, None]) / np.where(step > 0, step, 1)[..., None, None]
    return {
        "values": np.clip(np.rint(whole), 0, _LEVELS).astype(np.uint8),
        "low": low.astype(np.float32),
        "step": step.astype(np.float32),
    }


def unpack_features(packed: Mapping[str, np.ndarray]) -> np.ndarray:
    """Undo `pack_features` but for the rounding. Shape: (K, C, h, w) float32."""
    values = packed["values"].astype(np.float32)
    if "step" not in packed:
        return values
    values *= packed["step"][..., None, None]
    values += packed["low"][..., None, None]
    return values


class RoundingMeter:
    """Adds up the rounding error of batches."""

    def __init__(self) -> None:
        self._largest = self._error = self._signal = 0.0
        self._count = 0

    def add(self, features: np.ndarray, packed: Mapping[str, np.ndarray]) -> None:
        """Compare what was packed with what comes back."""
        error = unpack_features(packed) - features
        self._largest = max(self._largest, float(np.abs(error).max(initial=0.0)))
        self._error += float(np.square(error, dtype=np.float64).sum())
        self._signal += float(np.square(features, dtype=np.float64).sum())
        self._count += features.size

    @property
    def error(self) -> RoundingError:
        return RoundingError(
            largest=self._largest,
            rms=float(np.sqrt(self._error / max(self._count, 1))),
            relative=float(np.sqrt(self._error / self._signal)) if self._signal else 0.0,
        )
