"""Options that say where the parts of a finished classifier's run are now."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

IndexNow = Annotated[
    Path | None, typer.Option("--index", help="Where the prepared folder of the run is now")
]
FoldsNow = Annotated[
    Path | None, typer.Option("--folds", help="Where the folds file of the run is now")
]
SegmenterNow = Annotated[
    Path | None,
    typer.Option("--segmenter", help="Run folder of phase 1, where it was given to the run"),
]
