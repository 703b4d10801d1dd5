"""One finished row of a study's table: what was scored, fold by fold, and where it is stored."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from groundglass.errors import DatasetError, InputError, SettingsError
from groundglass.metrics.aggregate import CaseScore
from groundglass.metrics.overlap import Confusion

Target = Literal["lungs", "lesions"]
Protocol = Literal["patients", "slices"]

PROTOCOLS: dict[str, str] = {
    "patients": "patient folds",
    "slices": "slice split (leaks patients)",
}
"""How the test slices were held out, and what every table and picture calls it."""

TARGETS = ("lungs", "lesions")
FORMAT = "groundglass-study-row-1"


@dataclass(frozen=True)
class FoldScores:
    """The cases that one fold's network was tested on. Raises: InputError where there is none."""

    fold: int
    cases: tuple[CaseScore, ...]

    def __post_init__(self) -> None:
        if not self.cases:
            raise InputError(f"fold {self.fold} has no case", expected="one or more")


@dataclass(frozen=True)
class Row:
    """One network under one protocol on one target.

    `key` is stable and names the row of the paper (see `papers`); `parameters` counts what
    was trained for this row; `train_slices` is the mean over its folds, `minutes` the time spent
    on all of them, on the device `trained_on` ("" in rows stored before it was noted). Protocol
    "slices" is the paper's split over slices, which leaks patients.
    Raises: SettingsError where target or protocol is none; InputError where there is no fold, or
    a fold twice.
    """

    key: str
    label: str
    target: Target
    protocol: Protocol
    parameters: int
    folds: tuple[FoldScores, ...]
    train_slices: int
    minutes: float
    note: str = ""
    trained_on: str = ""

    def __post_init__(self) -> None:
        if self.target not in TARGETS:
            raise SettingsError(
                f"row {self.key!r} has target {self.target!r}", expected=" or ".join(TARGETS)
            )
        if self.protocol not in PROTOCOLS:
            raise SettingsError(
                f"row {self.key!r} has protocol {self.protocol!r}", expected=" or ".join(PROTOCOLS)
            )
        numbers = [scores.fold for scores in self.folds]
        if not numbers or len(set(numbers)) != len(numbers):
            raise InputError(
                f"row {self.key!r} has folds {numbers}", expected="one or more, each once"
            )

    @property
    def protocol_label(self) -> str:
        return PROTOCOLS[self.protocol]

    @property
    def cases(self) -> tuple[CaseScore, ...]:
        """Every case once, in order of name; slices of one scan tested in several folds join."""
        joined: dict[tuple[str, str], tuple[Confusion, ...]] = {}
        for scores in self.folds:
            for case in scores.cases:
                name = (case.case_id, case.group)
                joined[name] = joined.get(name, ()) + case.slices
        return tuple(CaseScore(i, slices, group) for (i, group), slices in sorted(joined.items()))


def to_dict(row: Row) -> dict[str, Any]:
    """Plain values for JSON; a slice is its counts [tp, fp, fn, tn]."""
    return {
        "format": FORMAT,
        "key": row.key,
        "label": row.label,
        "target": row.target,
        "protocol": row.protocol,
        "parameters": row.parameters,
        "train_slices": row.train_slices,
        "minutes": row.minutes,
        "note": row.note,
        "trained_on": row.trained_on,
        "folds": [
            {"fold": scores.fold, "cases": [_case_to_dict(case) for case in scores.cases]}
            for scores in row.folds
        ],
    }


def from_dict(values: Mapping[str, Any]) -> Row:
    """The row that `to_dict` gave. Raises: DatasetError where something is missing or odd."""
    if values.get("format") != FORMAT:
        raise DatasetError(
            f"stored row has format {values.get('format')!r}",
            expected=FORMAT,
            remedy="Delete it and run the study again",
        )
    try:
        return Row(
            key=str(values["key"]),
            label=str(values["label"]),
            target=values["target"],
            protocol=values["protocol"],
            parameters=int(values["parameters"]),
            folds=tuple(
                FoldScores(
                    int(fold["fold"]), tuple(_case_from_dict(case) for case in fold["cases"])
                )
                for fold in values["folds"]
            ),
            train_slices=int(values["train_slices"]),
            minutes=float(values["minutes"]),
            note=str(values["note"]),
            trained_on=str(values.get("trained_on", "")),
        )
    except (KeyError, TypeError, ValueError, InputError, SettingsError) as error:
        raise DatasetError(
            f"stored row is damaged: {type(error).__name__} {error}",
            remedy="Delete it and run the study again",
        ) from error


def write_row(path: Path, row: Row) -> None:
    """Store a row as JSON, whole or not at all."""
    partial = path.with_name(f".{path.name}.partial")
    partial.write_text(json.dumps(to_dict(row)) + "\n", encoding="utf-8")
    partial.replace(path)


def read_row(path: Path) -> Row:
    """Read what `write_row` stored. Raises: DatasetError naming the file."""
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DatasetError(f"row {path} cannot be read: {error}") from error
    if not isinstance(values, dict):
        raise DatasetError(f"row {path} holds a {type(values).__name__}", expected="a JSON object")
    try:
        return from_dict(values)
    except DatasetError as error:
        raise DatasetError(
            f"{path}: {error.problem}", remedy="Delete it and run the study again"
        ) from error


def _case_to_dict(case: CaseScore) -> dict[str, Any]:
    slices = [[one.tp, one.fp, one.fn, one.tn] for one in case.slices]
    return {"case_id": case.case_id, "group": case.group, "slices": slices}


def _case_from_dict(values: Mapping[str, Any]) -> CaseScore:
    slices = []
    for counts in values["slices"]:
        tp, fp, fn, tn = (int(count) for count in counts)
        if min(tp, fp, fn, tn) < 0:
            raise ValueError(f"case {values['case_id']} has the counts {counts}")
        slices.append(Confusion(tp, fp, fn, tn))
    return CaseScore(str(values["case_id"]), tuple(slices), str(values["group"]))
