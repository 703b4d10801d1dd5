"""What `groundglass weights show` says of a classifier of whole scans."""

from __future__ import annotations

import json
from collections.abc import Iterator

from groundglass.weights.classifier_manifest import ClassifierManifest, HeadPart, Span


def classifier_lines(manifest: ClassifierManifest) -> Iterator[str]:
    """Licence, data, networks, thresholds, what it knows and what was measured, a line each."""
    one, two, known = manifest.segmenter, manifest.classifier, manifest.known
    yield f"{manifest.name} {manifest.version}: {manifest.title}"
    yield "kind: classifier of whole scans (--classifier)"
    yield f"licence: {manifest.license}"
    yield "trained on: " + "; ".join(manifest.training_data)
    if manifest.phantoms:
        yield "made-up phantoms taught it: it abstains on every scan that is not one"
    yield "held out: " + ", ".join(manifest.held_out)
    yield "calibrated on, and no test any more: " + ", ".join(manifest.calibrated_on)
    yield f"segmenter: {one.network}, {one.parameters:,} parameters"
    yield "  recipe: " + json.dumps(one.recipe)
    rows, columns = one.grid
    yield f"  features: {one.channels} channels on {rows}x{columns} cells, stored as {one.storage}"
    yield "  trained: " + json.dumps(one.trained)
    yield f"classifier: {two.classifier}, {two.parameters:,} parameters"
    yield f"  slices: at most {two.slices}, evenly spaced over the lungs"
    yield "  trained: " + json.dumps(two.trained)
    yield "diagnosis: " + _head(manifest.diagnosis)
    yield "severity: " + _head(manifest.severity)
    yield f"knows {known.scans} scans; farther than {known.limit:.3g} is unlike them"
    yield f"  {known.limit_rule}"
    yield (
        f"  slices {_span(known.slices)}; between those shown {_span(known.shown_mm, 'mm')}; "
        f"lungs {_span(known.lungs_ml, 'ml')}; intensities {', '.join(known.domains)}"
    )
    yield (
        f"  median of the lungs {_span(known.lung_median)}, "
        f"between their pixels {_span(known.lung_noise)}"
    )
    yield "accuracy: " + json.dumps(manifest.accuracy, indent=1)


def _head(head: HeadPart) -> str:
    text = f"temperature {head.temperature:.4g}" if head.is_calibrated else "not calibrated"
    return f"{text}; yes from a probability of {head.threshold:.3f} on ({head.threshold_rule})"


def _span(span: Span | None, unit: str = "") -> str:
    return "not noted" if span is None else f"{span.low:.4g} to {span.high:.4g} {unit}".rstrip()
