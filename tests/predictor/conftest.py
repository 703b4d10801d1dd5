"""A cascade whose networks are a rule in NumPy, and whose inputs can be looked at."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import pytest

from groundglass.predictor import cascade as cascade_module
from groundglass.predictor.cascade import Cascade, CascadeSettings
from groundglass.recipe import SliceRecipe

from ..made_weights import rule_logits, write_weights


@dataclass
class FakeEngine:
    """Answers by `rule`, and keeps every batch it was given."""

    rule: Callable[[np.ndarray], np.ndarray]
    name: str = "fake"
    batches: list[np.ndarray] = field(default_factory=list)

    def logits(self, batch: np.ndarray) -> np.ndarray:
        self.batches.append(batch.copy())
        return self.rule(batch)

    @property
    def seen(self) -> np.ndarray:
        return np.concatenate(self.batches)


@dataclass(frozen=True)
class Made:
    cascade: Cascade
    lungs: FakeEngine
    lesions: FakeEngine


MakeCascade = Callable[..., Made]


@pytest.fixture
def make_cascade(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> MakeCascade:
    """Build a cascade on fake engines; `lungs` and `lesions` replace the rules."""

    def make(
        *,
        settings: CascadeSettings | None = None,
        recipes: dict[str, SliceRecipe] | None = None,
        lungs: Callable[[np.ndarray], np.ndarray] | None = None,
        lesions: Callable[[np.ndarray], np.ndarray] | None = None,
        temperature: float = 1.0,
    ) -> Made:
        weights = write_weights(tmp_path_factory.mktemp("fake"), recipes=recipes)
        stage = weights.stage("lesions")
        weights.manifest.stages["lesions"] = stage.model_copy(update={"temperature": temperature})
        engines = {
            "lungs": FakeEngine(lungs or (lambda batch: rule_logits("lungs", batch))),
            "lesions": FakeEngine(lesions or (lambda batch: rule_logits("lesions", batch))),
        }
        monkeypatch.setattr(
            cascade_module, "load_engine", lambda weights, stage, **options: engines[stage]
        )
        return Made(Cascade(weights, settings=settings), engines["lungs"], engines["lesions"])

    return make
