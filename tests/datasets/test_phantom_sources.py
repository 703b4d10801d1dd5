from __future__ import annotations

import pytest

from groundglass.datasets import mosmed
from groundglass.datasets.phantom_sources import PHANTOM, is_phantom_source, phantom_source


@pytest.mark.parametrize("source", [PHANTOM, phantom_source(mosmed.NAME), "x-phantom"])
def test_phantoms(source: str) -> None:
    assert is_phantom_source(source)


@pytest.mark.parametrize(
    "source", [mosmed.NAME, "covid19-ct-seg", "covid19-ct-seg-nr2", "phantoms", "phantom-x", ""]
)
def test_patients(source: str) -> None:
    assert not is_phantom_source(source)
