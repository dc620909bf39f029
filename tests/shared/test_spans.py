"""Spans reach the configured collector, over the real exporter and a real socket."""

import asyncio
import sys

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from tests.serving import serving

# A process of its own: a tracer provider can be set once in each.
PROGRAM = """
import sys
from opentelemetry import trace
from shared import telemetry
from shared.settings import TelemetrySettings

telemetry.configure(TelemetrySettings(otlp_endpoint=sys.argv[1]), service="cairn-test")
with telemetry.span("engine.turn", conversation_id="c-42"):
    pass
trace.get_tracer_provider().shutdown()
"""


async def test_a_span_is_exported_with_its_ids() -> None:
    bodies: list[bytes] = []

    async def collect(request: Request) -> Response:
        bodies.append(await request.body())
        return Response(b"", media_type="application/x-protobuf")

    collector = Starlette(routes=[Route("/v1/traces", collect, methods=["POST"])])
    async with serving(collector) as base_url:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-c", PROGRAM, f"{base_url}/v1/traces"
        )
        async with asyncio.timeout(60):
            assert await process.wait() == 0
    body = b"".join(bodies)
    for expected in (b"engine.turn", b"conversation_id", b"c-42", b"cairn-test"):
        assert expected in body
