"""How much the study of CovTANet's classifiers may spend, the same for every row of the table."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from groundglass.errors import SettingsError


@dataclass(frozen=True)
class ClassBudget:
    """What phase 1 and every classifier get.

    `segmentation_*`: TA-SegNet's input size, steps, slices a step, width. `grid`: of its feature
    maps. `base`, `slices`, `steps`, `batch`: of every classifier, so that all see as many scans
    and slices; `gray_size`: what the rivals see of a slice. `folds`: those that are run, of
    `fold_count`.
    """

    name: str
    description: str
    segmentation_size: tuple[int, int]
    segmentation_steps: int
    segmentation_batch: int
    segmentation_base: int
    grid: tuple[int, int]
    base: int
    gray_size: tuple[int, int]
    slices: int
    steps: int
    batch: int
    folds: tuple[int, ...]
    fold_count: int
    segmentation_lr: float = 2e-3
    lr: float = 1e-3

    def with_folds(self, folds: tuple[int, ...] | None) -> ClassBudget:
        """Itself, with other folds where they are given."""
        return self if folds is None else replace(self, folds=folds)

    def segmentation(self) -> dict[str, Any]:
        """Values of phase 1, as `TwoPhaseSettings` takes them."""
        return {
            "stage": "direct",
            "network": "ta-segnet",
            "base": self.segmentation_base,
            "weight_decay": 1e-4,
            "ema": 0.99,
            "recipe": {"stage": "direct", "network_size": list(self.segmentation_size)},
            "augment": {"flip_up_down": 0.0},
            "phases": [
                {
                    "size": list(self.segmentation_size),
                    "steps": self.segmentation_steps,
                    "batch": self.segmentation_batch,
                    "lr": self.segmentation_lr,
                    "lr_end": self.segmentation_lr / 100,
                    "warmup": min(100, self.segmentation_steps // 4),
                }
            ],
            "mixed_precision": "auto",
            "sampler": "auto",
        }

    def classification(self) -> dict[str, Any]:
        """Values of a classifier's run, but for which one."""
        return {
            "base": self.base,
            "slices": self.slices,
            "steps": self.steps,
            "batch": self.batch,
            "lr": self.lr,
            "lr_end": self.lr / 100,
            "warmup": min(100, self.steps // 4),
            "mixed_precision": "auto",
        }

    @property
    def spend(self) -> str:
        """What every row is trained on, in words."""
        height, width = self.gray_size
        return (
            f"Phase 1 trains on {self.segmentation_steps * self.segmentation_batch:,} slices; "
            f"every classifier on {self.steps * self.batch:,} scans of at most {self.slices} "
            f"slices, the rivals at {height}x{width}."
        )


CLASS_BUDGETS = {
    one.name: one
    for one in (
        ClassBudget(
            name="tiny",
            description="a check that everything runs: narrow networks, a few steps, two folds; "
            "its figures mean nothing",
            segmentation_size=(64, 64),
            segmentation_steps=4,
            segmentation_batch=2,
            segmentation_base=4,
            grid=(16, 16),
            base=1,
            gray_size=(64, 64),
            slices=3,
            steps=3,
            batch=2,
            folds=(0, 1),
            fold_count=2,
        ),
        ClassBudget(
            name="cpu",
            description="about an hour on two cores for a fold of 150 scans of 40 slices: small "
            "slices, half of the width, one seed",
            segmentation_size=(112, 112),
            segmentation_steps=900,
            segmentation_batch=8,
            segmentation_base=16,
            grid=(16, 16),
            base=8,
            gray_size=(96, 96),
            slices=12,
            steps=500,
            batch=4,
            folds=(0,),
            fold_count=5,
        ),
        ClassBudget(
            name="full",
            description="what the paper did, as far as it says: five folds, 256x256 slices; AdamW "
            "with a cosine in place of Adam at 1e-5, which the rows share; for a GPU",
            segmentation_size=(256, 256),
            segmentation_steps=8000,
            segmentation_batch=16,
            segmentation_base=16,
            grid=(32, 32),
            base=16,
            gray_size=(256, 256),
            slices=32,
            steps=4000,
            batch=8,
            folds=(0, 1, 2, 3, 4),
            fold_count=5,
        ),
    )
}


def find_class_budget(name: str) -> ClassBudget:
    """The budget called `name`. Raises: SettingsError listing what there is."""
    if name not in CLASS_BUDGETS:
        raise SettingsError(
            f"budget {name!r} is not one of this study", expected=", ".join(CLASS_BUDGETS)
        )
    return CLASS_BUDGETS[name]
