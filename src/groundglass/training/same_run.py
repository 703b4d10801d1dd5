"""Whether a checkpoint is of the run that wants to go on from it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import BaseModel

from groundglass.errors import SettingsError

MAY_CHANGE = frozenset(
    {
        "phases",
        "index",
        "folds",
        "lungs",
        "soft_targets",
        "start_from",
        "checkpoint_every",
        "threads",
        "device",
        "cuda_graph",
        "compile",
    }
)
"""What may differ when a run goes on; phases, to make it longer or finish it sooner;
paths, as folders move."""

FILES_READ_ONCE = frozenset({"encoder_weights"})
"""Their paths may differ too, but a run began with such a file or it did not."""


def check_same_run(
    stored: dict[str, Any],
    settings: BaseModel,
    folder: Path,
    *,
    may_change: frozenset[str] = MAY_CHANGE,
) -> None:
    """Compare the settings of a checkpoint in `folder` with those of now, of the same kind.

    Raises: SettingsError naming all that differ and must not.
    """
    now = settings.model_dump(mode="json")
    kind = type(settings)
    known = {name: value for name, value in stored.items() if name in kind.model_fields}
    stored = kind.model_validate(known).model_dump(mode="json")  # newer names: defaults
    changed = sorted(
        name
        for name in now
        if name not in may_change
        and _compared(name, stored.get(name)) != _compared(name, now[name])
    )
    if changed:
        raise SettingsError(
            f"{folder} holds a run with other {', '.join(changed)}",
            expected=f"the same settings as before, but for {', '.join(sorted(may_change))}",
            remedy="Choose another output folder, or delete this one to begin again",
        )


def _compared(name: str, value: Any) -> Any:
    return value is not None if name in FILES_READ_ONCE else value
