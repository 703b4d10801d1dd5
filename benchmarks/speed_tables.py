"""Tables in Markdown from what `speed.py` measured, and the floor it is held against."""

from __future__ import annotations

import statistics
from typing import Any

from arithmetic import floor_seconds
from engine_runs import engines_table
from markdown_table import table


def floor_of(run: dict[str, Any], network: dict[str, Any], scan_bytes: int) -> dict[str, float]:
    """Least seconds for what one `analyze` run did, at the rates measured beside it.

    Operations: those of the two networks times the slices they saw. Bytes: the scan's files
    read, its int16 array and three maps of a byte per voxel (lungs, lesions, probability)
    written, once each.
    """
    gflop_of = {row["name"]: row["gflop"] for row in network["networks"]}
    gflop = sum(gflop_of[f"ours: {stage}"] * n for stage, n in run["slices_seen"].items())
    depth, height, width = run["shape"]
    moved = scan_bytes + 5 * depth * height * width
    rates = network["rates"]
    return {
        "gflop": gflop,
        "moved_gb": moved / 1e9,
        "networks_s": gflop / rates["gflop_per_s"],
        "whole_s": floor_seconds(
            gflop=gflop,
            moved_bytes=moved,
            gflop_per_s=rates["gflop_per_s"],
            copy_gb_per_s=rates["copy_gb_per_s"],
        ),
    }


def median_run(runs: list[dict[str, Any]]) -> dict[str, Any]:
    """The run whose wall time is the median (the upper one of an even number)."""
    return sorted(runs, key=lambda run: run["wall_s"])[len(runs) // 2]


def to_markdown(result: dict[str, Any]) -> str:
    """Everything that was measured, as one page; parts that did not run are left out."""
    parts = [_conditions(result)]
    if "analyze" in result:
        parts += [_whole(result), _stages(result)]
    if "engines" in result:
        parts.append(engines_table(result["engines"]))
    if "floor" in result:
        parts.append(_floor(result))
    if "network" in result:
        parts.append(_networks(result["network"]))
    if "help" in result or "install" in result:
        parts.append(_install(result))
    parts += [f"**{part} failed**: {error}\n" for part, error in result["errors"].items()]
    return "\n".join(parts)


def _conditions(result: dict[str, Any]) -> str:
    machine, settings = result["machine"], result["settings"]
    loads = ", ".join(f"{part} {load:g}" for part, load in result["load_average"].items())
    return (
        f"{machine['cpu']} ({machine['vector']}), {settings['threads']} of {machine['cores']} "
        f"cores, {machine['memory_gib']:g} GiB, {machine['system']}, Python {machine['python']}; "
        f"weights {settings['weights']}, lesion model "
        f"{settings['lesion_model']}. Load average before each part: {loads}.\n"
    )


def _whole(result: dict[str, Any]) -> str:
    runs = result["analyze"]["runs"]
    shape = "x".join(str(n) for n in runs["default"][0]["run"]["shape"])
    rival = result.get("lungmask")
    rows = []
    for name, label in (("default", "groundglass analyze"), ("exact lungs", "... --exact-lungs")):
        run = median_run(runs[name])
        spread = "-".join(f"{pick(r['wall_s'] for r in runs[name]):.1f}" for pick in (min, max))
        share = f"{run['wall_s'] / rival['apply_s']:.3f}" if rival else ""
        rows.append([label, f"{run['wall_s']:.1f}", spread, f"{run['peak_mib']:.0f}", share])
    if rival:
        rows += [
            ["lungmask, whole", f"{rival['whole_s']:.1f}", "", f"{rival['peak_mib']:.0f}",
             f"{rival['whole_s'] / rival['apply_s']:.3f}"],
            ["lungmask, `apply()` alone", f"{rival['apply_s']:.1f}", "", "", "1"],
            ["lungmask, its network alone", f"{rival['network_s']:.1f}", "", "",
             f"{rival['network_s'] / rival['apply_s']:.3f}"],
        ]  # fmt: skip
    head = ["", "seconds", "lowest-highest", "peak MiB", "of lungmask's `apply()`"]
    text = f"### The whole of a {shape} scan\n\n" + table(head, rows)
    text += f"\nGroundglass: median of {len(runs['default'])} cold processes, imports included. "
    if rival:
        text += f"lungmask 0.2.20, torch {rival['torch']}, batch {rival['batch']}: "
        text += _extent(rival)
    return text.rstrip() + "\n"


def _extent(rival: dict[str, Any]) -> str:
    """How much of the scan lungmask was given."""
    if rival["scaled_by"] == 1:
        return "one cold process, all slices."
    return (
        f"**{rival['slices']} of {rival['slices_of_scan']} slices measured**, `apply()` scaled by "
        f"{rival['scaled_by']:.2f}; its peak memory is that of the subset."
    )


def _stages(result: dict[str, Any]) -> str:
    runs = {name: median_run(runs) for name, runs in result["analyze"]["runs"].items()}
    names = list(runs["default"]["run"]["seconds"])
    rows: list[list[object]] = []
    for name in names:
        rows.append([name, *(f"{run['run']['seconds'].get(name, 0):.2f}" for run in runs.values())])
    start = [run["wall_s"] - run["run"]["seconds_total"] for run in runs.values()]
    rows.append(["start, imports, loading weights, end", *(f"{spent:.2f}" for spent in start)])
    for stage in ("lungs", "lesions"):
        seen = [run["run"]["slices_seen"][stage] for run in runs.values()]
        rows.append([f"slices the {stage} network saw", *seen])
    return "### Seconds per stage\n\n" + table(["stage", *runs], rows)


def _floor(result: dict[str, Any]) -> str:
    rates = result["network"]["rates"]
    rows = []
    for name, floor in result["floor"].items():
        run = median_run(result["analyze"]["runs"][name])
        networks = sum(run["run"]["seconds"][f"{s}: network"] for s in ("lungs", "lesions"))
        rows.append(
            [name, f"{floor['gflop']:.0f}", f"{floor['networks_s']:.2f}", f"{networks:.2f}",
             f"{networks / floor['networks_s']:.1f}", f"{floor['whole_s']:.2f}",
             f"{run['wall_s']:.2f}", f"{run['wall_s'] / floor['whole_s']:.1f}"]
        )  # fmt: skip
    head = ["", "GFLOP", "floor of networks, s", "network stages, s", "times", "floor of all, s",
            "whole, s", "times"]  # fmt: skip
    return (
        "### The floor\n\n"
        f"Matrix product {rates['matrix']}x{rates['matrix']}, float32: "
        f"{rates['numpy_gflop_per_s']:.0f} GFLOP/s (numpy), {rates['torch_gflop_per_s']:.0f} "
        f"(torch); copying {rates['copy_gb_per_s']:.1f} GB/s, reads and writes counted.\n\n"
    ) + table(head, rows)


def _networks(network: dict[str, Any]) -> str:
    engines: list[str] = []
    for row in network["networks"]:
        engines += [name for name in row["seconds_per_slice"] if name not in engines]
    rate = network["rates"]["gflop_per_s"]
    rows: list[list[object]] = []
    for row in network["networks"]:
        spent = row["seconds_per_slice"]
        best = min(spent.values())
        rows.append(
            [row["name"], "x".join(map(str, row["size"])), f"{row['parameters']:,}",
             f"{row['gflop']:.2f}", *(f"{spent[e]:.4f}" if e in spent else "" for e in engines),
             f"{row['gflop'] / rate:.4f}", f"{best / (row['gflop'] / rate):.1f}"]
        )  # fmt: skip
    notes = "".join(f"- {row['name']}: {row['note']}.\n" for row in network["networks"])
    return (
        f"### The network stage alone, seconds a slice (batch {network['batch']}, best of "
        f"{network['rounds']}, {network['threads']} threads)\n\n"
        + table(
            ["network", "slice", "parameters", "GFLOP", *engines, "floor", "best / floor"], rows
        )
        + f"\nA multiply-add counts as two operations.\n{notes}"
    )


def _install(result: dict[str, Any]) -> str:
    rows: list[list[object]] = []
    if "help" in result:
        spent = result["help"]["seconds"]
        rows.append([f"`--help`, median of {len(spent)}", f"{result['help']['median_s']:.2f} s"])
    if "install" in result:
        found = result["install"]
        found_rows: list[list[object]] = [
            ["core install (`pip install .`)", f"{found['seconds']:.0f} s"],
            ["... on disk", f"{found['mib']:.0f} MiB in {found['packages']} packages"],
            ["... of torch, MONAI, SimpleITK, matplotlib", ", ".join(found["heavy"]) or "none"],
            ["`--help` there, median", f"{statistics.median(found['help_seconds']):.2f} s"],
        ]
        rows += found_rows
    return "### Start and install\n\n" + table(["", ""], rows)
