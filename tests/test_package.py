"""The package as a whole: light imports, one version, imports that only go downhill."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from importlib.metadata import version
from pathlib import Path

import pytest

import groundglass

ROOT = Path(__file__).resolve().parent.parent
HEAVY = ("torch", "onnxruntime", "openvino", "scipy", "cv2", "pydicom", "nibabel", "SimpleITK")


def loaded_after(code: str, names: tuple[str, ...]) -> list[str]:
    """Which of these modules a fresh interpreter has loaded after running `code`."""
    script = f"import sys\n{code}\nprint(*[n for n in {names!r} if n in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=120
    )
    return done.stdout.split()


@pytest.mark.parametrize(
    "code",
    [
        "import groundglass",
        "import typer.main; from groundglass.cli.app import app; typer.main.get_command(app)",
        "import groundglass.findings, groundglass.catalog, groundglass.recipe",
    ],
)
def test_importing_loads_nothing_heavy(code: str) -> None:
    assert loaded_after(code, (*HEAVY, "numpy") if "findings" not in code else HEAVY) == []


def test_analysis_loads_no_torch() -> None:
    code = "import groundglass.pipeline.cohort, groundglass.predictor.engine"
    assert loaded_after(code, ("torch", "openvino", "SimpleITK", "matplotlib")) == []


def test_importing_changes_no_filters_and_no_handlers() -> None:
    code = (
        "import warnings, logging, os\n"
        "import numpy, scipy.ndimage, scipy.interpolate, cv2, pydicom, nibabel, nrrd\n"
        "import PIL.Image, jinja2, pydantic\n"
        "before = (list(warnings.filters), list(logging.root.handlers), dict(os.environ))\n"
        "import groundglass.pipeline.cohort, groundglass.cli.app, groundglass.phantom.chest\n"
        "after = (list(warnings.filters), list(logging.root.handlers), dict(os.environ))\n"
        "assert before == after, 'importing changed the process'"
    )
    assert loaded_after(code, ("torch",)) == []


def test_one_version() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert groundglass.__version__ == project["version"]
    assert version("groundglass") == project["version"]
    changes = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert f"## [{project['version']}]" in changes


def test_version_and_help_answer() -> None:
    for option, expected in (("--version", groundglass.__version__), ("--help", "medical device")):
        done = subprocess.run(
            [sys.executable, "-c", "from groundglass.cli.app import main; main()", option],
            capture_output=True,
            text=True,
            check=True,
            timeout=60,
        )
        assert expected in " ".join(done.stdout.split())


def test_constraints_name_every_direct_dependency() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"].values()
    wanted = [*project["dependencies"], *(one for extra in extras for one in extra)]
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pinned = {line.split("==")[0].lower() for line in lines if "==" in line}
    names = {name_of(requirement) for requirement in wanted} - {"groundglass"}
    assert names == pinned


def name_of(requirement: str) -> str:
    for mark in "[<>=!~; ":
        requirement = requirement.split(mark)[0]
    return requirement.lower()


def test_imports_only_go_downhill() -> None:
    pytest.importorskip("importlinter", reason="import-linter is not installed")
    # In a process of its own: it configures logging and would silence our loggers in later tests.
    run = "import sys; from importlinter.cli import lint_imports; sys.exit(lint_imports())"
    done = subprocess.run(
        [sys.executable, "-c", run], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
