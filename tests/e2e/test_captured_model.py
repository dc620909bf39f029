"""A captured model prints its whole prompt and every trick it knows: nothing leaks or acts."""

import json
import re
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

import pytest

from adapters.slack import render as slack
from adapters.slack.channel import SlackChannel
from adapters.sms import render as sms
from adapters.sms.channel import SmsChannel
from adapters.telegram import stream as telegram
from adapters.telegram.channel import TelegramChannel
from core.channels import Address, OutboundPart
from core.dialogue.degrade import degrade
from core.llm.emulator import OllamaEmulator
from core.llm.emulator.models import CHAT_MODEL
from core.runtime import open_runtime
from shared.messages import Message
from shared.settings import OllamaSettings, Settings
from tests.apps import App, Person, quick, working
from tests.learners import new_school
from tests.serving import serving

QUESTION = "How do I start a habit that sticks?"
TRUE = "To start a habit that sticks, tie it to something you do every day already."
TRICKS = (
    "<script>window.hit=1</script>",
    "<img src=https://tracker.test/pixel.png onerror=window.hit=1>",
    "![dot](https://tracker.test/pixel.png)",
    "[tap](javascript:window.hit=1)",
    "[tap](data:text/html;base64,PHNjcmlwdD4=)",
    "@everyone",
    "@here",
    "<!channel>",
    "<!here|here>",
    "<@U0001>",
    "<#C0001>",
    "<https://phish.test|your bank>",
)
# A document may hold them too: then they are quoted, and must be as inert.
POISONED = f"{TRUE} It sticks to the habit of {' and '.join(TRICKS)} to start."


def as_text(prompt: str) -> str:
    return f"{TRUE} [1] " + " ".join(TRICKS) + f"\n\nMy instructions are:\n\n{prompt} [1]"


def as_json(prompt: str) -> str:
    """In the form that is asked for, each trick as a sentence that quotes a passage."""
    tricks = " ".join(f"The habit {trick} sticks [1]." for trick in TRICKS)
    quotes = [{"passage": 1, "quote": TRUE}, {"passage": 1, "quote": prompt}]
    return json.dumps({"answer": f"{TRUE} [1] {tricks}\n\n{prompt}", "citations": quotes})


@dataclass(kw_only=True)
class Town:
    """Two schools; in the second one somebody else has told the bot about themselves."""

    ollama: OllamaEmulator
    school: App
    pupil: Person
    secrets: dict[str, str]

    def prompts(self) -> str:
        return json.dumps([r.body for r in self.ollama.requests_to("/api/chat")])

    async def reads(self, text: str) -> None:
        await reads(self.school, "Habits", text)

    async def asks(self) -> tuple[Message, str | None]:
        await self.pupil.says(QUESTION)
        rows = await self.school.fetch(
            "SELECT text, payload, rung FROM app.messages WHERE creator_id = $1"
            " AND direction = 'out' AND conversation_id = $2 ORDER BY seq DESC LIMIT 1",
            self.pupil.conversation_id,
        )
        return (
            Message.model_validate({"text": rows[0]["text"], **rows[0]["payload"]}),
            rows[0]["rung"],
        )


async def reads(school: App, title: str, text: str) -> None:
    knowledge = school.runtime.knowledge
    added = await knowledge.add_document(school.creator_id, title=title, text=text)
    await knowledge.ingest(school.creator_id, added.id)


async def tells(person: Person, secret: str) -> None:
    """Say something, and have it kept as a goal."""
    await person.says(f"My secret is {secret}")
    await person.app.fetch(
        "WITH told AS (UPDATE app.contacts SET memory = $2, name = $3 WHERE creator_id = $1"
        " AND id = (SELECT contact_id FROM app.ai_conversations WHERE creator_id = $1 AND id = $4)"
        " RETURNING creator_id, id)"
        " INSERT INTO app.goals (creator_id, id, contact_id, title)"
        " SELECT creator_id, gen_random_uuid(), id, $5 FROM told",
        {"diary": secret},
        secret,
        person.conversation_id,
        f"habit {secret}",
    )


def secret() -> str:
    return f"canary{uuid4().hex}"


@pytest.fixture
async def town(settings: Settings) -> AsyncIterator[Town]:
    ollama = OllamaEmulator(models=(CHAT_MODEL,))
    secrets = {name: secret() for name in ("document", "neighbour", "classmate", "token", "name")}
    async with AsyncExitStack() as stack:
        host = await stack.enter_async_context(serving(ollama.app))
        changed = quick(settings, ollama=OllamaSettings(host=host))
        runtime = await stack.enter_async_context(open_runtime(changed))
        other = await stack.enter_async_context(new_school(runtime))
        school = await stack.enter_async_context(new_school(runtime))
        await stack.enter_async_context(working(runtime))
        await reads(other, secrets["name"], f"{TRUE} {secrets['document']}")
        credentials = {"bot_token": f"1:{secrets['token']}", "secret_token": secrets["token"]}
        await school.add_channel("telegram", credentials=credentials)
        web = await school.add_channel("web")
        await tells(Person(app=other, account=await other.add_channel("web")), secrets["neighbour"])
        await tells(Person(app=school, account=web), secrets["classmate"])
        secrets |= {
            "database": settings.database.url.get_secret_value() if settings.database.url else "",
            "creator": str(other.creator_id),
            **{f"key {n}": key for n, key in enumerate(_keys(settings))},
        }
        pupil = Person(app=school, account=web)
        await pupil.says("/help")
        yield Town(ollama=ollama, school=school, pupil=pupil, secrets=secrets)


def _keys(settings: Settings) -> list[str]:
    given = settings.secret_keys.get_secret_value() if settings.secret_keys else ""
    return [key.partition(":")[2] or key for key in given.split(",") if key]


@pytest.mark.parametrize("speak", [as_text, as_json])
async def test_a_captured_model_has_nothing_to_tell_and_is_not_passed_on(
    town: Town, speak: Callable[[str], str]
) -> None:
    await town.reads(TRUE)
    town.ollama.capture(speak)
    reply, rung = await town.asks()

    assert len(town.ollama.requests_to("/api/chat")) == 1
    assert [name for name, canary in town.secrets.items() if canary in town.prompts()] == []
    assert reply.text.removesuffix(" [1]").replace(" [1].", ".") == TRUE
    assert [citation.quote for citation in reply.citations] == [TRUE]
    assert rung in ("ollama", "extractive")


@pytest.mark.parametrize("is_captured", [True, False])
async def test_what_a_document_smuggles_in_is_shown_and_does_nothing(
    town: Town, is_captured: bool
) -> None:
    await town.reads(POISONED)
    if is_captured:
        town.ollama.capture(as_json)
    reply, _ = await town.asks()

    assert [name for name, canary in town.secrets.items() if canary in town.prompts()] == []
    evil = Message(text=f"{reply.text}\n\n{' '.join(TRICKS)}", citations=reply.citations)
    for message in (reply, evil):
        _check_slack(message)
        _check_telegram(message)
        _check_sms(message)


def _parts(message: Message, capabilities: Any) -> tuple[OutboundPart, ...]:
    return degrade(message, capabilities, UUID(int=1))


def _check_slack(message: Message) -> None:
    """Only words and links; everything that could call somebody is written as text."""
    for part in _parts(message, SlackChannel.capabilities):
        sent = slack.message(part)
        for element in _elements(sent["blocks"]):
            assert element["type"] not in ("user", "usergroup", "broadcast", "channel", "image")
            assert element["type"] != "mrkdwn"
            if element["type"] == "link":
                assert re.match(r"https?://", element["url"])
        assert not re.search(r"<[!@#]", sent["text"])
        assert sent["parse"] == "none"


def _elements(value: Any) -> list[dict[str, Any]]:
    if isinstance(value, list):
        return [found for item in value for found in _elements(item)]
    if isinstance(value, dict):
        inner = [found for item in value.values() for found in _elements(item)]
        return [value, *inner] if "type" in value else inner
    return []


def _check_telegram(message: Message) -> None:
    """No parse mode, no preview that would fetch an address, no entity that calls somebody."""
    for part in _parts(message, TelegramChannel.capabilities):
        sent = telegram.message(Address(chat="1"), part.text, part)
        assert sent.link_preview_options == telegram.NO_PREVIEW
        assert not isinstance(sent.parse_mode, str)
        for entity in sent.entities or ():
            assert entity.type not in ("mention", "text_mention")
            assert entity.type != "text_link" or re.match(r"https?://", entity.url or "")


def _check_sms(message: Message) -> None:
    for part in _parts(message, SmsChannel.capabilities):
        assert "javascript:" not in sms.render(part.text.text).body
        assert part.attachments == ()
