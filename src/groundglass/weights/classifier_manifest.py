"""What travels with a classifier of whole scans: both networks, thresholds, what it knows."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from groundglass.errors import SettingsError, WeightsError
from groundglass.recipe import SliceRecipe
from groundglass.weights.manifest import MANIFEST_NAME, WeightsFile, read_manifest

CLASSIFIER_FORMAT = "groundglass-classifier-1"
HEADS = ("diagnosis", "severity")


class _Frozen(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class SegmenterPart(_Frozen):
    """The frozen TA-SegNet whose fusion map is read.

    `onnx`: images (N, 1, H, W) -> features (N, `channels`, *grid), the map averaged to the `grid`.
    `storage`: how features were rounded on the disk in training; analysis rounds them alike.
    `mixed_precision`: whether training computed them in bfloat16; analysis never does.
    """

    network: str
    base: int = Field(ge=1)
    parameters: int
    channels: int = Field(ge=1)
    recipe: dict[str, Any]
    grid: tuple[int, int]
    storage: Literal["uint8", "float16"]
    mixed_precision: bool
    onnx: WeightsFile
    safetensors: WeightsFile
    trained: dict[str, Any]

    def slice_recipe(self) -> SliceRecipe:
        return SliceRecipe.from_dict(self.recipe)


class ClassifierPart(_Frozen):
    """The second phase: `encoder` (N, C, *grid) -> F_reg, `head` F_reg (1, K, ...) -> two answers.

    `slices`: the most that it is shown of a scan, evenly spaced over the lungs.
    """

    classifier: str
    base: int = Field(ge=1)
    parameters: int
    slices: int = Field(ge=1)
    encoder: WeightsFile
    head: WeightsFile
    safetensors: WeightsFile
    trained: dict[str, Any]


class HeadPart(_Frozen):
    """One answer: probability = sigmoid(logit / `temperature`), yes from `threshold` on.

    `is_calibrated`: a temperature was fitted. `threshold_rule`: how and on which scans the
    threshold was chosen. `measured`: how good it is, as `calibrate-classifier` writes it.
    """

    temperature: float = Field(gt=0, allow_inf_nan=False)
    is_calibrated: bool
    threshold: float = Field(ge=0, le=1)
    threshold_rule: str
    measured: dict[str, Any]


class Span(_Frozen):
    """From `low` to `high`, both included."""

    low: float = Field(allow_inf_nan=False)
    high: float = Field(allow_inf_nan=False)


class KnownPart(_Frozen):
    """What the classifier learned from, as far as a scan can be compared with it.

    `file`: mean and precision of the training scans' pooled features (`metrics.familiarity`);
    `limit` is the distance from which on a scan counts as unlike them, `limit_rule` says how it was
    set. Spans are those of the training scans, widened; None where nobody noted them.
    `shown_mm`: between neighboring slices that are shown. `domains`: of intensities. `lung_median`
    and `lung_noise` as `metrics.familiarity.LungLook`, in the unit of the only domain; None where
    there are several.
    """

    file: WeightsFile
    scans: int
    limit: float = Field(gt=0, allow_inf_nan=False)
    limit_rule: str
    slices: Span
    shown_mm: Span | None
    lungs_ml: Span | None
    lung_median: Span | None
    lung_noise: Span | None
    domains: tuple[str, ...]


class ClassifierManifest(_Frozen):
    """The weights of a classifier of whole scans.

    `held_out`: scans that neither phase was trained on; `calibrated_on`: those of them that chose
    temperatures and thresholds, and are no test of them any more. `phantoms`: learned from made-up
    scans, so that it says nothing about patients. `lungs_by`: how the lungs were found that the
    slices of the training scans were chosen by.
    """

    format: Literal["groundglass-classifier-1"] = CLASSIFIER_FORMAT
    name: str
    version: str
    title: str
    license: str
    training_data: tuple[str, ...]
    phantoms: bool
    lungs_by: tuple[str, ...]
    held_out: tuple[str, ...]
    calibrated_on: tuple[str, ...]
    accuracy: dict[str, Any]
    segmenter: SegmenterPart
    classifier: ClassifierPart
    diagnosis: HeadPart
    severity: HeadPart
    known: KnownPart

    @property
    def files(self) -> dict[str, WeightsFile]:
        """Every file by what it is for."""
        one, two = self.segmenter, self.classifier
        return {
            "segmenter": one.onnx,
            "encoder": two.encoder,
            "head": two.head,
            "segmenter-safetensors": one.safetensors,
            "classifier-safetensors": two.safetensors,
            "known": self.known.file,
        }

    def to_json(self) -> str:
        return json.dumps(self.model_dump(mode="json"), indent=1) + "\n"

    @classmethod
    def read(cls, folder: Path) -> ClassifierManifest:
        """Read `folder`/manifest.json. Raises: WeightsError where it is missing or damaged."""
        manifest = read_manifest(
            cls, folder, made_by="`groundglass weights pack-classifier` or `export`"
        )
        try:
            manifest.segmenter.slice_recipe()
        except (SettingsError, TypeError, ValueError) as error:
            raise WeightsError(f"{folder / MANIFEST_NAME} has a bad recipe: {error}") from error
        return manifest


def holds_classifier(folder: Path) -> bool:
    """Whether a folder's manifest says that it is a classifier's, whole or damaged."""
    try:
        found = json.loads((folder / MANIFEST_NAME).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return isinstance(found, dict) and str(found.get("format", "")).startswith(
        "groundglass-classifier"
    )
