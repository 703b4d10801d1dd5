"""Workers that die are started again, later and later where they die at once."""

from __future__ import annotations

import os
import signal
from typing import Any

from groundglass.server import worker_pool
from groundglass.server.settings import ServeSettings
from groundglass.server.worker_pool import WorkerPool

from .conftest import wait_for


def test_a_dead_worker_is_replaced(settings: ServeSettings, make_fake: Any) -> None:
    settings.folder.mkdir()
    pool = WorkerPool(settings, make_fake, 1)
    try:
        pool.look()
        (first,) = pool.process_ids
        pool.look()
        assert pool.process_ids == [first]
        os.kill(first, signal.SIGKILL)
        wait_for(lambda: pool.process_ids == [])
        pool.look()
        (second,) = pool.process_ids
        assert second != first
    finally:
        pool.stop()
    assert pool.process_ids == []


def test_waits_grow_until_a_worker_lives() -> None:
    slot = worker_pool._Slot()
    waits = []
    for _ in range(9):
        slot.started = 1000.0
        slot.died(1001.0)
        waits.append(slot.start_at - 1001.0)
    assert waits == [0, 1, 2, 4, 8, 16, 32, 60, 60]
    slot.died(2000.0)  # had lived for long
    assert slot.start_at == 2000.0
