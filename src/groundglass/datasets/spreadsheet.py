"""Tables that a publisher ships as .xlsx."""

from __future__ import annotations

import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from groundglass.errors import DatasetError, MissingExtraError


def read_spreadsheet(path: Path, columns: Sequence[str]) -> list[tuple[int, dict[str, Any]]]:
    """Rows of the one sheet that has all `columns` in its first row: (line, column -> value).

    Values are as the sheet has them (str, int, float, None); text is stripped. Other columns
    are left out, and so are rows in which all of `columns` are empty. Lines count from 1.
    Raises: DatasetError where the file is missing or damaged, or no sheet or several have the
    columns; MissingExtraError without openpyxl.
    """
    try:
        from openpyxl import load_workbook
        from openpyxl.utils.exceptions import InvalidFileException
    except ImportError as error:
        raise MissingExtraError("openpyxl", "train", f"Reading {path.name}") from error

    if not path.is_file():
        raise DatasetError(f"{path} is missing", expected="a spreadsheet")
    try:
        with path.open("rb") as stream:
            book = load_workbook(stream, data_only=True)
            sheets = {
                sheet.title: [
                    tuple(map(_plain, line)) for line in sheet.iter_rows(values_only=True)
                ]
                for sheet in book.worksheets
            }
    except (OSError, ValueError, KeyError, TypeError, SyntaxError, EOFError) as error:
        raise _damaged(path, error) from error  # SyntaxError: XML that cannot be parsed
    except (zipfile.BadZipFile, InvalidFileException) as error:
        raise _damaged(path, error) from error
    fitting = [name for name, lines in sheets.items() if lines and {*columns} <= {*lines[0]}]
    if len(fitting) != 1:
        heads = "; ".join(
            f"sheet {name!r} has {', '.join(map(str, lines[0])) if lines else 'nothing'}"
            for name, lines in sheets.items()
        )
        raise DatasetError(
            f"{path}: {len(fitting)} of {len(sheets)} sheets have the columns ({heads})",
            expected=f"one sheet with {', '.join(columns)} in its first row",
        )
    head, *lines = sheets[fitting[0]]
    if twice := [name for name in columns if head.count(name) > 1]:
        raise DatasetError(f"{path} has column {twice[0]} more than once", expected="each once")
    places = {name: head.index(name) for name in columns}
    rows = [
        (number, {name: line[place] for name, place in places.items()})
        for number, line in enumerate(lines, start=2)
    ]
    return [(n, row) for n, row in rows if any(value is not None for value in row.values())]


def _plain(value: Any) -> Any:
    """Text without blanks around it; None where nothing is left."""
    return (value.strip() or None) if isinstance(value, str) else value


def _damaged(path: Path, error: Exception) -> DatasetError:
    return DatasetError(
        f"{path} cannot be read: {error}", expected="an .xlsx file", remedy="Get it again"
    )
