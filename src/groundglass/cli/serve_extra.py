"""Whether the packages of the extra `serve` are here, asked before one of them is imported."""

from __future__ import annotations

_PACKAGES = (
    "sqlalchemy",
    "pynetdicom",
    "fastapi",
    "uvicorn",
    "python_multipart",
    "httpx",
    "prometheus_client",
)


def need_serve_extra() -> None:
    """Raises: MissingExtraError where the node's packages are not installed."""
    from importlib.util import find_spec

    from groundglass.errors import MissingExtraError

    for package in _PACKAGES:
        if find_spec(package) is None:
            raise MissingExtraError(package, "serve", "The node")
