"""Studies sent to a node by C-STORE, back to back: MiB a second, and what a full queue does to it.

    python benchmarks/node_load.py --slices 300 --studies 3 --waiting 0 200

The sender is DCMTK's storescu, in a process of its own, as is the node (without workers: the
analyses are `speed.py`'s). Each row has a new node in a new folder; every object is on disk
(fsync) before its answer. Objects are CT slices of noise.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import resource
import signal
import socket
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from multiprocessing.connection import Connection
from pathlib import Path

import numpy as np
import pydicom
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, generate_uid

from groundglass.server.disk import write_synced
from groundglass.server.fronts import fronts_of
from groundglass.server.intake import Intake
from groundglass.server.job import Plan
from groundglass.server.jobs import JobStore
from groundglass.server.settings import ServeSettings
from groundglass.server.spool import Spool
from groundglass.server.supervisor import Supervisor
from markdown_table import table

STORESCU = Path("/usr/bin/storescu")


@dataclass(frozen=True)
class Row:
    """One measurement. `cpu_seconds` (all, start included) and `peak_mib` are of the node."""

    waiting: int
    studies: int
    slices: int
    mib: float
    seconds: float
    mib_per_second: float
    objects_per_second: float
    cpu_seconds: float
    look_cpu_seconds: float
    claim_ms: float
    peak_mib: float


def write_study(folder: Path, slices: int, pixels: int) -> list[Path]:
    """CT slices of noise, one study and series."""
    rng = np.random.default_rng(0)
    study, series = generate_uid(), generate_uid()
    folder.mkdir(parents=True)
    for number in range(slices):
        dataset = Dataset()
        dataset.SOPClassUID, dataset.SOPInstanceUID = CTImageStorage, generate_uid()
        dataset.StudyInstanceUID, dataset.SeriesInstanceUID = study, series
        dataset.PatientName, dataset.PatientID = "LOAD^TEST", "LOAD"
        dataset.StudyID, dataset.SeriesNumber = "1", 1
        dataset.Modality, dataset.InstanceNumber = "CT", number + 1
        if pixels:
            dataset.Rows = dataset.Columns = pixels
            dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
            dataset.BitsAllocated = dataset.BitsStored = 16
            dataset.HighBit, dataset.PixelRepresentation = 15, 1
            values = rng.integers(-1000, 500, (pixels, pixels), dtype=np.int16)
            dataset.PixelData = values.tobytes()
        dataset.file_meta = FileMetaDataset()
        dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        pydicom.dcmwrite(folder / f"{number:05d}.dcm", dataset, enforce_file_format=True)
    return sorted(folder.iterdir())


def settings_of(folder: Path, port: int) -> ServeSettings:
    return ServeSettings.model_validate(
        {
            "folder": folder,
            "workers": 0,
            "quiet_seconds": 5,
            "dicom": {"port": port},
            "http": {"enabled": False},
            "limits": {"max_studies_waiting": 100_000},
        }
    )


def fill(settings: ServeSettings, waiting: int, slices: int, small: list[Path]) -> None:
    """Put `waiting` studies of `slices` objects into spool and queue, as links to small files."""
    spool = Spool(settings.spool_folder, settings.limits)
    jobs = JobStore.from_settings(settings)
    for _ in range(waiting):
        study, series = str(generate_uid()), str(generate_uid())
        folder = spool.folder / "studies" / study / series
        folder.mkdir(parents=True)
        names = [f"{series}.{number}" for number in range(slices)]
        for name, path in zip(names, small, strict=True):
            os.link(path, folder / f"{name[-64:]}.dcm")
        found = spool.study(study)
        if found is None:
            raise RuntimeError("a filled study is not found")
        jobs.submit(study, Plan(rule="load", series={series: names}))
        spool.mark_submitted(found)
    jobs.close()


def serve(settings: ServeSettings, pipe: Connection) -> None:
    """The node, until SIGTERM; then seconds of CPU and peak MiB go into the pipe."""
    supervisor = Supervisor(settings, fronts=fronts_of(settings))
    signal.signal(signal.SIGTERM, lambda number, frame: supervisor.stop())
    supervisor.run()
    used = resource.getrusage(resource.RUSAGE_SELF)
    pipe.send((used.ru_utime + used.ru_stime, used.ru_maxrss / 1024))


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_for(port: int) -> None:
    until = time.monotonic() + 60
    while time.monotonic() < until:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise RuntimeError("the node did not start")


def measure(folder: Path, waiting: int, studies: int, sent: list[Path], small: list[Path]) -> Row:
    port = free_port()
    settings = settings_of(folder, port)
    fill(settings, waiting, len(small), small)
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    node = context.Process(target=serve, args=(settings, theirs))
    node.start()
    try:
        wait_for(port)
        invent = ["+IR", str(len(sent)), "+IS", "1", "--repeat", str(studies)]
        command = [str(STORESCU), "-xe", *invent, "-aec", "GROUNDGLASS", "localhost", str(port)]
        began = time.perf_counter()
        subprocess.run([*command, *map(str, sent)], check=True)
        seconds = time.perf_counter() - began
    finally:
        if node.pid is not None:
            os.kill(node.pid, signal.SIGTERM)
        cpu, peak = ours.recv() if ours.poll(60) else (float("nan"), float("nan"))
        node.join()
    spool = Spool(settings.spool_folder, settings.limits)
    count = sum(study.instances for study in spool.studies()) - waiting * len(small)
    if count != studies * len(sent):
        raise RuntimeError(f"{count} objects came of {studies * len(sent)}")
    mib = studies * sum(path.stat().st_size for path in sent) / 2**20
    look, claim = look_and_claim(settings, spool)
    return Row(
        *(waiting, studies, len(sent), round(mib, 1), round(seconds, 2)),
        *(round(mib / seconds, 1), round(count / seconds, 1), round(cpu, 2)),
        *(round(look, 4), round(claim * 1000, 2), round(peak, 1)),
    )


def look_and_claim(settings: ServeSettings, spool: Spool) -> tuple[float, float]:
    """Seconds of CPU of the second look at the spool, as all but a node's first are, and seconds
    to take a job.
    """
    jobs = JobStore.from_settings(settings)
    later = time.time() + 7200
    intake = Intake(settings, spool, jobs, clock=lambda: later)  # so that every study is quiet
    intake.look()
    began = time.process_time()
    intake.look()
    look = time.process_time() - began
    began = time.perf_counter()
    jobs.claim("load")
    claim = time.perf_counter() - began
    jobs.close()
    return look, claim


def write_alone(folder: Path, sent: list[Path]) -> float:
    """MiB a second that this disk takes of the same objects, each synced: what cannot be beaten."""
    contents = [path.read_bytes() for path in sent]
    folder.mkdir()
    began = time.perf_counter()
    for number, content in enumerate(contents):
        write_synced(folder / str(number), content)
    return sum(map(len, contents)) / 2**20 / (time.perf_counter() - began)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--slices", type=int, default=300)
    parser.add_argument("--size", type=int, default=512)
    parser.add_argument("--studies", type=int, default=3)
    parser.add_argument("--waiting", type=int, nargs="+", default=[0, 200])
    parser.add_argument("--out", type=Path, help="write the rows as JSON")
    options = parser.parse_args()
    if not STORESCU.exists():
        sys.exit(f"No {STORESCU}; install DCMTK (Debian's package dcmtk).")
    with tempfile.TemporaryDirectory(prefix="node-load-") as name:
        root = Path(name)
        sent = write_study(root / "sent", options.slices, options.size)
        small = write_study(root / "small", options.slices, 0)
        rows = [
            measure(root / f"node-{waiting}", waiting, options.studies, sent, small)
            for waiting in options.waiting
        ]
        alone = write_alone(root / "alone", sent)
    print(table(list(Row.__dataclass_fields__), [list(asdict(row).values()) for row in rows]))
    print(f"Writing and syncing alone: {alone:.1f} MiB a second. Load average {os.getloadavg()}.")
    if options.out is not None:
        found = {"write_alone_mib_per_second": round(alone, 1), "rows": list(map(asdict, rows))}
        options.out.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
