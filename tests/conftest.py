"""Fixtures that many rooms share: where the real scans are, if they are."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from groundglass.phantom.chest import Phantom, make_phantom
from groundglass.phantom.settings import PhantomSettings
from groundglass.weights.store import Weights

from .made_classifier import MadeClassifier, make_classifier
from .made_weights import write_rule_weights, write_tiny_weights

ROOT = Path(__file__).resolve().parent.parent

# How long an example takes says how busy the machine is, not whether the code is right.
settings.register_profile(
    "any-machine", deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("any-machine")


@pytest.fixture(scope="session")
def cip_dir() -> Path:
    """The small real chest CT that ships with the tests (64x64x79, true HU)."""
    return Path(__file__).resolve().parent / "data" / "cip"


@pytest.fixture(scope="session")
def data_dir() -> Path:
    """The folder of real scans that does not ship; the test is skipped where it is absent."""
    folder = Path(os.environ.get("GROUNDGLASS_DATA", ROOT.parent / "shared" / "data"))
    if not (folder / "covid19-ct-seg").is_dir():
        pytest.skip(f"real scans not at {folder}; set GROUNDGLASS_DATA to run this")
    return folder


@pytest.fixture(scope="session")
def rule_weights(tmp_path_factory: pytest.TempPathFactory) -> Weights:
    """Weights that find lungs and lesions on phantoms by a rule; they need no torch."""
    return write_rule_weights(tmp_path_factory.mktemp("weights") / "rule")


@pytest.fixture(scope="session")
def tiny_weights(tmp_path_factory: pytest.TempPathFactory) -> Weights:
    """A tiny RAIU-Net of random numbers, exported as a finished training is."""
    return write_tiny_weights(tmp_path_factory.mktemp("weights") / "tiny")


@pytest.fixture(scope="session")
def made_classifier(tmp_path_factory: pytest.TempPathFactory) -> MadeClassifier:
    """A tiny classifier of whole scans, trained on drawn chests, calibrated and packed."""
    return make_classifier(tmp_path_factory.mktemp("classifier"))


@pytest.fixture(scope="session")
def small_chest() -> Phantom:
    """A chest of 16x72x88 voxels in HU with lesions in both lungs."""
    return make_phantom(PhantomSettings(shape=(16, 72, 88), seed=5, involvement=0.2, noise_hu=8))
