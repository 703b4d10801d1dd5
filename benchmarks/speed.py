"""Speed and size of Groundglass, beside lungmask and MONAI's networks: one command.

    python benchmarks/speed.py

A whole `groundglass analyze` of a 300x512x512 scan, the same with both lesion models on every
engine, lungmask's lungs of that scan, the network stage alone, the floor that a matrix product
sets, `--help`, and a core install. Each is measured in a process of its own. See
benchmarks/README.md.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from engine_runs import measure_engines
from groundglass.weights.store import DEFAULT_LESION_MODEL, DEFAULT_WEIGHTS
from install_size import help_seconds, make_environment, measure_install
from measured_process import CommandFailedError, Measured, run_measured
from speed_tables import floor_of, to_markdown

HERE = Path(__file__).resolve().parent
PARTS = ("help", "install", "analyze", "engines", "lungmask", "network")
LESION_MODELS = ("chs-net", "ta-segnet")


def main(argv: list[str] | None = None) -> int:
    """Run the parts asked for; write JSON and Markdown. 1 where a part failed."""
    arguments = _parser().parse_args(argv)
    parts = arguments.parts.split(",")
    unknown = sorted(set(parts) - set(PARTS))
    if unknown:
        print(f"--parts has {unknown}; expected some of {', '.join(PARTS)}", file=sys.stderr)
        return 2
    arguments.cache.mkdir(parents=True, exist_ok=True)
    result: dict[str, Any] = {
        "settings": _settings(arguments),
        "machine": describe_machine(),
        "load_average": {},
        "errors": {},
    }
    for part in PARTS:
        if part in parts:
            _say(f"{part} ...")
            result["load_average"][part] = round(os.getloadavg()[0], 2)
            try:
                result[part] = _MEASURE[part](arguments)
            except (CommandFailedError, OSError, RuntimeError) as error:
                result["errors"][part] = str(error)
                _say(f"{part} failed: {error}")
    if "analyze" in result and "network" in result:
        result["floor"] = {
            name: floor_of(runs[0]["run"], result["network"], result["analyze"]["scan_bytes"])
            for name, runs in result["analyze"]["runs"].items()
        }
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    arguments.out.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    table = to_markdown(result)
    arguments.out.with_suffix(".md").write_text(table, encoding="utf-8")
    print(table)
    return 1 if result["errors"] else 0


def _parser() -> argparse.ArgumentParser:
    default_cache = Path(os.environ.get("XDG_CACHE_HOME", tempfile.gettempdir()))
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--slices", type=int, default=300, help="slices of the phantom (default 300)")
    add("--size", type=int, default=512, help="rows and columns of the phantom (default 512)")
    add("--scan", type=Path, help="a scan to take in place of the phantom")
    add("--threads", type=int, default=2, help="cores and threads of everything (default 2)")
    add("--repeats", type=int, default=3, help="runs of analyze; their median counts")
    add("--weights", default=DEFAULT_WEIGHTS, help="weights of analyze: a name or a folder")
    add("--lesion-model", default=DEFAULT_LESION_MODEL,
        help="lesion model of the parts analyze and network; engines has them all")  # fmt: skip
    add("--parts", default=",".join(PARTS), help=f"some of {','.join(PARTS)}")
    add("--lungmask-slices", type=int, default=0,
        help="give lungmask only so many slices, evenly taken; its seconds are then scaled up "
        "(said in the result). 0: all")  # fmt: skip
    add("--lungmask-venv", type=Path, help="its environment; made where it is missing")
    add("--rounds", type=int, default=5, help="rounds of the network stage; the best counts")
    add("--network-size", type=int, default=256, help="edge of the networks' common slice")
    add("--matrix", type=int, default=2048, help="edge of the matrix product")
    add("--help-runs", type=int, default=10, help="runs of --help")
    add("--cache", type=Path, default=default_cache / "groundglass-benchmarks",
        help="where phantom and environments are kept (default %(default)s)")  # fmt: skip
    add("--out", type=Path, default=HERE / "results" / "speed.json")
    return parser


def _settings(arguments: argparse.Namespace) -> dict[str, Any]:
    shown = ("slices", "size", "threads", "repeats", "weights", "lesion_model", "parts",
             "lungmask_slices", "rounds", "network_size")  # fmt: skip
    out = {name: getattr(arguments, name) for name in shown}
    out["scan"] = arguments.scan.name if arguments.scan else "phantom"
    return out


def describe_machine() -> dict[str, Any]:
    """Processor, vector unit, cores, memory, system and Python, for the conditions of a run."""
    name = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    flags: set[str] = set()
    if cpuinfo.is_file():
        for line in cpuinfo.read_text(errors="replace").splitlines():
            key, _, value = line.partition(":")
            if key.strip() == "model name":
                name = value.strip()
            elif key.strip() == "flags" and not flags:
                flags = set(value.split())
    pages = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return {
        "cpu": name,
        "vector": next((f for f in ("avx512f", "avx2", "avx", "neon") if f in flags), "unknown"),
        "cores": os.cpu_count(),
        "memory_gib": round(pages / 2**30, 1),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
    }


def _scan(arguments: argparse.Namespace) -> Path:
    """The scan to analyze; the phantom is made once and kept."""
    if arguments.scan:
        return arguments.scan
    shape = f"{arguments.slices},{arguments.size},{arguments.size}"
    folder = arguments.cache / f"phantom-{shape.replace(',', 'x')}"
    if not folder.is_dir():
        _say(f"making the phantom {shape} ...")
        command = [str(_program()), "phantom", str(folder), "--size", shape]
        run_measured(command, threads=arguments.threads)
    return folder / "dicom"


def _program() -> Path:
    return Path(sys.executable).with_name("groundglass")


def _measure_help(arguments: argparse.Namespace) -> dict[str, Any]:
    seconds = help_seconds(_program(), runs=arguments.help_runs)
    return {"seconds": seconds, "median_s": statistics.median(seconds)}


def _measure_install(arguments: argparse.Namespace) -> dict[str, Any]:
    return measure_install(HERE.parent, arguments.cache / f"venv-core-{os.getpid()}")


def _measure_analyze(arguments: argparse.Namespace) -> dict[str, Any]:
    scan = _scan(arguments)
    runs: dict[str, list[dict[str, Any]]] = {"default": [], "exact lungs": []}
    with tempfile.TemporaryDirectory(dir=arguments.cache) as place:
        for _ in range(arguments.repeats):
            for name, extra in (("default", []), ("exact lungs", ["--exact-lungs"])):
                out = Path(place) / "out"
                options = ["--engine", "onnx", "--lesion-model", arguments.lesion_model, *extra]
                runs[name].append(_analyze(arguments, scan, out, options))
    files = [scan] if scan.is_file() else [p for p in scan.rglob("*") if p.is_file()]
    return {"runs": runs, "scan_bytes": sum(path.stat().st_size for path in files)}


def _measure_engines(arguments: argparse.Namespace) -> list[dict[str, Any]]:
    scan = _scan(arguments)
    with tempfile.TemporaryDirectory(dir=arguments.cache) as place:
        return measure_engines(
            lambda options: _analyze(arguments, scan, Path(place) / "out", options),
            LESION_MODELS,
            repeats=arguments.repeats,
        )


def _analyze(
    arguments: argparse.Namespace, scan: Path, out: Path, options: Sequence[str]
) -> dict[str, Any]:
    command = [str(_program()), "analyze", str(scan), "-o", str(out), "--weights",
               arguments.weights, "--quiet", *options]  # fmt: skip
    cost = run_measured(command, threads=arguments.threads)
    return {**_costs(cost), "run": _run_record(out)}


def _run_record(out: Path) -> dict[str, Any]:
    run = json.loads((out / "run.json").read_text(encoding="utf-8"))
    kept = ("seconds", "seconds_total", "peak_memory_mib", "slices_seen", "recipe", "weights",
            "engine", "versions")  # fmt: skip
    shape = json.loads((out / "findings.json").read_text(encoding="utf-8"))["scan"]["shape"]
    return {**{name: run[name] for name in kept}, "shape": shape}


def _measure_lungmask(arguments: argparse.Namespace) -> dict[str, Any]:
    scan = _scan(arguments)
    folder = arguments.lungmask_venv or arguments.cache / "venv-lungmask"
    given = folder / "bin" / "python"
    is_given = arguments.lungmask_venv is not None and given.is_file()
    python = given if is_given else make_environment(folder, HERE / "requirements-lungmask.txt")
    weights = arguments.cache / "lungmask-random-weights.pth"
    script = [str(python), str(HERE / "lungmask_run.py"), str(scan), "--weights", str(weights),
              "--threads", str(arguments.threads)]  # fmt: skip
    if not weights.is_file():
        unused = ["--make-weights", "--out", os.devnull]
        run_measured([*script, *unused], threads=arguments.threads, quiet=True)
    with tempfile.TemporaryDirectory(dir=arguments.cache) as place:
        out = str(Path(place) / "lungs.nii.gz")
        asked = ["--out", out, "--slices", str(arguments.lungmask_slices)]
        cost = run_measured([*script, *asked], threads=arguments.threads, quiet=True)
    found = json.loads(cost.output.strip().splitlines()[-1])
    scale = found["slices_of_scan"] / found["slices"]
    return {
        **found,
        **_costs(cost),
        "scaled_by": scale,
        "apply_s": found["seconds"]["apply"] * scale,
        "network_s": found["network_s"] * scale,
        "whole_s": cost.wall_s + found["seconds"]["apply"] * (scale - 1),
    }


def _measure_network(arguments: argparse.Namespace) -> dict[str, Any]:
    with tempfile.TemporaryDirectory(dir=arguments.cache) as place:
        out = Path(place) / "network.json"
        models = [arguments.lesion_model]
        models += [name for name in LESION_MODELS if name != arguments.lesion_model]
        options = {
            "--weights": arguments.weights,
            "--lesion-models": ",".join(models),
            "--size": arguments.network_size,
            "--rounds": arguments.rounds,
            "--threads": arguments.threads,
            "--matrix": arguments.matrix,
            "--out": out,
        }
        command = [sys.executable, str(HERE / "network_stage.py")]
        for name, value in options.items():
            command += [name, str(value)]
        run_measured(command, threads=arguments.threads)
        return json.loads(out.read_text(encoding="utf-8"))


def _costs(cost: Measured) -> dict[str, float]:
    return {
        "wall_s": round(cost.wall_s, 3),
        "cpu_s": round(cost.cpu_s, 3),
        "peak_mib": round(cost.peak_mib, 1),
    }


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


_MEASURE: dict[str, Callable[[argparse.Namespace], dict[str, Any]]] = {
    "help": _measure_help,
    "install": _measure_install,
    "analyze": _measure_analyze,
    "engines": _measure_engines,
    "lungmask": _measure_lungmask,
    "network": _measure_network,
}


if __name__ == "__main__":
    sys.exit(main())
