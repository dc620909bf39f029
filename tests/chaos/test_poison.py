"""A message that always fails, and one that kills its worker: dead, with one apology."""

import pytest

from core.dialogue.guard import APOLOGY, MAX_DEATHS, MAX_FAILURES
from tests.chaos.people import TelegramPerson, WebPerson
from tests.chaos.processes import Process
from tests.chaos.stage import Stage
from tests.waiting import eventually

pytestmark = pytest.mark.chaos

NEXT_SECONDS = 10.0
_INBOUND = """
SELECT id, status, starts, failures, error_code FROM app.messages
WHERE direction = 'in' AND text = $1
"""


async def test_a_message_that_always_fails_dies_and_the_conversation_goes_on(
    stage: Stage, ada: TelegramPerson
) -> None:
    await stage.start_worker(retry_seconds="0.02")
    await ada.says("poison")
    await ada.says("hello")
    await eventually(lambda: len(stage.emulator.texts(ada.chat)) == 2)
    assert await ada.heard() == [APOLOGY, "echo hello"]
    (poison,) = await stage.fetch(_INBOUND, "poison")
    assert (poison["status"], poison["failures"]) == ("dead", MAX_FAILURES)
    assert poison["error_code"] == "too_many_failures"


async def test_a_message_that_kills_its_worker_dies_after_two_deaths(
    stage: Stage, eve: WebPerson
) -> None:
    workers: list[Process] = []
    await eve.says("kill")
    await eve.says("hello")
    for _ in range(MAX_DEATHS):
        workers.append(await stage.start_worker())
        assert await workers[-1].ended() == -9
    survivor = await stage.start_worker()
    await stage.quiet(NEXT_SECONDS)
    assert survivor.is_running
    assert await eve.heard() == ["echo /start", APOLOGY, "echo hello"]
    (killer,) = await stage.fetch(_INBOUND, "kill")
    assert (killer["status"], killer["error_code"]) == ("dead", "worker_died")


async def test_a_dead_message_can_be_tried_again(stage: Stage, ada: TelegramPerson) -> None:
    await stage.start_worker(retry_seconds="0.02")
    await ada.says("poison")
    await stage.quiet()
    (dead,) = await stage.fetch(_INBOUND, "poison")
    await stage.fetch("UPDATE app.messages SET text = 'cured' WHERE id = $1", dead["id"])
    await stage.runtime.inbox.retry(stage.creator_id, dead["id"])
    await stage.quiet()
    assert await ada.heard() == [APOLOGY, "echo cured"]


async def test_a_dead_message_that_fails_again_is_apologised_for_once_more_and_ends(
    stage: Stage, ada: TelegramPerson
) -> None:
    await stage.start_worker(retry_seconds="0.02")
    await ada.says("poison")
    await stage.quiet()
    (dead,) = await stage.fetch(_INBOUND, "poison")
    await stage.runtime.inbox.retry(stage.creator_id, dead["id"])
    await ada.says("hello")
    await stage.quiet()
    (dead,) = await stage.fetch(_INBOUND, "poison")
    assert dead["status"] == "dead"
    assert (await ada.heard()).count("echo hello") == 1
