"""Bodies read strictly: one unambiguous JSON value, its strings storable; fields all known."""

from collections.abc import Callable, Coroutine
from datetime import datetime
from typing import Annotated, Any

from fastapi import Request, Response
from fastapi.routing import APIRoute
from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict

from shared.utils.json import parse_json

_YEARS = range(1900, 2200)


def _check_year(moment: datetime) -> datetime:
    if moment.year not in _YEARS:
        raise ValueError(f"must be between the years {_YEARS.start} and {_YEARS.stop}")
    return moment


Moment = Annotated[AwareDatetime, AfterValidator(_check_year)]
"""A moment with its offset from UTC; near the ends of the calendar neither sums nor zones work."""


class Body(BaseModel):
    """A request body; an unknown field, `creator_id` too, is refused."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)


class _StrictRequest(Request):
    async def json(self) -> Any:
        if not hasattr(self, "_json"):
            self._json = parse_json(await self.body(), is_stored=True)
        return self._json


class StrictRoute(APIRoute):
    """A route whose JSON body is read by `parse_json`: no NaN, no duplicate keys, no NUL.

    Nor any number that is too large to store.
    """

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()

        async def handle_strictly(request: Request) -> Response:
            return await handle(_StrictRequest(request.scope, request.receive))

        return handle_strictly
