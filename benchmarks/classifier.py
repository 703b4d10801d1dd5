"""CPU seconds and memory of the classifier of whole scans, by the number of slices it is shown.

    python benchmarks/classifier.py

Untrained networks at the paper's widths, with maps of 32x32, as weights that
`--classifier` could load: what they cost does not depend on their numbers. Each count of slices
and each engine is a process of its own, which is given slices of noise four at a time, as analysis
does, then judges the scan; with torch it also makes the maps of regions. Reading a scan and
finding its lungs are no part of it: `speed.py` measures these.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from markdown_table import table
from measured_process import run_measured

GRID = (32, 32)
COUNTS, ENGINES = (1, 30, 300, 600), ("onnx", "torch")


def make_weights(folder: Path, size: int) -> None:
    """Untrained networks under a manifest that says so."""
    import torch

    from groundglass.networks.build import build_classifier, build_network
    from groundglass.recipe import SliceRecipe
    from groundglass.training.classifier_export import write_second_phase, write_segmenter
    from groundglass.weights.classifier_manifest import ClassifierManifest

    torch.manual_seed(0)
    folder.mkdir(parents=True)
    segmenter, classifier = build_network("ta-segnet").eval(), build_classifier("covtanet").eval()
    channels = write_segmenter(segmenter, (size, size), GRID, folder)
    write_second_phase(classifier, GRID, folder)
    (folder / "known.npz").write_bytes(b"nothing was learned")

    def file(name: str) -> dict[str, str]:
        content = (folder / name).read_bytes()
        return {"file": name, "sha256": hashlib.sha256(content).hexdigest()}

    def count(network: torch.nn.Module) -> int:
        return sum(weights.numel() for weights in network.parameters())

    head = {"temperature": 1, "is_calibrated": False, "threshold": 0.5, "threshold_rule": "none"}
    said = {
        "name": "untrained",
        "version": "0",
        "title": "untrained, to be timed",
        "license": "none",
        "training_data": ["none"],
        "phantoms": True,
        "lungs_by": [],
        "held_out": [],
        "calibrated_on": [],
        "accuracy": {},
        "segmenter": {
            "network": "ta-segnet",
            "base": 16,
            "parameters": count(segmenter),
            "channels": channels,
            "recipe": SliceRecipe("direct", (size, size)).to_dict(),
            "grid": GRID,
            "storage": "uint8",
            "mixed_precision": False,
            "onnx": file("segmenter.onnx"),
            "safetensors": file("segmenter.safetensors"),
            "trained": {},
        },
        "classifier": {
            "classifier": "covtanet",
            "base": 16,
            "parameters": count(classifier),
            "slices": max(COUNTS),
            "encoder": file("encoder.onnx"),
            "head": file("head.onnx"),
            "safetensors": file("classifier.safetensors"),
            "trained": {},
        },
        "diagnosis": head | {"measured": {}},
        "severity": head | {"measured": {}},
        "known": {
            "file": file("known.npz"),
            "scans": 1,
            "limit": 1,
            "limit_rule": "none",
            "slices": {"low": 1, "high": max(COUNTS)},
            "shown_mm": None,
            "lungs_ml": None,
            "lung_median": None,
            "lung_noise": None,
            "domains": ["hu"],
        },
    }
    manifest = ClassifierManifest.model_validate(said)
    (folder / "manifest.json").write_text(manifest.to_json(), encoding="utf-8")


def measure_one(folder: Path, engine: str, slices: int, size: int) -> dict[str, float]:
    """CPU seconds of each step on one scan, in this process."""
    from groundglass.ops.feature_pack import pack_features, unpack_features
    from groundglass.predictor.classifier_engine import load_classifier_engine
    from groundglass.predictor.grad_cam import load_grad_cam
    from groundglass.predictor.scan_classifier import BATCH
    from groundglass.weights.store import find_classifier_weights

    began = time.process_time()
    weights = find_classifier_weights(str(folder))
    loaded = load_classifier_engine(weights, engine=engine, device="cpu")
    took = {"load": time.process_time() - began, "features": 0.0, "encode": 0.0}
    rng, stored, encoded = np.random.default_rng(0), [], []
    for start in range(0, slices, BATCH):
        shape = (min(BATCH, slices - start), 1, size, size)
        images = rng.standard_normal(shape, dtype=np.float32)
        began = time.process_time()
        stored.append(pack_features(loaded.features(images), "uint8"))
        took["features"] += time.process_time() - began
        began = time.process_time()
        encoded.append(loaded.encode(unpack_features(stored[-1])))
        took["encode"] += time.process_time() - began
    began = time.process_time()
    loaded.judge(np.concatenate(encoded))
    took["judge"] = time.process_time() - began
    if engine == "torch":
        began = time.process_time()
        grad_cam = load_grad_cam(weights)
        assert grad_cam is not None
        grad_cam.maps(map(unpack_features, stored))
        took["maps"] = time.process_time() - began
    return took


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--slices", default=",".join(map(str, COUNTS)))
    parser.add_argument("--engines", default=",".join(ENGINES))
    parser.add_argument("--size", type=int, default=256, help="edge of the slices")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("-o", "--out", type=Path, help="also write the figures as JSON")
    parser.add_argument("--one", nargs=3, metavar=("FOLDER", "ENGINE", "SLICES"))
    parser.add_argument("--make", type=Path, metavar="FOLDER")
    asked = parser.parse_args()
    if asked.make:
        make_weights(asked.make, asked.size)
        return
    if asked.one:
        folder, engine, slices = asked.one
        print(json.dumps(measure_one(Path(folder), engine, int(slices), asked.size)))
        return
    rows = []
    with tempfile.TemporaryDirectory() as work:
        script = [sys.executable, __file__, "--size", str(asked.size)]
        folder = str(Path(work) / "weights")
        run_measured([*script, "--make", folder], threads=asked.threads, quiet=True)
        for engine in asked.engines.split(","):
            for slices in asked.slices.split(","):
                command = [*script, "--one", folder, engine, slices]
                found = run_measured(command, threads=asked.threads)
                took = json.loads(found.output.splitlines()[-1])
                rows.append({"engine": engine, "slices": int(slices), **took,
                             "whole": found.cpu_s, "peak_mib": found.peak_mib})  # fmt: skip
    steps = ("load", "features", "encode", "judge", "maps")
    print(
        table(
            ["engine", "slices", *(f"{step}, s" for step in steps), "process, s", "peak MiB"],
            [
                [
                    row["engine"],
                    str(row["slices"]),
                    *(f"{row[step]:.2f}" if step in row else "" for step in steps),
                    f"{row['whole']:.1f}",
                    f"{row['peak_mib']:.0f}",
                ]
                for row in rows
            ],
        )
    )
    if asked.out:
        asked.out.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
