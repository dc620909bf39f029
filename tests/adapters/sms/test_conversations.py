"""The whole way over SMS: gateway on a port, worker beside it, an emulated Twilio."""

import asyncio
import socket
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from adapters.sms.emulator import DEFAULT_NUMBER, SmsEmulator
from core.bots import Bot, Turn
from core.creators import add_creator
from core.runtime import open_runtime
from shared.settings import Settings, WorkerSettings
from tests.adapters.sms.accounts import ADA, BEN, inbound, signed
from tests.apps import App, working
from tests.gateway import new_gateway
from tests.serving import serving
from tests.waiting import eventually

PARAGRAPHS = [f"Paragraph {n}: " + f"sentence {n} of the answer. " * 12 for n in range(1, 21)]
LONG = "\n\n".join(text.strip() for text in PARAGRAPHS)

_OUT = """
SELECT m.* FROM app.messages m WHERE m.creator_id = $1 AND m.direction = 'out'
ORDER BY m.created_at, m.seq
"""
_IN = "SELECT * FROM app.messages WHERE creator_id = $1 AND direction = 'in' ORDER BY created_at"
_IDENTITY = "SELECT * FROM app.contact_identities WHERE creator_id = $1 AND address = $2"


def probe_bot() -> Bot:
    bot = Bot(name="probe", persona="A probe.", greeting="Welcome!")

    @bot.message(r"^long$")
    async def long(turn: Turn) -> None:
        turn.say(LONG)

    @bot.message(r"^menu$")
    async def menu(turn: Turn) -> None:
        turn.say("Which?", choices=["Yes", "Not now"])

    @bot.message(r"^twice$")
    async def twice(turn: Turn) -> None:
        turn.say("The very same words.")
        turn.say("The very same words.")

    @bot.message(r".")
    async def echo(turn: Turn) -> None:
        turn.say(f"You said “{turn.text}”")

    return bot


@dataclass(kw_only=True)
class Stage:
    """A running Cairn with an SMS channel, its REST client, and Twilio as the outside world."""

    app: App
    api: httpx.AsyncClient
    twilio: SmsEmulator
    channel: dict[str, Any]

    async def quiet(self) -> None:
        await self.app.drain()
        await self.twilio.settled()

    async def asks(self, text: str, chat: str = ADA, **details: Any) -> list[str]:
        """Text, and wait for the answers."""
        before = len(self.twilio.texts(chat))
        response = await self.twilio.says(text, chat=chat, **details)
        assert response is not None
        assert response.status_code == 200, response.text
        assert response.headers["content-type"].startswith("application/xml")
        await self.quiet()
        return self.twilio.texts(chat)[before:]

    async def outbound(self) -> list[Any]:
        return await self.app.fetch(_OUT)

    async def statuses(self) -> list[str]:
        return [row["status"] for row in await self.outbound()]

    async def reaches(self, *statuses: str) -> None:
        async def is_so() -> bool:
            return await self.statuses() == list(statuses)

        await eventually(is_so)

    async def reachable(self, number: str) -> str:
        [row] = await self.app.fetch(_IDENTITY, number)
        return str(row["reachable"])


@pytest.fixture
async def stage(settings: Settings) -> AsyncIterator[Stage]:
    twilio = SmsEmulator()
    with socket.socket() as probe:  # Twilio is told our address before anything starts
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    worker = WorkerSettings(
        lease_seconds=2.0,
        sweep_seconds=0.2,
        forgotten_seconds=3.0,
        retry_seconds=0.1,
        drain_seconds=5.0,
        grace_seconds=0.2,
    )
    public = settings.model_copy(
        update={"worker": worker, "public_base_url": f"http://127.0.0.1:{port}"}
    )
    async with (
        serving(twilio, lifespan="off") as twilio_url,
        open_runtime(public) as runtime,
        serving(new_gateway(runtime), port=port) as url,
        working(runtime),
    ):
        runtime.bots["probe"] = probe_bot()
        creator = await add_creator(runtime.database, "Ada")
        key = {"Authorization": f"Bearer {creator.api_key}"}
        async with httpx.AsyncClient(base_url=url, headers=key, trust_env=False) as api:
            channel = await add_channel(api, twilio, twilio_url)
            app = App(runtime=runtime, creator_id=creator.id)
            yield Stage(app=app, api=api, twilio=twilio, channel=channel)
        await twilio.close()


async def add_channel(api: httpx.AsyncClient, twilio: SmsEmulator, url: str) -> dict[str, Any]:
    """POST the channel and connect it: the emulated number learns our webhook by its API."""
    body = {
        "type": "sms",
        "name": "Text messages",
        "bot": "probe",
        "credentials": twilio.credentials,
        "settings": {"api_base_url": url, "rates": {"account": 0, "conversation": 0}},
    }
    response = await api.post("/api/v1/channels", json=body)
    assert response.status_code == 201, response.text
    channel: dict[str, Any] = response.json()
    connected = await api.post(f"/api/v1/channels/{channel['id']}/connect")
    assert connected.status_code == 200, connected.text
    assert twilio.account.numbers[DEFAULT_NUMBER]["sms_url"] == channel["webhook_url"]
    return channel


# --- in and out


async def test_two_people_at_once_have_two_conversations_and_two_answers(stage: Stage) -> None:
    await asyncio.gather(
        *(
            stage.twilio.says(f"{name} {n}", chat=chat)
            for n in range(3)
            for name, chat in (("ada", ADA), ("ben", BEN))
        )
    )
    await stage.quiet()

    for name, chat in (("ada", ADA), ("ben", BEN)):
        assert sorted(stage.twilio.texts(chat)) == [f'You said "{name} {n}"' for n in range(3)]
    listed = (await stage.api.get("/api/v1/conversations")).json()["items"]
    assert len(listed) == 2
    assert len({row["conversation_id"] for row in await stage.app.fetch(_IN)}) == 2


async def test_a_picture_without_text_is_a_message_and_is_answered(stage: Stage) -> None:
    answers = await stage.asks("", media=[("image/jpeg", b"\xff\xd8\xff")])

    [row] = await stage.app.fetch(_IN)
    [attachment] = row["payload"]["attachments"]
    assert (attachment["kind"], attachment["media_type"]) == ("photo", "image/jpeg")
    assert row["status"] == "answered"
    assert len(answers) == 1


async def test_a_webhook_twice_is_answered_once(stage: Stage) -> None:
    form = stage.twilio.message("hello")
    for _ in range(3):
        response = await stage.twilio.deliver(form)
        assert response is not None
        assert response.status_code == 200
    await stage.quiet()

    assert stage.twilio.texts() == ['You said "hello"']


async def test_a_forged_webhook_is_refused(stage: Stage) -> None:
    url = stage.channel["webhook_url"]
    forged = signed(inbound("hi"), url=url, token="another token")
    response = await stage.api.post(url, content=forged.body, headers=dict(forged.headers))

    assert response.status_code == 401
    assert await stage.app.fetch(_IN) == []


async def test_a_number_picks_a_choice(stage: Stage) -> None:
    [menu] = await stage.asks("menu")
    assert menu == "Which?\n\n1. Yes\n2. Not now"

    await stage.twilio.taps("Not now")
    await stage.quiet()
    assert stage.twilio.texts()[-1] == 'You said "Not now"'


async def test_a_yes_is_an_answer_as_long_as_nobody_left(stage: Stage) -> None:
    stage.twilio.tells_opt_out_type = False
    assert await stage.asks("Yes") == ['You said "Yes"']
    assert await stage.asks("STOP") == []

    assert await stage.asks("Yes") == []
    assert await stage.reachable(ADA) == "yes"
    assert await stage.asks("yes") == ['You said "yes"']


async def test_an_old_stop_that_comes_again_does_not_undo_a_start(stage: Stage) -> None:
    await stage.asks("hello")
    stop = stage.twilio.message("STOP")
    await stage.twilio.deliver(stop)
    assert await stage.reachable(ADA) == "opted_out"
    await stage.twilio.says("START")
    assert await stage.reachable(ADA) == "yes"

    await stage.twilio.deliver(stop)
    assert await stage.reachable(ADA) == "yes"


# --- long answers


def assert_whole(texts: list[str]) -> None:
    assert all(len(text) <= 1600 for text in texts)
    assert "\n\n".join(texts).split() == LONG.split()


async def test_a_long_answer_arrives_whole_and_in_order(stage: Stage) -> None:
    assert len(LONG) > 6_000
    texts = await stage.asks("long")

    assert len(texts) >= 4
    assert_whole(texts)
    assert await stage.statuses() == ["delivered"]
    callbacks = [sent.params["StatusCallback"] for sent in stage.twilio.sent]
    assert [url.rpartition("p=")[2] for url in callbacks] == [str(n) for n in range(len(texts))]


@pytest.mark.parametrize(
    "fault",
    [{"kind": "rate_limit", "seconds": 1}, {"kind": "drop_after_accept"}],
    ids=["429", "dropped-after"],
)
async def test_a_part_that_fails_is_where_it_goes_on(stage: Stage, fault: dict[str, Any]) -> None:
    stage.twilio.fails(**fault, skip=2)
    texts = await stage.asks("long")

    assert_whole(texts)
    assert await stage.statuses() == ["delivered"]


async def test_a_refused_part_is_resent_from_there(stage: Stage) -> None:
    stage.twilio.fails("refused", code=30007, skip=2)
    first = await stage.asks("long")
    assert len(first) == 2
    assert await stage.statuses() == ["failed"]

    [row] = await stage.outbound()
    response = await stage.api.post(f"/api/v1/messages/{row['id']}/resend")
    assert response.status_code in (200, 202), response.text
    await stage.quiet()
    assert_whole(stage.twilio.texts())
    assert await stage.statuses() == ["delivered"]


# --- opting out and in


async def test_after_stop_nothing_is_sent_until_start(stage: Stage) -> None:
    await stage.asks("hello")
    assert await stage.asks("STOP") == []
    assert await stage.reachable(ADA) == "opted_out"
    before = len(stage.twilio.calls("messages.create"))

    conversation = (await stage.outbound())[0]["conversation_id"]
    said = await stage.api.post(
        f"/api/v1/conversations/{conversation}/messages", json={"text": "Still there?"}
    )
    await stage.quiet()
    assert len(stage.twilio.calls("messages.create")) == before, said.text
    assert await stage.asks("hi", chat=BEN) == ['You said "hi"']

    assert await stage.asks("START") == []
    assert await stage.reachable(ADA) == "yes"
    assert await stage.asks("hello again") == ['You said "hello again"']


async def test_help_is_twilios_to_answer(stage: Stage) -> None:
    assert await stage.asks("HELP") == []
    assert await stage.asks("hello") == ['You said "hello"']


async def test_an_opt_out_that_only_twilio_knows_is_learned(stage: Stage) -> None:
    stage.twilio.fails("refused", code=21610)
    assert await stage.asks("hello") == []

    assert await stage.statuses() == ["failed"]
    assert await stage.reachable(ADA) == "opted_out"


async def test_an_opt_out_may_come_by_a_callback_alone(stage: Stage) -> None:
    stage.twilio.fails("failed", code=21610)
    await stage.asks("hello")

    assert await stage.statuses() == ["failed"]
    assert await stage.reachable(ADA) == "opted_out"
    assert (await stage.outbound())[0]["error_code"] == "21610"


# --- receipts


@pytest.mark.parametrize(
    ("fault", "status", "code"),
    [
        ({"kind": "out_of_order"}, "delivered", None),
        ({"kind": "duplicate"}, "delivered", None),
        ({"kind": "silent"}, "sent", None),
        ({"kind": "undelivered", "code": 30003}, "undelivered", "30003"),
        ({"kind": "failed", "code": 30007}, "failed", "30007"),
    ],
    ids=["out-of-order", "duplicate", "silent", "undelivered", "failed"],
)
async def test_receipts_become_the_state_of_the_message(
    stage: Stage, fault: dict[str, Any], status: str, code: str | None
) -> None:
    stage.twilio.fails(**fault)
    await stage.asks("hello")

    [row] = await stage.outbound()
    assert (row["status"], row["error_code"]) == (status, code)
    assert all(reported.status == 200 for reported in stage.twilio.reported)


async def test_a_late_receipt_still_counts(stage: Stage) -> None:
    stage.twilio.fails("late")
    await stage.asks("hello")
    assert await stage.statuses() == ["sent"]

    stage.twilio.release()
    await stage.twilio.settled()
    assert await stage.statuses() == ["delivered"]


_DUE = """
SELECT id, outbound_due_at > now() AS later FROM app.ai_conversations WHERE creator_id = $1
"""
_NOW = """
UPDATE app.ai_conversations SET outbound_due_at = now() WHERE creator_id = $1 RETURNING id
"""


@pytest.mark.parametrize("times", [1, 2], ids=["passes", "stays"])
async def test_a_failure_that_passes_is_sent_once_more(stage: Stage, times: int) -> None:
    stage.twilio.fails("undelivered", code=30008, times=times)
    await stage.twilio.says("hello")
    await eventually(lambda: [r.status for r in stage.twilio.reported] == [200, 200])
    await stage.reaches("queued")
    [conversation] = await stage.app.fetch(_DUE)
    assert conversation["later"]

    await stage.app.fetch(_NOW)
    await stage.reaches("delivered" if times == 1 else "undelivered")
    assert stage.twilio.texts() == ['You said "hello"'] * 2
    await stage.quiet()
    assert len(stage.twilio.sent) == 2


async def test_only_the_part_that_failed_is_sent_once_more(stage: Stage) -> None:
    stage.twilio.fails("undelivered", code=30001, skip=1, held=True)
    texts = await stage.asks("long")
    stage.twilio.release()
    await stage.reaches("queued")

    await stage.app.fetch(_NOW)
    await stage.reaches("delivered")
    assert stage.twilio.texts() == [*texts, texts[1]]
    assert_whole(texts)


# --- sends whose answer never came


@pytest.mark.parametrize(
    "fault",
    [{"kind": "drop_after_accept"}, {"kind": "server_error_after_accept", "status": 504}],
    ids=["dropped", "504"],
)
async def test_a_callback_settles_what_had_no_answer(stage: Stage, fault: dict[str, Any]) -> None:
    stage.twilio.fails(**fault)
    await stage.asks("hello")

    await stage.reaches("delivered")
    assert stage.twilio.texts() == ['You said "hello"']
    assert (await stage.outbound())[0]["provider_ids"] == [stage.twilio.sent[0].sid]


async def test_the_list_settles_what_had_no_answer_and_no_callback(stage: Stage) -> None:
    stage.twilio.fails("drop_after_accept", silent=True)
    await stage.asks("hello")

    await stage.reaches("sent")
    assert len(stage.twilio.calls("messages.list")) >= 1
    assert stage.twilio.texts() == ['You said "hello"']


async def test_one_of_two_like_texts_is_not_taken_for_the_other(stage: Stage) -> None:
    stage.twilio.fails("drop_before", skip=1)
    await stage.twilio.says("twice")
    await eventually(lambda: len(stage.twilio.calls("messages.list")) >= 2)

    assert await stage.statuses() == ["delivered", "sending"]
    assert len(stage.twilio.sent) == 1
    assert (await stage.outbound())[1]["provider_ids"] == []
