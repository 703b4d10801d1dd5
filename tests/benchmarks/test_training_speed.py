"""The training speed script, on phantoms and for a moment."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("torch")

from groundglass.studies.phantom_index import write_phantom_index
from training_speed import measure, variants


@pytest.mark.parametrize("sampler", ["host", "device"])
def test_it_counts_slices_a_second(tmp_path: Path, sampler: str) -> None:
    index = write_phantom_index(tmp_path / "phantoms", patients=2, slices=4)
    row = measure(
        index,
        network="miniseg",
        size=(32, 48),
        batch=2,
        device="cpu",
        seconds=0.05,
        sampler=sampler,
    )
    assert row["slices_per_second"] > 0
    assert row["sampler"] == sampler
    assert row["memory_mib"] is None


def test_a_gpu_has_variants_of_its_own() -> None:
    assert all("cuda_graph" not in variant for variant in variants("cpu"))
    assert any(variant.get("cuda_graph") for variant in variants("cuda"))
