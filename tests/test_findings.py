"""The findings document: strict, versioned, and described by a schema that validates it."""

from __future__ import annotations

import json

import jsonschema
import numpy as np
import pytest
from pydantic import ValidationError
from typer.testing import CliRunner

from groundglass.findings import SCHEMA_VERSION, Findings, findings_schema
from groundglass.intensity import Intensity
from groundglass.measurement import measure
from groundglass.volume import Source, Volume


@pytest.fixture
def findings() -> Findings:
    lungs = np.zeros((6, 4, 8), dtype=np.uint8)
    lungs[:, 1:3, 1:3], lungs[:, 1:3, 5:7] = 1, 2
    lesions = np.zeros_like(lungs)
    lesions[0, 1, 1] = 1
    volume = Volume(
        np.where(lungs > 0, -800, 40).astype(np.int16),
        np.diag([0, 0, 0, 1.0]) + _axial(),
        Intensity("hu", "header", "test"),
        Source("s", "nifti", "s.nii"),
    )
    return measure(volume, lungs, lesions)


def _axial() -> np.ndarray:
    affine = np.zeros((4, 4))
    affine[2, 0] = affine[1, 1] = affine[0, 2] = 10.0
    return affine


def test_json_of_findings_satisfies_the_schema(findings: Findings) -> None:
    schema = findings_schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    document = json.loads(findings.to_json())
    jsonschema.validate(document, schema, cls=jsonschema.Draft202012Validator)
    assert document["schema_version"] == SCHEMA_VERSION
    assert Findings.model_validate_json(findings.to_json()) == findings


def test_schema_refuses_unknown_and_missing_fields(findings: Findings) -> None:
    document = json.loads(findings.to_json())
    for broken in ({**document, "extra": 1}, {k: v for k, v in document.items() if k != "lungs"}):
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(broken, findings_schema(), cls=jsonschema.Draft202012Validator)


def test_model_refuses_unknown_fields_and_bad_shares(findings: Findings) -> None:
    document = json.loads(findings.to_json())
    with pytest.raises(ValidationError, match="Extra inputs"):
        Findings.model_validate({**document, "extra": 1})
    document["lesions"]["involvement_percent"] = 101
    with pytest.raises(ValidationError, match="less than or equal to 100"):
        Findings.model_validate(document)


def test_top_level_fields_are_pinned() -> None:
    assert list(Findings.model_fields) == [
        "schema_version",
        "intended_use",
        "scan",
        "lungs",
        "lesions",
        "profile",
        "severity",
        "diagnosis",
        "routes",
        "quality",
        "warnings",
    ]


def test_schema_command_prints_the_schema() -> None:
    import typer

    from groundglass.cli.schema_command import schema

    app = typer.Typer()
    app.command()(schema)
    result = CliRunner().invoke(app)
    assert result.exit_code == 0
    assert json.loads(result.stdout) == findings_schema()
