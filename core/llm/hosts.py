"""Several Ollama hosts as one: each call goes to one that has the model, the least loaded first.

A chat model is tried on the next host by the answer chain; an embedding is tried on the next one
here, and only where the model has the same digest, so that spaces never mix.
"""

import asyncio
import time
from collections.abc import Sequence
from typing import Literal

from core.llm.base import (
    EmbeddingSpaceChanged,
    ModelMissing,
    ModelOverloaded,
    ModelRejected,
)
from core.llm.breakers import Breakers
from core.llm.digests import Digests, bare
from core.llm.ollama import Deadlines, OllamaHost, OllamaStatus, full_name
from shared.errors import ModelError, ModelUnavailable

Use = Literal["chat", "embed"]
# How sure a host is to serve a model.
_HAS_IT, _UNKNOWN, _AWAY, _LACKS_IT = range(4)
_NOT_THE_HOSTS_FAULT = (ModelOverloaded, ModelRejected)


class OllamaHosts:
    """The hosts of `CAIRN_OLLAMA__HOST`, in the order they stand there."""

    def __init__(self, hosts: Sequence[OllamaHost], *, breakers: Breakers | None = None) -> None:
        self.hosts = tuple(hosts)
        self.breakers = breakers or Breakers()
        self.digests = Digests()
        # Spreads calls that choose before the first of them holds a slot.
        self._given = dict.fromkeys(self.hosts, 0)

    @property
    def deadlines(self) -> Deadlines:
        return self.hosts[0].deadlines

    @property
    def addresses(self) -> list[str]:
        return [host.address for host in self.hosts]

    async def aclose(self) -> None:
        for host in self.hosts:
            await host.aclose()

    async def statuses(self) -> list[tuple[OllamaHost, OllamaStatus]]:
        """Each host and what it said, a few seconds ago at most."""
        found = await asyncio.gather(*(host.status() for host in self.hosts))
        for host, status in zip(self.hosts, found, strict=True):
            self.digests.look(host.address, status.digests)
        return list(zip(self.hosts, found, strict=True))

    async def status(self) -> OllamaStatus:
        """All hosts as one: what any of them has is there."""
        reachable = [status for _, status in await self.statuses() if status.reachable]
        return OllamaStatus(
            reachable=bool(reachable),
            version=reachable[0].version if reachable else "",
            chat_model_present=any(status.chat_model_present for status in reachable),
            embedding_model_present=any(status.embedding_model_present for status in reachable),
            digests={k: v for status in reversed(reachable) for k, v in status.digests.items()},
        )

    def in_order(self, model: str, *, digest: str | None = None) -> list[OllamaHost]:
        """Where to ask a chat model, the best first. Never waits: goes by what was said last.

        Hosts without it, or with another digest under its name, count only when all are like that.
        """
        known = [(host, host.known_status()) for host in self.hosts]
        for host, status in known:
            self.digests.look(host.address, status.digests if status else {})
        wanted = self.digests.expected(full_name(model), digest)
        ranked = {host: _rank(status, full_name(model), wanted) for host, status in known}
        useful = [host for host in self.hosts if ranked[host] != _LACKS_IT] or list(self.hosts)
        useful.sort(key=lambda host: (ranked[host], *self._load(host, "chat")))
        self._given[useful[0]] += 1
        return useful

    async def embed(
        self,
        *,
        model: str,
        digest: str | None,
        texts: Sequence[str],
        truncate: bool,
        within_seconds: float,
    ) -> list[list[float]]:
        """Vectors of the model with this digest, from the first host that gives them."""
        ends_at = time.monotonic() + within_seconds
        hosts = await self.having(model, digest)
        self._given[hosts[0]] += 1
        failure: ModelError = ModelUnavailable()
        for following, host in enumerate(hosts, start=1):
            left = ends_at - time.monotonic()
            breaker = self.breakers.of(host.address, f"embed {full_name(model)}")
            try:
                async with breaker.attempt(counts=_counts):
                    return await host.embed(
                        model=model,
                        texts=texts,
                        truncate=truncate,
                        within_seconds=left if following == len(hosts) else left / 2,
                    )
            except ModelRejected:
                raise
            except ModelError as error:
                failure = error
        raise failure

    async def digest_of(self, model: str) -> str:
        """The digest of a model as most hosts have it. Raises ModelUnavailable, ModelMissing."""
        digests = [digest for _, digest in await self._present(model)]
        # The first of the most frequent ones.
        return max(digests, key=lambda digest: (digests.count(digest), -digests.index(digest)))

    async def having(self, model: str, digest: str | None) -> list[OllamaHost]:
        """The hosts that have a model with this digest, the least loaded first.

        Raises ModelUnavailable, ModelMissing and, for another digest, EmbeddingSpaceChanged.
        """
        present = await self._present(model)
        same = [host for host, found in present if not digest or found == bare(digest)]
        if not same:
            raise EmbeddingSpaceChanged()
        same.sort(key=lambda host: self._load(host, "embed"))
        return same

    async def _present(self, model: str) -> list[tuple[OllamaHost, str]]:
        """The hosts that have a model under its name, each with the digest it has there."""
        name = full_name(model)
        reachable = [(host, s) for host, s in await self.now() if s.reachable]
        if not reachable:
            raise ModelUnavailable()
        present = [(host, bare(s.digests[name])) for host, s in reachable if name in s.digests]
        if not present:
            raise ModelMissing(f"Ollama has no such model: {model}")
        return present

    async def now(self) -> list[tuple[OllamaHost, OllamaStatus]]:
        """Like `statuses`, but a host that was away is not waited for while another answers."""
        known = {host: host.known_status() for host in self.hosts}
        alive = [host for host, status in known.items() if status is None or status.reachable]
        found = await asyncio.gather(*(host.status() for host in alive))
        if not any(status.reachable for status in found):
            return await self.statuses()
        for host, status in zip(alive, found, strict=True):
            self.digests.look(host.address, status.digests)
        return list(zip(alive, found, strict=True))

    def _load(self, host: OllamaHost, use: Use) -> tuple[int, int]:
        admission = host.chat_admission if use == "chat" else host.embed_admission
        return admission.active + admission.waiting, self._given[host]


def _rank(status: OllamaStatus | None, model: str, digest: str | None) -> int:
    if status is None:
        return _UNKNOWN
    if not status.reachable:
        return _AWAY
    found = bare(status.digests.get(model))
    return _HAS_IT if found and (not digest or found == digest) else _LACKS_IT


def _counts(error: Exception) -> bool:
    return isinstance(error, ModelError) and not isinstance(error, _NOT_THE_HOSTS_FAULT)
