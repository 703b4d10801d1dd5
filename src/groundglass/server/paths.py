"""Paths in the settings file: relative ones belong to the file's own folder."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, ValidationInfo


def _from_config(path: Path, info: ValidationInfo) -> Path:
    base = (info.context or {}).get("base")
    return path if base is None else Path(base) / path.expanduser()


ConfigPath = Annotated[Path, AfterValidator(_from_config)]
"""A path; validated with the context {"base": folder}, a relative one is taken from there."""
