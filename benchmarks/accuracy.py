"""Accuracy of weights on real scans, end to end, exactly as a user gets it.

    python benchmarks/accuracy.py --data DIR --weights chs-net --out FILE.json --md FILE.md

DIR holds covid19-ct-seg/ (the 20-case set in its official layout) and, where they are there,
covid-ct-md/normal001/ and cip/. See benchmarks/README.md.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from pathlib import Path
from typing import Any

from accuracy_cases import (
    all_cases,
    evaluate_case,
    evaluate_cip,
    evaluate_healthy,
    evaluate_intensities,
)
from accuracy_tables import MINISEG_POOLED_ALL, summarize, to_markdown
from groundglass.errors import GroundglassError
from groundglass.predictor.cascade import Cascade, CascadeSettings
from groundglass.weights.store import find_weights

ROOT = Path(__file__).resolve().parent.parent
HEALTHY = "normal001"


def main(argv: list[str] | None = None) -> int:
    """Evaluate and write; 1 where the weights or the data cannot be used."""
    arguments = _parser().parse_args(argv)
    try:
        with tempfile.TemporaryDirectory() as place:
            result = evaluate(arguments, Path(place))
    except GroundglassError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    page = to_markdown(result)
    if arguments.out:
        arguments.out.parent.mkdir(parents=True, exist_ok=True)
        arguments.out.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    if arguments.md:
        arguments.md.parent.mkdir(parents=True, exist_ok=True)
        arguments.md.write_text(page, encoding="utf-8")
    print(page)
    return 0


def _parser() -> argparse.ArgumentParser:
    default_data = Path(os.environ.get("GROUNDGLASS_DATA", ROOT.parent / "shared" / "data"))
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--data", type=Path, default=default_data, help="folder of the data sets")
    add("--weights", default="chs-net",
        help="a name, a folder of weights, or a folder with training runs lungs/ and "
        "lesions/, which may still be going on")  # fmt: skip
    add("--lesion-model", help="weights whose lesion network is taken; else that of --weights")
    add("--out", type=Path, help="JSON to write")
    add("--md", type=Path, help="Markdown to write")
    add("--all", action="store_true", help="the training cases too, labelled as such")
    add("--cases", help="only these cases, with commas (for a quick look)")
    add("--engine", default="onnx", choices=("onnx", "torch", "openvino"))
    add("--device", default="cpu", help="cpu, or cuda with --engine torch")
    add("--exact-lungs", action="store_true", help="lung network on every slice")
    add("--no-density", action="store_true", help="networks alone: no density lungs, no floor")
    add("--flips", action="store_true", help="average the lesion network over mirrored slices")
    add("--skip-scans", action="store_true", help="leave out the healthy and the CIP scan")
    return parser


def evaluate(arguments: argparse.Namespace, place: Path) -> dict[str, Any]:
    """All that was asked for, ready for JSON. `place`: a folder for passing files.

    Raises: WeightsError, InputError.
    """
    folder = _weights_folder(arguments.weights, place)
    weights = find_weights(folder)
    settings = CascadeSettings(
        lung_step_mm=0.0 if arguments.exact_lungs else CascadeSettings().lung_step_mm,
        density_lungs=not arguments.no_density,
        lesion_floor_hu=None if arguments.no_density else CascadeSettings().lesion_floor_hu,
        flips=arguments.flips,
    )
    cascade = Cascade(
        weights,
        lesions=find_weights(arguments.lesion_model) if arguments.lesion_model else None,
        engine=arguments.engine,
        device=arguments.device,
        settings=settings,
    )
    lesion_weights = cascade.weights["lesions"].manifest
    held_out = sorted(set(weights.manifest.held_out) & set(lesion_weights.held_out))
    cases = all_cases(arguments.data)
    if arguments.cases:
        cases = [case for case in cases if case in arguments.cases.split(",")]
    chosen = [case for case in cases if case in held_out]
    result: dict[str, Any] = {
        "weights": {
            "name": weights.manifest.name,
            "version": weights.manifest.version,
            "lesion_model": {"name": lesion_weights.name, "version": lesion_weights.version},
            "sha256": {name: stage.onnx.sha256 for name, stage in cascade.stages.items()},
            "held_out": held_out,
        },
        "engine": f"{arguments.engine} on {arguments.device}",
        "settings": {"lung_step_mm": settings.lung_step_mm, "flips": settings.flips},
        "miniseg_pooled_dice_of_all_15": MINISEG_POOLED_ALL,
        "left_out": [],
    }
    if not chosen and not (arguments.all and cases):
        raise _no_case(arguments, held_out)
    if chosen:
        result["held_out"] = _evaluate_all(cascade, arguments.data, chosen)
    if arguments.all:
        others = [case for case in cases if case not in held_out]
        if others:
            result["training_cases"] = _evaluate_all(cascade, arguments.data, others)
    if not arguments.skip_scans:
        _evaluate_scans(cascade, arguments.data, place, result)
    return result


def _weights_folder(name: str, place: Path) -> str:
    """`name`, or where it holds training runs, a folder with weights packed from them."""
    runs = [Path(name) / stage / "state.safetensors" for stage in ("lungs", "lesions")]
    if not all(path.is_file() for path in runs):
        return name
    from groundglass.training.pack import PackSettings, pack_weights

    settings = PackSettings(
        name="from-runs", version="unfinished", title="training runs", license="unreleased",
        training_data=(), accuracy={},
    )  # fmt: skip
    pack_weights(runs[0].parent, runs[1].parent, place / "weights", settings)
    return str(place / "weights")


def _no_case(arguments: argparse.Namespace, held_out: list[str]) -> GroundglassError:
    from groundglass.errors import InputError

    if not held_out:
        return InputError(
            "these weights were trained on every case, so none can judge them",
            expected="weights with held-out cases",
            remedy="Look at the training cases with --all, and at the model card for what was "
            "measured on cases held out from an earlier stretch and from the folds",
        )
    return InputError(
        f"{arguments.data} has none of the held-out cases {', '.join(held_out)}",
        expected="covid19-ct-seg/ in its official layout there",
        remedy="Name its place with --data",
    )


def _evaluate_all(cascade: Cascade, data: Path, cases: list[str]) -> dict[str, Any]:
    results = []
    for case in cases:
        results.append(evaluate_case(cascade, data, case))
        last = results[-1]
        print(
            f"{case}: lungs {last.lungs.total.dice}, lesions {last.lesions.total.dice} "
            f"({last.seconds:.1f} s)",
            file=sys.stderr,
            flush=True,
        )
    return summarize(results)


def _evaluate_scans(cascade: Cascade, data: Path, place: Path, result: dict[str, Any]) -> None:
    """The healthy scan with its intensity variants, and the CIP scan, where they are."""
    healthy = data / "covid-ct-md" / HEALTHY
    if healthy.is_dir():
        result["healthy"] = {"scan": HEALTHY, **evaluate_healthy(cascade, healthy)}
        result["intensity"] = evaluate_intensities(cascade, healthy, place)
    else:
        result["left_out"].append(f"the healthy scan, not at {healthy}")
    shipped, given = ROOT / "tests" / "data" / "cip", data / "cip"
    cip = given if given.is_dir() else shipped
    result["cip"] = evaluate_cip(cascade, cip / "ct-64Dicom", cip)


if __name__ == "__main__":
    sys.exit(main())
