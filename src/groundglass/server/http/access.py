"""What a route asks of its caller, said in the OpenAPI document too."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Request
from fastapi.security import HTTPBearer

from groundglass.server.http.problems import HttpError
from groundglass.server.http.tokens import Caller

_bearer = HTTPBearer(
    scheme_name="token",
    description="A token that the operator made with `groundglass serve token`.",
    auto_error=False,
)


class Needs:
    """A dependency: the caller must have `scope`. Raises: HttpError (403)."""

    def __init__(self, scope: str) -> None:
        self.scope = scope

    async def __call__(
        self, request: Request, _shown: Annotated[object, Depends(_bearer)] = None
    ) -> Caller:
        """The caller, whom the guard has found."""
        caller: Caller = request.state.caller
        if not caller.may(self.scope):
            raise HttpError(
                403,
                f"token {caller.name!r} has not the scope {self.scope!r}",
                expected=f"scopes that hold {self.scope} or admin",
                remedy="Ask the operator",
            )
        return caller


Submitter = Annotated[Caller, Depends(Needs("submit"))]
Reader = Annotated[Caller, Depends(Needs("read"))]
Administrator = Annotated[Caller, Depends(Needs("admin"))]
