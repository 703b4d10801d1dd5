"""Phantoms that several tests share; each takes a second to make."""

from __future__ import annotations

import pytest

from groundglass.phantom.chest import Phantom, make_phantom
from groundglass.phantom.settings import PhantomSettings


@pytest.fixture(scope="session")
def chest() -> Phantom:
    """The whole chest, 44x80x88, a quarter of the lungs ill."""
    return make_phantom(PhantomSettings(shape=(44, 80, 88), seed=5, involvement=0.25))


@pytest.fixture(scope="session")
def tilted() -> Phantom:
    """The same patient under a gantry tilted by 15 degrees, without noise."""
    return make_phantom(
        PhantomSettings(
            shape=(40, 72, 80), spacing_mm=(6.0, 4.5, 4.5), seed=5, involvement=0.25,
            noise_hu=0, tilt_degrees=15,
        )
    )  # fmt: skip
