"""What a core install costs: `pip install .` without extras into a fresh virtual environment."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

_HEAVY = ("torch", "monai", "tensorflow", "SimpleITK", "matplotlib")
"""Packages whose presence in a core install would be news."""


def measure_install(root: Path, folder: Path) -> dict[str, Any]:
    """Install the package at `root` into a new environment at `folder`; seconds and MiB.

    The environment is removed again. MiB are those of site-packages without pip and setuptools.
    Raises: subprocess.CalledProcessError where pip fails.
    """
    shutil.rmtree(folder, ignore_errors=True)
    try:
        subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
        python = folder / "bin" / "python"
        before = _site_mib(python)
        began = time.perf_counter()
        subprocess.run(
            [str(python), "-m", "pip", "install", "--quiet", str(root)],
            check=True,
            stderr=subprocess.DEVNULL,
        )
        seconds = time.perf_counter() - began
        packages = _packages(python)
        return {
            "seconds": round(seconds, 1),
            "mib": round(_site_mib(python) - before, 1),
            "packages": len(packages),
            "heavy": [name for name in _HEAVY if name.lower() in packages],
            "help_seconds": help_seconds(folder / "bin" / "groundglass", runs=5),
        }
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def help_seconds(program: Path, *, runs: int) -> list[float]:
    """Wall seconds of `PROGRAM --help`, run after run; a first one is not counted."""
    command = [str(program), "--help"]
    spent = []
    for _ in range(runs + 1):
        began = time.perf_counter()
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        spent.append(round(time.perf_counter() - began, 3))
    return spent[1:]


def make_environment(folder: Path, requirements: Path) -> Path:
    """The python of a virtual environment with `requirements`, made where it is missing."""
    python = folder / "bin" / "python"
    ready = folder / requirements.name
    if ready.is_file() and ready.read_text() == requirements.read_text():
        return python
    subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
    command = [str(python), "-m", "pip", "install", "--quiet", "-r", str(requirements)]
    subprocess.run(command, check=True)
    shutil.copyfile(requirements, ready)
    return python


def _packages(python: Path) -> set[str]:
    command = [str(python), "-m", "pip", "list", "--format", "json"]
    listed = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    names = {entry["name"].lower() for entry in json.loads(listed)}
    return names - {"pip", "setuptools"}


def _site_mib(python: Path) -> float:
    code = "import sysconfig; print(sysconfig.get_paths()['purelib'])"
    found = subprocess.run([str(python), "-c", code], check=True, capture_output=True, text=True)
    site = Path(found.stdout.strip())
    return sum(p.stat().st_size for p in site.rglob("*") if p.is_file()) / 2**20
