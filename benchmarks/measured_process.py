"""A command as a process of its own: its wall seconds, CPU seconds and peak memory.

The process that measures must stay small: on Linux a child's peak memory begins at that of the
parent it was forked from. So nothing here, nor in `speed.py`, imports torch or makes a scan.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

_THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


class CommandFailedError(RuntimeError):
    """A measured command ended with another exit code than 0."""


@dataclass(frozen=True)
class Measured:
    """What one run of a command cost. `peak_mib`: the largest resident size of the process."""

    wall_s: float
    cpu_s: float
    peak_mib: float
    output: str


def run_measured(
    command: Sequence[str], *, threads: int, cwd: str | None = None, quiet: bool = False
) -> Measured:
    """Run `command` on the first `threads` cores this process may use, and wait for it.

    `output` is what it wrote to standard output; standard error passes through unless `quiet`.
    Raises: CommandFailedError with the end of its output.
    """
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        began = time.perf_counter()
        process = subprocess.Popen(
            list(command),
            stdout=out,
            stderr=err if quiet else None,
            cwd=cwd,
            env=_environment(threads),
            preexec_fn=_pin_to(threads),
        )
        try:
            _, status, usage = os.wait4(process.pid, 0)
        except BaseException:
            process.kill()
            process.wait()
            raise
        wall_s = time.perf_counter() - began
        process.returncode = os.waitstatus_to_exitcode(status)
        out.seek(0)
        err.seek(0)
        output = out.read().decode(errors="replace")
        if process.returncode:
            told = (output + err.read().decode(errors="replace"))[-2000:]
            raise CommandFailedError(
                f"{' '.join(command[:3])} ... ended with code {process.returncode}: {told}"
            )
    scale = 2**20 if sys.platform == "darwin" else 2**10
    return Measured(wall_s, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / scale, output)


def _environment(threads: int) -> dict[str, str]:
    limits = dict.fromkeys(_THREAD_VARIABLES, str(threads))
    return {**os.environ, **limits}


def _pin_to(threads: int) -> Callable[[], None] | None:
    """What the child does before it runs: keep to so many cores (Linux only)."""
    if not hasattr(os, "sched_setaffinity"):
        return None
    cores = sorted(os.sched_getaffinity(0))[:threads]

    def pin() -> None:
        with contextlib.suppress(OSError):
            os.sched_setaffinity(0, cores)

    return pin
