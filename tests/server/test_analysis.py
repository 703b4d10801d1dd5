"""The pipeline as the node asks for it."""

from __future__ import annotations

from pathlib import Path

import pytest

from groundglass.errors import SettingsError
from groundglass.server.analysis import AnalysisRequest, PipelineAnalysis
from groundglass.server.job import Plan
from groundglass.server.settings import AnalysisSettings


def test_a_classifier_that_the_node_cannot_run_is_no_silent_nothing(tmp_path: Path) -> None:
    request = AnalysisRequest(tmp_path, tmp_path / "out", "scan", Plan("all", classifier="head"))
    with pytest.raises(SettingsError, match="classifier 'head'"):
        PipelineAnalysis(AnalysisSettings())(request)
