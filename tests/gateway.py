"""The gateway as tests open it: a new application, over routes worked out once a process.

FastAPI works out what every route takes and gives when it first answers, which is more work than
most tests are. Routes hold no state: what a request needs is in the application it came in by.
"""

from functools import cache

from fastapi import FastAPI
from starlette.routing import BaseRoute

from core.api.app import create_app, schema_app
from core.runtime import Runtime


def new_gateway(runtime: Runtime) -> FastAPI:
    app = create_app(runtime)
    app.router.routes[:] = _routes()
    return app


@cache
def _routes() -> list[BaseRoute]:
    return schema_app().router.routes
