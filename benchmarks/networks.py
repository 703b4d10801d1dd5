"""Every network of the catalog: parameters, operations, and seconds a slice on ONNX Runtime.

Prints a Markdown table, keeps the figures in JSON, and writes the table between its marks in
docs/networks.md. Names and parameter counts come from the catalog, so that the page cannot drift.
Networks are random: speed does not depend on the numbers.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from arithmetic import count_flop
from groundglass.catalog import NETWORKS, NetworkEntry, network_entry
from speed import describe_machine
from speed_tables import table

HERE = Path(__file__).resolve().parent
BEGIN, END = "<!-- begin of the table -->", "<!-- end of the table -->"
IDLE_BELOW = 0.5
"""A load average above it means that others were at work; the page says so."""
YARDSTICK = "unet"
"""Seconds of all others are also given as a share of this one's, measured in the same run."""
HEADER = (
    "network",
    "from",
    "parameters",
    "its paper prints",
    "GFLOP",
    "s a slice",
    f"of `{YARDSTICK}`",
)


def main(argv: list[str] | None = None) -> int:
    """Measure, merge with what is known, write the table."""
    arguments = _parser().parse_args(argv)
    load_before = os.getloadavg()[0]  # before any work of ours is in it
    names = arguments.names.split(",") if arguments.names else [entry.name for entry in NETWORKS]
    entries = [network_entry(name) for name in names]
    result = json.loads(arguments.out.read_text()) if arguments.out.exists() else {"networks": {}}
    known = result["networks"]
    for entry in entries:
        known.setdefault(entry.name, {})["gflop"] = _gflop(entry, arguments.size)
    if arguments.rounds:
        timed = {entry.name: entry for entry in [*entries, network_entry(YARDSTICK)]}
        seconds = time_in_turn(_calls(timed.values(), arguments), rounds=arguments.rounds)
        for name in timed:
            known.setdefault(name, {})["seconds_per_slice"] = seconds[name] / arguments.batch
            known[name]["of_yardstick"] = seconds[name] / seconds[YARDSTICK]
        result["conditions"] = _conditions(arguments, load_before)
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    arguments.out.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    page = networks_table(result)
    if arguments.page.exists():
        text = arguments.page.read_text(encoding="utf-8")
        arguments.page.write_text(put_between_marks(text, page), encoding="utf-8")
    sys.stdout.write(page + "\n")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--names", default="", help="comma-separated; default: all")
    parser.add_argument("--size", type=int, default=256, help="edge of the slice")
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument("--rounds", type=int, default=5, help="0: count only, keep the seconds")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--out", type=Path, default=HERE / "results" / "networks.json")
    parser.add_argument("--page", type=Path, default=HERE.parent / "docs" / "networks.md")
    return parser


def _gflop(entry: NetworkEntry, size: int) -> float:
    from groundglass.networks.build import build_network

    return round(count_flop(build_network(entry.name), (1, 1, size, size)) / 1e9, 2)


def _calls(
    entries: Iterable[NetworkEntry], arguments: argparse.Namespace
) -> dict[str, Callable[[], object]]:
    """One call per network: a batch of slices through ONNX Runtime."""
    import torch

    torch.set_num_threads(arguments.threads)
    shape = (arguments.batch, 1, arguments.size, arguments.size)
    image = np.random.default_rng(0).standard_normal(shape, dtype=np.float32)
    return {entry.name: _session_call(entry, image, arguments.threads) for entry in entries}


def _session_call(entry: NetworkEntry, image: np.ndarray, threads: int) -> Callable[[], object]:
    import onnxruntime
    import torch

    from groundglass.networks.build import build_network
    from groundglass.training.pack import export_onnx

    torch.manual_seed(0)
    network = build_network(entry.name).train()
    with torch.no_grad():
        for _ in range(10):  # running statistics near the data's keep the logits in range
            network(torch.randn(2, 1, 64, 64))
    network.eval().half().float()  # as the packed weights are
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 3
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "network.onnx"
        height, width = image.shape[-2:]
        export_onnx(network, (height, width), path)
        session = onnxruntime.InferenceSession(
            path.read_bytes(), options, providers=["CPUExecutionProvider"]
        )
    return lambda: session.run(None, {"image": image})


def time_in_turn(calls: dict[str, Callable[[], object]], *, rounds: int) -> dict[str, float]:
    """Least wall seconds of each call, all in turn in every round, after one round uncounted.

    In turn, so that a disturbance of the machine hits all of them.
    """
    best = dict.fromkeys(calls, float("inf"))
    for turn in range(rounds + 1):
        for name, call in calls.items():
            began = time.perf_counter()
            call()
            if turn:
                best[name] = min(best[name], time.perf_counter() - began)
    return best


def _conditions(arguments: argparse.Namespace, load_before: float) -> dict[str, Any]:
    return {
        "machine": describe_machine(),
        "size": arguments.size,
        "batch": arguments.batch,
        "rounds": arguments.rounds,
        "threads": arguments.threads,
        "onnxruntime": version("onnxruntime"),
        "torch": version("torch"),
        "load_average_before": round(load_before, 2),
        "date": datetime.now(UTC).date().isoformat(),
    }


def networks_table(result: dict[str, Any]) -> str:
    """The table of all networks of the catalog, and the conditions of its seconds below it."""
    known = result["networks"]
    rows = []
    for entry in NETWORKS:
        measured = known.get(entry.name, {})
        seconds = measured.get("seconds_per_slice")
        rows.append(
            (
                f"`{entry.name}`",
                entry.paper,
                f"{entry.parameters:,}",
                f"{entry.published_parameters:,}" if entry.published_parameters else "–",
                f"{measured['gflop']:.2f}" if "gflop" in measured else "–",
                f"{seconds:.3f}" if seconds else "–",
                f"{measured['of_yardstick']:.2f}" if seconds else "–",
            )
        )
    return "\n".join([table(HEADER, rows), _told(result.get("conditions"))])


def _told(conditions: dict[str, Any] | None) -> str:
    if not conditions:
        return "No seconds were measured yet."
    machine = conditions["machine"]
    load = conditions["load_average_before"]
    busy = " **The machine was shared and busy: trust ratios, not seconds.**"
    return (
        f"Measured on {conditions['date']}: {machine['cpu']} ({machine['vector']}), "
        f"{conditions['threads']} threads, ONNX Runtime {conditions['onnxruntime']}, slices of "
        f"{conditions['size']}x{conditions['size']}, batch {conditions['batch']}, best of "
        f"{conditions['rounds']} rounds, all networks in turn in each. Load average before: "
        f"{load:g}.{busy if load > IDLE_BELOW else ''}"
    )


def put_between_marks(text: str, page: str) -> str:
    """`text` with what stands between the two marks replaced by `page`."""
    pattern = re.compile(f"{re.escape(BEGIN)}.*?{re.escape(END)}", re.S)
    return pattern.sub(lambda _: f"{BEGIN}\n\n{page}\n\n{END}", text, count=1)


if __name__ == "__main__":
    sys.exit(main())
