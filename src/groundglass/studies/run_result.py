"""A finished training of a study, ready to predict."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from groundglass.networks.build import build_network
from groundglass.recipe import SliceRecipe
from groundglass.training.checkpoint import load_result
from groundglass.training.predict import ScanPredictor
from groundglass.training.settings import TrainSettings


@dataclass(frozen=True)
class RunResult:
    """A finished run: where it is, what it trained on, how long it took, on which device.

    The device of `settings` is the one asked for now; a stored run may be of another.
    """

    folder: Path
    settings: TrainSettings
    seconds: float
    slices: int
    device: str = ""

    def predictor(self) -> ScanPredictor:
        """Its network, ready to predict in float32."""
        network = build_network(self.settings.network, base=self.settings.base)
        network.load_state_dict(load_result(self.folder).average)
        return ScanPredictor(network, self.recipe, device=self.settings.device)

    @property
    def recipe(self) -> SliceRecipe:
        return SliceRecipe.from_dict(self.settings.recipe)
