"""Settings of a run from a YAML file, each wrong field named."""

from __future__ import annotations

from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ValidationError

from groundglass.errors import SettingsError

Settings = TypeVar("Settings", bound=BaseModel)


def read_run_file(
    kind: type[Settings], path: Path, overrides: dict[str, Any] | None = None
) -> Settings:
    """Read a YAML run file; `overrides` replace its top-level values.

    Raises: SettingsError naming each wrong field.
    """
    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, yaml.YAMLError) as error:
        raise SettingsError(
            f"run file {path} cannot be read ({error})",
            expected="a YAML file",
            remedy="Begin with one of the folder recipes/ of the repository",
        ) from error
    if not isinstance(values, dict):
        raise SettingsError(f"run file {path} holds no settings", expected="YAML key: value")
    try:
        return kind.model_validate({**values, **(overrides or {})})
    except ValidationError as error:
        wrong = "; ".join(
            ": ".join([*filter(None, [".".join(map(str, item["loc"]))]), item["msg"]])
            for item in error.errors()
        )
        raise SettingsError(f"run file {path} is not valid: {wrong}") from error
