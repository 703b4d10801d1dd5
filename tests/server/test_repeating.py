"""Rounds go on, whatever goes wrong in one."""

from __future__ import annotations

import pytest

from groundglass.errors import QueueError
from groundglass.server.repeating import Repeating

from .conftest import wait_for


def test_rounds_outlive_their_errors(caplog: pytest.LogCaptureFixture) -> None:
    rounds: list[int] = []

    def go() -> None:
        rounds.append(1)
        if len(rounds) == 1:
            raise QueueError("database is away")
        if len(rounds) == 2:
            raise ZeroDivisionError("DOE^JANE")

    repeating = Repeating("intake", 0.01, go)
    wait_for(lambda: len(rounds) >= 4)
    repeating.stop()
    repeating.join(5)
    count = len(rounds)
    assert "intake: database is away." in caplog.text
    assert "intake: ZeroDivisionError in test_repeating.py, line " in caplog.text
    assert "JANE" not in caplog.text
    repeating.join(0.05)
    assert len(rounds) == count
