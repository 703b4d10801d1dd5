"""Phantoms as a prepared set, and a budget so small that a whole table takes seconds."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import cv2
import pytest
import torch

from groundglass.studies.budget import Budget, StageBudget
from groundglass.studies.phantom_index import write_phantom_index
from groundglass.studies.runs import StudyRuns


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)
    cv2.setNumThreads(1)


@pytest.fixture(scope="session")
def phantom_index(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four phantoms with lesions and one without, six slices each."""
    return write_phantom_index(tmp_path_factory.mktemp("phantoms"), patients=4, slices=6)


@pytest.fixture(scope="session")
def small() -> Budget:
    """Two steps a run: enough to see what is trained on what."""
    spend = StageBudget((32, 32), 2, 2)
    return Budget(
        name="small",
        lungs=spend,
        lung_half=spend,
        lesions=spend,
        cascade_lesions=spend,
        direct=spend,
        folds=(0, 1),
        cascade_folds=(0, 1),
        fold_count=2,
        base=2,
        pseudo_rounds=1,
        context=spend,
        box=spend,
        box_encoder=replace(spend, steps=3),
        published=replace(spend, steps=4),
        description="for tests",
    )


@pytest.fixture(scope="session")
def study_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Runs of the whole test session: what one test trained, the next one finds."""
    return tmp_path_factory.mktemp("study")


@pytest.fixture
def runs(phantom_index: Path, study_folder: Path, small: Budget) -> StudyRuns:
    return StudyRuns(phantom_index, study_folder, small, threads=1, tell=lambda text: None)
