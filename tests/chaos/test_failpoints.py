"""kill -9 at each place where a crash could lose or double something; then life goes on."""

from uuid import UUID

import pytest

from core.jobs import enqueue
from tests.chaos import oracle
from tests.chaos.people import Person, TelegramPerson
from tests.chaos.platforms import PLATFORMS, opened_on, person_on
from tests.chaos.stage import Gateway, Stage
from tests.waiting import eventually

pytestmark = pytest.mark.chaos

ON_ACCEPT = ("before-accept-commit", "after-accept-commit")
IN_GATEWAY = ("after-verify", *ON_ACCEPT, "after-2xx")
ON_TURN = ("after-lease", "mid-think", "before-turn-commit", "after-turn-commit")
# What left before the crash is only known to the platform.
ON_SEND = ("after-sending", "after-provider-2xx", "before-sent-commit")
KILLED = -9
MESSAGES = ("first", "second", "third")
CHANNELS = (*PLATFORMS, "web")


@pytest.fixture(params=CHANNELS)
async def person(request: pytest.FixtureRequest, stage: Stage, gateway: Gateway) -> Person:
    return await opened_on(request.param, stage, lambda: gateway)


async def say_all(person: Person) -> None:
    for text in MESSAGES:
        await person.says(text)


@pytest.mark.parametrize("failpoint", ON_TURN)
async def test_a_worker_killed_in_a_turn_loses_and_doubles_nothing(
    stage: Stage, person: Person, failpoint: str
) -> None:
    dying = await stage.start_worker(f"{failpoint}:kill")
    await say_all(person)
    assert await dying.ended() == KILLED
    await stage.start_worker()
    await stage.quiet()
    assert await oracle.check(stage, [person]) == 0


@pytest.mark.parametrize("failpoint", ON_SEND)
@pytest.mark.parametrize("channel", ["telegram", "sms"])
async def test_a_worker_killed_while_sending_leaves_one_send_listed_as_uncertain(
    stage: Stage, gateway: Gateway, channel: str, failpoint: str
) -> None:
    person = person_on(channel, stage, lambda: gateway)
    dying = await stage.start_worker(f"{failpoint}:kill")
    await say_all(person)
    assert await dying.ended() == KILLED
    await stage.start_worker()
    await stage.quiet()
    assert await oracle.check(stage, [person]) <= 1
    await resend_what_never_arrived(stage, person)
    assert sorted(await person.heard()) == sorted(map(oracle.reply_to, MESSAGES))


@pytest.mark.parametrize("failpoint", ON_SEND)
async def test_slack_is_asked_what_became_of_a_send_whose_worker_was_killed(
    stage: Stage, gateway: Gateway, failpoint: str
) -> None:
    person = person_on("slack", stage, lambda: gateway)
    dying = await stage.start_worker(f"{failpoint}:kill")
    await say_all(person)
    assert await dying.ended() == KILLED
    await stage.start_worker()
    await stage.quiet()
    assert await oracle.check(stage, [person]) == 0


async def test_a_worker_killed_after_bytes_left_is_not_guessed_about(
    stage: Stage, ada: TelegramPerson
) -> None:
    stage.emulator.fails("delay", seconds=2)
    dying = await stage.start_worker()
    await say_all(ada)
    await eventually(lambda: stage.emulator.calls("sendMessage"))
    await dying.kill()
    await stage.start_worker()
    await stage.quiet()
    assert await oracle.check(stage, [ada]) == 1


@pytest.mark.parametrize("failpoint", IN_GATEWAY)
@pytest.mark.parametrize("channel", CHANNELS)
async def test_a_gateway_killed_while_it_accepts(
    stage: Stage, gateway: Gateway, channel: str, failpoint: str
) -> None:
    # A web session's own start event is the first to be accepted, so it begins on the other one.
    gateways = [gateway]
    person = await opened_on(channel, stage, lambda: alive(gateways))
    gateways.insert(0, await stage.start_gateway(f"{failpoint}:kill"))
    await say_all(person)
    assert await gateways[0].process.ended() == KILLED
    await stage.start_worker()
    await stage.quiet()
    assert await oracle.check(stage, [person]) == 0
    await oracle.stored_once(stage, [person])


async def test_a_worker_killed_while_indexing_leaves_no_document_half_read(stage: Stage) -> None:
    knowledge = stage.runtime.knowledge
    text = "\n\n".join(f"# Chapter {n}\n\nRest for {n} minutes." for n in range(1, 21))
    document = await knowledge.add_document(stage.creator_id, title="Rest", text=text)
    await enqueue_ingest(stage, document.id)
    dying = await stage.start_worker("mid-ingest:kill")
    assert await dying.ended() == KILLED
    await enqueue_ingest(stage, document.id)
    await stage.start_worker()

    async def is_ready() -> bool:
        return (await knowledge.get_document(stage.creator_id, document.id)).status == "ready"

    await eventually(is_ready)
    found = await knowledge.search(stage.creator_id, "How long to rest in chapter 7?", k=3)
    assert any("Rest for 7 minutes" in passage.text for passage in found.passages)


def alive(gateways: list[Gateway]) -> Gateway:
    """The first one that still runs, as a load balancer would find it."""
    return next(gateway for gateway in gateways if gateway.process.is_running)


async def enqueue_ingest(stage: Stage, document_id: UUID) -> None:
    async with stage.runtime.database.transaction(stage.creator_id) as connection:
        await enqueue(connection, "ingest", stage.creator_id, document_id)


async def resend_what_never_arrived(stage: Stage, person: Person) -> None:
    """What a creator does with the list of uncertain sends, having looked into the chat."""
    for row in await stage.uncertain():
        if row["text"] not in await person.heard():
            await stage.runtime.desk.resend(stage.creator_id, row["id"])
    await stage.quiet()
