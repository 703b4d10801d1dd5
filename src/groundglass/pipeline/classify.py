"""The learned route in an analysis: any classifier of whole scans, its stage and its record."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from groundglass.classification import ScanClassification
from groundglass.findings import Findings
from groundglass.measurement.learned_route import with_learned
from groundglass.predictor.stopwatch import Stopwatch
from groundglass.volume import Volume


class Classifier(Protocol):
    """What the pipeline asks of a classifier. Shape: `lungs` as `volume`, 1 right and 2 left."""

    def classify(self, volume: Volume, lungs: np.ndarray) -> ScanClassification: ...


@dataclass(frozen=True)
class LoadedClassifier:
    """A classifier, loaded once, with what its weights say beside its answers.

    `sha256`: of its files, for the run's record. `is_phantom_trained`: it learned from made-up
    scans.
    """

    classifier: Classifier
    sha256: Mapping[str, str]
    is_phantom_trained: bool


@dataclass(frozen=True, eq=False)
class Classified:
    """Findings with the learned route, its answer for the report, and its part of run.json."""

    findings: Findings
    classification: ScanClassification | None = None
    record: dict[str, Any] | None = None


def classify_scan(
    loaded: LoadedClassifier | None,
    volume: Volume,
    lungs: np.ndarray,
    *,
    findings: Findings,
    watch: Stopwatch,
) -> Classified:
    """Let the classifier look at a measured scan; without one the findings stay as they are.

    Raises: what the classifier raises; GeometryError, WeightsError where its answer is unfit.
    """
    if loaded is None:
        return Classified(findings)
    with watch.stage("classify"):
        answer = loaded.classifier.classify(volume, lungs)
        findings = with_learned(findings, answer, is_phantom_trained=loaded.is_phantom_trained)
    record = {
        "name": answer.name,
        "version": answer.version,
        "license": answer.license,
        "trained_on": answer.trained_on,
        "phantoms": loaded.is_phantom_trained,
        "sha256": dict(loaded.sha256),
        "slices_read": len(answer.slices),
    }
    return Classified(findings, answer, record)
