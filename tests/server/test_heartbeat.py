"""A lease held in the background."""

from __future__ import annotations

import threading

from groundglass.errors import LeaseLostError, QueueError
from groundglass.server.heartbeat import Heartbeat

from .conftest import wait_for


def test_it_beats_until_the_block_ends() -> None:
    beats: list[int] = []
    with Heartbeat(lambda: beats.append(1), 0.01) as heart:
        wait_for(lambda: len(beats) >= 3)
        assert not heart.is_lost
    count = len(beats)
    threading.Event().wait(0.05)
    assert len(beats) == count


def test_a_lost_lease_is_told_and_beats_no_more() -> None:
    beats: list[int] = []

    def lose() -> None:
        beats.append(1)
        raise LeaseLostError("gone")

    with Heartbeat(lose, 0.01) as heart:
        wait_for(lambda: heart.is_lost)
        threading.Event().wait(0.05)
    assert len(beats) == 1


def test_a_database_that_is_away_is_asked_again() -> None:
    beats: list[int] = []

    def away() -> None:
        beats.append(1)
        raise QueueError("away")

    with Heartbeat(away, 0.01) as heart:
        wait_for(lambda: len(beats) >= 3)
        assert not heart.is_lost
