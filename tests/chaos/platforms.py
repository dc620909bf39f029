"""People on Slack and on the telephone, as their platforms deliver them; see `people`."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

import httpx

from adapters.slack import emulator_events as slack_events
from adapters.slack.emulator_people import event_delivery
from adapters.sms import signature as sms_signature
from core.channels import Account
from tests.chaos.people import Choose, Person, TelegramPerson, WebPerson, until_taken
from tests.chaos.stage import PUBLIC_URL, Gateway, Stage

FIRST_CHAT = 1001
PLATFORMS = ("telegram", "slack", "sms")


@dataclass(kw_only=True)
class SlackPerson:
    """Somebody in a direct conversation with the bot."""

    stage: Stage
    gateway: Choose
    number: int
    said: list[str] = field(default_factory=list)
    refusals: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        slack = self.stage.slack_emulator
        self._team = slack.workspace()
        name = f"Person {self.number}"
        known = {person.name: person for person in self._team.people.values()}
        self._person = known.get(name) or self._team.add_person(name)
        self._room = self._team.direct(slack.bot, self._person)

    @property
    def key(self) -> str:
        return self._room.id

    async def says(self, text: str, *, copies: int = 1) -> None:
        slack = self.stage.slack_emulator
        stored = self._room.add(slack_events.message(self._person, self._team, text))
        delivery = event_delivery(slack.bot, slack_events.message_event(stored, self._room))

        async def post() -> httpx.Response:
            headers = slack_events.signed(slack.app, delivery.body)
            headers["Content-Type"] = delivery.content_type
            return await _post(self.stage, self.gateway(), self.stage.slack, delivery.body, headers)

        for _ in range(copies):
            await until_taken(post, self.refusals)
        self.said.append(text)

    async def heard(self) -> list[str]:
        return self.stage.slack_emulator.texts(self._room.id)


@dataclass(kw_only=True)
class SmsPerson:
    stage: Stage
    gateway: Choose
    number: int
    said: list[str] = field(default_factory=list)
    refusals: list[int] = field(default_factory=list)

    @property
    def key(self) -> str:
        return f"+1202555{self.number:04d}"

    async def says(self, text: str, *, copies: int = 1) -> None:
        sms = self.stage.sms_emulator
        pairs = [(name, str(value)) for name, value in sms.message(text, chat=self.key).items()]
        url = f"{PUBLIC_URL}/webhooks/sms/{self.stage.sms.route_key}"
        headers = {
            "Content-Type": "application/x-www-form-urlencoded; charset=UTF-8",
            "X-Twilio-Signature": sms_signature.sign(sms.account.token, url, pairs, "HMAC_SHA1"),
        }
        body = urlencode(pairs).encode()

        async def post() -> httpx.Response:
            return await _post(self.stage, self.gateway(), self.stage.sms, body, headers)

        for _ in range(copies):
            await until_taken(post, self.refusals)
        self.said.append(text)

    async def heard(self) -> list[str]:
        return self.stage.sms_emulator.texts(self.key)


async def _post(
    stage: Stage, gateway: Gateway, account: Account, body: bytes, headers: dict[str, str]
) -> httpx.Response:
    url = f"{gateway.url}/webhooks/{account.type}/{account.route_key}"
    return await stage.client.post(url, content=body, headers=headers)


def person_on(channel: str, stage: Stage, gateway: Choose, number: int = 0) -> Person:
    """A person on a channel; one on the web chat must still open it."""
    makers: dict[str, Callable[[], Person]] = {
        "telegram": lambda: TelegramPerson(stage=stage, gateway=gateway, chat=FIRST_CHAT + number),
        "slack": lambda: SlackPerson(stage=stage, gateway=gateway, number=number),
        "sms": lambda: SmsPerson(stage=stage, gateway=gateway, number=200 + number),
        "web": lambda: WebPerson(stage=stage, gateway=gateway),
    }
    return makers[channel]()


async def opened_on(channel: str, stage: Stage, gateway: Choose, number: int = 0) -> Person:
    person = person_on(channel, stage, gateway, number)
    if isinstance(person, WebPerson):
        await person.opens()
    return person


def emulator_of(stage: Stage, channel: str) -> Any:
    emulators = {
        "telegram": stage.emulator,
        "slack": stage.slack_emulator,
        "sms": stage.sms_emulator,
    }
    return emulators[channel]


SEND_METHODS = {"telegram": "sendMessage", "slack": "chat.postMessage", "sms": "create"}
