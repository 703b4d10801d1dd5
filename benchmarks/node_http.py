"""Studies sent to a node by STOW-RS: seconds, MiB a second, and the node's peak memory.

    python benchmarks/node_http.py --objects 300 --uploads 1 4

The node runs in a process of its own, without workers. Each figure is of a new node in a new
folder. Objects are CT slices of noise; all are on disk (fsync) when the answer comes.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path

import httpx
import numpy as np
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian

BOUNDARY = "groundglass-benchmark"
STUDY, SERIES, SOP = "1.2.826.9.1{:03d}", "1.2.826.8.1{:03d}", "1.2.826.7.1{:03d}.1{:05d}"


@dataclass(frozen=True)
class Figure:
    """One measurement. `peak_mib` and `idle_mib`: resident size of the node's process."""

    uploads: int
    objects_per_request: int
    mib: float
    seconds: float
    mib_per_second: float
    idle_mib: float
    peak_mib: float


def make_object(pixels: int) -> bytes:
    """A CT slice of noise with UIDs of a fixed length, to be replaced in place."""
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = CTImageStorage
    meta.MediaStorageSOPInstanceUID = SOP.format(0, 0)
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset = FileDataset("", Dataset(), file_meta=meta, preamble=bytes(128))
    dataset.SOPClassUID, dataset.SOPInstanceUID = CTImageStorage, SOP.format(0, 0)
    dataset.StudyInstanceUID, dataset.SeriesInstanceUID = STUDY.format(0), SERIES.format(0)
    dataset.Modality = "CT"
    dataset.Rows = dataset.Columns = pixels
    dataset.BitsAllocated = dataset.BitsStored = 16
    noise = np.random.default_rng(0).integers(0, 2000, (pixels, pixels), np.uint16)
    dataset.PixelData = noise.tobytes()
    buffer = io.BytesIO()
    dataset.save_as(buffer, enforce_file_format=True)
    return buffer.getvalue()


def body(template: bytes, study: int, numbers: range) -> Iterator[bytes]:
    """A multipart body, one part at a time."""
    named = template.replace(STUDY.format(0).encode(), STUDY.format(study).encode())
    named = named.replace(SERIES.format(0).encode(), SERIES.format(study).encode())
    old = SOP.format(0, 0).encode()
    for number in numbers:
        yield f"--{BOUNDARY}\r\nContent-Type: application/dicom\r\n\r\n".encode()
        yield named.replace(old, SOP.format(study, number).encode())
        yield b"\r\n"
    yield f"--{BOUNDARY}--\r\n".encode()


def send_study(port: int, template: bytes, study: int, objects: int, per_request: int) -> None:
    """Send one study in as many requests as it takes. Raises where an object was not kept."""
    kind = f'multipart/related; type="application/dicom"; boundary={BOUNDARY}'
    with httpx.Client(timeout=300) as client:
        for start in range(0, objects, per_request):
            numbers = range(start, min(objects, start + per_request))
            answer = client.post(
                f"http://127.0.0.1:{port}/dicom-web/studies",
                content=body(template, study, numbers),
                headers={"Content-Type": kind},
            )
            answer.raise_for_status()
            if len(answer.json()["00081199"]["Value"]) != len(numbers):
                raise RuntimeError("the node did not list every object")


def measure(template: bytes, *, uploads: int, objects: int, per_request: int) -> Figure:
    """`uploads` studies at once, each of `objects`."""
    with node() as (port, process):
        idle = peak_of(process)
        began = time.perf_counter()
        with ThreadPoolExecutor(uploads) as pool:
            jobs = [
                pool.submit(send_study, port, template, study, objects, per_request)
                for study in range(1, uploads + 1)
            ]
            for job in jobs:
                job.result()
        seconds = time.perf_counter() - began
        peak = peak_of(process)
    mib = uploads * objects * len(template) / 2**20
    return Figure(uploads, per_request, mib, seconds, mib / seconds, idle, peak)


@contextlib.contextmanager
def node() -> Iterator[tuple[int, subprocess.Popen[str]]]:
    """A node in a process of its own."""
    folder = tempfile.mkdtemp(prefix="node-http-")
    command = [sys.executable, os.fspath(Path(__file__).resolve()), "--serve", folder]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        yield int(process.stdout.readline()), process
    finally:
        process.communicate("stop\n", timeout=60)
        shutil.rmtree(folder, ignore_errors=True)


def peak_of(process: subprocess.Popen[str]) -> float:
    """Ask the node for its largest resident size so far, in MiB."""
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write("peak\n")
    process.stdin.flush()
    return float(process.stdout.readline())


def serve(folder: Path) -> None:
    """The node's side: its port on stdout, then its peak memory for each line on stdin."""
    from groundglass.server.http.run import start
    from groundglass.server.jobs import JobStore
    from groundglass.server.settings import read_settings
    from groundglass.server.spool import Spool

    settings = read_settings(
        folder=folder, http={"port": 0, "max_uploads": 64}, limits={"free_disk_mib": 0}
    )
    spool, jobs = Spool(settings.spool_folder, settings.limits), JobStore.from_settings(settings)
    server = start(settings, spool, jobs)
    print(server.port, flush=True)
    scale = 2**20 if sys.platform == "darwin" else 2**10
    for line in sys.stdin:
        if line.strip() == "stop":
            break
        print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / scale, flush=True)
    server.stop()
    jobs.close()


def table(figures: list[Figure]) -> str:
    """The figures in Markdown."""
    lines = [
        "| studies at once | objects a request | MiB | seconds | MiB/s | idle MiB | peak MiB |",
        "|---:|---:|---:|---:|---:|---:|---:|",
    ]
    lines += [
        f"| {f.uploads} | {f.objects_per_request} | {f.mib:.0f} | {f.seconds:.1f} | "
        f"{f.mib_per_second:.0f} | {f.idle_mib:.0f} | {f.peak_mib:.0f} |"
        for f in figures
    ]
    return "\n".join(lines)


def main(arguments: list[str] | None = None) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--objects", type=int, default=300, help="slices of a study")
    parser.add_argument("--pixels", type=int, default=512, help="rows and columns of a slice")
    parser.add_argument("--uploads", type=int, nargs="+", default=[1, 4], help="studies at once")
    parser.add_argument("--per-request", type=int, nargs="+", default=[300, 10])
    parser.add_argument("--output", type=Path, help="write the figures as JSON")
    parser.add_argument("--serve", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.serve is not None:
        serve(options.serve)
        return
    template = make_object(options.pixels)
    figures = [
        measure(template, uploads=uploads, objects=options.objects, per_request=per_request)
        for uploads in options.uploads
        for per_request in options.per_request
    ]
    print(table(figures))
    if options.output is not None:
        options.output.write_text(json.dumps([asdict(f) for f in figures], indent=1) + "\n")


if __name__ == "__main__":
    main()
