"""Stands in for the pipeline: does at once, slowly or badly what the first object's bytes say."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path
from typing import Any

from groundglass.errors import NoLungError, OutputError
from groundglass.server.analysis import AnalysisRequest, Analyze
from groundglass.server.settings import AnalysisSettings


def make_fake(settings: AnalysisSettings) -> Analyze:
    """A stand-in, made in the analysis process as the real one is."""
    return analyze


def analyze(request: AnalysisRequest) -> dict[str, Any]:
    """Note the start, obey, and write a result of one file that says what was read."""
    is_upload = request.input.is_file()
    objects = [request.input] if is_upload else sorted(request.input.glob("*/*.dcm"))
    with open(request.folder.parents[2] / "starts", "a") as starts:
        starts.write(f"{request.folder.parent.name}\n")
    for order in objects[0].read_text().split(";"):
        is_first = request.folder.parent.name.endswith("-1")
        _obey(order, request.folder.parent, is_first=is_first)
    (request.folder / "dicom").mkdir(parents=True)
    (request.folder / "dicom" / "seg.dcm").write_bytes(b"a result")
    (request.folder / "read.txt").write_text("\n".join(path.stem for path in objects))
    return {"objects": len(objects), "process": os.getpid()}


def _obey(order: str, place: Path, *, is_first: bool) -> None:
    word, _, rest = order.partition(" ")
    if word == "sleep" or (word == "sleep-first" and is_first):
        time.sleep(float(rest))
    elif word == "no-lung":
        raise NoLungError("No lung found")
    elif word == "fill-first" and is_first:
        with open(place / "filler", "wb", buffering=0) as file:
            while file.write(bytes(4096)):
                pass
    elif word == "disk":
        raise OutputError("the disk is full")
    elif word == "quote":
        raise ValueError(f"cannot read the name {rest}")
    elif word == "die":
        os.kill(os.getpid(), signal.SIGKILL)
    elif word == "die-first" and is_first:
        os.kill(os.getpid(), signal.SIGSEGV)
