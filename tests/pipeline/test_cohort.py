"""Many scans: one model, one bad scan that stops nobody, and a table that is always whole."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path

import pytest

from groundglass.errors import OutputError, WeightsError
from groundglass.outputs.result_folder import is_complete
from groundglass.pipeline import cohort
from groundglass.pipeline.analyze import AnalyzeOptions
from groundglass.pipeline.cohort import analyze_cohort, check_outputs, plan_cohort
from groundglass.predictor.cascade import Cascade

OPTIONS = AnalyzeOptions()


class Loader:
    """Gives the cascade, and counts how often."""

    def __init__(self, cascade: Cascade) -> None:
        self.cascade, self.count = cascade, 0

    def __call__(self) -> Cascade:
        self.count += 1
        return self.cascade


def table(out: Path) -> list[dict[str, str]]:
    with (out / "cohort.csv").open(newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


class TestPlan:
    def folders(self, *inputs: str) -> list[str]:
        return [job.folder.name for job in plan_cohort([Path(i) for i in inputs], Path("out"))]

    def test_names(self) -> None:
        assert self.folders("x/a.nii.gz", "x/b.zip", "c.nrrd") == ["a", "b", "c"]

    def test_clashes_get_the_parents_name_then_a_number(self) -> None:
        assert self.folders("x/a.nii", "y/a.nii", "y/a.nrrd") == ["a", "y-a", "y-a-2"]
        assert self.folders("p/ct", "q/ct", "r/ct") == ["ct", "q-ct", "r-ct"]
        assert len(set(self.folders(*["a.nii"] * 5))) == 5

    def test_the_same_inputs_get_the_same_folders(self) -> None:
        inputs = ("x/a.nii", "y/a.nii", "y-a.nii", "x/a.nii")
        assert self.folders(*inputs) == self.folders(*inputs)
        assert len(set(self.folders(*inputs))) == 4


class TestOutputs:
    @pytest.mark.parametrize("out", [".", "deep/er", "../study"])
    def test_inside_an_input_folder(self, tmp_path: Path, out: str) -> None:
        study = tmp_path / "study"
        study.mkdir()
        with pytest.raises(OutputError, match="lies inside the input"):
            check_outputs([study], study / out)

    def test_over_the_input_itself(self, tmp_path: Path) -> None:
        """An older result's mask, given as a scan, must not be replaced by its own analysis."""
        (tmp_path / "lungs.nii.gz").write_bytes(b"")
        with pytest.raises(OutputError, match="lies inside the output"):
            check_outputs([tmp_path / "lungs.nii.gz"], tmp_path)

    def test_beside_is_fine(self, tmp_path: Path) -> None:
        (tmp_path / "study").mkdir()
        (tmp_path / "a.nii").write_bytes(b"")
        check_outputs([tmp_path / "study"], tmp_path / "study-out")
        check_outputs([tmp_path / "a.nii"], tmp_path / "out")
        check_outputs([tmp_path / "a.nii", tmp_path / "study"], tmp_path / "out")


class TestRun:
    @pytest.fixture
    def jobs(self, inputs: dict[str, Path], no_lung: Path, tmp_path: Path) -> list:
        return plan_cohort([inputs["slice"], no_lung, inputs["nifti"]], tmp_path / "out")

    def run(self, jobs: list, load: Callable[[], Cascade], **options: object) -> list:
        return analyze_cohort(jobs, jobs[0].folder.parent, load, options=OPTIONS, **options)

    def test_a_bad_scan_stops_nobody(self, jobs: list, rule_cascade: Cascade) -> None:
        load = Loader(rule_cascade)
        said = []
        rows = self.run(jobs, load, on_row=said.append)
        assert rows == said
        assert load.count == 1
        assert [row.status for row in rows] == ["done", "failed", "done"]
        out = jobs[0].folder.parent
        assert sorted(p.name for p in out.iterdir()) == ["chest", "cohort.csv", "slice8"]
        assert is_complete(out / "chest")
        first, bad, last = table(out)
        assert (first["scan_id"], bad["scan_id"], last["scan_id"]) == ("slice8", "wall", "chest")
        assert "lung" in bad["error"]
        assert bad["involvement_percent"] == ""
        assert first["lung_volume_ml"] == ""
        assert float(last["lung_volume_ml"]) > 1000
        assert float(last["seconds"]) > 0

    def test_resuming_does_what_is_missing(self, jobs: list, rule_cascade: Cascade) -> None:
        self.run(jobs[:1], Loader(rule_cascade))
        before = (jobs[0].folder / "run.json").read_text()
        load = Loader(rule_cascade)
        rows = self.run([jobs[0], jobs[2]], load, resume=True)
        assert [row.status for row in rows] == ["skipped", "done"]
        assert load.count == 1
        assert (jobs[0].folder / "run.json").read_text() == before
        load = Loader(rule_cascade)
        rows = self.run([jobs[0], jobs[2]], load, resume=True)
        assert [row.status for row in rows] == ["skipped", "skipped"]
        assert load.count == 0
        assert all(row["involvement_percent"] for row in table(jobs[0].folder.parent))

    def test_a_result_that_cannot_be_read_is_made_again(
        self, jobs: list, rule_cascade: Cascade
    ) -> None:
        self.run(jobs[:1], Loader(rule_cascade))
        (jobs[0].folder / "findings.json").write_text("{")
        assert self.run(jobs[:1], Loader(rule_cascade), resume=True)[0].status == "done"

    def test_what_nobody_foresaw_stops_nobody(
        self, jobs: list, rule_cascade: Cascade, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        real = cohort.analyze_scan

        def broken(path: Path, *args: object, **options: object):
            if path == jobs[0].path:
                raise RuntimeError("of some library")
            return real(path, *args, **options)

        monkeypatch.setattr(cohort, "analyze_scan", broken)
        rows = self.run([jobs[0], jobs[2]], Loader(rule_cascade))
        assert [row.status for row in rows] == ["failed", "done"]
        assert rows[0].error == "unexpected RuntimeError: of some library"

    def test_without_a_model_there_is_no_run(self, jobs: list) -> None:
        """It is said once, not once per scan."""

        def load() -> Cascade:
            raise WeightsError("weights are gone")

        with pytest.raises(WeightsError, match="gone"):
            self.run(jobs, load)

    def test_a_file_in_the_way(self, jobs: list, rule_cascade: Cascade) -> None:
        jobs[0].folder.parent.write_text("a file")
        with pytest.raises(OutputError, match="cannot be made"):
            self.run(jobs, Loader(rule_cascade))
