"""The network stage alone: seconds a slice of our networks and of MONAI's, side by side.

Every network runs on every engine in turn, round after round, so that a disturbance of the
machine hits all of them. Networks are random but for the shipped ONNX files: speed does not
depend on the numbers. Run by `speed.py` in a process of its own; writes JSON.
"""

from __future__ import annotations

import argparse
import json
import logging
import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from arithmetic import count_flop, count_parameters, measure_rates

log = logging.getLogger(__name__)

ENGINES = ("torch", "torch channels-last", "onnxruntime", "openvino")


@dataclass(frozen=True)
class Candidate:
    """A network to time. `onnx_file`: the shipped one; where empty, it is exported here."""

    name: str
    note: str
    size: tuple[int, int]
    build: Callable[[], Any]
    onnx_file: str = ""


def main() -> None:
    """Time the networks and the machine's rates."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--weights", default="chs-net")
    parser.add_argument("--lesion-models", default="chs-net", help="names, with commas")
    parser.add_argument("--size", type=int, default=256, help="edge of the common slice")
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--matrix", type=int, default=2048, help="edge of the matrix product")
    parser.add_argument("--out", type=Path, required=True)
    arguments = parser.parse_args()
    import torch

    torch.set_num_threads(arguments.threads)
    torch.manual_seed(0)
    rates = measure_rates(size=arguments.matrix)
    models = arguments.lesion_models.split(",")
    candidates = [*shipped(arguments.weights, models), *common(arguments.size)]
    rows = time_networks(
        candidates, batch=arguments.batch, rounds=arguments.rounds, threads=arguments.threads
    )
    result = {
        "batch": arguments.batch,
        "rounds": arguments.rounds,
        "threads": arguments.threads,
        "rates": {**asdict(rates), "gflop_per_s": rates.gflop_per_s, "matrix": arguments.matrix},
        "versions": _versions(),
        "networks": rows,
    }
    arguments.out.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


def shipped(weights_name: str, lesion_models: list[str]) -> list[Candidate]:
    """The cascade's networks at the sizes they see in analysis; the first lesion model as its."""
    from groundglass.networks.build import build_network
    from groundglass.weights.store import find_weights

    stages = [("lungs", "lungs", find_weights(weights_name))]
    stages += [("lesions", f"lesions, {name}", find_weights(name)) for name in lesion_models]
    stages[1] = ("lesions", "lesions", stages[1][2])
    out = []
    for name, label, weights in stages:
        stage = weights.stage(name)
        height, width = stage.slice_recipe().network_size

        def build(network: str = stage.network, base: int = stage.base) -> Any:
            return build_network(network, base=base)

        file = str(weights.path(name, "onnx"))
        note = f"the {name} stage of {weights.manifest.name}, as analyze runs it"
        out.append(Candidate(f"ours: {label}", note, (height, width), build, file))
    return out


def common(edge: int) -> list[Candidate]:
    """Networks on slices of one common size: RAIU-Net and MONAI's."""
    from monai.networks.nets.basic_unet import BasicUNet
    from monai.networks.nets.unet import UNet

    from groundglass.networks.build import build_network

    size = (edge, edge)
    one: dict[str, Any] = {"spatial_dims": 2, "in_channels": 1, "out_channels": 1}
    return [
        Candidate("ours: RAIU-Net", "16..256", size, lambda: build_network("raiu-net")),
        Candidate("ours: TA-SegNet", "16..256", size, lambda: build_network("ta-segnet")),
        Candidate("MONAI BasicUNet", "default features 32..256", size, lambda: BasicUNet(**one)),
        Candidate(
            "MONAI BasicUNet, U-Net-sized",
            "features 64..1024, batch norm: the size of lungmask's network",
            size,
            lambda: BasicUNet(**one, features=(64, 128, 256, 512, 1024, 64), norm="batch"),
        ),
        Candidate(
            "MONAI UNet, MiniSeg-sized",
            "channels 8..52, 2 residual units, batch norm: about MiniSeg's 83 thousand parameters",
            size,
            lambda: UNet(
                **one, channels=(8, 16, 32, 52), strides=(2, 2, 2), num_res_units=2, norm="batch"
            ),
        ),
    ]


def time_networks(
    candidates: list[Candidate], *, batch: int, rounds: int, threads: int
) -> list[dict[str, Any]]:
    """One row per candidate: parameters, GFLOP a slice, and seconds a slice per engine."""
    rows: list[dict[str, Any]] = []
    calls: list[tuple[dict[str, list[float]], str, Callable[[], object]]] = []
    rng = np.random.default_rng(0)
    for candidate in candidates:
        network = candidate.build().eval()
        image = rng.standard_normal((batch, 1, *candidate.size), dtype=np.float32)
        spent: dict[str, list[float]] = {}
        for engine, call in _calls(network, candidate, image, threads).items():
            call()
            spent[engine] = []
            calls.append((spent, engine, call))
        rows.append(
            {
                "name": candidate.name,
                "note": candidate.note,
                "size": list(candidate.size),
                "parameters": count_parameters(network),
                "gflop": count_flop(network, (1, 1, *candidate.size)) / 1e9,
                "spent": spent,
            }
        )
    for _ in range(rounds):
        for spent, engine, call in calls:
            time.sleep(0.05)  # the threads of the engine before stop spinning
            began = time.perf_counter()
            call()
            spent[engine].append((time.perf_counter() - began) / batch)
    for row in rows:
        spent = row.pop("spent")
        row["seconds_per_slice"] = {engine: min(values) for engine, values in spent.items()}
        row["median_seconds_per_slice"] = {
            engine: statistics.median(values) for engine, values in spent.items()
        }
    return rows


def _calls(
    network: Any, candidate: Candidate, image: np.ndarray, threads: int
) -> dict[str, Callable[[], object]]:
    """A call per engine that is installed."""
    import copy

    import torch

    model = _onnx_bytes(network, candidate)
    last = copy.deepcopy(network).to(memory_format=torch.channels_last)
    x = torch.from_numpy(image)
    x_last = x.to(memory_format=torch.channels_last)

    def eager() -> object:
        with torch.inference_mode():
            return network(x)

    def channels_last() -> object:
        with torch.inference_mode():
            return last(x_last)

    out = {ENGINES[0]: eager, ENGINES[1]: channels_last}
    out[ENGINES[2]] = _onnxruntime_call(model, image, threads)
    try:
        out[ENGINES[3]] = _openvino_call(model, image, threads)
    except ImportError:
        log.warning("openvino is not installed and is left out")
    return out


def _onnx_bytes(network: Any, candidate: Candidate) -> bytes:
    """The shipped file of a stage, else an export like that of the shipped ones."""
    if candidate.onnx_file:
        return Path(candidate.onnx_file).read_bytes()
    from groundglass.training.pack import export_onnx

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "network.onnx"
        export_onnx(network, candidate.size, path)
        return path.read_bytes()


def _onnxruntime_call(model: bytes, image: np.ndarray, threads: int) -> Callable[[], object]:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    return lambda: session.run(None, {name: image})


def _openvino_call(model: bytes, image: np.ndarray, threads: int) -> Callable[[], object]:
    import openvino

    core = openvino.Core()
    compiled = core.compile_model(
        core.read_model(model=model),
        "CPU",
        {"INFERENCE_PRECISION_HINT": "f32", "INFERENCE_NUM_THREADS": threads},
    )
    return lambda: compiled(image)


def _versions() -> dict[str, str]:
    from importlib.metadata import PackageNotFoundError, version

    out = {}
    for name in ("torch", "monai", "onnxruntime", "openvino", "numpy"):
        try:
            out[name] = version(name)
        except PackageNotFoundError:
            out[name] = "not installed"
    return out


if __name__ == "__main__":
    main()
