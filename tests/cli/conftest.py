"""The command line as a user calls it, in this process."""

from __future__ import annotations

import logging
import sys
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest

from groundglass.cli.app import main


@dataclass(frozen=True)
class Answer:
    code: int
    out: str
    err: str


Groundglass = Callable[..., Answer]


@pytest.fixture
def groundglass(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Iterator[Groundglass]:
    """Run `groundglass ARGUMENTS`; what commands set for their process is set back afterwards."""
    logger, level = logging.getLogger("groundglass"), logging.getLogger("groundglass").level
    pydicom = logging.getLogger("pydicom").level
    handlers = list(logging.root.handlers)

    def run(*arguments: object) -> Answer:
        monkeypatch.setattr(sys, "argv", ["groundglass", *map(str, arguments)])
        capsys.readouterr()
        with warnings.catch_warnings():
            try:
                main()
                code = 0
            except SystemExit as stop:
                code = int(stop.code or 0)
        said = capsys.readouterr()
        return Answer(code, said.out, said.err)

    yield run
    logging.captureWarnings(False)
    logger.setLevel(level)
    logging.getLogger("pydicom").setLevel(pydicom)
    logging.root.handlers[:] = handlers
