"""The registry: versions never change, labels move, a creator's own models over shared ones."""

from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest

from core.house import HOUSE
from core.llm.registry import ModelMetadata, ModelRegistry, UnknownModel
from shared.database import DatabaseManager
from shared.errors import Conflict, InvalidInput
from shared.utils.ids import new_id
from tests.conftest import AddCreator

LLAMA, QWEN = "ollama:llama3.2:3b", "ollama:qwen3:4b"


@pytest.fixture
async def registry(database: DatabaseManager) -> AsyncIterator[ModelRegistry]:
    built_in = ModelMetadata(name="answers", model_type="chat", model_path=LLAMA, num_ctx=8192)
    registry = ModelRegistry(database, built_in=[built_in], default_num_ctx=8192)
    yield registry
    await registry.aclose()


def chat(name: str = "answers", **fields: Any) -> ModelMetadata:
    return ModelMetadata(name=name, model_type="chat", **fields)


async def audited(database: DatabaseManager, creator_id: UUID) -> list[tuple[str, str, str]]:
    async with database.transaction(creator_id) as db:
        rows = await db.fetch(
            "SELECT actor, action, target FROM app.audit_log WHERE creator_id = $1 ORDER BY at, id",
            creator_id,
        )
    return [tuple(row) for row in rows]


async def test_a_version_is_stored_with_all_that_was_said_of_it(
    registry: ModelRegistry, creator: UUID
) -> None:
    given = chat(
        creator_id=creator,
        performance_metrics={"f1": 0.9},
        training_data_hash="abc",
        dependencies=("base@1",),
        digest="sha256:1234",
        num_ctx=4096,
        params={"temperature": 0.1},
    )
    stored = await registry.register_model(given, QWEN)
    assert stored.created_at is not None
    expected = replace(
        given, version=1, created_at=stored.created_at, model_path=QWEN, digest="1234"
    )
    assert stored == expected
    assert await registry.get_model("answers", creator_id=creator) == expected
    assert stored.ref == "answers@1"


async def test_the_same_again_changes_nothing(
    registry: ModelRegistry, creator: UUID, database: DatabaseManager
) -> None:
    first = await registry.register_model(chat(creator_id=creator, digest="aa"), QWEN)
    again = await registry.register_model(chat(creator_id=creator, digest="aa"), QWEN)
    open_ = await registry.register_model(chat(creator_id=creator, version=1), QWEN)
    assert first == again == open_
    assert await audited(database, creator) == [("operator", "model.registered", "answers@1")]


@pytest.mark.parametrize(
    ("changed", "path"),
    [
        ({"num_ctx": 2048}, QWEN),
        ({"params": {"temperature": 0.5}}, QWEN),
        ({"digest": "bb"}, QWEN),
        ({"performance_metrics": {"f1": 1.0}}, QWEN),
        ({}, LLAMA),
    ],
    ids=["num_ctx", "params", "digest", "metrics", "path"],
)
async def test_a_version_never_changes(
    registry: ModelRegistry, creator: UUID, changed: dict[str, Any], path: str
) -> None:
    first = await registry.register_model(chat(creator_id=creator, digest="aa"), QWEN)
    fields: dict[str, Any] = {"creator_id": creator, "digest": "aa", **changed}
    with pytest.raises(Conflict) as refused:
        await registry.register_model(chat(version=1, **fields), path)
    assert refused.value.code == "version_exists"
    assert await registry.get_model("answers", 1, creator_id=creator) == first
    assert (await registry.register_model(chat(**fields), path)).version == 2


@pytest.mark.parametrize(
    "path",
    [
        "llama3.2:3b",
        "ollama:",
        "ollama:http://10.0.0.1/x",
        "ollama:evil.example/llama",
        "ollama:evil.example:11434/llama",
        "ollama:169.254.169.254/latest",
        "ollama:user@host/x",
        "ollama:../../etc/passwd",
        "ollama:a b",
        "ollama:" + "x" * 300,
        "http://127.0.0.1:11434",
        "embedded:other",
        "extractive:x",
        "",
    ],
)
async def test_a_path_names_a_model_and_no_host(
    registry: ModelRegistry, creator: UUID, path: str
) -> None:
    with pytest.raises(InvalidInput) as refused:
        await registry.register_model(chat(creator_id=creator), path)
    assert refused.value.detail_code == "bad_model_path"


@pytest.mark.parametrize("path", [QWEN, "ollama:hf.co/org/Model-GGUF:Q4_K_M", "extractive"])
async def test_paths_of_chat_models(registry: ModelRegistry, creator: UUID, path: str) -> None:
    stored = await registry.register_model(chat(creator_id=creator), path)
    assert stored.model_path == path


@pytest.mark.parametrize(
    ("fields", "path"),
    [
        ({"name": "Über"}, QWEN),
        ({"name": "a@1"}, QWEN),
        ({"params": {"num_gpu": 99}}, QWEN),
        ({"params": {"temperature": "hot"}}, QWEN),
        ({"params": {"top_k": 1.5}}, QWEN),
        ({"num_ctx": 0}, QWEN),
        ({"num_ctx": 131072}, QWEN),
        ({"version": -1}, QWEN),
        ({"version": 2**40}, QWEN),
        ({"performance_metrics": {"f1": float("nan")}}, QWEN),
        ({}, "embedded:wordllama"),
        ({"model_type": "embedding"}, "extractive"),
    ],
)
async def test_what_a_registration_is_refused_for(
    registry: ModelRegistry, creator: UUID, fields: dict[str, Any], path: str
) -> None:
    given = {"name": "answers", "model_type": "chat", "creator_id": creator, **fields}
    metadata = ModelMetadata(**given)
    with pytest.raises(InvalidInput):
        await registry.register_model(metadata, path)
    assert [each.model.version for each in await registry.list_models(creator)] == [0]


async def test_a_creators_own_stand_over_the_houses_and_those_over_the_built_in(
    registry: ModelRegistry, creator: UUID
) -> None:
    async def path() -> str:
        return (await registry.get_model("answers", "production", creator_id=creator)).model_path

    assert await path() == LLAMA
    await registry.register_model(chat(), QWEN)
    assert await path() == LLAMA, "registering alone changes nothing in use"
    await registry.promote("answers", 1)
    assert await path() == QWEN
    await registry.register_model(chat(creator_id=creator), "extractive")
    assert await path() == QWEN
    await registry.promote("answers", 1, creator_id=creator)
    assert await path() == "extractive"
    await registry.rollback("answers", creator_id=creator)
    assert await path() == QWEN
    await registry.rollback("answers")
    assert await path() == LLAMA


async def test_no_creator_sees_or_moves_anothers_models(
    registry: ModelRegistry, add_creator: AddCreator
) -> None:
    ada, eve = await add_creator("Ada"), await add_creator("Eve")
    canary = await registry.register_model(
        chat(creator_id=ada, name="canary", training_data_hash="CANARY"), QWEN
    )
    await registry.promote("canary", 1, creator_id=ada)
    with pytest.raises(UnknownModel):
        await registry.get_model("canary", creator_id=eve)
    with pytest.raises(UnknownModel):
        await registry.promote("canary", 1, creator_id=eve)
    with pytest.raises(UnknownModel):
        await registry.rollback("canary", creator_id=eve)
    assert "CANARY" not in repr(await registry.list_models(eve))
    assert "CANARY" not in repr(await registry.list_models(HOUSE))
    assert (await registry.get_model("canary", creator_id=ada)) == canary


@pytest.mark.parametrize(
    ("asked", "got"),
    [
        ("latest", 3),
        (3, 3),
        (2, 2),
        (9, 3),
        ("production", 2),
        ("candidate", 3),
        ("no-such-label", 2),
        (0, 0),
    ],
)
async def test_a_version_that_is_not_there_falls_back(
    registry: ModelRegistry, creator: UUID, asked: str | int, got: int
) -> None:
    for number in (1, 2, 3):
        await registry.register_model(
            chat(creator_id=creator, version=number, num_ctx=number), QWEN
        )
    await registry.promote("answers", 2, creator_id=creator)
    await registry.promote("answers", 3, "candidate", 50, creator_id=creator)
    assert (await registry.get_model("answers", asked, creator_id=creator)).version == got


async def test_without_production_an_unknown_label_is_the_latest(
    registry: ModelRegistry, creator: UUID
) -> None:
    for number in (1, 2):
        await registry.register_model(chat("mine", creator_id=creator, version=number), QWEN)
    assert (await registry.get_model("mine", "staging", creator_id=creator)).version == 2


async def test_an_unknown_name_is_not_found(registry: ModelRegistry, creator: UUID) -> None:
    with pytest.raises(UnknownModel) as missing:
        await registry.get_model("nobody", creator_id=creator)
    assert (missing.value.code, missing.value.status) == ("unknown_model", 404)
    with pytest.raises(UnknownModel):
        await registry.get_model("answers", 7, creator_id=creator, is_exact=True)


async def test_rollback_swaps_with_the_version_before(
    registry: ModelRegistry, creator: UUID, database: DatabaseManager
) -> None:
    for number in (1, 2):
        await registry.register_model(
            chat(creator_id=creator, version=number, num_ctx=number), QWEN
        )
        await registry.promote("answers", number, creator_id=creator, actor="api_key:k")
    for expected in (1, 2, 1):
        moved = await registry.rollback("answers", creator_id=creator, actor="api_key:k")
        assert moved is not None
        assert moved.version == expected
        model = await registry.get_model("answers", "production", creator_id=creator)
        assert model.version == expected
    actions = [action for _, action, _ in await audited(database, creator)]
    assert actions.count("model.promoted") == 2
    assert actions.count("model.rolled_back") == 3


async def test_there_must_be_something_to_roll_back(registry: ModelRegistry, creator: UUID) -> None:
    with pytest.raises(UnknownModel):
        await registry.rollback("answers", creator_id=creator)
    await registry.register_model(chat(creator_id=creator), QWEN)
    with pytest.raises(Conflict):
        await registry.rollback("answers", creator_id=creator)


@pytest.mark.parametrize(
    ("label", "percent"), [("latest", 100), ("Bad", 100), ("production", 50), ("candidate", 101)]
)
async def test_labels_are_plain_words_and_only_a_candidate_has_a_share(
    registry: ModelRegistry, creator: UUID, label: str, percent: int
) -> None:
    await registry.register_model(chat(creator_id=creator), QWEN)
    with pytest.raises(InvalidInput):
        await registry.promote("answers", 1, label, percent, creator_id=creator)


class Strict:
    """A gate that lets nothing into production."""

    def __init__(self) -> None:
        self.asked: list[tuple[UUID, str, str | None]] = []

    async def check(self, creator_id: UUID, subject: str, against: str | None) -> None:
        self.asked.append((creator_id, subject, against))
        raise Conflict("it scores below the one in production")


async def test_the_gate_stands_before_production_alone(
    registry: ModelRegistry, creator: UUID
) -> None:
    await registry.register_model(chat(creator_id=creator), QWEN)
    gate = registry.gate = Strict()
    await registry.promote("answers", 1, "candidate", 10, creator_id=creator)
    with pytest.raises(Conflict):
        await registry.promote("answers", 1, creator_id=creator)
    assert gate.asked == [(creator, "model answers@1", "model answers@0")]
    assert (await registry.get_model("answers", "production", creator_id=creator)).version == 0


async def test_one_context_for_each_model_whoever_asks(
    registry: ModelRegistry, creator: UUID
) -> None:
    assert await registry.pinned_num_ctx(QWEN) == 8192
    await registry.register_model(chat(num_ctx=16384), QWEN)
    assert await registry.pinned_num_ctx(QWEN) == 16384
    await registry.register_model(chat(creator_id=creator, num_ctx=16384), QWEN)
    assert await registry.pinned_num_ctx(QWEN) == 16384
    assert await registry.pinned_num_ctx(LLAMA) == 8192


async def test_a_turn_waits_for_no_query(
    registry: ModelRegistry, creator: UUID, database: DatabaseManager
) -> None:
    await registry.register_model(chat(creator_id=creator), QWEN)
    await registry.promote("answers", 1, creator_id=creator)
    contact = new_id()
    before = await registry.in_turn("answers", creator_id=creator, contact_id=contact)
    await database.close()
    assert before == await registry.in_turn("answers", creator_id=creator, contact_id=contact)
