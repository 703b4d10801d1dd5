"""Settings of both phases of CovTANet in one file: what they share is said once."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from groundglass.training.fusion_features import FeatureSettings
from groundglass.training.joint_settings import JointSettings
from groundglass.training.run_file import read_run_file
from groundglass.training.settings import TrainSettings

SHARED = ("index", "hold_out", "folds", "fold", "seed", "threads", "device")
"""What both phases are given alike."""

_OF_THE_RUN = ("name", "features", "feature_channels")
"""What follows from the rest."""


class TwoPhaseSettings(BaseModel):
    """A run of Algorithm 1.

    `segmentation` and `classification` are the values of `TrainSettings` and `JointSettings`
    without their names and what is `SHARED`. In place of `segmentation`, `segmenter` may name
    the folder of a finished run. `features`: the values of `FeatureSettings`.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    index: str
    hold_out: tuple[str, ...] = ()
    folds: str | None = None
    fold: int = Field(default=0, ge=0)
    seed: int = Field(default=0, ge=0)
    threads: int = Field(default=0, ge=0)
    device: str = "cpu"
    segmentation: dict[str, Any] | None = None
    segmenter: str | None = None
    features: dict[str, Any] = Field(default_factory=dict)
    classification: dict[str, Any]

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if (self.segmentation is None) == (self.segmenter is None):
            raise ValueError("give either segmentation or segmenter")
        for part in ("segmentation", "classification"):
            again = sorted({*_OF_THE_RUN, *SHARED} & set(getattr(self, part) or ()))
            if again:
                raise ValueError(f"{part} has {', '.join(again)}: it comes from the whole run")
        if unknown := set(self.features) - set(FeatureSettings.__dataclass_fields__):
            raise ValueError(f"features has {', '.join(sorted(unknown))}, which is unknown")
        if self.joint().is_gray:
            raise ValueError("classification is of a classifier that reads no features")
        self.segmentation_settings()
        return self

    @property
    def feature_settings(self) -> FeatureSettings:
        return FeatureSettings(**self.features)

    def segmentation_settings(self) -> TrainSettings | None:
        """Those of phase 1; None where a run is given."""
        if self.segmentation is None:
            return None
        values = {**self.segmentation, **self._shared, "name": f"{self.name}-phase-1"}
        return TrainSettings.model_validate(values)

    def joint(self) -> JointSettings:
        """Those of phase 2, `features` still empty."""
        values = {**self.classification, **self._shared, "name": f"{self.name}-phase-2"}
        return JointSettings.model_validate(values)

    @property
    def _shared(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in SHARED}

    @classmethod
    def read(cls, path: Path, overrides: dict[str, Any] | None = None) -> TwoPhaseSettings:
        """Read a YAML run file; `overrides` replace its top-level values.

        Raises: SettingsError naming each wrong field.
        """
        return read_run_file(cls, path, overrides)
