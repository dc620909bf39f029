"""The models of one process on several hosts: who answers, which spaces are found, how all fare."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, aclosing
from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest

from core.llm.base import EmbeddingSpaceChanged, ModelMissing
from core.llm.budget import AnswerRequest
from core.llm.chain import Completion
from core.llm.checkup import Checkup
from core.llm.emulator import EmulatedModel, OllamaEmulator
from core.llm.registry import ModelMetadata
from core.models import Models, open_models
from shared.database import DatabaseManager
from shared.errors import InvalidInput
from shared.settings import OllamaSettings
from tests.core.llm.conftest import CHAT, EMBED, asking
from tests.serving import serving

QWEN, TINY = "qwen3:4b", "all-minilm"


@pytest.fixture
def emulators() -> list[OllamaEmulator]:
    """Two hosts, the second with a chat and an embedding model more."""
    second = OllamaEmulator()
    second.install(EmulatedModel(name=QWEN, capabilities=("completion", "thinking")))
    second.install(EmulatedModel.embedding(TINY, dimensions=256))
    return [OllamaEmulator(), second]


@pytest.fixture
async def models(
    database: DatabaseManager, emulators: list[OllamaEmulator], monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Models]:
    monkeypatch.setattr("core.llm.embedders.REDISCOVER_SECONDS", 0.0)
    async with AsyncExitStack() as stack:
        urls = [await stack.enter_async_context(serving(each.app)) for each in emulators]
        settings = OllamaSettings(host=" , ".join(urls), num_ctx=4096)
        opened = await stack.enter_async_context(open_models(settings, database))
        for host in opened.hosts.hosts:
            host._status_seconds = 0
        await opened.hosts.statuses()
        yield opened


async def registered(models: Models, path: str, name: str = "answers", **fields: Any) -> int:
    given = {"model_type": "chat", **fields}
    stored = await models.registry.register_model(ModelMetadata(name=name, **given), path)
    assert stored.version is not None
    return stored.version


async def answered(models: Models, creator: UUID) -> tuple[list[str], Completion]:
    """What was withdrawn on the way, and the answer."""
    request: AnswerRequest = replace(asking(), creator_id=creator)
    reasons: list[str] = []
    async with aclosing(models.answers.answer(request, budget_seconds=60)) as events:
        async for event in events:
            if isinstance(event, Completion):
                return reasons, event
            reasons += [event.reason] if hasattr(event, "reason") else []
    raise AssertionError("no answer")


def chats(emulator: OllamaEmulator) -> list[tuple[str, int]]:
    return [
        (request.body["model"], request.body["options"]["num_ctx"])
        for request in emulator.requests_to("/api/chat")
    ]


async def test_the_answer_names_its_version(models: Models, creator: UUID) -> None:
    version = await registered(models, f"ollama:{QWEN}", creator_id=creator)
    assert (await answered(models, creator))[1].model == "answers@0"
    await models.registry.promote("answers", version, creator_id=creator)
    assert (await answered(models, creator))[1].model == "answers@1"


async def test_a_host_that_fails_is_followed_by_the_next_one(
    models: Models, emulators: list[OllamaEmulator], creator: UUID
) -> None:
    emulators[0].keep_failing("internal_error")
    for _ in range(2):
        withdrawn, answer = await answered(models, creator)
        assert (withdrawn, answer.rung) == ([], "ollama")
    assert [len(chats(each)) for each in emulators] == [1, 2]


async def test_every_rung_falls_to_the_one_below(
    models: Models, emulators: list[OllamaEmulator], creator: UUID
) -> None:
    """The model in production, then the built-in one, each on all its hosts; then quoting."""
    version = await registered(models, f"ollama:{QWEN}", creator_id=creator)
    await models.registry.promote("answers", version, creator_id=creator)
    emulators[1].fail_next("no_done")
    withdrawn, answer = await answered(models, creator)
    assert (withdrawn, answer.model) == (["truncated_stream"], "answers@0")
    for emulator in emulators:
        emulator.keep_failing("internal_error")
    _, answer = await answered(models, creator)
    assert answer.rung == "extractive"


async def test_one_context_in_every_request_to_a_model(
    models: Models, emulators: list[OllamaEmulator], creator: UUID
) -> None:
    await answered(models, creator)
    version = await registered(
        models, f"ollama:{CHAT}", creator_id=creator, num_ctx=2048, params={"temperature": 0.7}
    )
    await models.registry.promote("answers", version, creator_id=creator)
    await answered(models, creator)
    asked = [chat for emulator in emulators for chat in chats(emulator)]
    assert asked == [(CHAT, 4096)] * 2
    [rung, *_] = await models.rungs.rungs(creator, None)
    assert rung.model.num_ctx == 2048, "its prompts are held to less"
    last = [each.requests_to("/api/chat") for each in emulators]
    warmth = sorted(request.body["options"]["temperature"] for sent in last for request in sent)
    assert warmth == [0.2, 0.7]


async def test_no_creators_model_answers_for_another(
    models: Models, emulators: list[OllamaEmulator], creator: UUID
) -> None:
    version = await registered(models, f"ollama:{QWEN}", creator_id=creator)
    await models.registry.promote("answers", version, creator_id=creator)
    await answered(models, creator)
    _, answer = await answered(models, UUID(int=99))
    assert answer.model == "answers@0"


async def test_the_embedder_of_every_space_is_found_and_remembered(models: Models) -> None:
    tiny = await models.embedders.open(f"ollama:{TINY}")
    big = await models.embedders.open(f"ollama:{EMBED}:latest")
    assert await models.embedders.preferred() is big
    assert (tiny.space.dimensions, big.space.dimensions) == (256, 384)
    for embedder in (tiny, big, models.embedders.wordllama):
        assert await models.embedders.find(embedder.space.name) is embedder
    assert await models.embedders.open("embedded:wordllama") is models.embedders.wordllama
    assert await models.embedders.find("ollama-of-another-time-12345678") is None


async def test_a_space_is_found_by_its_name_alone(models: Models) -> None:
    name = (await models.embedders.open(f"ollama:{TINY}")).space.name
    models.embedders._opened.clear()
    found = await models.embedders.find(name)
    assert found is not None
    assert found.space.name == name


async def test_a_model_that_was_pulled_again_leaves_its_space(
    models: Models, emulators: list[OllamaEmulator]
) -> None:
    old = await models.embedders.open(f"ollama:{TINY}")
    emulators[1].repull(TINY)
    assert await models.embedders.find(old.space.name) is None
    new = await models.embedders.open(f"ollama:{TINY}")
    assert new.space.name != old.space.name
    with pytest.raises(EmbeddingSpaceChanged):
        await models.embedders.open(f"ollama:{TINY}", digest=old.space.digest)
    with pytest.raises(EmbeddingSpaceChanged):
        await old.embed(["cue"], kind="query")


async def test_what_cannot_be_opened(models: Models) -> None:
    with pytest.raises(ModelMissing):
        await models.embedders.open("ollama:nobody-has-this")
    for path in ("extractive", "http://10.0.0.1"):
        with pytest.raises(InvalidInput):
            await models.embedders.open(path)


async def test_new_indexes_are_built_with_the_model_in_production(
    models: Models, emulators: list[OllamaEmulator]
) -> None:
    version = await registered(models, f"ollama:{TINY}", "passages", model_type="embedding")
    await models.registry.promote("passages", version)
    assert (await models.embedders.preferred()).space.dimensions == 256
    emulators[1].remove(TINY)
    assert await models.embedders.preferred() is models.embedders.wordllama
    emulators[1].install(EmulatedModel.embedding(TINY, dimensions=256))
    assert (await models.embedders.preferred()).space.dimensions == 256


async def checked(models: Models, path: str, **fields: Any) -> tuple[Checkup, list[str]]:
    given = {"model_type": "chat", **fields}
    [found] = await models.checkups.of([ModelMetadata(name="x", model_path=path, **given)])
    return found, [warning.code for warning in found.warnings]


async def test_a_model_on_both_hosts_is_well(models: Models) -> None:
    found, codes = await checked(models, f"ollama:{CHAT}")
    assert (found.state, codes) == ("ok", [])
    assert [on.present for on in found.hosts] == [True, True]
    assert (await checked(models, "extractive"))[0].state == "ok"


async def test_what_is_wrong_with_a_model_is_said(
    models: Models, emulators: list[OllamaEmulator]
) -> None:
    found, codes = await checked(models, "ollama:nobody-has-this")
    assert (found.state, codes, found.is_well) == ("missing", ["missing"], False)
    found, codes = await checked(models, f"ollama:{QWEN}")
    assert (found.state, codes, found.is_well) == ("ok", ["thinks"], True)
    _, codes = await checked(models, f"ollama:{TINY}")
    assert codes == ["wrong_capability"]
    _, codes = await checked(models, f"ollama:{TINY}", model_type="embedding", dimensions=384)
    assert codes == ["dimensions_differ"]
    found, codes = await checked(models, f"ollama:{CHAT}", digest="0" * 64)
    assert (codes, found.is_well) == (["digest_changed"] * 2, False)
    emulators[0].keep_failing("drop", path="/api/version")
    found, codes = await checked(models, f"ollama:{CHAT}")
    assert (found.state, codes, found.is_well) == ("degraded", ["host_away"], True)


async def test_a_smaller_context_than_ours_is_said(
    models: Models, emulators: list[OllamaEmulator]
) -> None:
    first = models.hosts.hosts[0]
    chunks = first.chat(
        model=CHAT,
        messages=[{"role": "user", "content": "hello"}],
        options={"num_ctx": 512},
        keep_alive="5m",
        budget_seconds=60,
    )
    async with aclosing(chunks):
        assert [chunk async for chunk in chunks][-1].done
    found, codes = await checked(models, f"ollama:{CHAT}")
    assert codes == ["context_smaller"]
    assert [on.context for on in found.hosts] == [512, None]


async def test_a_registration_takes_what_is_installed(
    models: Models, emulators: list[OllamaEmulator]
) -> None:
    tiny = ModelMetadata(name="passages", model_type="embedding")
    described = await models.describe(tiny, f"ollama:{TINY}")
    assert described.dimensions == 256
    assert described.digest == emulators[1].models[f"{TINY}:latest"].digest
    assert (await models.describe(tiny, "embedded:wordllama")).dimensions == 256
    unknown = await models.describe(tiny, "ollama:nobody-has-this")
    assert unknown == tiny
