"""What a worker runs on a study: the pipeline, with its networks loaded once per process."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from groundglass.server.job import Plan
from groundglass.server.settings import AnalysisSettings

if TYPE_CHECKING:
    from groundglass.pipeline.classify import LoadedClassifier
    from groundglass.predictor.cascade import Cascade


@dataclass(frozen=True)
class AnalysisRequest:
    """A scan to analyze into `folder`, which does not exist yet. The scan is called `scan_id`."""

    input: Path
    folder: Path
    scan_id: str
    plan: Plan


Analyze = Callable[[AnalysisRequest], dict[str, Any]]
"""Writes the result folder, and says in JSON what is worth knowing of it. Raises what it must."""
MakeAnalyze = Callable[[AnalysisSettings], Analyze]
"""Makes it in the process that runs it; a function of a module, for it is named to that process."""


class PipelineAnalysis:
    """`groundglass analyze`, as the node runs it."""

    def __init__(self, settings: AnalysisSettings) -> None:
        self.settings = settings
        self._cascades: dict[str | None, Cascade] = {}
        self._classifiers: dict[str, LoadedClassifier | None] = {}

    def __call__(self, request: AnalysisRequest) -> dict[str, Any]:
        """Analyze one scan. Raises: as `analyze_scan`; WeightsError where a model is not here."""
        from groundglass.pipeline.analyze import AnalyzeOptions, analyze_scan

        cascade = self._cascade(request.plan.lesion_model)
        classifier = self._classifier(request.plan.classifier)
        done = analyze_scan(
            request.input,
            request.folder,
            cascade,
            options=AnalyzeOptions(overwrite=False, dicom=request.plan.dicom),
            scan_id=request.scan_id,
            classifier=classifier,
        )
        return {
            "seconds": done.run["seconds"],
            "seconds_total": done.run["seconds_total"],
            "peak_memory_mib": done.run["peak_memory_mib"],
            "involvement_percent": done.findings.lesions.involvement_percent,
            "warnings": len(done.findings.warnings),
        }

    def _cascade(self, lesion_model: str | None) -> Cascade:
        if lesion_model not in self._cascades:
            from groundglass.predictor.cascade import Cascade
            from groundglass.predictor.engine import choose_engine
            from groundglass.weights.store import DEFAULT_LESION_MODEL, find_weights

            engine, device = choose_engine(self.settings.engine, self.settings.device)
            self._cascades[lesion_model] = Cascade(
                find_weights(),
                lesions=find_weights(lesion_model or DEFAULT_LESION_MODEL),
                engine=engine,
                device=device,
            )
        return self._cascades[lesion_model]

    def _classifier(self, name: str | None) -> LoadedClassifier | None:
        if name is None:
            return None
        if name not in self._classifiers:
            from groundglass.pipeline.load_classifier import load_classifier

            self._classifiers[name] = load_classifier(
                name, engine=self.settings.engine, device=self.settings.device
            )
        return self._classifiers[name]
