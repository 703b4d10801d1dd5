"""lungmask's lung segmentation of one scan, step by step as its command line does it, timed.

Runs in the virtual environment of lungmask, not in ours. Prints one line of JSON.

Its published weights are not needed: speed does not depend on the numbers. The weights are
random, but for one path that is wired to call dark pixels lung, so that its post-processing
gets a mask like a real one; on a random mask it would work for hours.
"""

from __future__ import annotations

import argparse
import json
import socket
import sys
import time
from pathlib import Path
from typing import Any, NoReturn


def main() -> None:
    """Time import, reading, loading, apply() with its parts, and writing."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("scan", help="DICOM folder, or a file that SimpleITK reads")
    parser.add_argument("--weights", required=True, type=Path, help="made where it is missing")
    parser.add_argument("--out", required=True, help="file for the mask (.nii.gz)")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--slices", type=int, default=0, help="only so many, evenly; 0: all")
    parser.add_argument("--make-weights", action="store_true", help="only write the weights")
    arguments = parser.parse_args()
    if arguments.make_weights:
        make_weights(arguments.weights)
        return
    print(json.dumps(run(arguments)))


def run(arguments: argparse.Namespace) -> dict[str, Any]:
    """The steps of `lungmask INPUT OUTPUT --modelname R231 --modelpath WEIGHTS`, with seconds."""
    _forbid_connections()
    seconds: dict[str, float] = {}
    clock = _Clock(seconds)
    import SimpleITK
    import torch
    from lungmask import LMInferer
    from lungmask.utils import load_input_image

    torch.set_num_threads(arguments.threads)
    clock.lap("import")
    image = load_input_image(arguments.scan, disable_tqdm=True)
    clock.lap("read")
    whole = image.GetSize()[2]
    if arguments.slices and arguments.slices < whole:
        step = max(1, whole // arguments.slices)
        image = image[:, :, ::step][:, :, : arguments.slices]
    clock.lap("take slices")
    inferer = LMInferer(
        modelname="R231", modelpath=str(arguments.weights), force_cpu=True, tqdm_disable=True
    )
    network = _time_forward(inferer.model)
    clock.lap("load weights")
    mask = inferer.apply(image)
    clock.lap("apply")
    result = SimpleITK.GetImageFromArray(mask)
    result.CopyInformation(image)
    SimpleITK.WriteImage(result, arguments.out, True)
    clock.lap("write")
    return {
        "slices": int(image.GetSize()[2]),
        "slices_of_scan": int(whole),
        "batch": int(inferer.batch_size),
        "threads": torch.get_num_threads(),
        "seconds": {name: round(spent, 3) for name, spent in seconds.items()},
        "network_s": round(sum(network), 3),
        "lung_share": round(float((mask > 0).mean()), 4),
        "torch": torch.__version__,
    }


def make_weights(path: Path) -> None:
    """Save a state of lungmask's R231 network: random, with the one wired path."""
    import torch
    from lungmask.resunet import UNet

    torch.manual_seed(0)
    network = UNet(
        n_classes=3, padding=True, depth=5, up_mode="upsample", batch_norm=True, residual=False
    )
    first, last = network.down_path[0].block, network.up_path[-1].conv_block.block
    up_channels = last[0].in_channels // 2  # the skip's channels follow those from below
    with torch.no_grad():
        for convolution, source, kernel in (
            (first[0], 0, torch.full((3, 3), 1 / 9)),  # the image, smoothed
            (first[3], 0, _identity()),
            (last[0], up_channels, _identity()),
            (last[3], 0, _identity()),
        ):
            convolution.weight[0] = 0
            convolution.weight[0, source] = kernel
            convolution.bias[0] = 0
        network.last.weight.zero_()
        network.last.weight[0, 0] = 1  # background's score is the brightness,
        network.last.bias.copy_(torch.tensor([0.0, 0.35, -10.0]))  # lung's that of -456 HU
    path.parent.mkdir(parents=True, exist_ok=True)
    torch.save(network.state_dict(), path)


def _identity() -> Any:
    import torch

    kernel = torch.zeros(3, 3)
    kernel[1, 1] = 1
    return kernel


def _time_forward(model: Any) -> list[float]:
    """Seconds of every forward pass, added while the model is used."""
    spent: list[float] = []
    began: list[float] = []
    model.register_forward_pre_hook(lambda *_: began.append(time.perf_counter()))
    model.register_forward_hook(lambda *_: spent.append(time.perf_counter() - began[-1]))
    return spent


def _forbid_connections() -> None:
    def refuse(*_: object) -> NoReturn:
        raise ConnectionError("lungmask asked for a connection; the benchmark runs offline")

    socket.socket.connect = refuse  # type: ignore[method-assign, assignment]


class _Clock:
    def __init__(self, seconds: dict[str, float]) -> None:
        self._seconds = seconds
        self._last = time.perf_counter()

    def lap(self, name: str) -> None:
        now = time.perf_counter()
        self._seconds[name] = now - self._last
        self._last = now


if __name__ == "__main__":
    sys.exit(main())
