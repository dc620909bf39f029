"""The emulated host: its routes, its log, and what a test may order it to do."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import asdict
from functools import partial
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from core.llm.emulator import brain, chat
from core.llm.emulator.checks import (
    Refusal,
    check_capabilities,
    check_format,
    check_options,
    inputs,
    parsed,
)
from core.llm.emulator.faults import STATUS_FAULTS, Fault
from core.llm.emulator.models import DEFAULT_NUM_CTX, EmulatedModel, Json
from core.llm.emulator.script import LoggedRequest, Script
from core.llm.emulator.wire import Watched, Wire
from core.llm.ollama import full_name

VERSION = "0.12.6"
_FOREVER = 10**9  # seconds
_SPECIAL_TOKENS = 2  # an embedding model's begin and end

# Over HTTP too, for a host in a process of its own: POST /control/<order> with its arguments.
_ORDERS = (
    *("fail_next", "keep_failing", "script", "heal", "say_next", "refuse_text", "repull"),
    "serve_vectors",
)

Handler = Callable[[Json, Wire, "Fault | None"], Awaitable[None]]


class OllamaEmulator(Script):
    """`app` is the ASGI application; everything else scripts it or tells what happened."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self.app = Starlette(
            routes=[
                self._route("/api/chat", self._chat, "POST"),
                self._route("/api/embed", self._embed, "POST"),
                self._route("/api/show", self._show, "POST"),
                self._route("/api/pull", self._pull, "POST"),
                self._route("/api/tags", self._tags, "GET"),
                self._route("/api/ps", self._ps, "GET"),
                self._route("/api/version", self._version, "GET"),
                Route("/control/requests", self._log, methods=["GET"]),
                Route("/control/{order}", self._order, methods=["POST"]),
            ]
        )

    def _route(self, path: str, handler: Handler, method: str) -> Route:
        async def endpoint(request: Request) -> Watched:
            raw = await request.body()
            return Watched(partial(self._serve, path, handler, raw), self.split_bytes)

        return Route(path, endpoint, methods=[method])

    async def _serve(self, path: str, handler: Handler, raw: bytes, wire: Wire) -> None:
        fault = self.faults.take(path)
        entry = LoggedRequest(at=time.monotonic(), path=path, body={})
        entry.fault = fault.kind if fault else ""
        self.requests.append(entry)
        try:
            entry.body = parsed(raw)
            if await self._before_answer(fault, entry.body, wire):
                await handler(entry.body, wire, fault)
        except Refusal as refusal:
            await wire.json({"error": refusal.error}, refusal.status)
        finally:
            entry.status, entry.is_closed = wire.status, True

    async def _before_answer(self, fault: Fault | None, body: Json, wire: Wire) -> bool:
        """Faults of any route; false when the answer is given or is never to come."""
        kind = fault.kind if fault else ""
        if kind == "hang":
            # The request hangs in the model's slot, so that others wait behind it.
            async with self.runners.slot(self._model(body), self._num_ctx(body)):
                await asyncio.sleep(_FOREVER)
        if kind in STATUS_FAULTS:
            status, error = STATUS_FAULTS[kind]
            raise Refusal(status, error.format(model=body.get("model", "")))
        if kind == "not_json":
            await wire.start(200, "text/html")
            await wire.write(b"<html>please log in</html>")
            await wire.end()
        if kind == "drop":
            await wire.start(200, "application/x-ndjson")
        return kind not in ("not_json", "drop")

    async def _chat(self, body: Json, wire: Wire, fault: Fault | None) -> None:
        model = self._model(body)
        check_options(body)
        check_format(body)
        check_capabilities(body, model)
        messages = body.get("messages") or []
        if not messages:
            await self._load_only(model, body, wire)
            return
        num_ctx = self._num_ctx(body)
        async with self.runners.slot(model, num_ctx) as load_seconds:
            exchange = chat.Exchange(
                model=model,
                messages=messages,
                num_ctx=min(num_ctx, model.context_length),
                num_predict=(body.get("options") or {}).get("num_predict", -1),
                stream=body.get("stream", True),
                form=body.get("format") or None,
                load_seconds=load_seconds,
                token_seconds=self.token_seconds,
                fault=fault,
                scripted=self.replies.popleft() if self.replies else None,
                captured=self.captured,
                tool_call=self._tool_call(body),
            )
            await chat.respond(exchange, wire)

    async def _load_only(self, model: EmulatedModel, body: Json, wire: Wire) -> None:
        """No messages: load the model, or with `keep_alive: 0` unload it."""
        unload = body.get("keep_alive") in (0, "0", "0s")
        if unload:
            self.runners.unload(model.name)
        else:
            async with self.runners.slot(model, self._num_ctx(body)):
                pass
        await wire.json(
            {
                "model": model.name,
                "created_at": "2026-01-01T00:00:00Z",
                "message": {"role": "assistant", "content": ""},
                "done_reason": "unload" if unload else "load",
                "done": True,
            }
        )

    def _tool_call(self, body: Json) -> Json | None:
        return self.tool_calls.popleft() if body.get("tools") and self.tool_calls else None

    async def _embed(self, body: Json, wire: Wire, fault: Fault | None) -> None:
        model = self._model(body)
        check_options(body)
        texts = inputs(body)
        counts = [len(brain.tokenize(text)) + _SPECIAL_TOKENS for text in texts]
        too_long = any(count > model.context_length for count in counts)
        if (too_long and not body.get("truncate", True)) or self.is_refused(texts):
            raise Refusal(400, "the input length exceeds the context length")
        async with self.runners.slot(model, model.context_length) as load_seconds:
            if fault and fault.kind == "slow":
                await asyncio.sleep(fault.seconds)
            vectors = await asyncio.to_thread(_vectors, model, texts)
        dimensions = body.get("dimensions")
        await wire.json(
            {
                "model": body["model"],
                "embeddings": brain.shortened(vectors, dimensions) if dimensions else vectors,
                "total_duration": int(load_seconds * 1e9) + 1,
                "load_duration": int(load_seconds * 1e9) + 1,
                **({"prompt_eval_count": sum(counts)} if texts else {}),
            }
        )

    async def _show(self, body: Json, wire: Wire, fault: Fault | None) -> None:
        await wire.json(self._model(body).shown())

    async def _pull(self, body: Json, wire: Wire, fault: Fault | None) -> None:
        """Progress line by line; a name that begins with `no-such` fails as the registry does."""
        name = str(body.get("model") or body.get("name") or "")
        model = self.models.get(full_name(name)) or EmulatedModel(name=name)
        await wire.start(200, "application/x-ndjson")
        await wire.line({"status": "pulling manifest"})
        if name.startswith("no-such"):
            await wire.line({"error": "pull model manifest: file does not exist"})
        else:
            layer = {"digest": f"sha256:{model.digest}", "total": model.size}
            for part in (0, 1, 2):
                done = {"completed": model.size * part // 2} if part else {}
                await wire.line({"status": f"pulling {model.digest[:12]}", **layer, **done})
            for status in ("verifying sha256 digest", "writing manifest", "success"):
                await wire.line({"status": status})
            self.install(model)
        await wire.end()

    async def _tags(self, body: Json, wire: Wire, fault: Fault | None) -> None:
        await wire.json({"models": [model.listed() for model in self.models.values()]})

    async def _ps(self, body: Json, wire: Wire, fault: Fault | None) -> None:
        await wire.json({"models": self.runners.running(self.models)})

    async def _version(self, body: Json, wire: Wire, fault: Fault | None) -> None:
        await wire.json({"version": VERSION})

    async def _order(self, request: Request) -> Response:
        order = request.path_params["order"]
        if order not in _ORDERS:
            return JSONResponse({"error": f"no such order: {order}"}, 404)
        getattr(self, order)(**(parsed(await request.body())))
        return JSONResponse({})

    async def _log(self, request: Request) -> Response:
        return JSONResponse([asdict(entry) for entry in self.requests])

    def _model(self, body: Json) -> EmulatedModel:
        name = body.get("model") or body.get("name") or ""
        if not name:
            raise Refusal(400, "model is required")
        model = self.models.get(full_name(str(name)))
        if model is None:
            raise Refusal(404, f"model '{name}' not found")
        return model

    def _num_ctx(self, body: Json) -> int:
        return int((body.get("options") or {}).get("num_ctx", DEFAULT_NUM_CTX))


def _vectors(model: EmulatedModel, texts: list[str]) -> list[list[float]]:
    if not texts:
        return []
    seed = int(model.digest[:8], 16)
    if model.vectors is not None:
        return model.vectors.of(texts, seed=seed, dimensions=model.embedding_length)
    cut = ["".join(brain.tokenize(text)[: model.context_length]) for text in texts]
    return brain.embed(cut, seed=seed, dimensions=model.embedding_length)
