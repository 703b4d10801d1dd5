"""What MosMedData lists, what is on the disk, and where the two disagree.

Source: the publisher's README_EN.md of data set COVID19_1110, version 1.0 (28.04.2020), "Data
Structure" and "Data Overview"; and Morozov et al., arXiv 2005.06465. README and registry were
read in a third party's copy on GitHub, as the publisher's own could not be seen:
michaelwfry/MosMedData-Chest-CT-Scans-with-COVID-19-Related-Findings, README_EN.md at bb30beb,
dataset_registry.csv at 3984dcc (a copy of the .xlsx: columns study_id, category, study_file,
mask_file; 1,110 lines such as `255,CT-1,/studies/CT-1/study_0255.nii.gz,/masks/...`).
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from groundglass.datasets.grades import GRADES
from groundglass.datasets.spreadsheet import read_spreadsheet
from groundglass.errors import DatasetError

REGISTRY = "dataset_registry.xlsx"
STUDIES, MASKS = "studies", "masks"
INNER = "COVID19_1110"
"""The data set's own code, and the folder it usually unpacks to."""
COLUMNS = ("study_id", "category", "study_file", "mask_file")
PUBLISHED = {"CT-0": 254, "CT-1": 684, "CT-2": 125, "CT-3": 45, "CT-4": 2}
PUBLISHED_MASKS = {"CT-1": 50}
"""The README gives 50; the registry has them all in grade CT-1, studies 255 to 304."""

_STUDY_FILE = re.compile(rf"{STUDIES}/(CT-\d)/(study_(\d{{4}}))\.nii(\.gz)?")
_NAMED = 20
"""Files that a message names one by one."""


@dataclass(frozen=True)
class Study:
    """One line of the registry: paths relative to the set's folder, `mask` "" where none is."""

    number: int
    grade: str
    name: str
    image: str
    mask: str


@dataclass(frozen=True)
class Stock:
    """The registry held against the disk.

    `problems` are disagreements about the studies that are wanted, `notes` those about others
    and whatever differs from the published set as a whole.
    """

    root: Path
    studies: tuple[Study, ...]
    problems: tuple[str, ...]
    notes: tuple[str, ...]

    def file(self, name: str) -> Path:
        """Where a file of the registry lies; unpacked from .gz where only that is there."""
        packed = self.root / name
        plain = packed.with_suffix("") if name.endswith(".gz") else packed
        return plain if plain.is_file() and not packed.is_file() else packed


def take_stock(source: Path, *, every: bool) -> Stock:
    """Read the registry below `source` and look for its files; none is opened.

    `every`: all studies are wanted, else those with a mask. Raises: DatasetError where there is
    no registry or it contradicts itself, all its lines that do in one; MissingExtraError
    without openpyxl.
    """
    inner = source / INNER
    root = inner if inner.is_dir() and not (source / REGISTRY).is_file() else source
    if not (root / REGISTRY).is_file():
        raise DatasetError(
            f"{root / REGISTRY} is missing",
            expected=f"the official layout: {REGISTRY}, {STUDIES}/CT-0/ to CT-4/ and {MASKS}/",
            remedy=f"Unpack the archives of {INNER} side by side",
        )
    studies = _read_registry(root / REGISTRY)
    wanted = tuple(study for study in studies if every or study.mask)
    stock = Stock(root, wanted, (), ())
    absent = [study for study in studies if not stock.file(study.image).is_file()]
    listed = {_key(name) for study in studies for name in (study.image, study.mask)}
    extra = [name for name in _nifti_names(root, STUDIES) if _key(name) not in listed]
    extra_masks = [name for name in _nifti_names(root, MASKS) if _key(name) not in listed]
    moved = {s: name for s in absent for name in extra if _key(name).endswith(f"/{s.name}")}
    unlisted = [name for name in extra if name not in moved.values()]
    missing = [s.image for s in absent if s in wanted and s not in moved]
    missing += [s.mask for s in wanted if s.mask and not stock.file(s.mask).is_file()]
    elsewhere = [f"{moved[s]} ({s.grade} in {REGISTRY})" for s in moved if s in wanted]
    problems = [
        *_named("missing", missing),
        *_named("in the folder of another grade", elsewhere),
        *_named(f"not in {REGISTRY}", [*(unlisted if every else []), *extra_masks]),
    ]
    notes = _other_counts(studies)
    if not every:
        notes += _named(f"not in {REGISTRY}", unlisted)
        away = sum(study not in wanted for study in absent)
        notes += [f"{away} studies without a mask are not there, and not needed"] if away else []
    return Stock(root, wanted, tuple(problems), tuple(notes))


def _read_registry(path: Path) -> list[Study]:
    """All lines. Raises: DatasetError naming every line that is wrong, or where there is none."""
    studies: list[Study] = []
    wrong: list[str] = []
    for line, row in read_spreadsheet(path, COLUMNS):
        try:
            studies.append(_study(row))
        except ValueError as error:
            wrong.append(f"line {line} has {error}")
    for what in ("number", "image"):
        count = Counter(getattr(study, what) for study in studies)
        wrong += [f"{what} {value} is there {n} times" for value, n in count.items() if n > 1]
    if wrong or not studies:
        raise DatasetError(
            f"{path} is not as published: {'; '.join(_capped(wrong)) or 'it lists no study'}",
            expected="lines such as 255, CT-1, /studies/CT-1/study_0255.nii.gz, "
            "/masks/study_0255_mask.nii.gz",
            remedy="Get it again",
        )
    return sorted(studies, key=lambda study: study.number)


def _study(row: dict[str, Any]) -> Study:
    """One line. Raises: ValueError saying which value does not fit."""
    number, grade = row["study_id"], row["category"]
    image, mask = (str(row[name] or "").lstrip("/") for name in ("study_file", "mask_file"))
    if grade not in GRADES:
        raise ValueError(f"category {grade!r}, not one of {', '.join(GRADES)}")
    if isinstance(number, float) and number.is_integer():
        number = int(number)  # how some programs store every number
    match = _STUDY_FILE.fullmatch(image)
    if match is None or match[1] != grade:
        raise ValueError(f"study_file {row['study_file']!r} in category {grade}")
    if isinstance(number, bool) or not str(number).isdecimal() or int(number) != int(match[3]):
        raise ValueError(f"study_id {number!r} and study_file {row['study_file']!r}")
    if mask and not re.fullmatch(rf"{MASKS}/{match[2]}_mask\.nii(\.gz)?", mask):
        raise ValueError(f"mask_file {row['mask_file']!r} of {match[2]}")
    return Study(int(number), grade, match[2], image, mask)


def _other_counts(studies: Sequence[Study]) -> list[str]:
    """How the registry differs from the published set; nothing where it does not."""
    grades = Counter(study.grade for study in studies)
    masks = Counter(study.grade for study in studies if study.mask)
    differ = [
        f"{grades[grade]} {grade} ({number} published)"
        for grade, number in PUBLISHED.items()
        if grades[grade] != number
    ]
    if masks != Counter(PUBLISHED_MASKS):
        found = ", ".join(f"{masks[grade]} of {grade}" for grade in sorted(masks)) or "none"
        differ.append(f"masks: {found} (50 of CT-1 published)")
    return [f"{REGISTRY} lists {', '.join(differ)}"] if differ else []


def _nifti_names(root: Path, folder: str) -> list[str]:
    """NIfTI files at any depth of a folder, relative to the set's."""
    return sorted(
        path.relative_to(root).as_posix()
        for path in (root / folder).rglob("*")
        if path.name.endswith((".nii", ".nii.gz")) and not path.name.startswith(".")
    )


def _key(name: str) -> str:
    return name.removesuffix(".gz").removesuffix(".nii")


def _named(what: str, names: Sequence[str]) -> list[str]:
    return [f"{len(names)} {what}: {', '.join(_capped(names))}"] if names else []


def _capped(names: Sequence[str]) -> list[str]:
    more = [f"and {len(names) - _NAMED} more"] if len(names) > _NAMED else []
    return [*names[:_NAMED], *more]
