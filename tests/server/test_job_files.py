"""Folders of tries that nobody works on are removed, and no others."""

from __future__ import annotations

from groundglass.server.job import Plan
from groundglass.server.job_files import remove_dead_tries
from groundglass.server.jobs import JobStore
from groundglass.server.settings import ServeSettings


def test_only_what_counts_stays(settings: ServeSettings, jobs: JobStore) -> None:
    ids = []
    for number in range(3):
        ids.append(jobs.submit(f"1.{number}", Plan("all", {"1.3": [f"{number}"]}))[0].id)
    for _ in range(2):
        taken = jobs.claim("w")
        assert taken
        if taken[0].id == ids[0]:
            jobs.finish(taken[1], {"folder": f"{ids[0]}-1"})
    done, runs, waits = ids
    unknown = "f" * 32
    for name in (done, runs, waits, unknown):
        for token in (0, 1):
            (settings.work_folder / f"{name}-{token}").mkdir(parents=True)
            (settings.results_folder / f"{name}-{token}").mkdir(parents=True)
    (settings.results_folder / "foreign").mkdir()
    removed = remove_dead_tries(settings, jobs)
    assert {path.name for path in settings.work_folder.iterdir()} == {f"{runs}-1"}
    kept = {f"{done}-1", f"{runs}-1", f"{unknown}-0", f"{unknown}-1", "foreign"}
    assert {path.name for path in settings.results_folder.iterdir()} == kept
    assert removed == 11
