"""Table IV of CovTANet as printed, held against what the paper's text says of it."""

from __future__ import annotations

import pytest

from groundglass.datasets.class_tasks import TASKS
from groundglass.datasets.mosmed_registry import PUBLISHED
from groundglass.errors import SettingsError
from groundglass.studies.paper_covtanet import (
    COLUMNS,
    LABELS,
    TABLE_4,
    PaperScore,
    class_size,
    paper_score,
)


def score_of(key: str, task: str) -> PaperScore:
    score = paper_score(key, task)
    assert score is not None
    return score


def test_six_networks_in_three_comparisons() -> None:
    assert [(one.key, one.task.key) for one in TABLE_4] == [
        (key, task.key) for key in LABELS for task in TASKS
    ]
    for one in TABLE_4:
        assert tuple(one.figures) == tuple(one.spread) == COLUMNS
        assert all(0.5 < value < 1 for value in one.figures.values())
        assert all(0.001 <= spread <= 0.0045 for spread in one.spread.values())


def test_columns_are_in_the_papers_order() -> None:
    assert score_of("resnet-50", "normal-severe").figures == {
        "sensitivity": 0.665, "specificity": 0.693, "accuracy": 0.691, "f1": 0.678,
    }  # fmt: skip
    assert score_of("covtanet", "mild-severe").printed("sensitivity") == "0.909 ± 0.0016"
    assert score_of("inception-v3", "mild-severe").label == "InceptionV3"


def test_the_text_repeats_the_table() -> None:
    """Section III-E: 85.2 and 95.8 % in diagnosis, 91.7 % in severity, best rival 64.8 %."""
    ours = [score_of("covtanet", task.key).figures["accuracy"] for task in TASKS]
    assert ours == [0.852, 0.958, 0.917]
    rivals = {
        one.key: one.figures["accuracy"]
        for one in TABLE_4
        if one.task.key == "mild-severe" and one.key != "covtanet"
    }
    assert max(rivals, key=lambda key: rivals[key]) == "resnet-50"
    assert rivals["resnet-50"] == 0.648


def test_classes_are_as_large_as_published() -> None:
    assert (class_size("normal"), class_size("mild"), class_size("severe")) == (254, 684, 172)
    assert sum(PUBLISHED.values()) == 1110  # as the paper says


def test_what_the_paper_has_not() -> None:
    assert paper_score("vit", "mild-severe") is None
    with pytest.raises(SettingsError, match="task 'x' is unknown"):
        paper_score("covtanet", "x")
