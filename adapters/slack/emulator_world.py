"""What a call to the emulated Web API finds: whose token it is, which room, which message."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from adapters.slack import emulator_view
from adapters.slack.emulator_rules import Json, Refusal, required, text
from adapters.slack.emulator_state import (
    EmulatedApp,
    EmulatedBot,
    EmulatedPerson,
    EmulatedWorkspace,
    Room,
    new_ts,
)
from core.emulators import Bubble


@dataclass(frozen=True, kw_only=True)
class Sent:
    """A message a bot sent and Slack accepted; it shows what later calls made of it."""

    workspace: EmulatedWorkspace = field(repr=False)
    room: Room = field(repr=False)
    message: Json = field(repr=False)
    params: Json = field(repr=False)

    @property
    def team(self) -> str:
        return self.workspace.id

    @property
    def channel(self) -> str:
        return self.room.id

    @property
    def ts(self) -> str:
        return str(self.message["ts"])

    @property
    def thread_ts(self) -> str | None:
        return self.message.get("thread_ts")

    @property
    def text(self) -> str:
        """As a person reads it: blocks where there are some, no formatting, no small print."""
        return self._bubble.text

    @property
    def context(self) -> tuple[str, ...]:
        return self._bubble.context

    @property
    def buttons(self) -> dict[str, str]:
        """Label to value."""
        elements = emulator_view.buttons(self.message)
        return {str(e["text"]["text"]): str(e.get("value", "")) for e in elements}

    @property
    def _bubble(self) -> Bubble:
        return emulator_view.bubble(self.message, self.workspace)


class World:
    """All apps and workspaces of one emulator."""

    def __init__(self) -> None:
        self.apps: list[EmulatedApp] = []
        self.workspaces: dict[str, EmulatedWorkspace] = {}
        self.sent: list[Sent] = []
        self.streams: dict[tuple[str, str], EmulatedBot] = {}  # growing messages, by channel and ts
        self.triggers: dict[str, EmulatedBot] = {}
        self.views: dict[str, Json] = {}
        self.revision = 0
        self.base_url = ""  # where this emulator is reached; learned from the first call

    def changed(self) -> None:
        self.revision += 1

    def bot_by_token(self, token: str) -> EmulatedBot:
        """Raise Refusal for a token that is missing, unknown or taken back."""
        if not token:
            raise Refusal("not_authed")
        for workspace in self.workspaces.values():
            for bot in workspace.bots:
                if bot.token == token:
                    if bot.revoked:
                        raise Refusal("token_revoked")
                    return bot
        raise Refusal("invalid_auth")

    def app_by_token(self, token: str) -> EmulatedApp:
        """The app of an app-level token."""
        if not token:
            raise Refusal("not_authed")
        for app in self.apps:
            if app.app_token == token:
                return app
        raise Refusal("invalid_auth")

    # --- rooms

    def room(self, bot: EmulatedBot, params: Mapping[str, Any], name: str = "channel") -> Room:
        """The room an argument names, as far as the bot may know of it."""
        wanted = required(params, name)
        room = bot.workspace.rooms.get(wanted)
        # Private rooms of others don't exist for a bot.
        if room is None or (room.kind != "channel" and bot.user.id not in room.members):
            raise Refusal("channel_not_found")
        return room

    def room_to_write(self, bot: EmulatedBot, params: Mapping[str, Any]) -> Room:
        """A room by id or name, or a person's id: their direct conversation."""
        wanted = text(params, "channel")
        if not wanted:
            raise Refusal("channel_not_found")
        person = bot.workspace.people.get(wanted)
        if person is not None and not person.is_bot:
            return bot.workspace.direct(bot, person)
        try:
            room = bot.workspace.room(wanted)
        except LookupError:
            raise Refusal("channel_not_found") from None
        self.check_may_write(bot, self.room(bot, {"channel": room.id}))
        return room

    def check_may_write(self, bot: EmulatedBot, room: Room) -> None:
        if room.archived:
            raise Refusal("is_archived")
        if bot.user.id not in room.members and "chat:write.public" not in bot.scopes:
            raise Refusal("not_in_channel")

    def person(self, bot: EmulatedBot, identifier: str) -> EmulatedPerson:
        person = bot.workspace.people.get(identifier)
        if person is None:
            raise Refusal("user_not_found")
        return person

    # --- messages

    def own_message(self, bot: EmulatedBot, room: Room, ts: str, refusal: str) -> Json:
        message = room.messages.get(ts)
        if message is None:
            raise Refusal("message_not_found")
        if message.get("bot_id") != bot.bot_id:
            raise Refusal(refusal)
        return message

    def post(self, bot: EmulatedBot, room: Room, params: Json, **content: Any) -> Json:
        """Store a bot's message; the room's status line in its thread goes out."""
        thread = text(params, "thread_ts")
        message: Json = {
            "user": bot.user.id,
            "type": "message",
            "ts": new_ts(),
            "bot_id": bot.bot_id,
            "app_id": bot.app.id,
            "text": "",
            "team": bot.workspace.id,
            "bot_profile": bot.body(),
            **content,
        }
        if thread:
            parent = room.messages.get(thread)
            message["thread_ts"] = parent.get("thread_ts", thread) if parent else thread
        room.add(message)
        if "ephemeral_to" not in message:
            room.statuses.pop(thread, None)
        sent = Sent(workspace=bot.workspace, room=room, message=message, params=dict(params))
        self.sent.append(sent)
        self.changed()
        return message
