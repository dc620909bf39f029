"""Embeddings from an Ollama host: batches, bad inputs, the pinned space; and the host's status."""

import math

import pytest
from structlog.testing import capture_logs

from core.llm.base import (
    EmbeddingSpaceChanged,
    ModelGarbled,
    ModelMissing,
    ModelOverloaded,
    ModelRejected,
    ModelTimeout,
)
from core.llm.emulator import EmulatedModel, FaultKind, OllamaEmulator
from core.llm.hosts import OllamaHosts
from core.llm.ollama import Deadlines, OllamaHost
from core.llm.ollama_embed import OllamaEmbedder
from shared.errors import ModelError, ModelUnavailable, TruncatedStream
from tests.core.llm.conftest import CHAT, EMBED, MakeHost


@pytest.fixture
async def embedder(host: OllamaHost) -> OllamaEmbedder:
    return await OllamaEmbedder.discover(OllamaHosts([host]), EMBED)


async def test_the_space_is_named_by_model_and_digest(
    embedder: OllamaEmbedder, emulator: OllamaEmulator
) -> None:
    digest = emulator.models["nomic-embed-text:latest"].digest
    assert embedder.space.name == f"ollama-nomic-embed-text-{digest[:8]}"
    assert embedder.space.dimensions == 384
    assert embedder.space.digest == digest


async def test_vectors_are_unit_length_useful_and_the_same_every_time(
    embedder: OllamaEmbedder,
) -> None:
    texts = ["Start a small habit.", "Tie a routine to a daily cue.", "Invoices are due in May."]
    vectors = await embedder.embed(texts, kind="passage")
    assert [math.isclose(math.hypot(*v), 1, abs_tol=1e-4) for v in vectors] == [True] * 3
    assert vectors == await embedder.embed(texts, kind="passage")
    [query] = await embedder.embed(["how do habits begin"], kind="query")
    near, _, far = (sum(a * b for a, b in zip(query, v, strict=True)) for v in vectors)
    assert near > far


async def test_queries_and_passages_get_the_models_own_prefixes(
    embedder: OllamaEmbedder, emulator: OllamaEmulator
) -> None:
    await embedder.embed(["cue"], kind="query")
    await embedder.embed(["cue"], kind="passage")
    *_, query, passage = emulator.requests_to("/api/embed")
    assert query.body["input"] == ["search_query: cue"]
    assert passage.body["input"] == ["search_document: cue"]
    assert passage.body["truncate"] is False


async def test_seventy_texts_are_three_batches(
    embedder: OllamaEmbedder, emulator: OllamaEmulator
) -> None:
    before = len(emulator.requests_to("/api/embed"))
    vectors = await embedder.embed([f"text {n}" for n in range(70)], kind="passage")
    sizes = [len(r.body["input"]) for r in emulator.requests_to("/api/embed")[before:]]
    assert sizes == [32, 32, 6]
    [last] = await embedder.embed(["text 69"], kind="passage")
    assert vectors[69] == last
    assert len(vectors) == 70


async def test_a_passage_too_long_is_found_by_halving_and_cut(
    embedder: OllamaEmbedder, emulator: OllamaEmulator
) -> None:
    texts = [f"text {n}" for n in range(20)]
    texts[13] = "habit " * 3000
    with capture_logs() as logs:
        vectors = await embedder.embed(texts, kind="passage")
    assert [entry["event"] for entry in logs] == ["embed.passage_cut"]
    alone = await embedder.embed(texts[:13], kind="passage")
    assert vectors[:13] == alone
    assert len(vectors) == 20


async def test_a_text_the_model_never_takes_is_an_error(
    embedder: OllamaEmbedder, emulator: OllamaEmulator
) -> None:
    emulator.refuse_text("poison")
    with pytest.raises(ModelRejected):
        await embedder.embed(["fine", "poison", "fine too"], kind="passage")


@pytest.mark.parametrize(
    ("kind", "error"),
    [
        ("hang", ModelTimeout),
        ("internal_error", ModelUnavailable),
        ("busy", ModelOverloaded),
        ("missing_model", ModelMissing),
        ("not_json", ModelGarbled),
        ("drop", TruncatedStream),
    ],
)
async def test_every_failure_is_one_of_ours(
    make_host: MakeHost, emulator: OllamaEmulator, kind: FaultKind, error: type[ModelError]
) -> None:
    host = make_host(deadlines=Deadlines(embed_query=0.5))
    embedder = await OllamaEmbedder.discover(OllamaHosts([host]), EMBED)
    emulator.fail_next(kind, path="/api/embed")
    with pytest.raises(error) as caught:
        await embedder.embed(["cue"], kind="query")
    assert type(caught.value) is error
    assert await embedder.embed(["cue"], kind="query")


async def test_a_pulled_tag_is_another_space(make_host: MakeHost, emulator: OllamaEmulator) -> None:
    embedder = await OllamaEmbedder.discover(OllamaHosts([make_host(status_seconds=0)]), EMBED)
    emulator.repull(EMBED)
    with pytest.raises(EmbeddingSpaceChanged):
        await embedder.embed(["cue"], kind="query")


async def test_a_model_of_other_dimensions_is_another_space(
    make_host: MakeHost, emulator: OllamaEmulator
) -> None:
    embedder = await OllamaEmbedder.discover(OllamaHosts([make_host(status_seconds=60)]), EMBED)
    wider = EmulatedModel(name=EMBED, capabilities=("embedding",), embedding_length=512)
    emulator.install(wider)
    with pytest.raises(EmbeddingSpaceChanged):
        await embedder.embed(["cue"], kind="query")


async def test_discovery_without_the_model_or_the_host(
    make_host: MakeHost, emulator: OllamaEmulator, closed_port: int
) -> None:
    with pytest.raises(ModelMissing):
        await OllamaEmbedder.discover(OllamaHosts([make_host()]), "bge-m3")
    with pytest.raises(ModelUnavailable):
        await OllamaEmbedder.discover(
            OllamaHosts([make_host(f"http://127.0.0.1:{closed_port}")]), EMBED
        )


async def test_status_names_what_is_there(host: OllamaHost, emulator: OllamaEmulator) -> None:
    status = await host.status()
    assert status.reachable
    assert status.version == "0.12.6"
    assert status.chat_model_present
    assert status.embedding_model_present
    assert set(status.digests) == {CHAT, "nomic-embed-text:latest"}


async def test_status_is_remembered_and_asked_again(
    make_host: MakeHost, emulator: OllamaEmulator
) -> None:
    host = make_host(status_seconds=60)
    await host.status()
    emulator.remove(CHAT)
    assert (await host.status()).chat_model_present
    assert len(emulator.requests_to("/api/tags")) == 1
    host.forget_status()
    assert not (await host.status()).chat_model_present


@pytest.mark.parametrize("kind", ["internal_error", "not_json", "drop"])
async def test_a_broken_host_is_not_reachable(
    host: OllamaHost, emulator: OllamaEmulator, kind: FaultKind
) -> None:
    emulator.fail_next(kind, path="/api/tags")
    assert not (await host.status()).reachable


async def test_no_host_is_not_reachable(make_host: MakeHost, closed_port: int) -> None:
    assert not (await make_host(f"http://127.0.0.1:{closed_port}").status()).reachable
