"""Pairs and patients that the user states: CSV files, and a pattern over names."""

from __future__ import annotations

import csv
import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from groundglass.errors import InputError, SettingsError
from groundglass.evaluation.pairing import (
    Pair,
    Pairing,
    find_cases,
    is_mask_name,
    match_names,
    stem_of,
)
from groundglass.io.found import kind_of_name


def read_pairs(
    path: Path, prediction: Path, reference: Path, *, allow_missing: bool = False
) -> Pairing:
    """Pairs from a CSV with the columns prediction, reference, and, if wanted, case and group.

    Names are relative to the two folders, or absolute. An empty prediction is a missing one.
    Raises: InputError listing rows that lack something, files that are not there, cases twice.
    """
    rows = _read_csv(path, ("prediction", "reference"))
    pairs, troubles = [], []
    for number, row in enumerate(rows, start=2):
        made, true = row["prediction"].strip(), row["reference"].strip()
        files = {"prediction": prediction / made, "reference": reference / true}
        if not made:
            del files["prediction"]
            if not allow_missing:
                troubles.append(f"line {number} has no prediction (--allow-missing counts it)")
        if not true:
            troubles.append(f"line {number} has no reference")
            continue
        troubles += [f"{file} is no file" for file in files.values() if not file.is_file()]
        case = (row.get("case") or "").strip() or stem_of(files["reference"])
        group = (row.get("group") or "").strip()
        pairs.append(
            Pair(case, (files["prediction"],) if made else (), (files["reference"],), group)
        )
    names = [pair.case_id for pair in pairs]
    troubles += [f"case {n} stands there twice" for n in sorted({n for n in names
                 if names.count(n) > 1})]  # fmt: skip
    if troubles or not pairs:
        raise InputError(
            f"{path} does not pair files: {'; '.join(troubles) or 'it has no row'}",
            expected="one row with prediction and reference for each case",
        )
    return Pairing(tuple(pairs))


def with_groups(pairs: Sequence[Pair], rule: str | None) -> tuple[Pair, ...]:
    """Give each case its patient. No `rule`: every case is its own, unless it has one already.

    `rule`: a CSV with the columns case (or scan_id) and group (or patient_id), or a regular
    expression searched in the case's name: its first group, else all it matches, is the patient.
    Raises: InputError listing cases without a group; SettingsError for a bad expression.
    """
    if rule is None:
        return tuple(replace(pair, group=pair.group or pair.case_id) for pair in pairs)
    if rule.lower().endswith(".csv"):
        groups = _groups_from(Path(rule))
    else:
        try:
            pattern = re.compile(rule)
        except re.error as error:
            raise SettingsError(
                f"--group-by {rule!r} is no regular expression ({error})",
                expected="an expression, or a file that ends in .csv",
            ) from error
        found = {pair.case_id: pattern.search(pair.case_id) for pair in pairs}
        groups = {
            case: (match[1] if pattern.groups else match[0]) or "" if match else ""
            for case, match in found.items()
        }
    without = [pair.case_id for pair in pairs if not groups.get(pair.case_id)]
    if without:
        raise InputError(
            f"--group-by {rule} gives no group to {', '.join(without)}",
            expected="a group for every case",
        )
    return tuple(replace(pair, group=groups[pair.case_id]) for pair in pairs)


def with_images(pairs: Sequence[Pair], images: Path) -> tuple[Pair, ...]:
    """Give each case its scan from a folder (paired by name as masks are), or one file."""
    if not images.exists():
        raise InputError(f"{images} does not exist", expected="a scan or a folder of scans")
    if images.is_file() or (len(pairs) == 1 and not _holds_scans(images)):
        if len(pairs) > 1:
            raise InputError(
                f"{images} is one scan for {len(pairs)} cases", expected="a folder of scans"
            )
        return (replace(pairs[0], image=images),)
    found: dict[str, Path] = {}
    if _holds_scans(images):
        found = {name: files[0] for name, files in find_cases(images, None, "--images").items()}
    else:
        found = {child.name: child for child in sorted(images.iterdir()) if child.is_dir()}
    matched = match_names(list(found), [pair.case_id for pair in pairs])
    return tuple(
        replace(pair, image=found[matched[pair.case_id]] if pair.case_id in matched else None)
        for pair in pairs
    )


def _holds_scans(folder: Path) -> bool:
    """Whether volume files lie in it directly (else: a folder per scan, or DICOM)."""
    return any(is_mask_name(c) and kind_of_name(c) != "pictures" for c in folder.iterdir())


def _groups_from(path: Path) -> dict[str, str]:
    rows = _read_csv(path, ())
    names = rows[0].keys() if rows else ()
    case = next((name for name in ("case", "scan_id") if name in names), None)
    group = next((name for name in ("group", "patient_id") if name in names), None)
    if case is None or group is None:
        raise InputError(
            f"{path} has the columns {', '.join(names)}",
            expected="case (or scan_id) and group (or patient_id)",
        )
    return {row[case].strip(): row[group].strip() for row in rows}


def _read_csv(path: Path, needed: tuple[str, ...]) -> list[dict[str, str]]:
    try:
        with path.open(newline="", encoding="utf-8-sig") as stream:
            reader = csv.DictReader(stream, restval="")
            rows = [{k: v for k, v in row.items() if k is not None} for row in reader]
            names = reader.fieldnames or []
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{path} cannot be read ({error})", expected="a CSV file") from error
    missing = [name for name in needed if name not in names]
    if missing:
        raise InputError(
            f"{path} has the columns {', '.join(names)}", expected=f"also {', '.join(missing)}"
        )
    return rows
