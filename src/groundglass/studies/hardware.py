"""What numbers were made on, in words."""

from __future__ import annotations

import os
import platform
from pathlib import Path


def hardware(device: str) -> str:
    """The GPU's name, or cores, processor and torch's version."""
    import torch

    if device.startswith("cuda"):
        return torch.cuda.get_device_name(torch.device(device))
    name = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.exists():
        lines = info.read_text(encoding="utf-8", errors="replace").splitlines()
        models = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
        name = models[0] if models else name
    return f"{os.cpu_count()} cores of {name}, torch {torch.__version__}"
