"""The table of networks: what it shows, and that the page holds what the script would write."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from groundglass.catalog import NETWORKS, network_entry
from networks import BEGIN, END, main, networks_table, put_between_marks, time_in_turn

ROOT = Path(__file__).resolve().parents[2]


def test_the_page_holds_the_table_of_the_kept_figures() -> None:
    result = json.loads((ROOT / "benchmarks" / "results" / "networks.json").read_text())
    page = (ROOT / "docs" / "networks.md").read_text(encoding="utf-8")
    assert page == put_between_marks(page, networks_table(result))
    counted = {name for name, row in result["networks"].items() if "gflop" in row}
    assert {entry.name for entry in NETWORKS} == counted


def test_a_row_has_the_catalogs_counts_and_what_was_measured() -> None:
    measured = {"gflop": 0.234, "seconds_per_slice": 0.0251, "of_yardstick": 0.05}
    lines = networks_table({"networks": {"miniseg": measured}}).splitlines()
    row = next(line for line in lines if line.startswith("| `miniseg` |"))
    assert row.endswith("| 82,620 | 83,000 | 0.23 | 0.025 | 0.05 |")
    assert sum(line.startswith("| `") for line in lines) == len(NETWORKS)
    assert next(line for line in lines if line.startswith("| `unet` |")).endswith("| – | – | – |")


@pytest.mark.parametrize(("load", "said"), [(0.1, False), (2.5, True)])
def test_a_busy_machine_is_told(load: float, said: bool) -> None:
    conditions = {
        "machine": {"cpu": "A CPU", "vector": "avx2"},
        "size": 256, "batch": 4, "rounds": 5, "threads": 2, "onnxruntime": "1.2.3",
        "load_average_before": load, "date": "2020-02-02",
    }  # fmt: skip
    page = networks_table({"networks": {}, "conditions": conditions})
    assert f"before: {load:g}." in page
    assert ("trust ratios" in page) == said


def test_calls_take_turns_and_the_first_round_does_not_count() -> None:
    order: list[str] = []
    calls = {name: (lambda name=name: order.append(name)) for name in "ab"}
    best = time_in_turn(calls, rounds=2)
    assert order == list("ababab")
    assert all(0 <= value < 1 for value in best.values())


def test_the_script_counts_times_merges_and_writes_the_page(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("networks.YARDSTICK", "miniseg")
    out, page = tmp_path / "networks.json", tmp_path / "networks.md"
    page.write_text(f"before\n\n{BEGIN}\nold\n{END}\n\nafter\n")
    common = ["--out", str(out), "--page", str(page), "--size", "32", "--batch", "1"]
    assert main(["--names", "bu", "--rounds", "0", *common]) == 0
    assert set(json.loads(out.read_text())["networks"]["bu"]) == {"gflop"}
    assert main(["--names", "miniseg", "--rounds", "1", "--threads", "1", *common]) == 0
    known = json.loads(out.read_text())["networks"]
    assert set(known) == {"bu", "miniseg"}
    assert known["miniseg"]["seconds_per_slice"] > 0
    assert known["miniseg"]["of_yardstick"] == 1
    text = page.read_text()
    assert text.startswith("before")
    assert text.endswith("after\n")
    assert "old" not in text
    assert f"{network_entry('bu').parameters:,}" in text
    table = networks_table(json.loads(out.read_text()))
    assert table in text
    assert capsys.readouterr().out.endswith(table + "\n")
