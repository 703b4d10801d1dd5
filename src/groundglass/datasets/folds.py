"""Which scans a fold tests on: patients kept whole, or the paper's leaky split over slices."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from groundglass.datasets.index import IndexRow
from groundglass.errors import DatasetError, SettingsError

FORMAT = "groundglass-folds-1"
Protocol = Literal["patients", "slices"]


@dataclass(frozen=True)
class Fold:
    """One fold's test side: scan id -> slices tested, None for the whole scan."""

    number: int
    test: dict[str, tuple[int, ...] | None]

    def test_slices(self, row: IndexRow) -> np.ndarray:
        """Indices of the scan's slices on the test side."""
        if row.scan_id not in self.test:
            return np.arange(0)
        chosen = self.test[row.scan_id]
        return np.arange(row.slices) if chosen is None else np.array(chosen, dtype=np.int64)

    def train_slices(self, row: IndexRow) -> np.ndarray:
        """Indices of the scan's slices on the training side: all that are not tested."""
        return np.setdiff1d(np.arange(row.slices), self.test_slices(row))


@dataclass(frozen=True)
class FoldCheck:
    """What a fold shares between its sides. `shared_groups` is empty where nothing leaks."""

    fold: int
    train_slices: int
    test_slices: int
    shared_slices: int
    shared_groups: tuple[str, ...]


@dataclass(frozen=True)
class Folds:
    """All folds of a study. Every scan of the index is known to it, in `scans`."""

    protocol: Protocol
    seed: int
    scans: tuple[str, ...]
    folds: tuple[Fold, ...]

    def check(self, rows: Sequence[IndexRow]) -> tuple[FoldCheck, ...]:
        """Count what train and test share, from the slices themselves.

        Raises: DatasetError where the index holds other scans than the folds, or a fold names
        a slice that is not there.
        """
        known = {row.scan_id for row in rows}
        if known != set(self.scans):
            differ = sorted(known ^ set(self.scans))
            raise DatasetError(
                f"the folds and the index differ in {', '.join(differ)}",
                expected="folds made from this index",
                remedy="Make them anew: groundglass folds INDEX",
            )
        return tuple(_check(fold, rows) for fold in self.folds)

    def save(self, path: Path) -> None:
        """Write as JSON, beside and then renamed."""
        text = json.dumps({"format": FORMAT, **asdict(self)}, indent=1) + "\n"
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_name(f".{path.name}.partial")
        partial.write_text(text, encoding="utf-8")
        partial.replace(path)


def patient_folds(rows: Sequence[IndexRow], *, count: int = 5, seed: int = 0) -> Folds:
    """Deal whole groups (patients) into `count` folds of like size.

    Groups are sorted by their number of slices (in the 20-case set that also tells the two
    sources apart) and dealt in blocks of `count`, each block in a random order; lesion-free
    groups are dealt after the others. Graded groups are parted further, by severity: of each
    kind (drawn lesions or none; not graded, severe, mild, normal) every fold holds as many,
    give or take one.
    Source: CovTANet's experimental setup has five folds stratified by severity.
    Raises: SettingsError where `count` is below 2 or above the groups with lesions (of an index
    in which none are drawn, those with findings), or there are fewer than two of these.
    """
    groups: dict[str, list[IndexRow]] = {}
    for row in rows:
        groups.setdefault(row.group, []).append(row)

    def size(name: str) -> tuple[int, str]:
        return -sum(row.slices for row in groups[name]), name

    strata: dict[tuple[bool, int], list[str]] = {}
    for name, members in groups.items():
        strata.setdefault(_stratum(members), []).append(name)
    sick, what = (
        sum(any(row.lesion_voxels for row in group) for group in groups.values()),
        "lesions",
    )
    if not sick:
        sick = sum(not all(row.is_healthy for row in group) for group in groups.values())
        what = "lesions or findings"
    if sick < 2:
        raise SettingsError(
            f"patients with {what} in the index: {sick}",
            expected="two or more, as a fold never holds all of them",
            remedy="Prepare scans of more patients into it",
        )
    if not 2 <= count <= sick:
        raise SettingsError(
            f"{count} folds were asked for",
            expected=f"2 to {sick}, the patients with lesions in the index",
        )
    rng = np.random.default_rng(seed)
    parts: list[list[str]] = [[] for _ in range(count)]
    for key in sorted(strata):
        names = sorted(strata[key], key=size)
        for start in range(0, len(names), count):
            block = names[start : start + count]
            loads = [sum(row.slices for g in part for row in groups[g]) for part in parts]
            # A short last block goes to the folds that hold least so far.
            takers = sorted(range(count), key=lambda i: (loads[i], i))[: len(block)]
            for name, taker in zip(rng.permutation(block), takers, strict=True):
                parts[taker].append(str(name))
    fold_of = {name: number for number, part in enumerate(parts) for name in part}
    folds = tuple(
        Fold(number, {row.scan_id: None for row in rows if fold_of[row.group] == number})
        for number in range(count)
    )
    return Folds("patients", seed, tuple(row.scan_id for row in rows), folds)


_GRADED = ("severe", "mild", "normal")


def _stratum(rows: Sequence[IndexRow]) -> tuple[bool, int]:
    """What a group is dealt with: whether no lesion is drawn in it, then its worst label.

    Drawn lesions come first: a fold without any is the emptiest then, and gets the next.
    """
    labels = {row.severity or row.diagnosis for row in rows} - {""}
    place = next((n for n, label in enumerate(_GRADED, start=1) if label in labels), 0)
    return not any(row.lesion_voxels for row in rows), place


def slice_split(rows: Sequence[IndexRow], *, test_share: float = 0.3, seed: int = 0) -> Folds:
    """The paper's protocol: a share of all slices, drawn at random, is tested on.

    Source: CHS-Net section 4.2 (70/30). It leaks: neighboring slices of a patient lie on both
    sides. It is here to show by how much. Scans without a marked lesion stay on the training
    side, as the test is about lesions.
    Raises: SettingsError where `test_share` is not between 0 and 1 or leaves a side empty.
    """
    pool = [(row.scan_id, d) for row in rows if row.lesion_voxels for d in range(row.slices)]
    count = round(test_share * len(pool))
    if not 0 < test_share < 1 or not 0 < count < len(pool):
        raise SettingsError(
            f"test_share {test_share} of {len(pool)} slices leaves a side empty",
            expected="a share between 0 and 1, such as 0.3",
        )
    picks = np.random.default_rng(seed).choice(len(pool), count, replace=False)
    test: dict[str, list[int]] = {}
    for pick in sorted(picks):
        scan_id, d = pool[pick]
        test.setdefault(scan_id, []).append(d)
    fold = Fold(0, {scan_id: tuple(chosen) for scan_id, chosen in test.items()})
    return Folds("slices", seed, tuple(row.scan_id for row in rows), (fold,))


def read_folds(path: Path) -> Folds:
    """Read what `Folds.save` wrote. Raises: DatasetError where it is missing or damaged."""
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
        if values.pop("format") != FORMAT or values["protocol"] not in ("patients", "slices"):
            raise ValueError(f"it is not {FORMAT}")
        folds = tuple(
            Fold(
                int(one["number"]),
                {k: None if v is None else tuple(map(int, v)) for k, v in one["test"].items()},
            )
            for one in values["folds"]
        )
        return Folds(values["protocol"], int(values["seed"]), tuple(values["scans"]), folds)
    except (OSError, KeyError, TypeError, ValueError, AttributeError) as error:
        raise DatasetError(
            f"folds file {path} cannot be read: {error}",
            expected="a file that `groundglass folds -o` wrote",
        ) from error


def _check(fold: Fold, rows: Sequence[IndexRow]) -> FoldCheck:
    train: set[tuple[str, int]] = set()
    test: set[tuple[str, int]] = set()
    train_groups: set[str] = set()
    test_groups: set[str] = set()
    for row in rows:
        tested, trained = fold.test_slices(row), fold.train_slices(row)
        if tested.size and not 0 <= tested.min() <= tested.max() < row.slices:
            raise DatasetError(
                f"fold {fold.number} tests slice {tested.max()} of {row.scan_id}",
                expected=f"0 to {row.slices - 1}",
            )
        test |= {(row.scan_id, int(d)) for d in tested}
        train |= {(row.scan_id, int(d)) for d in trained}
        test_groups |= {row.group} if tested.size else set()
        train_groups |= {row.group} if trained.size else set()
    shared = tuple(sorted(train_groups & test_groups))
    return FoldCheck(fold.number, len(train), len(test), len(train & test), shared)
