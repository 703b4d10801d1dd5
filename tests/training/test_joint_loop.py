"""The second phase's trainer: exact resume, a result of its own, two processes as one."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from groundglass.datasets.class_tasks import scan_classes
from groundglass.datasets.index import IndexRow
from groundglass.errors import SettingsError, WeightsError
from groundglass.training.checkpoint import RESULT_NAME, STATE_NAME, load_state
from groundglass.training.curve import CURVE, read_curve
from groundglass.training.joint_loop import JointTrainer
from groundglass.training.joint_predict import JointPredictor
from groundglass.training.joint_settings import JointSettings
from groundglass.training.loop import Progress
from groundglass.training.slice_sources import ScanSlices

from .joint_two_processes import PlainClassifier, train
from .made_cohort import write_cohort_index

WORKER = Path(__file__).with_name("joint_two_processes.py")


class KilledError(Exception):
    """Stands for a kill in the middle of a run."""


class Maps:
    """Feature maps whose class shows in the first channel: 0 normal, 1 mild, 2 severe."""

    def __init__(self, rows: list[IndexRow]) -> None:
        levels = {"normal": 0.0, "mild": 1.0, "severe": 2.0}
        classes = scan_classes(rows)
        self._level = {r.scan_id: levels[c] for r, c in zip(rows, classes, strict=True)}

    def read(self, scan_id: str, *, most: int, offset: float = 0.5) -> ScanSlices:
        rng = np.random.default_rng(sum(map(ord, scan_id)))
        count = min(most, 3 + int(scan_id[-1]))
        values = rng.normal(0, 0.1, (count, 64, 16, 16)).astype(np.float32)
        values[:, 0] += self._level[scan_id]
        return ScanSlices(values, np.arange(count))


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> list[IndexRow]:
    return write_cohort_index(tmp_path_factory.mktemp("prepared"), each=2)


def settings(**values: object) -> JointSettings:
    base = {"name": "n", "index": "", "base": 1, "steps": 4, "batch": 4, "lr": 1e-2, "lr_end": 1e-3}
    more = {"slices": 3, "checkpoint_every": 2, "warmup": 1}
    return JointSettings.model_validate({**base, **more, **values})


def kill_after(step: int):
    def watch(progress: Progress) -> None:
        if progress.step == step:
            raise KilledError

    return watch


def test_a_killed_run_goes_on_to_the_very_same_weights(
    tmp_path: Path, rows: list[IndexRow]
) -> None:
    source = Maps(rows)
    JointTrainer(rows, source, settings(), tmp_path / "whole").run()
    with pytest.raises(KilledError):
        JointTrainer(rows, source, settings(), tmp_path / "killed").run(kill_after(3))
    resumed = JointTrainer(rows, source, settings(), tmp_path / "killed")
    assert resumed.step == 2
    resumed.run()
    for name in (STATE_NAME, RESULT_NAME):
        whole, killed = (load_state(tmp_path / run / name) for run in ("whole", "killed"))
        for part in ("model", "average", "optimizer"):
            ours, theirs = getattr(whole, part), getattr(killed, part)
            assert ours.keys() == theirs.keys()
            assert all(torch.equal(ours[key], theirs[key]) for key in ours), (name, part)
    curves = [(tmp_path / run / CURVE).read_text() for run in ("whole", "killed")]
    assert curves[0] == curves[1]
    assert read_curve(tmp_path / "whole" / CURVE)[:, 0].tolist() == [1, 2, 3, 4]
    seen: list[Progress] = []
    JointTrainer(rows, source, settings(), tmp_path / "whole").run(seen.append)
    assert seen == []
    with pytest.raises(SettingsError, match="holds a run with other features, seed"):
        JointTrainer(rows, source, settings(seed=1, features="x"), tmp_path / "whole")


def test_what_can_be_learned_is_learned_and_predicted(tmp_path: Path, rows: list[IndexRow]) -> None:
    source = Maps(rows)
    chosen = settings(base=2, steps=40, batch=8, warmup=4, checkpoint_every=40, ema=0.8)
    JointTrainer(rows, source, chosen, tmp_path).run()
    loss = read_curve(tmp_path / CURVE)[:, 1]
    assert np.median(loss[-10:]) < 0.5 * loss[:3].mean()
    predictor = JointPredictor.of_run(tmp_path, source)
    said = {row.scan_id: predictor.predict(row.scan_id) for row in rows}
    classes = dict(zip(said, scan_classes(rows), strict=True))
    assert all((said[i].diagnosis > 0) == (classes[i] != "normal") for i in said)
    assert all(
        (said[i].severity > 0) == (classes[i] == "severe") for i in said if "normal" not in i
    )
    one = said["mild_1"]
    assert one.slices.tolist() == [0, 1, 2, 3]  # one more than training was shown
    for weights in (one.diagnosis_weights, one.severity_weights):
        assert weights.shape == (4,)
        assert weights.sum() == pytest.approx(1, abs=1e-5)
    assert one.findings_probability == pytest.approx(1 / (1 + np.exp(-one.diagnosis)))
    assert len(predictor.predict("mild_1", most=1).slices) == 1


def test_logits_that_are_not_finite_are_refused(tmp_path: Path, rows: list[IndexRow]) -> None:
    source = Maps(rows)
    JointTrainer(rows, source, settings(steps=1), tmp_path).run()
    predictor = JointPredictor.of_run(tmp_path, source)
    for weight in predictor._network.parameters():
        weight.data.fill_(float("nan"))
    with pytest.raises(WeightsError, match="logits of scan mild_0 are nan"):
        predictor.predict("mild_0")


def test_two_processes_equal_one(tmp_path: Path) -> None:
    prepared = tmp_path / "prepared"
    write_cohort_index(prepared, each=2)
    start = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
    start += ["--nproc-per-node", "2", "-m", "tests.training.joint_two_processes"]
    start += [str(prepared), str(tmp_path / "two")]
    done = subprocess.run(
        start,
        capture_output=True,
        text=True,
        timeout=600,
        cwd=WORKER.parents[2],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    assert done.returncode == 0, done.stderr[-4000:]
    train(prepared, tmp_path / "one")
    torch.manual_seed(0)
    begun = PlainClassifier().state_dict()
    one, two = (load_state(tmp_path / name / STATE_NAME).model for name in ("one", "two"))
    for name, tensor in one.items():
        torch.testing.assert_close(two[name], tensor, rtol=1e-3, atol=1e-5)
        assert not torch.allclose(tensor, begun[name], atol=1e-3)
