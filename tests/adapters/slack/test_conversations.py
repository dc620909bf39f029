"""People on an emulated Slack and a whole Cairn: who is answered, where, how often."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from adapters.slack.emulator import SlackEmulator
from core.channels import Account
from core.creators import add_creator
from core.llm.emulator import OllamaEmulator
from core.llm.emulator.models import CHAT_MODEL
from core.runtime import Runtime, open_runtime
from shared.settings import OllamaSettings, Settings
from tests.apps import App, working
from tests.gateway import new_gateway
from tests.serving import serving
from tests.waiting import eventually

BASE_URL = "http://cairn.test"
QUESTION = "How do I start a habit that sticks?"
NOTE = (
    "To start a habit that sticks, tie it to something you do every day already. "
    "A habit sticks when its first step takes less than two minutes."
)
_INBOUND = """
SELECT kind, text FROM app.messages WHERE creator_id = $1 AND direction = 'in' ORDER BY created_at
"""
_OUTBOUND = """
SELECT status FROM app.messages WHERE creator_id = $1 AND direction = 'out' ORDER BY created_at
"""


@dataclass(kw_only=True)
class Workplace:
    """A workspace whose bot is ours."""

    app: App
    slack: SlackEmulator
    account: Account

    async def heard(self) -> list[str]:
        """What of all that was said was taken in."""
        return [row["text"] for row in await self.app.fetch(_INBOUND)]

    async def outcomes(self) -> set[str]:
        return {row["status"] for row in await self.app.fetch(_OUTBOUND)}

    @property
    def chat_calls(self) -> list[str]:
        prefix = "chat."
        methods = [call.method for call in self.slack.requests]
        return [method.removeprefix(prefix) for method in methods if method.startswith(prefix)]

    @property
    def threads(self) -> list[tuple[str, str | None]]:
        """(channel, thread) of each answer."""
        return [(sent.channel, sent.message.get("thread_ts")) for sent in self.slack.sent]


@pytest.fixture
async def runtime(settings: Settings) -> AsyncIterator[Runtime]:
    async with open_runtime(settings.model_copy(update={"public_base_url": BASE_URL})) as opened:
        yield opened


@asynccontextmanager
async def at_work(runtime: Runtime) -> AsyncIterator[Workplace]:
    created = await add_creator(runtime.database, "Test school")
    app = App(runtime=runtime, creator_id=created.id)
    slack = SlackEmulator(
        client=httpx.AsyncClient(transport=httpx.ASGITransport(new_gateway(runtime)))
    )
    async with serving(slack, lifespan="off") as base_url:
        account = await app.add_channel(
            "slack", credentials=slack.credentials, api_base_url=f"{base_url}/api/"
        )
        slack.connect(f"{BASE_URL}/webhooks/slack/{account.route_key}")
        async with working(runtime):
            yield Workplace(app=app, slack=slack, account=account)
        await runtime.channels["slack"].close()
    await slack.close()


@pytest.fixture
async def work(runtime: Runtime) -> AsyncIterator[Workplace]:
    async with at_work(runtime) as workplace:
        yield workplace


@pytest.fixture
async def thinking(settings: Settings) -> AsyncIterator[Workplace]:
    """Where a slow model answers."""
    ollama = OllamaEmulator(models=(CHAT_MODEL,), token_seconds=0.05)
    async with serving(ollama.app) as host:
        changes = {"ollama": OllamaSettings(host=host), "public_base_url": BASE_URL}
        async with (
            open_runtime(settings.model_copy(update=changes)) as runtime,
            at_work(runtime) as workplace,
        ):
            creator_id = workplace.app.creator_id
            added = await runtime.knowledge.add_document(creator_id, title="Habits", text=NOTE)
            await runtime.knowledge.ingest(creator_id, added.id)
            yield workplace


def status(response: httpx.Response | None) -> Any:
    return response and (response.status_code, response.text)


async def test_a_direct_message_is_answered(work: Workplace) -> None:
    assert status(await work.slack.says("/help")) == (200, "")
    await work.app.drain()

    assert "Here is what I understand" in work.slack.texts()[0]
    assert work.threads[0][0].startswith("D")
    assert await work.outcomes() == {"sent"}


async def test_a_mention_is_answered_once_and_in_its_thread(work: Workplace) -> None:
    await work.slack.says("/help", channel="team", mention=True)
    await work.app.drain()

    room = work.slack.workspace().room("team")
    root = next(iter(room.messages))
    assert await work.heard() == ["/help"]
    assert set(work.threads) == {(room.id, root)}
    assert len(work.slack.sent) == 1


async def test_people_among_themselves_are_left_alone(work: Workplace) -> None:
    await work.slack.says("Lunch anyone?", channel="team")
    root = next(iter(work.slack.workspace().room("team").messages))
    await work.slack.says("Sure!", channel="team", thread=root, user="U0BEN")
    await work.app.drain()

    assert (await work.heard(), work.slack.sent) == ([], [])


async def test_who_called_the_bot_need_not_call_again_in_that_thread(work: Workplace) -> None:
    await work.slack.says("/help", channel="team", mention=True)
    root = next(iter(work.slack.workspace().room("team").messages))
    await work.app.drain()
    await work.slack.says("/goals", channel="team", thread=root)
    await work.app.drain()

    assert await work.heard() == ["/help", "/goals"]
    assert {thread for _, thread in work.threads} == {root}
    assert len(work.slack.sent) == 2


async def test_two_people_at_once_are_two_conversations(work: Workplace) -> None:
    await asyncio.gather(work.slack.says("/help"), work.slack.says("/help", user="U0BEN"))
    await work.app.drain()

    assert len({channel for channel, _ in work.threads}) == 2
    assert len(work.slack.sent) == 2


async def test_a_command_in_a_channel_is_answered_in_private(work: Workplace) -> None:
    assert status(await work.slack.commands("/help", channel="team")) == (200, "")
    await work.app.drain()

    ((chat, thread),) = work.threads
    assert chat.startswith("D")
    assert thread is None


async def test_a_form_is_begun_by_command_and_filled_in_by_message(work: Workplace) -> None:
    await work.slack.commands("/goal")
    await work.app.drain()
    asked = len(work.slack.sent)
    await work.slack.says("Run 5 km")
    await work.app.drain()

    assert len(work.slack.sent) == asked + 1  # the form's next question
    assert len({channel for channel, _ in work.threads}) == 1
    assert work.slack.texts()[-1] != work.slack.texts()[asked - 1]


async def test_a_tap_is_a_turn(work: Workplace) -> None:
    await work.slack.opens_home(tab="messages")
    await work.app.drain()
    before = len(work.slack.sent)
    assert status(await work.slack.taps("Set a goal")) == (200, "")
    await work.app.drain()

    assert len(work.slack.sent) > before


async def test_looking_again_is_not_greeted_again(work: Workplace) -> None:
    for _ in range(3):
        await work.slack.opens_home(tab="messages")
    await work.app.drain()

    assert len(await work.heard()) == 1


@pytest.mark.parametrize("number", [1, 3])
async def test_what_slack_sends_again_is_answered_once(work: Workplace, number: int) -> None:
    await work.slack.says("/help")
    for retry in range(number):
        assert status(await work.slack.retries(retry + 1)) == (200, "")
    await work.app.drain()

    assert len(work.slack.sent) == 1


async def test_a_send_whose_answer_was_lost_is_found(work: Workplace) -> None:
    work.slack.fails("drop_after_accept")
    await work.slack.says("/help")

    async def is_settled() -> bool:
        return await work.outcomes() == {"sent"}

    await eventually(is_settled)
    assert len(work.slack.sent) == 1
    assert len(work.slack.calls("chat.postMessage")) == 1


async def test_a_limit_is_waited_out(work: Workplace) -> None:
    work.slack.fails("rate_limit", seconds=1)
    await work.slack.says("/help")
    await work.app.drain()

    first, second = work.slack.calls("chat.postMessage")
    assert second.at - first.at >= 1.0
    assert (len(work.slack.sent), await work.outcomes()) == (1, {"sent"})


# --- answers that grow


async def test_an_answer_in_a_thread_grows_and_ends_with_its_sources(thinking: Workplace) -> None:
    slack = thinking.slack
    await slack.says(QUESTION, channel="team", mention=True)
    await thinking.app.drain()

    calls = thinking.chat_calls
    assert calls[0] == "startStream"
    assert "appendStream" in calls
    assert calls[-2:] == ["stopStream", "update"]
    assert "postMessage" not in calls
    (sent,) = slack.sent
    assert sent.message["thread_ts"] == next(iter(slack.workspace().room("team").messages))
    context = [block for block in sent.message["blocks"] if block["type"] == "context"]
    assert [element["text"] for element in context[0]["elements"]] == ["[1] Habits"]
    assert await thinking.outcomes() == {"sent"}


async def test_an_answer_in_a_direct_message_grows_by_edits(thinking: Workplace) -> None:
    await thinking.slack.says(QUESTION)
    await thinking.app.drain()

    calls = thinking.chat_calls
    assert (calls[0], calls.count("postMessage"), calls[-1]) == ("postMessage", 1, "update")
    assert calls.count("update") >= 2
    assert len(thinking.slack.sent) == 1
    assert await thinking.outcomes() == {"sent"}


async def test_an_assistant_thread_shows_that_we_think(thinking: Workplace) -> None:
    slack = thinking.slack
    await slack.opens_assistant()
    await thinking.app.drain()
    _, _, direct = slack.place(None, None, None)
    root = next(iter(direct.messages))
    await slack.says(QUESTION, thread=root)
    await thinking.app.drain()

    assert slack.calls("assistant.threads.setStatus")
    assert slack.calls("assistant.threads.setSuggestedPrompts")
    assert slack.calls("chat.startStream")
    assert {thread for _, thread in thinking.threads} == {root}


async def test_who_writes_only_the_bots_name_is_greeted(work: Workplace) -> None:
    await work.slack.says("", channel="team", mention=True)
    await eventually(lambda: work.slack.sent)
    assert "coach" in work.slack.sent[0].text
