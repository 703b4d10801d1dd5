"""What travels with weights: recipe, licence, training data, accuracy, hashes. JSON, no pickle."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from groundglass.errors import SettingsError, WeightsError
from groundglass.recipe import SliceRecipe

MANIFEST_NAME = "manifest.json"
STAGES = ("lungs", "lesions")

ModelT = TypeVar("ModelT", bound=BaseModel)


class _Frozen(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class WeightsFile(_Frozen):
    """A file beside the manifest (a plain name, so that nothing else is read) and its SHA-256."""

    file: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")


class Stage(_Frozen):
    """One network of the cascade: what it is, what it expects, where its numbers are.

    Its probability is sigmoid(logit / `temperature`), and the recipe's threshold is one on that
    probability. `calibration`: how the temperature was found and how good it is (as
    `metrics.calibration.calibration_record` writes it); empty where nobody looked.
    """

    network: str
    base: int
    parameters: int
    recipe: dict[str, Any]
    onnx: WeightsFile
    safetensors: WeightsFile
    trained: dict[str, Any]
    temperature: float = Field(default=1.0, gt=0, allow_inf_nan=False)
    calibration: dict[str, Any] = {}

    @property
    def is_calibrated(self) -> bool:
        """Whether a temperature was fitted (one near 1 counts too)."""
        return bool(self.calibration) or self.temperature != 1.0

    def slice_recipe(self) -> SliceRecipe:
        return SliceRecipe.from_dict(self.recipe)


class WeightsManifest(_Frozen):
    """The weights of a whole cascade, or of one of its stages alone.

    `accuracy` holds what was measured, with its conditions; `held_out` names the scans that none
    of the networks was trained on.
    """

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
        manifest = read_manifest(cls, folder, made_by="`groundglass weights pack` or `export`")
        if not manifest.stages or not set(manifest.stages) <= set(STAGES):
            raise WeightsError(
                f"{path} has stages {sorted(manifest.stages)}",
                expected=f"{' and '.join(STAGES)}, or one of them",
            )
        for name, stage in manifest.stages.items():
            _check_recipe(path, name, stage)
        return manifest


def read_manifest(model: type[ModelT], folder: Path, *, made_by: str) -> ModelT:
    """`folder`/manifest.json as `model`. Raises: WeightsError where it is missing or damaged."""
    path = folder / MANIFEST_NAME
    try:
        return model.model_validate_json(path.read_bytes())
    except OSError as error:
        raise WeightsError(
            f"weights folder {folder} has no readable {MANIFEST_NAME}",
            expected=f"a folder made by {made_by}",
        ) from error
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "its first level"
        raise WeightsError(
            f"{path} is damaged at {where}: {first['msg']}",
            remedy="Import or install the weights again",
        ) from error


def _check_recipe(path: Path, name: str, stage: Stage) -> None:
    try:
        recipe = stage.slice_recipe()
    except (SettingsError, TypeError, ValueError) as error:
        raise WeightsError(f"{path} has a bad recipe for {name}: {error}") from error
    if recipe.stage != name:
        raise WeightsError(f"{path} has the recipe of {recipe.stage} at {name}", expected=name)
