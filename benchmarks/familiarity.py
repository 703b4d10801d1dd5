"""Which distance tells a scan that a classifier should not judge: three of them, on phantoms.

    python benchmarks/familiarity.py --work familiarity

Makes a cohort of phantoms (or takes what `--work` holds), trains a small TA-SegNet on most of it,
and changes scans of the others in ways that a classifier has not seen. For each change and
distance: the AUROC against the unchanged scans, and the share beyond the limit that these set.
Phantoms say how the distances compare with each other, nothing about patients.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import torch
from scipy.ndimage import gaussian_filter

from groundglass.datasets.index import (
    INDEX_NAME,
    IndexRow,
    PreparedScan,
    load_prepared,
    read_index,
    write_index,
)
from groundglass.datasets.mosmed import prepare_mosmed
from groundglass.metrics.familiarity import Familiar, Limit, LungLook, PooledFeatures
from groundglass.metrics.ranking import auroc
from groundglass.metrics.scored_cases import ScoredCases
from groundglass.ops.slice_choice import choose_slices
from groundglass.phantom.cohort.settings import CohortSettings
from groundglass.phantom.cohort.tree import write_cohort
from groundglass.training.checkpoint import RESULT_NAME
from groundglass.training.fusion_features import FeatureSettings, FusionFeatures
from groundglass.training.loop import Trainer
from groundglass.training.scan_inputs import ScanInputs
from groundglass.training.select import select_scans
from groundglass.training.settings import TrainSettings
from groundglass.training.two_phases import FrozenSegmenter

SLICES, NEIGHBORS = 12, 5
Change = Callable[[PreparedScan], PreparedScan]
Distance = Callable[[np.ndarray], float]


def changes(rng: np.random.Generator) -> dict[str, Change]:
    """What is done to scans, by name."""

    def values(change: Callable[[np.ndarray], np.ndarray]) -> Change:
        def apply(scan: PreparedScan) -> PreparedScan:
            found = np.rint(np.clip(change(scan.image.astype(np.float32)), -1024, 3071))
            return replace(scan, image=found.astype(np.int16))

        return apply

    def turned(turn: Callable[[np.ndarray], np.ndarray]) -> Change:
        return lambda scan: replace(scan, image=turn(scan.image), lungs=turn(scan.lungs))

    def filled(scan: PreparedScan) -> PreparedScan:
        image = np.where(scan.lungs > 0, np.int16(30), scan.image)
        return replace(scan, image=image.astype(np.int16))

    def upright(scan: PreparedScan) -> PreparedScan:
        """Coronal planes in the place of axial ones."""
        depth, edge = len(scan.image), scan.image.shape[1]
        planes = np.linspace(0.25, 0.7, depth) * edge
        image = [
            cv2.resize(np.ascontiguousarray(scan.image[:, int(k)]), (edge, edge)) for k in planes
        ]
        return replace(scan, image=np.stack(image))

    return {
        "noise of 80 HU": values(lambda a: a + 80 * rng.standard_normal(a.shape)),
        "noise of 150 HU": values(lambda a: a + 150 * rng.standard_normal(a.shape)),
        "window -160 to 240 HU": values(lambda a: np.clip(a, -160, 240)),
        "window -1000 to -600 HU": values(lambda a: np.clip(a, -1000, -600)),
        "300 HU off": values(lambda a: a + 300),
        "blurred": values(lambda a: gaussian_filter(a, (0, 4, 4))),
        "upside down": turned(lambda a: np.ascontiguousarray(a[:, ::-1])),
        "turned by 90 degrees": turned(lambda a: np.ascontiguousarray(np.rot90(a, axes=(1, 2)))),
        "lungs full of water": filled,
        "coronal planes": upright,
    }


def segmenter(index: Path, run: Path, held_out: list[IndexRow], steps: int) -> FusionFeatures:
    """A small TA-SegNet that saw the other scans, trained where it is not there yet."""
    settings = TrainSettings.model_validate(
        {
            "name": "familiarity",
            "stage": "direct",
            "index": str(index),
            "network": "ta-segnet",
            "base": 4,
            "hold_out": [row.scan_id for row in held_out],
            "recipe": {"stage": "direct", "network_size": [96, 96]},
            "phases": [{"size": [96, 96], "steps": steps, "batch": 4, "lr": 3e-3, "lr_end": 1e-4}],
        }
    )
    if not (run / RESULT_NAME).exists():
        Trainer(select_scans(settings).train, settings, run).run()
    return FrozenSegmenter.of_run(run).features(FeatureSettings(grid=(16, 16)))


def pooled(source: FusionFeatures, scan: PreparedScan) -> np.ndarray:
    """The numbers that a classifier's weights keep the mean and spread of."""
    picks = choose_slices(np.asarray(scan.lungs.any(axis=(1, 2))), SLICES)
    inputs = ScanInputs.of(scan, source.recipe, slices=picks)
    return PooledFeatures.of(np.concatenate(list(source.batches(inputs))))


def look(scan: PreparedScan) -> LungLook | None:
    """Of the slices shown."""
    picks = choose_slices(np.asarray(scan.lungs.any(axis=(1, 2))), SLICES)
    return LungLook.of(scan.image[picks], scan.lungs[picks])


def distances(vectors: list[np.ndarray]) -> dict[str, Distance]:
    """Three distances from the same scans."""
    rows = np.stack(vectors)
    mean, scale = rows.mean(axis=0), np.maximum(rows.std(axis=0), 1e-9)

    def neighbors(vector: np.ndarray) -> float:
        far = np.sqrt(np.square((rows - vector) / scale).mean(axis=1))
        return float(np.sort(far)[:NEIGHBORS].mean())

    return {
        "Mahalanobis, shrunk": Familiar.of(vectors).distance,
        f"{NEIGHBORS} nearest": neighbors,
        "scaled alone": lambda v: float(np.sqrt(np.square((v - mean) / scale).mean())),
    }


def main(arguments: list[str] | None = None) -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--work", type=Path, required=True, help="cohort and run are kept here")
    parser.add_argument("--scans", type=int, default=84)
    parser.add_argument("--held-out", type=int, default=24)
    parser.add_argument("--changed", type=int, default=12, help="of those held out")
    parser.add_argument("--size", type=int, default=96)
    parser.add_argument("--steps", type=int, default=60)
    asked = parser.parse_args(arguments)
    torch.set_num_threads(1)
    index = asked.work / "prepared"
    if not (index / INDEX_NAME).exists():
        cohort = CohortSettings(
            count=asked.scans, size=asked.size, slices=(10, 24), masks=1.0, edge_flips=0.0
        )
        write_cohort(asked.work / "tree", cohort)
        write_index(index, prepare_mosmed(asked.work / "tree", index, every=True))
    rows = read_index(index)
    learned, held = rows[: -asked.held_out], rows[-asked.held_out :]
    source = segmenter(index, asked.work / "run", held, asked.steps)
    vectors = [pooled(source, load_prepared(index, row)) for row in learned]
    fresh = [load_prepared(index, row) for row in held]
    own = [pooled(source, scan) for scan in fresh]
    found = distances(vectors)
    looks = [one for one in (look(load_prepared(index, row)) for row in learned) if one]
    print(f"{len(learned)} phantoms learned from, {len(held)} held out")
    print("| change | " + " | ".join(found) + " | median, noise of the lungs outside |")
    print("|---|" + "---:|" * (len(found) + 1))
    for name, change in changes(np.random.default_rng(0)).items():
        odd = [change(scan) for scan in fresh[: asked.changed]]
        strange = [pooled(source, scan) for scan in odd]
        cells = [_cell(measure, own, strange) for measure in found.values()]
        print(f"| {name} | {' | '.join(cells)} | {_outside(looks, odd)} |", flush=True)


def _cell(measure: Distance, own: list[np.ndarray], strange: list[np.ndarray]) -> str:
    """AUROC, and the share beyond the limit."""
    usual, far = [measure(v) for v in own], [measure(v) for v in strange]
    cases = ScoredCases.of(usual + far, [0] * len(usual) + [1] * len(far))
    beyond = np.mean(np.array(far) > Limit.of(usual).value)
    return f"{auroc(cases).value:.2f} ({beyond:.0%})"


def _outside(looks: list[LungLook], odd: list[PreparedScan]) -> str:
    """Shares whose lungs' median and noise lie outside of those learned from."""
    found = [one for one in map(look, odd) if one]
    parts = []
    for name in ("median", "noise"):
        known = [getattr(one, name) for one in looks]
        out = [not min(known) <= getattr(one, name) <= max(known) for one in found]
        parts.append(f"{np.mean(out):.0%}" if out else "-")
    return ", ".join(parts)


if __name__ == "__main__":
    main()
