"""The pipeline as a node runs it, with the rule's weights: fast, and it finds a phantom's lungs."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from groundglass.pipeline.analyze import AnalyzeOptions, analyze_scan
from groundglass.predictor.cascade import Cascade
from groundglass.server.analysis import AnalysisRequest
from groundglass.server.settings import AnalysisSettings

from ..made_weights import write_rule_weights


class RuleAnalysis:
    """Stands in for `PipelineAnalysis`: other weights, the same pipeline."""

    def __init__(self, settings: AnalysisSettings) -> None:
        self._folder = tempfile.TemporaryDirectory()
        self._cascade = Cascade(write_rule_weights(Path(self._folder.name) / "rule"))

    def __call__(self, request: AnalysisRequest) -> dict[str, Any]:
        options = AnalyzeOptions(dicom=request.plan.dicom)
        done = analyze_scan(
            request.input, request.folder, self._cascade, options=options, scan_id=request.scan_id
        )
        return {"involvement_percent": done.findings.lesions.involvement_percent}
