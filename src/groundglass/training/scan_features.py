"""A scan's stored features as a classifier reads them: all slices, or a bounded choice of them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from safetensors import SafetensorError, safe_open

from groundglass.errors import DatasetError, SettingsError
from groundglass.training.feature_pack import RoundingError, unpack_features

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


def choose_slices(has_lung: np.ndarray, most: int, *, offset: float = 0.5) -> np.ndarray:
    """At most `most` slices, evenly spaced over the lungs' extent; of a scan without, over all.

    The extent is cut into `most` equal parts and the slice at `offset` of each is taken: 0.5 is its
    middle, and a random one shows training other slices each time. A shorter extent is taken
    whole. Shape: (D,) bool -> (K,) rising indices.
    Raises: SettingsError where `most` is below 1 or `offset` not in 0 to below 1.
    """
    if most < 1 or not 0 <= offset < 1:
        raise SettingsError(
            f"{most} slices at offset {offset} were asked for",
            expected="1 slice or more, and an offset from 0 to below 1",
        )
    lung = np.flatnonzero(has_lung)
    first, last = (int(lung[0]), int(lung[-1])) if lung.size else (0, len(has_lung) - 1)
    count = last - first + 1
    if count <= most:
        return np.arange(first, last + 1)
    part = np.arange(most)
    found = np.floor((part + offset) * (count / most)).astype(np.intp)
    # An offset next to 1 is rounded up to 1 when the index is added: out of its part, which ends
    # before ceil((part + 1) count / most), and at the end out of the scan.
    ends = -(-(part + 1) * count // most)
    return first + np.minimum(found, ends - 1)
