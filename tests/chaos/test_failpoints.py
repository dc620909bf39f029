"""kill -9 at each place where a crash could lose or double something; then life goes on."""

from uuid import UUID

import pytest

from core.jobs import enqueue
from tests.chaos import oracle
from tests.chaos.people import Person, TelegramPerson, WebPerson
from tests.chaos.stage import Gateway, Stage
from tests.waiting import eventually

pytestmark = pytest.mark.chaos

ON_ACCEPT = ("before-accept-commit", "after-accept-commit")
IN_GATEWAY = ("after-verify", *ON_ACCEPT, "after-2xx")
ON_TURN = ("after-lease", "mid-think", "before-turn-commit", "after-turn-commit")
# What left before the crash is only known to the platform.
ON_SEND = ("after-sending", "after-provider-2xx", "before-sent-commit")
KILLED = -9
MESSAGES = ("one", "two", "three")


@pytest.fixture(params=["telegram", "web"])
async def person(request: pytest.FixtureRequest, stage: Stage, gateway: Gateway) -> Person:
    if request.param == "telegram":
        return TelegramPerson(stage=stage, gateway=lambda: gateway, chat=1001)
    visitor = WebPerson(stage=stage, gateway=lambda: gateway)
    await visitor.opens()
    return visitor


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
async def test_a_worker_killed_while_sending_leaves_one_send_listed_as_uncertain(
    stage: Stage, ada: TelegramPerson, failpoint: str
) -> None:
    dying = await stage.start_worker(f"{failpoint}:kill")
    await say_all(ada)
    assert await dying.ended() == KILLED
    await stage.start_worker()
    await stage.quiet()
    assert await oracle.check(stage, [ada]) == 1
    await resend_what_never_arrived(stage)
    assert sorted(await ada.heard()) == sorted(map(oracle.reply_to, MESSAGES))


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
async def test_a_gateway_killed_while_it_accepts_a_webhook(
    stage: Stage, gateway: Gateway, failpoint: str
) -> None:
    gateways = [await stage.start_gateway(f"{failpoint}:kill"), gateway]
    person = TelegramPerson(stage=stage, gateway=lambda: alive(gateways), chat=1001)
    await say_all(person)
    assert await gateways[0].process.ended() == KILLED
    await stage.start_worker()
    await stage.quiet()
    assert await oracle.check(stage, [person]) == 0
    await oracle.stored_once(stage, [person])


@pytest.mark.parametrize("failpoint", IN_GATEWAY)
async def test_a_gateway_killed_while_it_accepts_a_page_s_message(
    stage: Stage, gateway: Gateway, failpoint: str
) -> None:
    # The session's own start event is the first to be accepted.
    gateways = [gateway]
    person = WebPerson(stage=stage, gateway=lambda: alive(gateways))
    await person.opens()
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

    await eventually(is_ready, timeout=30)
    found = await knowledge.search(stage.creator_id, "How long to rest in chapter 7?", k=3)
    assert any("Rest for 7 minutes" in passage.text for passage in found.passages)


def alive(gateways: list[Gateway]) -> Gateway:
    """The first one that still runs, as a load balancer would find it."""
    return next(gateway for gateway in gateways if gateway.process.is_running)


async def enqueue_ingest(stage: Stage, document_id: UUID) -> None:
    async with stage.runtime.database.transaction(stage.creator_id) as connection:
        await enqueue(connection, "ingest", stage.creator_id, document_id)


async def resend_what_never_arrived(stage: Stage) -> None:
    """What a person does with the list of uncertain sends, having looked into the chat."""
    for row in await stage.uncertain():
        if row["text"] not in stage.emulator.texts():
            await stage.runtime.desk.resend(stage.creator_id, row["id"])
    await stage.quiet()
