"""Between HTTP and adapters: a platform's request as they take it, their reply as we send it."""

from collections.abc import Mapping
from urllib.parse import urlsplit

from fastapi import Request
from starlette.background import BackgroundTask
from starlette.responses import Response

from core.channels import InboundRequest, Reply
from shared.utils.clock import utc_now


def inbound(request: Request, body: bytes, public_base_url: str) -> InboundRequest:
    # Signatures are over the address the platform was given, so never over the Host it sent.
    path = request.scope.get("raw_path", b"").split(b"?")[0].decode("latin-1") or request.url.path
    query = request.scope["query_string"].decode("latin-1")
    url = f"{_origin(public_base_url)}{path}" + (f"?{query}" if query else "")
    return InboundRequest(
        method=request.method,
        url=url,
        headers=_headers(request),
        body=body,
        received_at=utc_now(),
    )


def _origin(public_base_url: str) -> str:
    parts = urlsplit(public_base_url)
    return f"{parts.scheme}://{parts.netloc}{parts.path}"


def _headers(request: Request) -> Mapping[str, str]:
    # Latin-1 reads any byte, so that a strange header fails verification and not our decoding.
    return {
        name.decode("latin-1").lower(): value.decode("latin-1")
        for name, value in request.scope["headers"]
    }


def as_response(reply: Reply, background: BackgroundTask | None = None) -> Response:
    response = Response(
        reply.body,
        status_code=reply.status,
        media_type=reply.content_type,
        background=background,
    )
    for name, value in reply.headers:
        response.headers.append(name, value)
    return response
