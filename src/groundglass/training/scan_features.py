"""A scan's stored features as a classifier reads them: all slices, or a bounded choice of them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from safetensors import SafetensorError, safe_open

from groundglass.errors import DatasetError
from groundglass.ops.feature_pack import RoundingError, unpack_features
from groundglass.ops.slice_choice import choose_slices

FORMAT = "groundglass-features-1"


@dataclass(frozen=True, eq=False)
class ScanFeatures:
    """Features of some slices of one scan, from first to last.

    `slices` are their indices in the scan, `has_lung` says which show lung; `rounding` is that of
    the whole stored scan.
    Shape: `features` (K, C, h, w) float32; `slices` (K,); `has_lung` (K,) bool.
    """

    scan_id: str
    features: np.ndarray
    slices: np.ndarray
    has_lung: np.ndarray
    rounding: RoundingError


def feature_path(folder: Path, scan_id: str) -> Path:
    """Where a scan's features lie."""
    return folder / f"{scan_id}.safetensors"


def read_features(
    folder: Path, scan_id: str, *, most: int | None = None, offset: float = 0.5
) -> ScanFeatures:
    """Features of a scan in a `FeatureCache.folder`; with `most`, those of `choose_slices`.

    Only these slices are read from the disk. The content is not checked against its hash, which
    `FeatureCache.add` does once.
    Raises: DatasetError where the file is missing, unreadable or something else; SettingsError as
    `choose_slices`.
    """
    path = feature_path(folder, scan_id)
    if not path.is_file():
        raise DatasetError(
            f"{folder} has no features of scan {scan_id}",
            expected=f"{path.name}",
            remedy="Fill the cache with every scan of the study first",
        )
    try:
        with safe_open(path, framework="np") as stored:
            header = stored.metadata() or {}
            if (header.get("format"), header.get("scan_id")) != (FORMAT, scan_id):
                raise ValueError(
                    f"it has format {header.get('format')!r} and scan {header.get('scan_id')!r}"
                )
            has_lung = stored.get_tensor("has_lung")
            picks = np.arange(len(has_lung))
            if most is not None:
                picks = choose_slices(has_lung, most, offset=offset)
            values = stored.get_slice("values")
            packed = {"values": np.stack([values[int(k)] for k in picks])}
            names = set(stored.keys())
            packed |= {n: stored.get_tensor(n)[picks] for n in ("low", "step") if n in names}
            slices = stored.get_tensor("slices")[picks]
            rounding = RoundingError(*stored.get_tensor("rounding").tolist())
    except (OSError, SafetensorError, KeyError, TypeError, ValueError, IndexError) as error:
        raise DatasetError(
            f"features {path} cannot be read: {error}",
            expected=f"{FORMAT} of scan {scan_id}",
            remedy="Fill the cache again: it replaces what is damaged",
        ) from error
    return ScanFeatures(scan_id, unpack_features(packed), slices, has_lung[picks], rounding)
