"""What travels with weights: recipe, licence, training data, accuracy, hashes. JSON, no pickle."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from groundglass.errors import WeightsError
from groundglass.recipe import SliceRecipe

MANIFEST_NAME = "manifest.json"
STAGES = ("lungs", "lesions")


class _Frozen(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class WeightsFile(_Frozen):
    """A file beside the manifest and its SHA-256."""

    file: str
    sha256: str


class Stage(_Frozen):
    """One network of the cascade: what it is, what it expects, where its numbers are."""

    network: str
    base: int
    parameters: int
    recipe: dict[str, Any]
    onnx: WeightsFile
    safetensors: WeightsFile
    trained: dict[str, Any]

    def slice_recipe(self) -> SliceRecipe:
        return SliceRecipe.from_dict(self.recipe)


class WeightsManifest(_Frozen):
    """The weights of a whole cascade. `accuracy` holds what was measured, with its conditions."""

    format: Literal["groundglass-weights-1"] = "groundglass-weights-1"
    name: str
    version: str
    title: str
    license: str
    training_data: tuple[str, ...]
    held_out: tuple[str, ...]
    accuracy: dict[str, Any]
    stages: dict[str, Stage]

    def to_json(self) -> str:
        return json.dumps(self.model_dump(mode="json"), indent=1) + "\n"

    @classmethod
    def read(cls, folder: Path) -> WeightsManifest:
        """Read `folder`/manifest.json. Raises: WeightsError where it is missing or damaged."""
        path = folder / MANIFEST_NAME
        try:
            manifest = cls.model_validate_json(path.read_text(encoding="utf-8"))
        except OSError as error:
            raise WeightsError(
                f"weights folder {folder} has no readable {MANIFEST_NAME}",
                expected="a folder made by `groundglass weights export` or the training export",
            ) from error
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(map(str, first["loc"]))
            raise WeightsError(f"{path} is damaged at {where}: {first['msg']}") from error
        if sorted(manifest.stages) != sorted(STAGES):
            raise WeightsError(
                f"{path} has stages {sorted(manifest.stages)}", expected=" and ".join(STAGES)
            )
        return manifest
