"""A whole node in a process of its own: killed at any place, it loses nothing and goes on."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from groundglass.errors import OutputError, SettingsError
from groundglass.server.audit import study_label
from groundglass.server.jobs import JobStore
from groundglass.server.settings import ServeSettings
from groundglass.server.spool import Spool
from groundglass.server.supervisor import Supervisor

from .conftest import HERE, ORIGIN, wait_for

StartNode = Callable[[], subprocess.Popen[str]]


@pytest.fixture
def settings(make_settings: Callable[..., ServeSettings]) -> ServeSettings:
    """A lease that a busy machine does not lose by itself, and no listeners."""
    off = {"enabled": False}
    return make_settings(lease_seconds=4, dicom=off, http=off)


@pytest.fixture
def start_node(settings: ServeSettings, tmp_path: Path) -> Iterator[StartNode]:
    """Starts the node's process; what it logs goes to node.log."""
    (tmp_path / "settings.json").write_text(settings.model_dump_json())
    begun: list[subprocess.Popen[str]] = []

    def start() -> subprocess.Popen[str]:
        with open(tmp_path / "node.log", "a") as log:
            command = [
                sys.executable,
                str(HERE / "node_process.py"),
                str(tmp_path / "settings.json"),
            ]
            node = subprocess.Popen(command, stderr=log, text=True)
        begun.append(node)
        return node

    yield start
    for node in begun:
        if node.poll() is None:
            node.terminate()
            node.wait(30)


def send(spool: Spool, orders: str, study: str = "1.2") -> None:
    for sop, data in (("1.4.1", orders), ("1.4.2", "")):
        spool.receive(study, "1.3", sop, data.encode(), origin=ORIGIN)


def states(jobs: JobStore) -> list[str]:
    return [job.state for job in jobs.list()]


def starts(settings: ServeSettings) -> list[str]:
    path = settings.folder / "starts"
    return path.read_text().split() if path.exists() else []


def audited(settings: ServeSettings) -> list[dict[str, Any]]:
    return [json.loads(line) for line in settings.audit_file.read_text().splitlines()]


def events(settings: ServeSettings) -> list[str]:
    return [line["event"] for line in audited(settings)]


def children(process_id: int) -> list[int]:
    """Processes that multiprocessing began there; by /proc, as `ps` may cut command lines off."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            parent = int(folder.joinpath("stat").read_text().rpartition(")")[2].split()[1])
            command = folder.joinpath("cmdline").read_bytes()
        except OSError:  # ended meanwhile
            continue
        if parent == process_id and b"spawn_main" in command:
            found.append(int(folder.name))
    return sorted(found)


def is_there(process_id: int) -> bool:
    try:
        return Path(f"/proc/{process_id}/stat").read_text().split()[2] != "Z"
    except OSError:
        return False


@pytest.fixture
def proc() -> None:
    if not Path("/proc/self/stat").exists():
        pytest.skip("processes are looked up in /proc, which is not here")


@pytest.mark.usefixtures("proc")
def test_a_killed_worker_costs_one_try(
    settings: ServeSettings, spool: Spool, jobs: JobStore, start_node: StartNode
) -> None:
    node = start_node()
    send(spool, "sleep-first 60")
    wait_for(lambda: starts(settings))
    wait_for(lambda: len(children(node.pid)) == 1)
    (worker,) = children(node.pid)
    wait_for(lambda: len(children(worker)) == 1)
    (analysis,) = children(worker)
    os.kill(worker, signal.SIGKILL)
    wait_for(lambda: not is_there(analysis))  # nobody waits for what it would say
    wait_for(lambda: states(jobs) == ["done"])
    (job,) = jobs.list()
    assert job.tries == 2
    assert job.result
    assert [name.split("-")[1] for name in starts(settings)] == ["1", "2"]
    assert [path.name for path in settings.results_folder.iterdir()] == [job.result["folder"]]
    wait_for(lambda: spool.waiting() == 0)
    node.terminate()
    assert node.wait(30) == 0
    lines = audited(settings)
    assert [line["event"] for line in lines] == ["received", "queued", "analyzed"]
    assert (lines[0]["senders"], lines[0]["instances"]) == ("SCANNER1", 2)
    assert {line["study"] for line in lines} == {study_label("1.2")}


@pytest.mark.usefixtures("proc")
def test_a_killed_node_goes_on_where_it_was(
    settings: ServeSettings, spool: Spool, jobs: JobStore, start_node: StartNode, tmp_path: Path
) -> None:
    node = start_node()
    send(spool, "sleep-first 60")
    send(spool, "", study="1.9")
    wait_for(lambda: starts(settings))
    processes = [*children(node.pid), *(two for one in children(node.pid) for two in children(one))]
    node.kill()
    node.wait()
    for process in processes:
        wait_for(lambda number=process: not is_there(number))
    spool.new_part().write_bytes(b"half an object")
    start_node()
    wait_for(lambda: states(jobs) == ["done", "done"])
    results = {job.result["folder"] for job in jobs.list() if job.result}
    assert {path.name for path in settings.results_folder.iterdir()} == results
    wait_for(lambda: not list(spool.incoming.iterdir()))  # marks are written there, for a moment
    wait_for(lambda: events(settings).count("analyzed") >= 2)  # written after a job is done
    assert events(settings).count("analyzed") == 2


def test_one_folder_has_one_node(settings: ServeSettings, spool: Spool) -> None:
    node = Supervisor(settings.model_copy(update={"workers": 0}))
    thread = threading.Thread(target=node.run)
    thread.start()
    try:
        wait_for((settings.folder / "queue.sqlite").exists)
        with pytest.raises(SettingsError, match="served by another node"):
            Supervisor(settings).run()
    finally:
        node.stop()
        thread.join(10)
    assert not thread.is_alive()


def test_fronts_are_started_and_stopped(settings: ServeSettings) -> None:
    said: list[str] = []
    node = Supervisor(settings.model_copy(update={"workers": 0}), fronts=[lambda *_: Front()])

    class Front:
        def __init__(self) -> None:
            said.append("started")
            node.stop()

        def stop(self) -> None:
            said.append("stopped")

    node.run()
    assert said == ["started", "stopped"]


def test_a_front_that_cannot_start_ends_the_node(settings: ServeSettings) -> None:
    stopped: list[bool] = []

    class Front:
        def stop(self) -> None:
            stopped.append(True)

    def fail(*_: Any) -> Front:
        raise OutputError("port 104 is taken")

    node = Supervisor(settings, fronts=[lambda *_: Front(), fail])
    with pytest.raises(OutputError, match="port 104"):
        node.run()
    assert stopped == [True]


def test_a_folder_that_cannot_be_made(make_settings: Any, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="cannot be written"):
        Supervisor(make_settings(folder=tmp_path / "file" / "node")).run()
