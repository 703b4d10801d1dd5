"""How large an input may be: files come from anywhere, and a header can promise anything.

Every limit lies far above real scans. What passes them is still checked against the memory that
is there, before anything is allocated.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from groundglass.errors import UnreadableError


@dataclass(frozen=True)
class ReadLimits:
    """Limits of all readers; each with its reason.

    `archive_members`: a whole study with every reconstruction has some thousand files.
    `archive_directory_bytes`: the list of members is read at once; 600 bytes for each of those.
    `archive_bytes`: more than any single study unpacks to.
    `archive_ratio`, from `archive_ratio_from_bytes` on: packed CT shrinks to a half or a third,
    empty masks to a hundredth; a bomb to a thousandth, which is all that deflate can do.
    `deflate_ratio`: no gzip or deflate stream grows by more than 1032 (RFC 1951).
    `deflated_dicom_bytes`: one file of a deflated transfer syntax; multi-frame CT has 1 GiB.
    `header_bytes`: a header of text, or header extensions, beside the values.
    `voxels`: 4,096 slices of 1,024 x 1,024.
    `planes`: a body of 2 m in steps of 0.1 mm.
    `picture_pixels`: 8,192 x 8,192, far more than any slice has.
    `memory_share`: of the memory that is free, how much one array may take.
    """

    archive_members: int = 50_000
    archive_directory_bytes: int = 30_000_000
    archive_bytes: int = 16 * 2**30
    archive_ratio: int = 200
    archive_ratio_from_bytes: int = 2**30
    deflate_ratio: int = 1032
    deflated_dicom_bytes: int = 4 * 2**30
    header_bytes: int = 16 * 2**20
    voxels: int = 2**32
    planes: int = 20_000
    picture_pixels: int = 2**26
    memory_share: float = 0.8


LIMITS = ReadLimits()


def check_array(shape: Sequence[int], voxel_bytes: float, name: str) -> None:
    """Refuse an array that is absurd or more than memory holds; called before it is made.

    `name`: the file or series as messages call it. Raises: UnreadableError with the numbers.
    """
    sizes = [int(size) for size in shape]
    said = f"{name} has shape ({', '.join(map(str, sizes))})"
    if any(size < 0 for size in sizes):
        raise UnreadableError(said, expected="no negative size", remedy="Export it again")
    voxels = math.prod(sizes)
    if voxels > LIMITS.voxels:
        raise UnreadableError(
            f"{said}, {voxels} voxels",
            expected=f"at most {LIMITS.voxels}",
            remedy="The header is damaged, or the scan must be cut into parts",
        )
    free = available_bytes()
    needed = int(voxels * voxel_bytes)
    if free is not None and needed > free * LIMITS.memory_share:
        raise UnreadableError(
            f"{said}, which takes {needed / 2**20:.0f} MiB",
            expected=f"at most {free * LIMITS.memory_share / 2**20:.0f} MiB, as memory is free now",
            remedy="Use a machine with more memory, or a scan with fewer voxels",
        )


def check_gzip_can_hold(packed_bytes: int, needed_bytes: int, name: str) -> None:
    """Refuse a gzip file that is too small for what its header promises.

    Raises: UnreadableError.
    """
    most = packed_bytes * LIMITS.deflate_ratio
    if needed_bytes > most:
        raise UnreadableError(
            f"{name} promises {needed_bytes} bytes of values, and its {packed_bytes} packed bytes "
            f"hold {most} at most",
            expected="a whole file",
            remedy="Copy or export it again",
        )


def available_bytes() -> int | None:
    """Memory that is free or can be freed, as Linux and its control groups say; else None."""
    found = [value for value in (_of_machine(), _of_group()) if value is not None]
    return min(found) if found else None


def _of_machine() -> int | None:
    try:
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
        line = next(line for line in lines if line.startswith("MemAvailable:"))
        return int(line.split()[1]) * 1024
    except (OSError, StopIteration, ValueError, IndexError):
        return None


def _of_group() -> int | None:
    """What a container may still take."""
    folder = Path("/sys/fs/cgroup")
    try:
        most = int((folder / "memory.max").read_text())
        used = int((folder / "memory.current").read_text())
        caches = dict(
            line.split() for line in (folder / "memory.stat").read_text().splitlines()
        ).get("inactive_file", "0")
    except (OSError, ValueError):  # no group, or no limit ("max")
        return None
    return max(0, most - used + int(caches))
