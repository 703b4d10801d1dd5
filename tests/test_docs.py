"""The documentation says what the code does: commands, options, columns, networks, links."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer.main

from groundglass.catalog import NETWORKS, NetworkEntry
from groundglass.cli.app import app
from groundglass.errors import GroundglassError
from groundglass.findings import SCHEMA_VERSION, Findings
from groundglass.measurement.settings import MeasureSettings
from groundglass.outputs.cohort import COLUMNS
from groundglass.outputs.result_folder import RESULT_FILES
from groundglass.weights.store import list_weights

ROOT = Path(__file__).resolve().parent.parent
DOCS = ROOT / "docs"
PAGES = sorted(
    [*ROOT.glob("*.md")]
    + [page for name in ("docs", "benchmarks", "src") for page in (ROOT / name).rglob("*.md")]
)


def read(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def commands() -> Iterator[tuple[str, list[str]]]:
    """Every command with its options, as the user types them."""

    def walk(command: object, path: str) -> Iterator[tuple[str, list[str]]]:
        params = getattr(command, "params", [])
        options = [p for p in params if p.param_type_name == "option" and "--help" not in p.opts]
        yield path, [flag for option in options for flag in option.opts]
        for name, child in getattr(command, "commands", {}).items():
            yield from walk(child, f"{path} {name}")

    yield from walk(typer.main.get_command(app), "groundglass")


def section(text: str, command: str) -> str:
    """The part of the page below the command's heading, to the next command's."""
    match = re.search(rf"^##+ {re.escape(command)}$(.*?)(?=^##+ groundglass|\Z)", text, re.M | re.S)
    return match[1] if match else ""


COMMANDS = dict(commands())


@pytest.mark.parametrize("command", [name for name in COMMANDS if name != "groundglass"])
def test_command_and_options_are_documented(command: str) -> None:
    described = section(read("docs/cli.md"), command)
    assert described, f"docs/cli.md has no section {command!r}"
    missing = [flag for flag in COMMANDS[command] if f"`{flag}`" not in described]
    assert not missing, f"{command}: {missing} are not in docs/cli.md"


@pytest.mark.parametrize("command", [name for name in COMMANDS if name != "groundglass"])
def test_no_option_is_documented_that_is_not_there(command: str) -> None:
    described = section(read("docs/cli.md"), command)
    rows = [line.split("|")[1] for line in described.splitlines() if line.startswith("| `-")]
    documented = {flag for cell in rows for flag in re.findall(r"`(-[^`]+)`", cell)}
    assert documented <= set(COMMANDS[command])


def test_option_before_the_command_is_documented() -> None:
    assert all(flag in read("docs/cli.md") for flag in COMMANDS["groundglass"])


def test_every_cohort_column_is_documented_in_order() -> None:
    listed = re.findall(r"^\| `(\w+)` \|", section_of("docs/formats.md", "cohort.csv"), re.M)
    assert listed == list(COLUMNS)


def section_of(page: str, heading: str) -> str:
    return read(page).split(f"## {heading}\n", 1)[1].split("\n## ", 1)[0]


def test_every_result_file_and_findings_field_is_documented() -> None:
    formats = read("docs/formats.md")
    assert all(f"`{name}`" in formats for name in RESULT_FILES)
    assert all(f"`{name}`" in formats for name in Findings.model_fields)
    assert f"now {SCHEMA_VERSION}." in formats


def test_exit_codes_are_documented() -> None:
    codes = re.findall(r"^\| (\d+) \|", section_of("docs/formats.md", "Exit codes"), re.M)
    assert codes == ["0", "1", "2", "130"]


@pytest.mark.parametrize("entry", NETWORKS, ids=lambda entry: entry.name)
def test_every_network_is_documented_with_its_size(entry: NetworkEntry) -> None:
    """In the table of all networks, and in the pages of the papers where they list it."""
    start = f"| `{entry.name}` |"
    pages = [read("docs/networks.md").split("<!-- end of the table -->")[0]]
    pages += [page.read_text(encoding="utf-8") for page in (DOCS / "papers").glob("*.md")]
    rows = [[row for row in page.splitlines() if row.startswith(start)] for page in pages]
    assert len(rows[0]) == 1
    assert all(any(f"{entry.parameters:,}" in row for row in found) for found in rows if found)


def test_what_the_weights_held_out_is_documented() -> None:
    page = read("docs/data-and-licences.md")
    for weights in list_weights():
        if weights.manifest.name not in ("chs-net", "ta-segnet"):
            continue  # weights that a developer imported
        assert all(f"`{scan}`" in page for scan in weights.manifest.held_out)
        assert weights.manifest.license in page


def test_thresholds_in_the_decisions_are_those_of_the_code() -> None:
    settings = MeasureSettings()
    page = read("docs/decisions/0009-what-counts-as-ground-glass.md")
    assert f"{settings.consolidation_from_hu:g} HU" in page
    assert f"{settings.noise_floor_percent:g} %" in page


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_relative_links_resolve(page: Path) -> None:
    text = re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.S)
    broken = []
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if re.match(r"[a-z]+:", target):
            continue
        path, _, anchor = target.partition("#")
        there = (page.parent / path).resolve() if path else page
        if not there.exists() or (anchor and anchor not in anchors(there)):
            broken.append(target)
    assert not broken


def anchors(page: Path) -> set[str]:
    """Anchors of a page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.M)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_every_decision_is_listed() -> None:
    listed = read("docs/decisions/README.md")
    pages = [path.name for path in (DOCS / "decisions").glob("[0-9]*.md")]
    assert pages
    assert all(f"]({name})" in listed for name in pages)


def written_files() -> list[Path]:
    """Every text file of the project that people read or that ships."""
    kinds = {".py", ".md", ".toml", ".yaml", ".txt", ".j2", ".css", ".json"}
    roots = [ROOT / name for name in ("src", "docs", "recipes", "benchmarks", "tests", ".ci")]
    found = [path for root in roots for path in root.rglob("*") if path.suffix in kinds]
    found += [path for path in ROOT.iterdir() if path.suffix in kinds]
    skipped = {"venv", ".venv", "__pycache__", "data"}
    return [path for path in found if not skipped & set(path.relative_to(ROOT).parts)]


def test_no_path_of_a_developers_machine() -> None:
    local = re.compile(r"(?<![\w.])/(?:home|Users|root|work|mnt|media)/\w")
    files = written_files()
    assert len(files) > 100
    found = [str(f) for f in files if f.name != "test_docs.py" and local.search(f.read_text())]
    assert not found


def test_every_public_module_has_a_docstring() -> None:
    modules = [
        path
        for path in (ROOT / "src" / "groundglass").rglob("*.py")
        if not (path.name == "__init__.py" and not path.read_text(encoding="utf-8").strip())
    ]
    without = [
        str(path.relative_to(ROOT))
        for path in modules
        if ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) is None
    ]
    assert not without


def test_every_error_is_in_the_tree_that_the_docstring_draws() -> None:
    import groundglass.errors as errors

    def below(kind: type) -> Iterator[str]:
        for child in kind.__subclasses__():
            if child.__module__ == errors.__name__:
                yield child.__name__
                yield from below(child)

    drawn = errors.__doc__ or ""
    assert all(name in drawn for name in below(GroundglassError))


def test_every_room_is_on_the_architecture_page() -> None:
    package = ROOT / "src" / "groundglass"
    rooms = {
        path.stem
        for path in package.iterdir()
        if (path.suffix == ".py" or (path / "__init__.py").exists()) and path.name[0] != "_"
    }
    page = read("docs/architecture.md")
    assert not {room for room in rooms if f"\n| `{room}` |" not in page}


def test_every_private_code_of_the_measurement_report_is_documented() -> None:
    """Codes are what other programs read: one written otherwise than told is lost to them."""
    from groundglass.outputs.dicom import report_numbers, report_routes

    codes = {
        value[0]
        for module in (report_numbers, report_routes)
        for value in vars(module).values()
        if isinstance(value, tuple) and len(value) == 3 and value[1] == report_numbers.SCHEME
    }
    assert len(codes) > 10
    page = read("docs/formats.md")
    assert not {code for code in codes if not re.search(rf"(?<![\w-]){code}(?![\w-])", page)}
