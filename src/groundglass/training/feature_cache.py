"""Features of whole scans on disk: computed once, one file a scan, read slice by slice.

safetensors: no pickle, and memory-mapped, so that of a long scan only the slices asked for are
read. The header says what the features are of; a file that is damaged, or of something else, is
recognized by `FeatureCache.add` and made again.
"""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Callable, Iterable
from dataclasses import astuple
from pathlib import Path

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from groundglass.datasets.index import PreparedScan
from groundglass.errors import DatasetError
from groundglass.ops.feature_pack import Packed, RoundingError, RoundingMeter, pack_features
from groundglass.training.fusion_features import FusionFeatures
from groundglass.training.scan_features import FORMAT, ScanFeatures, feature_path, read_features
from groundglass.training.scan_inputs import ScanInputs

log = logging.getLogger(__name__)

Lungs = Callable[[PreparedScan], np.ndarray]
"""The lungs that a scan's features are to be made with, (D, S, S) 0/1."""


class FeatureCache:
    """The features that one frozen network gives, under `root`/<start of its key>/<scan id>.

    Networks of several folds can share `root`; what no study needs any more is deleted by hand.
    An interrupted run goes on with the first scan whose file is missing. Memory is bounded by one
    scan: its stored features, and a batch of slices at full size.
    """

    def __init__(self, root: Path, source: FusionFeatures) -> None:
        self.folder = root / source.key[:16]
        self._source = source

    def fill(
        self,
        scans: Iterable[PreparedScan],
        *,
        lungs: Lungs | None = None,
        progress: Callable[[str, bool], None] | None = None,
    ) -> int:
        """Add scans one by one; give a generator, so that one at a time is in memory.

        `progress` is called after each with its id and whether it had to be computed. Returns how
        many had to. Raises: as `add`.
        """
        count = 0
        for scan in scans:
            made = self.add(scan, lungs=None if lungs is None else lungs(scan))
            count += made
            if progress is not None:
                progress(scan.row.scan_id, made)
        return count

    def add(self, scan: PreparedScan, *, lungs: np.ndarray | None = None) -> bool:
        """Compute a scan's features unless a whole file of them is there. True if computed.

        All slices that the recipe's stage looks at are kept: of stage lesions those with lung,
        else all. `lungs` (D, S, S) 0/1 in place of the reference ones.
        Raises: DatasetError for a scan reduced to some slices, or without any slice to look at;
        WeightsError where the features are not finite; InputError as `pack_features`.
        """
        row = scan.row
        if scan.slices is not None:
            raise DatasetError(
                f"scan {row.scan_id} is reduced to {len(scan.image)} slices",
                expected="the whole scan: slices are chosen when features are read",
            )
        path = feature_path(self.folder, row.scan_id)
        wanted = {
            "format": FORMAT,
            "source": json.dumps(self._source.record, sort_keys=True),
            "scan_id": row.scan_id,
            "scan_sha256": _scan_sha256(scan, lungs),
        }
        if path.exists():
            wrong = _what_is_wrong(path, wanted)
            if not wrong:
                return False
            log.warning("features %s %s; made again", path, wrong)
        inputs = ScanInputs.of(scan, self._source.recipe, lungs=lungs)
        if not inputs.picks.size:
            raise DatasetError(
                f"scan {row.scan_id} has no slice with lung",
                expected="lungs, for a recipe of stage lesions",
                remedy="Leave it out and say so, or take a network of stage direct",
            )
        packed, error = self._packed(inputs)
        shown = inputs.mask[inputs.picks].any(axis=(1, 2))
        arrays = {
            **packed,
            "slices": inputs.picks.astype(np.int32),
            "has_lung": shown,
            "rounding": np.array(astuple(error)),
        }
        header = {**wanted, "content_sha256": _content_sha256(arrays)}
        self.folder.mkdir(parents=True, exist_ok=True)
        partial = path.with_name(f".{path.name}.partial")
        save_file(arrays, partial, metadata=header)
        partial.replace(path)
        return True

    def read(self, scan_id: str, *, most: int | None = None, offset: float = 0.5) -> ScanFeatures:
        """Features of a scan that was added; see `read_features`."""
        return read_features(self.folder, scan_id, most=most, offset=offset)

    def _packed(self, inputs: ScanInputs) -> tuple[Packed, RoundingError]:
        """All slices' features as stored; each batch is rounded before the next is computed."""
        whole: Packed = {}
        meter, at = RoundingMeter(), 0
        for features in self._source.batches(inputs):
            packed = pack_features(features, self._source.settings.storage)
            meter.add(features, packed)
            for name, part in packed.items():
                if name not in whole:
                    whole[name] = np.empty((inputs.picks.size, *part.shape[1:]), part.dtype)
                whole[name][at : at + len(part)] = part
            at += len(features)
        return whole, meter.error


def _what_is_wrong(path: Path, wanted: dict[str, str]) -> str:
    """Why a file is not what is wanted, or ''. Reads all of it."""
    try:
        with safe_open(path, framework="np") as stored:
            header = stored.metadata() or {}
            other = sorted(name for name, text in wanted.items() if header.get(name) != text)
            if other:
                return f"have another {', '.join(other)}"
            arrays = {name: stored.get_tensor(name) for name in stored.keys()}  # noqa: SIM118
    except (OSError, SafetensorError, ValueError) as error:
        return f"cannot be read ({error})"
    if header.get("content_sha256") != _content_sha256(arrays):
        return "are damaged"
    return ""


def _content_sha256(arrays: Packed) -> str:
    digest = hashlib.sha256()
    for name in sorted(arrays):
        _digest(digest, name, arrays[name])
    return digest.hexdigest()


def _scan_sha256(scan: PreparedScan, lungs: np.ndarray | None) -> str:
    """Of what the network is shown of a scan: its frames, and the lungs as a mask."""
    digest = hashlib.sha256(f"{scan.row.domain}\n".encode())
    _digest(digest, "image", scan.image)
    _digest(digest, "lungs", (scan.lungs if lungs is None else lungs) > 0)
    return digest.hexdigest()


def _digest(digest: hashlib._Hash, name: str, array: np.ndarray) -> None:
    digest.update(f"{name} {array.dtype.str} {array.shape}\n".encode())
    digest.update(np.ascontiguousarray(array).data)
