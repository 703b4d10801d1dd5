"""Cases of a published set, prepared aside and put into place together."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol, TypeVar

from groundglass.datasets.index import IndexRow, PreparedScan, save_prepared, write_index
from groundglass.errors import DatasetError

ProgressCallback = Callable[[int, int, str], None]
"""Called with (cases done, cases in all, scan id) after each case."""


class Case(Protocol):
    """One scan of a set, with the files it is made of."""

    @property
    def scan_id(self) -> str: ...


AnyCase = TypeVar("AnyCase", bound=Case)


def prepare_cases(
    cases: Sequence[AnyCase],
    prepare: Callable[[AnyCase], PreparedScan],
    *,
    destination: Path,
    problems: Sequence[DatasetError],
    join: Callable[[Sequence[DatasetError]], DatasetError],
    progress: ProgressCallback | None,
) -> list[IndexRow]:
    """Prepare every case; write frames and index to `destination` where nothing was wrong.

    `problems` are those known before; those that `prepare` raises are added, and `join` makes
    one error of several. Nothing is put into place before every case was read.
    Raises: DatasetError, the only problem or all of them joined.
    """
    problems = list(problems)
    existed = destination.is_dir()
    destination.mkdir(parents=True, exist_ok=True)
    rows = []
    with tempfile.TemporaryDirectory(prefix=".prepare-", dir=destination) as staging:
        for done, case in enumerate(cases, start=1):
            try:
                rows.append(save_prepared(Path(staging), prepare(case)))
            except DatasetError as error:
                problems.append(error)
            if progress is not None:
                progress(done, len(cases), case.scan_id)
        if not problems:
            for row in rows:
                (Path(staging) / row.file).replace(destination / row.file)
            write_index(destination, rows)
    if problems and not existed:
        shutil.rmtree(destination)
    if len(problems) == 1:
        raise problems[0]
    if problems:
        raise join(problems) from problems[0]
    return rows
