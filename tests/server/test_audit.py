"""One line per event, whoever writes at the same time."""

from __future__ import annotations

import hashlib
import json
import threading
from pathlib import Path

import pytest

from groundglass.errors import OutputError
from groundglass.server.audit import AuditLog


def test_a_line_says_what_happened_and_hides_the_uid(tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"
    AuditLog(path, clock=lambda: 0.25).write("sent", "1.2.3", job="j", peer="pacs", objects=3)
    assert json.loads(path.read_text()) == {
        "time": "1970-01-01T00:00:00.250+00:00",
        "event": "sent",
        "study": hashlib.sha256(b"1.2.3").hexdigest()[:16],
        "job": "j",
        "peer": "pacs",
        "objects": 3,
    }
    assert path.stat().st_mode & 0o777 == 0o600


def test_uids_where_they_are_asked_for(tmp_path: Path) -> None:
    AuditLog(tmp_path / "a", uids=True).write("received", "1.2.3")
    assert json.loads((tmp_path / "a").read_text())["study"] == "1.2.3"


def test_lines_never_mix(tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"

    def write(number: int) -> None:
        log = AuditLog(path)
        for _ in range(20):
            log.write("received", f"1.{number}", note="x" * 500)

    threads = [threading.Thread(target=write, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [json.loads(line)["note"] for line in path.read_text().splitlines()] == ["x" * 500] * 80


def test_a_line_that_cannot_be_written_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="cannot be written"):
        AuditLog(tmp_path / "absent" / "audit.jsonl").write("received", "1.2")
