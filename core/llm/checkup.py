"""How registered models fare on the hosts: present, the right digest, loaded with our context."""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from core.llm.digests import bare
from core.llm.hosts import OllamaHosts
from core.llm.ollama import OllamaHost, OllamaStatus, Shown, full_name
from core.llm.registry import ModelMetadata, ModelRegistry
from shared.errors import ModelError

State = Literal["ok", "degraded", "missing"]

LOADED_SECONDS = 5.0
MOST_SHOWN = 500
_CAPABILITY = {"chat": "completion", "embedding": "embedding", "classification": "completion"}


@dataclass(frozen=True, kw_only=True)
class Warned:
    """`code` is one of missing, host_away, digest_changed, context_smaller, wrong_capability,
    dimensions_differ, thinks."""

    code: str
    text: str


@dataclass(frozen=True, kw_only=True)
class OnHost:
    """One model on one host; `context` is what it is loaded with, None when it isn't."""

    address: str
    reachable: bool
    digest: str | None = None
    context: int | None = None
    active: int = 0
    waiting: int = 0

    @property
    def present(self) -> bool:
        return self.digest is not None


@dataclass(frozen=True, kw_only=True)
class Checkup:
    model: ModelMetadata
    hosts: tuple[OnHost, ...] = ()
    warnings: tuple[Warned, ...] = ()
    capabilities: tuple[str, ...] = ()
    embedding_length: int = 0

    @property
    def state(self) -> State:
        codes = {warning.code for warning in self.warnings}
        if "missing" in codes:
            return "missing"
        return "degraded" if codes - {"thinks"} else "ok"

    @property
    def is_well(self) -> bool:
        """Whether what is registered is there; a host that is away has others beside it."""
        codes = {warning.code for warning in self.warnings}
        return not codes & {"missing", "digest_changed", "dimensions_differ", "wrong_capability"}


class Checkups:
    """Asks each host once for all models, and remembers what doesn't change."""

    def __init__(self, hosts: OllamaHosts, registry: ModelRegistry) -> None:
        self._hosts = hosts
        self._registry = registry
        self._shown: OrderedDict[tuple[str, str], Shown] = OrderedDict()
        self._loaded: dict[OllamaHost, tuple[float, dict[str, int]]] = {}

    async def of(self, models: Sequence[ModelMetadata]) -> list[Checkup]:
        """In the order of `models`. Raises nothing of a host's."""
        statuses = await self._hosts.statuses()
        loaded = await asyncio.gather(*(self._loaded_on(host, s) for host, s in statuses))
        return [
            await self._one(model, [(*each, ps) for each, ps in zip(statuses, loaded, strict=True)])
            for model in models
        ]

    async def _one(
        self, model: ModelMetadata, hosts: Sequence[tuple[OllamaHost, OllamaStatus, dict[str, int]]]
    ) -> Checkup:
        if model.path.family != "ollama":
            return Checkup(model=model)
        name = full_name(model.path.model)
        found = tuple(_on_host(name, model, *each) for each in hosts)
        having = [
            (host, on.digest) for (host, *_), on in zip(hosts, found, strict=True) if on.digest
        ]
        shown = await self._show(name, *having[0]) if having else None
        pinned = await self._registry.pinned_num_ctx(model.model_path)
        warnings = (
            *_whereabouts(found),
            *self._drifts(name, model),
            *_contexts(found, pinned if model.model_type == "chat" else 0),
            *(_abilities(model, shown) if shown else ()),
        )
        return Checkup(
            model=model,
            hosts=found,
            warnings=warnings,
            capabilities=shown.capabilities if shown else (),
            embedding_length=shown.embedding_length if shown else 0,
        )

    def _drifts(self, name: str, model: ModelMetadata) -> list[Warned]:
        return [
            Warned(
                code="digest_changed",
                text=f"on {drift.host} it is {drift.found[:12]}, not {drift.expected[:12]}",
            )
            for drift in self._hosts.digests.drifts(name, model.digest)
        ]

    async def _show(self, name: str, host: OllamaHost, digest: str) -> Shown | None:
        """What a host tells of a model; the answer for a digest never changes."""
        if (name, digest) not in self._shown:
            try:
                self._shown[name, digest] = await host.show(name)
            except ModelError:
                return None
            if len(self._shown) > MOST_SHOWN:
                self._shown.popitem(last=False)
        return self._shown.get((name, digest))

    async def _loaded_on(self, host: OllamaHost, status: OllamaStatus) -> dict[str, int]:
        if not status.reachable:
            return {}
        asked_at, known = self._loaded.get(host, (-LOADED_SECONDS, {}))
        if time.monotonic() - asked_at < LOADED_SECONDS:
            return known
        try:
            known = await host.loaded()
        except ModelError:
            known = {}
        self._loaded[host] = (time.monotonic(), known)
        return known


def _on_host(
    name: str,
    model: ModelMetadata,
    host: OllamaHost,
    status: OllamaStatus,
    loaded: dict[str, int],
) -> OnHost:
    is_embedding = model.model_type == "embedding"
    admission = host.embed_admission if is_embedding else host.chat_admission
    return OnHost(
        address=host.address,
        reachable=status.reachable,
        digest=bare(status.digests.get(name)) or None,
        context=loaded.get(name),
        active=admission.active,
        waiting=admission.waiting,
    )


def _whereabouts(found: Sequence[OnHost]) -> list[Warned]:
    away = [on.address for on in found if not on.reachable]
    warnings = [Warned(code="host_away", text=f"{address} does not answer") for address in away]
    if not any(on.present for on in found):
        text = "no host answers" if len(away) == len(found) else "no host has it"
        warnings.append(Warned(code="missing", text=text))
    return warnings


def _contexts(found: Sequence[OnHost], pinned: int) -> list[Warned]:
    """A smaller context than ours: longer prompts are cut without a word."""
    return [
        Warned(
            code="context_smaller",
            text=f"on {on.address} it is loaded with {on.context} tokens, not {pinned}",
        )
        for on in found
        if on.context and on.context < pinned
    ]


def _abilities(model: ModelMetadata, shown: Shown) -> list[Warned]:
    warnings = []
    wanted = _CAPABILITY[model.model_type]
    if shown.capabilities and wanted not in shown.capabilities:
        text = f"it can {', '.join(shown.capabilities)}, not {wanted}"
        warnings.append(Warned(code="wrong_capability", text=text))
    if "thinking" in shown.capabilities:
        warnings.append(Warned(code="thinks", text="it can think, and is asked not to"))
    length = shown.embedding_length if model.model_type == "embedding" else 0
    if model.dimensions and length and model.dimensions != length:
        text = f"its vectors have {length} dimensions, not {model.dimensions}"
        warnings.append(Warned(code="dimensions_differ", text=text))
    return warnings
