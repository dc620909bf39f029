"""The only door to an Ollama server: its client, its deadlines, its errors turned into ours.

`/api/chat` may wait without bound, end without `done`, or fail in the middle under status 200;
the package passes all of that on, without a timeout and partly as raw httpx errors. Here every
call has a deadline and every failure is a ModelError.
"""

import asyncio
import ssl
import time
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, field
from functools import cache
from typing import Any
from urllib.parse import urlsplit

import httpx
import ollama

from core.llm.admission import Admission
from core.llm.base import (
    ModelGarbled,
    ModelMissing,
    ModelOverloaded,
    ModelRejected,
    ModelTimeout,
)
from core.llm.ndjson import LineTooLong, TidyTransport
from shared.errors import ModelError, ModelUnavailable, TruncatedStream

_FOREIGN = (
    *(ollama.ResponseError, httpx.HTTPError, OSError),
    *(ValueError, TypeError, AttributeError, RecursionError),
)
_IN_STREAM = -1  # the package's status for an {"error": …} line under status 200


@cache
def _trusted() -> ssl.SSLContext:
    """The certificates of this machine, which take 20 ms to read."""
    return httpx.create_ssl_context()


@dataclass(frozen=True, kw_only=True)
class Deadlines:
    """Seconds; a turn's remaining budget shortens each of them."""

    connect: float = 2.0
    first_token: float = 30.0
    between_tokens: float = 15.0
    total: float = 120.0
    embed_query: float = 10.0
    embed_batch: float = 60.0
    status: float = 2.0


@dataclass(frozen=True, kw_only=True)
class Shown:
    """What a host tells of one model; lengths are 0 when it doesn't."""

    capabilities: tuple[str, ...] = ()
    context_length: int = 0
    embedding_length: int = 0


@dataclass(frozen=True, kw_only=True)
class OllamaStatus:
    """What the host said last; `digests` by full model name (`name:tag`)."""

    reachable: bool
    version: str = ""
    chat_model_present: bool = False
    embedding_model_present: bool = False
    digests: Mapping[str, str] = field(default_factory=dict)


def full_name(model: str) -> str:
    """`llama3.2` is short for `llama3.2:latest`, as in `ollama list`."""
    return model if ":" in model.rsplit("/", 1)[-1] else f"{model}:latest"


def address_of(host: str) -> str:
    """Where a host is, for people and for keys: no user and no password."""
    parts = urlsplit(host if "://" in host else f"http://{host}")
    return parts.netloc.rpartition("@")[2]


def translate(error: Exception) -> ModelError:
    """The one seam: everything the package and httpx raise, as ours."""
    if isinstance(error, ollama.ResponseError):
        return _from_status(error.status_code, str(error.error))
    if isinstance(error, httpx.RemoteProtocolError | httpx.ReadError):
        return TruncatedStream()
    if isinstance(error, httpx.TimeoutException | TimeoutError):
        return ModelUnavailable() if isinstance(error, httpx.ConnectTimeout) else ModelTimeout()
    if isinstance(error, httpx.TransportError | OSError) and not isinstance(error, LineTooLong):
        return ModelUnavailable()
    # Lines that are no JSON, no object, or lack the fields: the package's own crashes.
    return ModelGarbled()


def _from_status(status: int, text: str) -> ModelError:
    detail = " ".join(text.split())[:200]
    if status == 404:
        return ModelMissing(f"Ollama has no such model: {detail}")
    if status == 503:
        return ModelOverloaded(f"Ollama is busy or loading: {detail}")
    if status == _IN_STREAM or status >= 500:
        return ModelUnavailable(f"Ollama failed: {detail}")
    if 400 <= status < 500:
        return ModelRejected(f"Ollama refused the request ({status}): {detail}")
    return ModelGarbled(f"Ollama answered with status {status}")


@asynccontextmanager
async def _ours(within_seconds: float) -> AsyncIterator[None]:
    try:
        async with asyncio.timeout(max(within_seconds, 0)):
            yield
    except _FOREIGN as error:
        raise translate(error) from error


class OllamaHost:
    """One Ollama server: shared by the chat models and the embedders that run on it."""

    def __init__(
        self,
        host: str,
        *,
        chat_model: str = "",
        embedding_model: str = "",
        deadlines: Deadlines | None = None,
        parallel: int = 1,
        queue: int = 16,
        status_seconds: float = 5.0,
    ) -> None:
        self.deadlines = deadlines or Deadlines()
        self.address = address_of(host)
        # A loaded model has OLLAMA_NUM_PARALLEL slots of its own: one queue for each use.
        self.chat_admission = Admission(parallel=parallel, queue=queue)
        self.embed_admission = Admission(parallel=parallel, queue=queue)
        self._chat_model = full_name(chat_model) if chat_model else ""
        self._embedding_model = full_name(embedding_model) if embedding_model else ""
        self._status_seconds = status_seconds
        self._status: tuple[float, OllamaStatus] | None = None
        self._status_lock = asyncio.Lock()
        self._refreshing: asyncio.Task[OllamaStatus] | None = None
        # Other timeouts are ours: httpx knows no first token and no budget.
        self._client = ollama.AsyncClient(
            host,
            timeout=httpx.Timeout(None, connect=self.deadlines.connect),
            transport=TidyTransport(httpx.AsyncHTTPTransport(verify=_trusted())),
            follow_redirects=False,
            trust_env=False,
        )

    async def aclose(self) -> None:
        if self._refreshing is not None:
            self._refreshing.cancel()
            await asyncio.gather(self._refreshing, return_exceptions=True)
        await self._client.close()  # type: ignore[no-untyped-call]

    async def chat(
        self,
        *,
        model: str,
        messages: Sequence[Mapping[str, str]],
        options: Mapping[str, Any],
        keep_alive: str,
        budget_seconds: float,
        schema: Mapping[str, Any] | None = None,
    ) -> AsyncGenerator[ollama.ChatResponse, None]:
        """The chunks of one answer, the last of them `done`. Closing it closes the request.

        `schema` is the JSON schema that the answer is made to follow.
        """
        ends_at = time.monotonic() + min(budget_seconds, self.deadlines.total)
        async with self.chat_admission.slot(within_seconds=ends_at - time.monotonic()):
            stream = await self._client.chat(
                model=model,
                messages=messages,
                stream=True,
                think=False,
                options=options,
                keep_alive=keep_alive,
                format=dict(schema) if schema else None,
            )
            async with aclosing(stream) as chunks:  # type: ignore[type-var]
                patience = self.deadlines.first_token
                while True:
                    async with _ours(min(patience, ends_at - time.monotonic())):
                        chunk = await anext(chunks, None)
                    if chunk is None:
                        raise TruncatedStream()
                    yield chunk
                    if chunk.done:
                        return
                    patience = self.deadlines.between_tokens

    async def embed(
        self, *, model: str, texts: Sequence[str], truncate: bool, within_seconds: float
    ) -> list[list[float]]:
        """One request to `/api/embed`. A single bad text refuses the whole batch."""
        ends_at = time.monotonic() + within_seconds
        async with (
            self.embed_admission.slot(within_seconds=within_seconds),
            _ours(ends_at - time.monotonic()),
        ):
            answer = await self._client.embed(model=model, input=texts, truncate=truncate)
        return [list(vector) for vector in answer.embeddings]

    async def status(self) -> OllamaStatus:
        """Whether the host answers and which models it has; remembered for a few seconds."""
        async with self._status_lock:
            if self._status is None or time.monotonic() - self._status[0] > self._status_seconds:
                found = await self._probe()
                self._status = (time.monotonic(), found)
            return self._status[1]

    def known_status(self) -> OllamaStatus | None:
        """What it said last, however old, without waiting; asked again meanwhile if it is old."""
        known = self._status
        is_old = known is None or time.monotonic() - known[0] > self._status_seconds
        if is_old and (self._refreshing is None or self._refreshing.done()):
            self._refreshing = asyncio.create_task(self.status())
        return known[1] if known else None

    async def loaded(self) -> dict[str, int]:
        """The context that each loaded model was given, by full name. Raises ModelError."""
        async with _ours(self.deadlines.status):
            listed = await self._client.ps()
        return {full_name(m.model): m.context_length or 0 for m in listed.models if m.model}

    async def show(self, model: str) -> Shown:
        """What one installed model can do. Raises ModelMissing and other ModelErrors."""
        async with _ours(self.deadlines.status):
            shown = await self._client.show(model)
        facts = shown.modelinfo or {}
        family = facts.get("general.architecture", "")
        return Shown(
            capabilities=tuple(shown.capabilities or ()),
            context_length=int(facts.get(f"{family}.context_length") or 0),
            embedding_length=int(facts.get(f"{family}.embedding_length") or 0),
        )

    def forget_status(self) -> None:
        """Ask again next time, whatever is remembered."""
        self._status = None

    async def _probe(self) -> OllamaStatus:
        try:
            async with _ours(self.deadlines.status):
                version = await self._version()
                listed = await self._client.list()
        except ModelError:
            return OllamaStatus(reachable=False)
        digests = {full_name(m.model): m.digest or "" for m in listed.models if m.model}
        return OllamaStatus(
            reachable=True,
            version=version,
            chat_model_present=self._chat_model in digests,
            embedding_model_present=self._embedding_model in digests,
            digests=digests,
        )

    async def _version(self) -> str:
        # The package has no call for /api/version; its httpx client is what all its calls use.
        answer = await self._client._client.get("/api/version")
        answer.raise_for_status()
        return str(answer.json().get("version", ""))
