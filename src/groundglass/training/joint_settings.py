"""Settings of a run of CovTANet's second phase: scans to diagnosis and severity."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from groundglass.classifier_catalog import classifier_entry
from groundglass.recipe import SliceRecipe
from groundglass.training.run_file import read_run_file

PAPER_RATE = {"optimizer": "adam", "lr": 1e-5, "lr_end": 9e-6, "warmup": 0, "weight_decay": 0.0}
"""The paper's: Adam, 1e-5 times 0.99 every ten epochs, which is 9.04e-6 after a hundred.

Source: CovTANet section III-B. Differs: a cosine between the same ends, never farther from its
steps than 3 %. In a small budget a network from scratch will hardly move under it.
"""


class JointSettings(BaseModel):
    """One run: which classifier, on which scans, for how long.

    `index`, `hold_out`, `folds`, `fold`: as in `TrainSettings`; folds must keep patients whole.
    `classifier`: a name of the classifier catalog. CovTANet reads the feature maps of a frozen
    TA-SegNet, of `feature_channels`; `features` is the key that says of which one. The others read
    gray slices of `gray_size`. `slices`: the most that training is shown of a scan, evenly spaced
    over the lungs. `batch` counts scans. `balanced`: each head is shown both of its labels equally
    often (normal one half, mild and severe a quarter each); else scans are drawn as frequent as
    they are. `flip_left_right`: chance that maps or slices are mirrored; `contrast`, `brightness`:
    most by which gray slices are changed, as a share and in deviations of their values.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    index: str
    hold_out: tuple[str, ...] = ()
    folds: str | None = None
    fold: int = Field(default=0, ge=0)
    classifier: str = "covtanet"
    base: int = Field(default=16, ge=1)
    features: str = ""
    feature_channels: int = Field(default=64, ge=1)
    gray_size: tuple[int, int] | None = None
    slices: int = Field(default=32, ge=1)
    steps: int = Field(ge=1)
    batch: int = Field(ge=1)
    lr: float = Field(gt=0)
    lr_end: float = Field(gt=0)
    warmup: int = Field(default=0, ge=0)
    optimizer: Literal["adamw", "adam"] = "adamw"
    weight_decay: float = Field(default=1e-2, ge=0)
    ema: float = Field(default=0.99, ge=0, lt=1)
    balanced: bool = True
    flip_left_right: float = Field(default=0.5, ge=0, le=1)
    contrast: float = Field(default=0.1, ge=0, lt=1)
    brightness: float = Field(default=0.1, ge=0)
    seed: int = Field(default=0, ge=0)
    checkpoint_every: int = Field(default=50, ge=1)
    threads: int = Field(default=0, ge=0)
    device: str = "cpu"
    mixed_precision: bool | Literal["auto"] = False

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        """No setting may be without effect, and slices are large enough for the classifier."""
        entry = classifier_entry(self.classifier)
        if self.is_gray and self.gray_size is None:
            raise ValueError(f"{self.classifier} reads gray slices, and gray_size is not given")
        if not self.is_gray and self.gray_size is not None:
            raise ValueError(f"gray_size is of no effect: {self.classifier} reads feature maps")
        if self.is_gray and self.features:
            raise ValueError(f"features are of no effect: {self.classifier} reads gray slices")
        if self.gray_size is not None and min(self.gray_size) < entry.smallest:
            raise ValueError(
                f"gray_size is {self.gray_size}; {self.classifier} needs {entry.smallest} or more"
            )
        if self.fold and self.folds is None:
            raise ValueError(f"fold is {self.fold}, without folds")
        return self

    @property
    def is_gray(self) -> bool:
        """Whether the classifier reads slices as they are, not feature maps."""
        return classifier_entry(self.classifier).in_channels == 1

    @property
    def gray_recipe(self) -> SliceRecipe | None:
        """How slices become what the classifier is shown; None where it reads features."""
        return None if self.gray_size is None else SliceRecipe("direct", self.gray_size)

    @property
    def peak_lr(self) -> float:
        return self.lr

    @property
    def total_steps(self) -> int:
        return self.steps

    @property
    def records_steps(self) -> bool:
        """Never: batches have as many slices as their scans."""
        return False

    @classmethod
    def read(cls, path: Path, overrides: dict[str, Any] | None = None) -> JointSettings:
        """Read a YAML run file; `overrides` replace its top-level values.

        Raises: SettingsError naming each wrong field, or listing the classifiers there are.
        """
        return read_run_file(cls, path, overrides)
