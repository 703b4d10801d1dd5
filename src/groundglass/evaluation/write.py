"""The folder of an evaluation: whole or not at all."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from groundglass.errors import MissingExtraError, OutputError
from groundglass.evaluation.evaluate import CaseResult, EvaluateSettings
from groundglass.evaluation.pictures import draw_extremes, draw_sizes
from groundglass.evaluation.tables import markdown, write_cases_csv, write_slices_csv

FILES = (
    "evaluation.json", "evaluation.md", "cases.csv", "slices.csv", "cases.png",
    "dice_by_size.png",
)  # fmt: skip
"""All that an evaluation holds; the pictures may be absent."""


def write_evaluation(
    folder: Path,
    document: dict[str, Any],
    results: Sequence[CaseResult],
    settings: EvaluateSettings,
) -> list[str]:
    """Write all files beside `folder`, then rename; an older evaluation is replaced.

    Returns why a figure is absent, if one is.
    Raises: OutputError where `folder` holds anything else, or cannot be written.
    """
    folder = Path(os.path.abspath(folder))
    check_folder(folder)
    partial = folder.with_name(f".{folder.name}.partial-{os.getpid()}")
    aside = folder.with_name(f".{folder.name}.old-{os.getpid()}")
    try:
        partial.mkdir(parents=True)
        text = json.dumps(document, indent=1, allow_nan=False)
        (partial / "evaluation.json").write_text(text + "\n", encoding="utf-8")
        (partial / "evaluation.md").write_text(markdown(document), encoding="utf-8")
        write_cases_csv(partial / "cases.csv", document)
        write_slices_csv(partial / "slices.csv", results)
        skipped = _draw(partial, results, settings)
        if folder.exists():
            folder.rename(aside)
        partial.rename(folder)
    except OSError as error:
        if aside.exists() and not folder.exists():
            aside.rename(folder)
        raise OutputError(
            f"{folder} could not be written ({error.strerror or error})",
            remedy="Check that the place is writable and has room",
        ) from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    shutil.rmtree(aside, ignore_errors=True)
    return skipped


def check_folder(folder: Path) -> None:
    """Raises: OutputError where `folder` is not ours to replace."""
    if folder.is_dir():
        foreign = sorted(c.name for c in folder.iterdir() if c.name not in FILES)
        if not foreign:
            return
        problem = f"{folder} holds files that are no evaluation of ours ({', '.join(foreign[:3])})"
    elif folder.exists():
        problem = f"{folder} is a file"
    else:
        return
    raise OutputError(
        problem,
        expected="an empty folder or an older evaluation",
        remedy="Name another folder; nothing in this one was touched",
    )


def _draw(folder: Path, results: Sequence[CaseResult], settings: EvaluateSettings) -> list[str]:
    skipped = []
    try:
        for name, why in (
            ("cases.png", draw_extremes(folder / "cases.png", results, settings)),
            ("dice_by_size.png", draw_sizes(folder / "dice_by_size.png", results)),
        ):
            if why:
                skipped.append(f"{name} is not drawn: {why}")
    except MissingExtraError as error:
        skipped.append(f"no figures: {error}")
    return skipped
