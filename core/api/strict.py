"""Bodies read strictly: one unambiguous JSON value, its strings storable; fields all known."""

from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import Request, Response
from fastapi.routing import APIRoute
from pydantic import BaseModel, ConfigDict

from shared.utils.json import parse_json


class Body(BaseModel):
    """A request body; an unknown field, `creator_id` too, is refused."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)


class _StrictRequest(Request):
    async def json(self) -> Any:
        if not hasattr(self, "_json"):
            self._json = parse_json(await self.body())
        return self._json


class StrictRoute(APIRoute):
    """A route whose JSON body is read by `parse_json`: no NaN, no duplicate keys, no NUL."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()

        async def handle_strictly(request: Request) -> Response:
            return await handle(_StrictRequest(request.scope, request.receive))

        return handle_strictly
