"""Who and what there is on the emulated Slack: apps, workspaces, people, rooms, messages, files."""

import secrets
import time
from dataclasses import dataclass, field
from itertools import count
from typing import Any, Literal

from adapters.slack.emulator_rules import Json

BOT_SCOPES = (
    "app_mentions:read",
    "assistant:write",
    "channels:history",
    "channels:read",
    "chat:write",
    "commands",
    "files:read",
    "groups:history",
    "groups:read",
    "im:history",
    "im:read",
    "im:write",
    "mpim:history",
    "mpim:read",
    "reactions:read",
    "reactions:write",
    "users:read",
)
PEOPLE: tuple[tuple[str, str, Json], ...] = (
    ("U0ADA", "Ada", {}),
    (
        "U0BEN",
        "Ben",
        {
            "tz": "America/New_York",
            "tz_label": "Eastern Standard Time",
            "tz_offset": -18_000,
            "locale": "en-US",
        },
    ),
    (
        "U0CLEO",
        "Cleo",
        {
            "tz": "Asia/Tokyo",
            "tz_label": "Japan Standard Time",
            "tz_offset": 32_400,
            "locale": "ja-JP",
        },
    ),
)
RoomKind = Literal["im", "channel", "group"]
_ids = count(1)
_last_ts = 0


def new_id(prefix: str) -> str:
    """An id as Slack writes them: a letter, then digits and capitals."""
    return f"{prefix}0EM{next(_ids):06d}"


def new_ts() -> str:
    """A message's name: its time in microseconds, never twice."""
    global _last_ts
    _last_ts = max(time.time_ns() // 1000, _last_ts + 1)
    return f"{_last_ts // 1_000_000}.{_last_ts % 1_000_000:06d}"


@dataclass(kw_only=True, eq=False)
class EmulatedApp:
    """An app as its developer configured it; `webhook_url` is where its events go."""

    name: str = "Cairn"
    id: str = field(default_factory=lambda: new_id("A"))
    client_id: str = ""
    client_secret: str = field(default_factory=lambda: secrets.token_hex(16))
    signing_secret: str = field(default_factory=lambda: secrets.token_hex(16))
    verification_token: str = field(default_factory=lambda: secrets.token_urlsafe(18))
    app_token: str = ""
    webhook_url: str = ""
    # None takes any; a real app lists them.
    redirect_urls: tuple[str, ...] | None = None

    def __post_init__(self) -> None:
        self.client_id = self.client_id or f"{time.time_ns() % 10**12}.{next(_ids):012d}"
        self.app_token = self.app_token or f"xapp-1-{self.id}-{secrets.token_hex(16)}"


@dataclass(kw_only=True, eq=False)
class EmulatedPerson:
    """Somebody in a workspace; the bots are too."""

    id: str
    name: str
    tz: str = "Europe/Amsterdam"
    tz_label: str = "Central European Time"
    tz_offset: int = 3600
    locale: str = "en-GB"
    is_bot: bool = False
    deleted: bool = False

    @property
    def handle(self) -> str:
        return self.name.lower().replace(" ", ".")


@dataclass(kw_only=True, eq=False)
class EmulatedBot:
    """One app in one workspace: what its token may do."""

    app: EmulatedApp
    workspace: "EmulatedWorkspace"
    token: str
    user: EmulatedPerson
    bot_id: str
    scopes: tuple[str, ...] = BOT_SCOPES
    revoked: bool = False

    def body(self) -> Json:
        return {
            "id": self.bot_id,
            "app_id": self.app.id,
            "user_id": self.user.id,
            "name": self.app.name,
            "icons": {},
            "deleted": False,
            "updated": 1_700_000_000,
            "team_id": self.workspace.id,
        }


@dataclass(kw_only=True, eq=False)
class Room:
    """A channel or a direct conversation, with its messages by ts, oldest first."""

    id: str
    name: str
    kind: RoomKind
    members: list[str]
    messages: dict[str, Json] = field(default_factory=dict)
    archived: bool = False
    statuses: dict[str, str] = field(default_factory=dict)  # "is typing…", by thread
    prompts: dict[str, list[Json]] = field(default_factory=dict)
    titles: dict[str, str] = field(default_factory=dict)

    @property
    def is_im(self) -> bool:
        return self.kind == "im"

    def add(self, message: Json) -> Json:
        self.messages[message["ts"]] = message
        parent = self.messages.get(message.get("thread_ts", ""))
        if parent is not None and parent is not message:
            self._count_reply(parent, message)
        return message

    def _count_reply(self, parent: Json, reply: Json) -> None:
        users = parent.setdefault("reply_users", [])
        if reply.get("user") not in users:
            users.append(reply.get("user"))
        parent["thread_ts"] = parent["ts"]
        parent["reply_count"] = parent.get("reply_count", 0) + 1
        parent["reply_users_count"] = len(users)
        parent["latest_reply"] = reply["ts"]

    def thread(self, ts: str) -> list[Json]:
        """A message and its replies, oldest first."""
        return [m for m in self.messages.values() if ts in (m["ts"], m.get("thread_ts"))]


@dataclass(frozen=True, kw_only=True)
class StoredFile:
    """A file somebody shared."""

    info: Json
    content: bytes


@dataclass(kw_only=True, eq=False)
class EmulatedWorkspace:
    """A team: its people, rooms, installed bots and files."""

    name: str
    domain: str
    id: str = field(default_factory=lambda: new_id("T"))
    people: dict[str, EmulatedPerson] = field(default_factory=dict)
    rooms: dict[str, Room] = field(default_factory=dict)
    bots: list[EmulatedBot] = field(default_factory=list)
    files: dict[str, StoredFile] = field(default_factory=dict)

    def add_person(self, name: str, *, id: str = "", **details: Any) -> EmulatedPerson:
        person = EmulatedPerson(id=id or new_id("U"), name=name, **details)
        self.people[person.id] = person
        return person

    def add_room(self, name: str, *, id: str = "", kind: RoomKind = "channel") -> Room:
        """A channel with everybody in it."""
        room = Room(id=id or new_id("C"), name=name, kind=kind, members=list(self.people))
        self.rooms[room.id] = room
        return room

    def person(self, who: str | None) -> EmulatedPerson:
        """By id or name; the first one when nobody is named."""
        people = [person for person in self.people.values() if not person.is_bot]
        for person in people:
            if who in (None, person.id, person.name):
                return person
        raise LookupError(f"there is no {who!r} in {self.name}")

    def room(self, which: str) -> Room:
        """By id or name."""
        for room in self.rooms.values():
            if which == room.id or (not room.is_im and which.removeprefix("#") == room.name):
                return room
        raise LookupError(f"there is no channel {which!r} in {self.name}")

    def direct(self, bot: EmulatedBot, person: EmulatedPerson) -> Room:
        """The direct conversation of a person and a bot, opened if need be."""
        for room in self.rooms.values():
            if room.is_im and room.members == [person.id, bot.user.id]:
                return room
        # The first bot's have the person's own number, so that they are the same in every process.
        room_id = f"D{person.id[1:]}"
        if room_id in self.rooms:
            room_id = new_id("D")
        members = [person.id, bot.user.id]
        self.rooms[room_id] = Room(id=room_id, name=person.id, kind="im", members=members)
        return self.rooms[room_id]

    def display_name(self, identifier: str) -> str:
        """How a person or a channel is written in a message."""
        if person := self.people.get(identifier):
            return person.name
        room = self.rooms.get(identifier)
        return room.name if room else identifier

    def install(
        self, app: EmulatedApp, scopes: tuple[str, ...] = BOT_SCOPES, *, token: str = ""
    ) -> EmulatedBot:
        """Put an app into the workspace; again: the same bot user with a new token."""
        user = self.people.get(f"U{app.id[1:]}")
        if user is None:
            user = self.add_person(app.name, id=f"U{app.id[1:]}", is_bot=True)
        bot = EmulatedBot(
            app=app,
            workspace=self,
            token=token or f"xoxb-{self.id[-6:]}-{user.id[-6:]}-{secrets.token_hex(16)}",
            user=user,
            bot_id=f"B{user.id[1:]}",
            scopes=scopes,
        )
        self.bots.append(bot)
        return bot

    def bot_of(self, app: EmulatedApp) -> EmulatedBot:
        """The app's newest bot here; revoked ones too."""
        for bot in reversed(self.bots):
            if bot.app is app:
                return bot
        raise LookupError(f"{app.name} is not installed in {self.name}")


def add_people(workspace: EmulatedWorkspace, suffix: str = "") -> None:
    """Ada, Ben and Cleo, who live in three time zones."""
    for person_id, name, details in PEOPLE:
        workspace.add_person(name, id=person_id + suffix, **details)
