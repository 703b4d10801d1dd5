"""Draws of whole scans: by (seed, step, place), balanced for both heads, padded and masked."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from groundglass.datasets.index import IndexRow
from groundglass.training.joint_samples import JointSamples, padded
from groundglass.training.joint_settings import JointSettings
from groundglass.training.slice_sources import GraySlices, ScanSlices

from .made_cohort import write_cohort_index


class Places:
    """A source whose only slice value is a column ramp; every scan has as many slices as rows."""

    def read(self, scan_id: str, *, most: int, offset: float = 0.5) -> ScanSlices:
        count = 2 + int(scan_id[-1])
        ramp = np.arange(4, dtype=np.float32) + np.zeros((count, 1, 4, 4), np.float32)
        return ScanSlices(ramp, np.arange(count))


@pytest.fixture(scope="module")
def cohort(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[IndexRow]]:
    folder = tmp_path_factory.mktemp("prepared")
    return folder, write_cohort_index(folder)


def settings(**values: object) -> JointSettings:
    base = {"name": "n", "index": "", "steps": 3, "batch": 6, "lr": 1e-3, "lr_end": 1e-5}
    return JointSettings.model_validate({**base, **values})


def gray(**values: object) -> JointSettings:
    return settings(classifier="vgg-19", gray_size=(64, 64), slices=3, **values)


def test_processes_together_see_the_batch_of_one(cohort: tuple[Path, list[IndexRow]]) -> None:
    folder, rows = cohort
    chosen = gray()
    assert chosen.gray_recipe is not None
    samples = JointSamples(rows, GraySlices(folder, rows, chosen.gray_recipe), chosen)
    whole = samples.batch(2)
    assert whole.slices.shape == (6, 3, 1, 64, 64)
    assert np.array_equal(samples.batch(2).slices, whole.slices)
    assert not np.array_equal(samples.batch(1).slices, whole.slices)
    weights = []
    for rank in (0, 1):
        part = samples.batch(2, rank=rank, world=2)
        assert np.array_equal(part.slices, whole.slices[rank::2])
        assert np.array_equal(part.diagnosis, whole.diagnosis[rank::2])
        weights.append(part.severity_weight)
    infected = [whole.diagnosis[rank::2].sum() for rank in (0, 1)]
    assert weights == pytest.approx([2 * n / sum(infected) for n in infected])
    assert whole.severity_weight == 1


def test_each_head_is_shown_both_its_labels_alike(cohort: tuple[Path, list[IndexRow]]) -> None:
    rows = [row for row in cohort[1] if row.severity != "severe" or row.scan_id.endswith("0")]
    samples = JointSamples(rows, Places(), settings())
    rng = np.random.default_rng(0)
    drawn = Counter(rows[samples.pick(rng)].severity for _ in range(4000))
    assert drawn[""] / 4000 == pytest.approx(0.5, abs=0.03)
    assert drawn["severe"] / 4000 == pytest.approx(0.25, abs=0.03)
    plain = JointSamples(rows, Places(), settings(balanced=False))
    drawn = Counter(rows[plain.pick(rng)].severity for _ in range(4000))
    assert drawn["severe"] / 4000 == pytest.approx(1 / 7, abs=0.03)


def test_no_infected_scan_gives_no_severity(cohort: tuple[Path, list[IndexRow]]) -> None:
    samples = JointSamples(cohort[1], Places(), settings(batch=1))
    found = [samples.batch(step) for step in range(20)]
    assert {(float(b.diagnosis[0]), b.severity_weight) for b in found} == {(0.0, 0.0), (1.0, 1.0)}


@pytest.mark.parametrize(("chance", "first"), [(0.0, 0.0), (1.0, 3.0)])
def test_flips_left_and_right_alone(
    cohort: tuple[Path, list[IndexRow]], chance: float, first: float
) -> None:
    samples = JointSamples(cohort[1], Places(), settings(flip_left_right=chance))
    batch = samples.batch(0)
    assert (batch.slices[:, 0, 0, :, 0] == first).all()


def test_padding_is_zero_and_masked() -> None:
    scans = [ScanSlices(np.full((n, 1, 2, 2), 7.0, np.float32), np.arange(n)) for n in (1, 3)]
    slices, mask = padded(scans)
    assert mask.tolist() == [[True, False, False], [True, True, True]]
    assert (slices[mask] == 7).all()
    assert (slices[~mask] == 0).all()


def test_jitter_is_of_gray_slices_and_bounded(cohort: tuple[Path, list[IndexRow]]) -> None:
    folder, rows = cohort
    plain, changed = (gray(contrast=c, brightness=c, flip_left_right=0) for c in (0, 0.2))
    assert plain.gray_recipe is not None
    source = GraySlices(folder, rows, plain.gray_recipe)
    before, after = (JointSamples(rows, source, one).batch(0).slices for one in (plain, changed))
    for x, y in zip(before, after, strict=True):
        gain, shift = np.polyfit(x.ravel(), y.ravel(), 1)
        assert abs(gain - 1) <= 0.2
        assert abs(shift) <= 0.2
        assert np.allclose(x * gain + shift, y, atol=1e-4)
    assert not np.allclose(before, after)
