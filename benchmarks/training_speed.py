"""Slices a second in training, by what makes the batches and how steps are started.

    python benchmarks/training_speed.py --index prepared --device cuda -o training_speed.json

Each variant trains for some seconds after a warm-up, in a folder of its own that is thrown away.
Loss, data and augmentation are those of the study's lesion stage.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import tempfile
import time
from pathlib import Path
from typing import Any

import torch

from groundglass.studies.run_settings import AUGMENT
from groundglass.training.loop import Progress, Trainer
from groundglass.training.select import select_scans
from groundglass.training.settings import Phase, TrainSettings

READ_EVERY = 20
"""Steps between two looks at the clock on a GPU: each has to wait for it."""


class _Done(Exception):  # noqa: N818 - not an error
    pass


def measure(
    index: Path, *, network: str, size: tuple[int, int], batch: int, device: str, seconds: float,
    **variant: Any,
) -> dict[str, Any]:  # fmt: skip
    """Train one variant for `seconds`; what it was, slices a second, seconds until warm."""
    steps = 1_000_000
    stage = "lesions" if size[0] != size[1] else "lungs"
    settings = TrainSettings(
        name="speed",
        stage=stage,
        index=str(index),
        network=network,
        phases=(Phase(size=size, steps=steps, batch=batch, lr=1e-3, lr_end=1e-5, warmup=10),),
        recipe={"stage": stage, "network_size": size},
        augment=AUGMENT,
        checkpoint_every=steps,
        device=device,
        mixed_precision="auto",
        **variant,
    )
    began = time.perf_counter()
    times: list[tuple[int, float]] = []

    def watch(progress: Progress) -> None:
        if device.startswith("cuda") and (progress.step == 1 or progress.step % READ_EVERY != 1):
            return
        if device.startswith("cuda"):
            torch.cuda.synchronize()
        times.append((progress.step, time.perf_counter()))
        if times[-1][1] - times[0][1] > seconds:
            raise _Done

    if device.startswith("cuda"):
        torch.cuda.reset_peak_memory_stats()
    with tempfile.TemporaryDirectory() as folder:
        trainer = Trainer(select_scans(settings).train, settings, Path(folder))
        ready = time.perf_counter()
        with contextlib.suppress(_Done):
            trainer.run(watch)
    (first, start), (last, end) = times[0], times[-1]
    return {
        "network": network,
        "size": size,
        "batch": batch,
        **variant,
        "slices_per_second": round((last - first) * batch / (end - start), 1),
        "setup_s": round(ready - began, 1),
        "warm_up_s": round(start - ready, 1),
        "memory_mib": round(torch.cuda.max_memory_allocated() / 2**20)
        if device.startswith("cuda")
        else None,
    }


def variants(device: str) -> list[dict[str, Any]]:
    plain = {"network": "raiu-net", "size": (160, 208), "batch": 8}
    if not device.startswith("cuda"):
        return [plain, {**plain, "sampler": "device"}]
    fast = {"sampler": "device", "cuda_graph": True}
    return [
        {**plain, "batch": 32},
        {**plain, "batch": 32, "sampler": "device"},
        *({**plain, "batch": batch, **fast} for batch in (16, 32, 64)),
        {"network": "raiu-net", "size": (128, 128), "batch": 32, **fast},
        {**plain, "batch": 32, **fast, "compile": True},
        {"network": "ta-segnet", "size": (160, 208), "batch": 32, **fast},
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--index", type=Path, required=True)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--seconds", type=float, default=4.0)
    parser.add_argument("--only", type=int, nargs="*", help="numbers of the variants")
    parser.add_argument("-o", "--out", type=Path)
    arguments = parser.parse_args()
    chosen = variants(arguments.device)
    rows = []
    for number in arguments.only if arguments.only is not None else range(len(chosen)):
        row = measure(
            arguments.index,
            device=arguments.device,
            seconds=arguments.seconds,
            **chosen[number],
        )
        rows.append(row)
        print(json.dumps(row), flush=True)
    if arguments.out:
        name = torch.cuda.get_device_name() if arguments.device.startswith("cuda") else "cpu"
        document = {"device": name, "torch": torch.__version__, "rows": rows}
        arguments.out.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
