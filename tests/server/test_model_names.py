"""Models that the settings name, and that are not here."""

from __future__ import annotations

from pathlib import Path

import pytest

from groundglass.errors import SettingsError
from groundglass.server.model_names import check_models
from groundglass.server.rules import EVERY_CT, Rule
from groundglass.server.settings import AnalysisSettings, ServeSettings

from ..made_classifier import write_classifier_weights
from ..made_weights import write_weights


@pytest.fixture(autouse=True)
def weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One classifier, `heads`, and one set of networks that segment, `good`."""
    monkeypatch.setenv("GROUNDGLASS_WEIGHTS", str(tmp_path / "weights"))
    write_classifier_weights(tmp_path / "weights" / "heads")
    write_weights(tmp_path / "weights" / "good", name="good")


def settings(folder: Path, rule: Rule = EVERY_CT, **analysis: str) -> ServeSettings:
    return ServeSettings(folder=folder, analysis=AnalysisSettings(**analysis), rules=(rule,))  # type: ignore[arg-type]


def test_models_that_are_here_are_taken(tmp_path: Path) -> None:
    check_models(settings(tmp_path))
    rule = Rule(name="all", classifier="heads", lesion_model="good")
    check_models(settings(tmp_path, rule, classifier="heads", lesion_model="good"))


@pytest.mark.parametrize(
    ("analysis", "rule", "said"),
    [
        ({"classifier": "haeds"}, EVERY_CT, r"\[analysis\]: classifier .*'haeds'.*heads"),
        ({"lesion_model": "heads"}, EVERY_CT, r"\[analysis\]: lesion_model .*classifier"),
        ({}, Rule(name="thin", classifier="good"), "rule 'thin': classifier .*no classifier"),
        ({}, Rule(name="thin", lesion_model="x"), "rule 'thin': lesion_model .*'x'"),
    ],
)
def test_the_place_of_a_wrong_name_is_told(
    tmp_path: Path, analysis: dict[str, str], rule: Rule, said: str
) -> None:
    with pytest.raises(SettingsError, match=said):
        check_models(settings(tmp_path, rule, **analysis))
