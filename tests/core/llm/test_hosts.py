"""Several Ollama hosts: who is asked, who is asked next, and never another model's vectors."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, aclosing

import pytest
from structlog.testing import capture_logs

from core.llm.base import EmbeddingSpaceChanged, ModelMissing, ModelOverloaded
from core.llm.emulator import EmulatedModel, OllamaEmulator
from core.llm.hosts import OllamaHosts
from core.llm.ollama import OllamaHost, address_of
from core.llm.ollama_chat import OllamaChat
from core.llm.ollama_embed import OllamaEmbedder
from shared.errors import ModelUnavailable
from tests.core.llm.conftest import CHAT, EMBED, QUICK, bare_prompt
from tests.serving import serving
from tests.waiting import eventually


@pytest.fixture
def emulators() -> list[OllamaEmulator]:
    return [OllamaEmulator(), OllamaEmulator()]


@pytest.fixture
async def hosts(emulators: list[OllamaEmulator]) -> AsyncIterator[OllamaHosts]:
    """Two hosts, asked anew each time."""
    async with AsyncExitStack() as stack:
        urls = [await stack.enter_async_context(serving(each.app)) for each in emulators]
        made = OllamaHosts(
            [
                OllamaHost(
                    url,
                    chat_model=CHAT,
                    embedding_model=EMBED,
                    deadlines=QUICK,
                    parallel=1,
                    queue=1,
                    status_seconds=0,
                )
                for url in urls
            ]
        )
        yield made
        await made.aclose()
        for each in emulators:
            each.heal()
        await eventually(lambda: not any(each.active or each.waiting for each in emulators))


def embeds(emulator: OllamaEmulator) -> int:
    return len(emulator.requests_to("/api/embed"))


async def known(hosts: OllamaHosts) -> None:
    """All hosts have said what they have."""
    for host in hosts.hosts:
        host.forget_status()
    await hosts.statuses()


async def test_calls_are_spread(hosts: OllamaHosts, emulators: list[OllamaEmulator]) -> None:
    await known(hosts)
    assert [hosts.in_order(CHAT)[0] for _ in range(4)] == list(hosts.hosts) * 2
    embedder = await OllamaEmbedder.discover(hosts, EMBED)
    for _ in range(5):
        await embedder.embed(["cue"], kind="query")
    assert [embeds(each) for each in emulators] == [3, 3]


async def test_the_least_loaded_comes_first(
    hosts: OllamaHosts, emulators: list[OllamaEmulator]
) -> None:
    await known(hosts)
    busy, free = hosts.hosts
    emulators[0].keep_failing("hang")
    asking = asyncio.create_task(_ask(OllamaChat(busy, CHAT)))
    await eventually(lambda: busy.chat_admission.active == 1)
    assert [hosts.in_order(CHAT)[0] for _ in range(3)] == [free] * 3
    asking.cancel()
    await asyncio.gather(asking, return_exceptions=True)
    await eventually(lambda: emulators[0].active == 0)
    assert busy.chat_admission.active == 0


async def _ask(chat: OllamaChat) -> str:
    stream = chat.stream(bare_prompt("hello"), budget_seconds=60)
    async with aclosing(stream) as pieces:
        return "".join([piece async for piece in pieces])


async def test_a_host_without_the_model_is_not_asked(
    hosts: OllamaHosts, emulators: list[OllamaEmulator]
) -> None:
    emulators[0].remove(CHAT)
    emulators[0].remove(EMBED)
    await known(hosts)
    assert hosts.in_order(CHAT) == [hosts.hosts[1]]
    await OllamaEmbedder.discover(hosts, EMBED)
    assert [embeds(each) for each in emulators] == [0, 1]


async def test_a_host_that_is_away_comes_last(
    hosts: OllamaHosts, emulators: list[OllamaEmulator]
) -> None:
    emulators[0].fail_next("drop", path="/api/version")
    await known(hosts)
    assert hosts.in_order(CHAT) == [hosts.hosts[1], hosts.hosts[0]]


async def test_an_embedding_goes_to_the_next_host_when_one_fails(
    hosts: OllamaHosts, emulators: list[OllamaEmulator]
) -> None:
    embedder = await OllamaEmbedder.discover(hosts, EMBED)
    expected = await embedder.embed(["cue"], kind="query")
    emulators[0].keep_failing("internal_error", path="/api/embed")
    for _ in range(8):
        assert await embedder.embed(["cue"], kind="query") == expected
    failed = [r for r in emulators[0].requests_to("/api/embed") if r.status == 500]
    assert len(failed) == 3, "then its breaker spares the others the wait"
    emulators[1].keep_failing("busy", path="/api/embed")
    with pytest.raises(ModelUnavailable):
        await embedder.embed(["cue"], kind="query")


async def test_vectors_come_from_the_same_digest_only(
    hosts: OllamaHosts, emulators: list[OllamaEmulator]
) -> None:
    embedder = await OllamaEmbedder.discover(hosts, EMBED)
    expected = await embedder.embed(["cue"], kind="query")
    emulators[0].repull(EMBED)
    before = embeds(emulators[0])
    for _ in range(3):
        assert await embedder.embed(["cue"], kind="query") == expected
    assert embeds(emulators[0]) == before
    emulators[1].repull(EMBED)
    with pytest.raises(EmbeddingSpaceChanged):
        await embedder.embed(["cue"], kind="query")
    emulators[1].remove(EMBED)
    emulators[0].remove(EMBED)
    with pytest.raises(ModelMissing):
        await embedder.embed(["cue"], kind="query")


async def test_a_full_queue_refuses_at_once_and_the_next_host_is_asked(
    hosts: OllamaHosts, emulators: list[OllamaEmulator]
) -> None:
    embedder = await OllamaEmbedder.discover(hosts, EMBED)
    [first] = [host for host in hosts.hosts if host.address == hosts.addresses[0]]
    emulators[0].keep_failing("hang", path="/api/embed")
    held = [
        asyncio.create_task(first.embed(model=EMBED, texts=["x"], truncate=True, within_seconds=60))
        for _ in range(2)
    ]
    await eventually(lambda: first.embed_admission.waiting == 1)
    with pytest.raises(ModelOverloaded):
        await first.embed(model=EMBED, texts=["x"], truncate=True, within_seconds=60)
    assert await embedder.embed(["cue"], kind="query")
    for task in held:
        task.cancel()
    await asyncio.gather(*held, return_exceptions=True)
    await eventually(lambda: emulators[0].active == 0)
    assert (first.embed_admission.active, first.embed_admission.waiting) == (0, 0)


async def test_a_tag_that_was_pulled_again_is_told_once(
    hosts: OllamaHosts, emulators: list[OllamaEmulator]
) -> None:
    await known(hosts)
    assert hosts.digests.all() == []
    old = emulators[0].models[CHAT].digest
    emulators[0].repull(CHAT)
    with capture_logs() as logs:
        await known(hosts)
        await known(hosts)
    assert [entry["event"] for entry in logs] == ["model.digest_changed"]
    [drift] = hosts.digests.all()
    assert (drift.host, drift.expected, drift.model) == (hosts.addresses[0], old, CHAT)
    assert hosts.in_order(CHAT) == [hosts.hosts[1]], "the one that is what it was answers"


async def test_a_registered_digest_stands_over_what_was_seen_first(
    hosts: OllamaHosts, emulators: list[OllamaEmulator]
) -> None:
    await known(hosts)
    emulators[1].repull(CHAT)
    await known(hosts)
    registered = emulators[1].models[CHAT].digest
    assert hosts.in_order(CHAT, digest=registered) == [hosts.hosts[1]]
    [drift] = hosts.digests.drifts(CHAT, registered)
    assert drift.host == hosts.addresses[0]


async def test_a_model_comes_to_hosts_without_a_restart(
    hosts: OllamaHosts, emulators: list[OllamaEmulator]
) -> None:
    with pytest.raises(ModelMissing):
        await OllamaEmbedder.discover(hosts, "all-minilm")
    emulators[1].install(EmulatedModel.embedding("all-minilm", dimensions=256))
    embedder = await OllamaEmbedder.discover(hosts, "all-minilm")
    assert embedder.space.dimensions == 256


@pytest.mark.parametrize(
    ("host", "address"),
    [
        ("http://user:secret@gpu-1:11434", "gpu-1:11434"),
        ("https://gpu.example/ollama", "gpu.example"),
        ("127.0.0.1:11434", "127.0.0.1:11434"),
    ],
)
def test_an_address_tells_no_password(host: str, address: str) -> None:
    assert address_of(host) == address
