"""Which prediction belongs to which reference. References say what the cases are."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from groundglass.errors import InputError, UnreadableError
from groundglass.io.found import METAIMAGE, NIFTI, NRRD, natural_key

_SUFFIXES = (*NIFTI, *NRRD, *METAIMAGE, ".png")
_LESIONS = "lesions.nii.gz"
WORDS = frozenset(
    {
        "mask", "masks", "msk", "seg", "segs", "segmentation", "pred", "preds", "predicted",
        "prediction", "predictions", "label", "labels", "labelmap", "lesion", "lesions", "lung",
        "lungs", "infection", "infections", "gt", "truth", "ref", "reference", "manual", "result",
        "output", "ct", "img", "im", "image", "scan", "dcm",
    }
)  # fmt: skip
"""Words that tools put before or behind a case's name."""

_STRUCTURES = {
    "lungs": {"lung", "lungs"},
    "lesions": {"lesion", "lesions", "infection", "infections"},
}
Files = tuple[Path, ...]
Tokens = tuple[str, ...]


@dataclass(frozen=True)
class Pair:
    """One case: its reference, its prediction (none where that is missing), its patient."""

    case_id: str
    prediction: Files
    reference: Files
    group: str = ""
    image: Path | None = None


@dataclass(frozen=True)
class Pairing:
    """All cases, in natural order; predictions without a reference."""

    pairs: tuple[Pair, ...]
    unused: tuple[str, ...] = ()


def pair_paths(
    prediction: Path,
    reference: Path,
    *,
    prediction_file: str | None = None,
    reference_file: str | None = None,
    allow_missing: bool = False,
) -> Pairing:
    """Pair two files, or two folders by the names in them.

    A folder holds one mask per case, or one folder per case; beside a file, it is one case.
    `prediction_file`, `reference_file`: pattern of the names that count; several of one case
    folder are joined. References without a prediction are an error, unless `allow_missing`.
    Raises: UnreadableError where a path is missing; InputError listing what has no clear partner.
    """
    for path in (prediction, reference):
        if not path.exists():
            raise UnreadableError(
                f"{path} does not exist", expected="a mask or a folder", remedy="Check the path"
            )
    if not (prediction.is_dir() and reference.is_dir()):
        made = _one_case(prediction, prediction_file, "--prediction-file")
        true = _one_case(reference, reference_file, "--reference-file")
        name = reference if reference.is_file() else prediction
        return Pairing((Pair(stem_of(name), made, true),))
    made = find_cases(prediction, prediction_file, "--prediction-file")
    true = find_cases(reference, reference_file, "--reference-file")
    matched = match_names(list(made), list(true))
    missing = [name for name in true if name not in matched]
    used = set(matched.values())
    unused = tuple(name for name in made if name not in used)
    if missing and (not allow_missing or len(missing) == len(true)):
        raise InputError(
            f"{len(missing)} of {len(true)} references have no prediction: {_listed(missing)}"
            + (f"; predictions left over: {_listed(unused)}" if unused else ""),
            expected="one prediction for each reference, by name",
            remedy="Rename them, pair them with --pairs, or count them as missing with "
            "--allow-missing",
        )
    pairs = [Pair(name, made[matched[name]] if name in matched else (), true[name])
             for name in true]  # fmt: skip
    return Pairing(tuple(pairs), unused)


def stem_of(path: Path) -> str:
    """A mask's name without what only says its format or channel."""
    name = path.name
    for suffix in sorted(_SUFFIXES, key=len, reverse=True):
        if name.lower().endswith(suffix):
            name = name[: -len(suffix)]
            break
    return re.sub(r"_0000$", "", name)  # nnU-Net's first channel


def is_mask_name(path: Path) -> bool:
    return path.name.lower().endswith(_SUFFIXES) and not path.name.startswith(".")


def find_cases(folder: Path, pattern: str | None, option: str) -> dict[str, Files]:
    """Cases of a folder by name. Raises: InputError where there are none, or two of a name."""
    children = sorted((c for c in folder.iterdir() if c.name[0] not in "._"), key=natural_key)
    files = [c for c in children if c.is_file() and _wanted(c, pattern)]
    found: list[tuple[str, Files]] = [(stem_of(path), (path,)) for path in files]
    if not files:
        inner = [child for child in children if child.is_dir()]
        found = [(child.name, _one_case(child, pattern, option)) for child in inner
                 if any(_wanted(c, pattern) for c in child.iterdir())]  # fmt: skip
    if not found:
        raise InputError(
            f"{folder} holds no mask" + (f" called {pattern}" if pattern else ""),
            expected="NIfTI, NRRD, MHA/MHD or PNG files, or one folder of them per case",
        )
    names = [name for name, _ in found]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise InputError(
            f"{folder} has several files for {_listed(twice)}",
            expected="one file for each case",
            remedy=f"Choose with {option} or --pairs",
        )
    return dict(found)


def _wanted(path: Path, pattern: str | None) -> bool:
    return is_mask_name(path) and (pattern is None or fnmatch.fnmatch(path.name, pattern))


def _one_case(path: Path, pattern: str | None, option: str) -> Files:
    if path.is_file():
        return (path,)
    files = sorted((c for c in path.iterdir() if _wanted(c, pattern)), key=natural_key)
    if pattern is None and (path / _LESIONS).is_file() and (path / "findings.json").is_file():
        return (path / _LESIONS,)  # a result of ours
    if not files:
        raise InputError(
            f"{path} holds no mask" + (f" called {pattern}" if pattern else ""),
            expected="NIfTI, NRRD, MHA/MHD or PNG",
        )
    if len(files) > 1 and pattern is None:
        raise InputError(
            f"{path} holds {len(files)} masks: {_listed([file.name for file in files])}",
            expected="one mask for the case",
            remedy=f"Choose with {option}; a pattern that fits several joins them",
        )
    return tuple(files)


def match_names(predictions: Sequence[str], references: Sequence[str]) -> dict[str, str]:
    """Reference name to prediction name. Three rules, each for what the one before left over:

    the same name; the same name without `WORDS` and case; the same name but for the one beginning
    and end that most names left over share. Names that say lungs never go with lesions.
    Raises: InputError listing names that fit more than one partner.
    """
    matched = {name: name for name in references if name in set(predictions)}
    for rule in (_bare_matches, _affix_matches):
        made = [name for name in predictions if name not in set(matched.values())]
        true = [name for name in references if name not in matched]
        if made and true:
            matched |= rule(made, true)
    return matched


def tokens(name: str) -> tuple[str, ...]:
    return tuple(part for part in re.split(r"[\W_]+", name.lower()) if part)


def bare(name: str) -> tuple[str, ...]:
    """Tokens of a name without `WORDS` at its ends (the last token stays)."""
    parts = list(tokens(name))
    while len(parts) > 1 and parts[-1] in WORDS:
        parts.pop()
    while len(parts) > 1 and parts[0] in WORDS:
        parts.pop(0)
    return tuple(parts)


def _bare_matches(predictions: list[str], references: list[str]) -> dict[str, str]:
    matched, unclear = {}, []
    for key in dict.fromkeys(map(bare, references)):
        true = [name for name in references if bare(name) == key]
        made = [name for name in predictions if bare(name) == key]
        made = [name for name in made if any(_same_structure(name, other) for other in true)]
        if len(true) == len(made) == 1:
            matched[true[0]] = made[0]
        elif made:
            unclear.append(f"{' and '.join(made)} with {' and '.join(true)}")
    if unclear:
        raise InputError(
            f"names fit more than one partner: {'; '.join(unclear)}",
            expected="one prediction for each reference",
            remedy="Choose files with --prediction-file or --reference-file, or pair with --pairs",
        )
    return matched


def _same_structure(first: str, second: str) -> bool:
    """False where one name says lungs and the other lesions."""
    said = [
        {word for word, names in _STRUCTURES.items() if names & set(tokens(name))}
        for name in (first, second)
    ]
    return not (said[0] and said[1]) or bool(said[0] & said[1])


def _affix_matches(predictions: list[str], references: list[str]) -> dict[str, str]:
    """The one beginning and end that makes most partners; nothing where two make as many.

    A single partner among several references left over is too little to tell by.
    """
    made = {bare(name): name for name in predictions}
    true = {bare(name): name for name in references}
    if len(made) < len(predictions) or len(true) < len(references):
        return {}
    found: dict[tuple[Tokens, Tokens, bool], dict[str, str]] = {}
    for key, prediction in made.items():
        for other, reference in true.items():
            if not _same_structure(prediction, reference):
                continue
            for ends in _affixes(key, other):
                found.setdefault((*ends, True), {})[reference] = prediction
            for ends in _affixes(other, key):
                found.setdefault((*ends, False), {})[reference] = prediction
    ranked = sorted(found.values(), key=len, reverse=True)
    enough = min(2, len(true))
    if not ranked or len(ranked[0]) < enough:
        return {}
    return {} if len(ranked) > 1 and len(ranked[1]) == len(ranked[0]) else ranked[0]


def _affixes(whole: Tokens, part: Tokens) -> list[tuple[Tokens, Tokens]]:
    """What stands before and behind `part` in `whole`; numbers tell cases apart, so none there."""
    size = len(part)
    found = [
        (whole[:at], whole[at + size :])
        for at in range(len(whole) - size + 1)
        if whole[at : at + size] == part
    ]
    return [(start, end) for start, end in found if not any(t.isdigit() for t in start + end)]


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names[:50]) + (f" and {len(names) - 50} more" if len(names) > 50 else "")
