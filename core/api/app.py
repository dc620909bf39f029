"""The gateway: every route on one application, around a runtime that somebody else opened."""

from collections.abc import Iterable
from typing import Any

from fastapi import APIRouter, FastAPI
from fastapi.routing import APIRoute

from core.api import chat, health, install, pages, pictures, problems, unsubscribe, webhooks
from core.api.deps import ApiKeys
from core.api.middleware import BodyLimit, Edge
from core.api.resources import ROUTERS
from core.api.streams import StreamSlots
from core.runtime import Runtime

TITLE = "Cairn"
DESCRIPTION = """Multi-tenant chat bots for coaching.

Errors are `application/problem+json` with a stable `code`. Lists are paged:
`?limit=&cursor=` → `{items, next_cursor}`."""


class Gateway(FastAPI):
    """Describes errors as what they are: problem documents."""

    def openapi(self) -> dict[str, Any]:
        if self.openapi_schema is None:
            schema = super().openapi()
            for operation in _operations(schema):
                content = operation["responses"]["default"]["content"]
                content[problems.MEDIA_TYPE] = content.pop("application/json")
        assert self.openapi_schema is not None  # noqa: S101 - the line above made it
        return self.openapi_schema


def _operations(schema: dict[str, Any]) -> Iterable[dict[str, Any]]:
    return (operation for path in schema["paths"].values() for operation in path.values())


def create_app(runtime: Runtime) -> FastAPI:
    """The application over an open runtime. Closing the runtime is its owner's job."""
    app = _new_app()
    app.state.runtime = runtime
    app.state.api_keys = ApiKeys(runtime.database)
    app.state.streams = StreamSlots(runtime.settings.limits.streams)
    app.add_middleware(BodyLimit)
    app.add_middleware(Edge, is_https=runtime.settings.public_base_url.startswith("https://"))
    return app


def schema_app() -> FastAPI:
    """The same routes without a runtime: enough to describe them."""
    return _new_app()


def _new_app() -> FastAPI:
    app = Gateway(
        title=TITLE,
        description=DESCRIPTION,
        version="1",
        # The built-in pages load scripts from other hosts.
        docs_url=None,
        redoc_url=None,
        openapi_url="/openapi.json",
        generate_unique_id_function=_operation_id,
        redirect_slashes=False,
        responses={"default": {"model": problems.Problem, "description": "A problem document."}},
    )
    problems.install(app)
    for router in _routers():
        app.include_router(router)
    return app


def _routers() -> Iterable[APIRouter]:
    return (
        health.router,
        webhooks.router,
        install.router,
        chat.router,
        *ROUTERS,
        unsubscribe.router,
        pictures.router,
        pages.router,
    )


def _operation_id(route: APIRoute) -> str:
    return route.name
