"""The people of an emulated Slack: what they do becomes a signed request, posted once."""

import json
import mimetypes
from copy import deepcopy
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

import httpx

from adapters.slack import emulator_events as events
from adapters.slack.emulator_bodies import react, unreact
from adapters.slack.emulator_rules import Json
from adapters.slack.emulator_state import (
    EmulatedApp,
    EmulatedBot,
    EmulatedPerson,
    EmulatedWorkspace,
    Room,
    StoredFile,
)
from adapters.slack.emulator_world import World

_WEBHOOK_SECONDS = 60
_FORM = "application/x-www-form-urlencoded"


@dataclass(frozen=True, kw_only=True)
class Delivery:
    """A request to an app; `kind` and `payload` are what Socket Mode makes of it."""

    app: EmulatedApp
    kind: str  # events_api, interactive, slash_commands
    payload: Json
    body: bytes
    content_type: str


def event_delivery(bot: EmulatedBot, event: Json) -> Delivery:
    payload = events.envelope(bot, event)
    return Delivery(
        app=bot.app,
        kind="events_api",
        payload=payload,
        body=json.dumps(payload).encode(),
        content_type="application/json",
    )


def form_delivery(bot: EmulatedBot, kind: str, payload: Json) -> Delivery:
    """A command is a form; an interaction is a form with one field of JSON."""
    form = payload if kind == "slash_commands" else {"payload": json.dumps(payload)}
    return Delivery(
        app=bot.app,
        kind=kind,
        payload=payload,
        body=urlencode(form).encode(),
        content_type=_FORM,
    )


class People:
    """Person-level acts. Each returns the webhook's answer (of the last of several requests).

    `user`, `channel` and `workspace` take an id or a name; without them it is the first person,
    in their direct conversation with the bot, in the first workspace.
    """

    world: World
    app: EmulatedApp
    client: httpx.AsyncClient | None
    last_delivery: Delivery | None = None

    # --- who and where

    def workspace(self, which: str | None = None) -> EmulatedWorkspace:
        for workspace in self.world.workspaces.values():
            if which in (None, workspace.id, workspace.name):
                return workspace
        raise LookupError(f"there is no workspace {which!r}")

    def place(
        self, user: str | None, channel: str | None, workspace: str | None
    ) -> tuple[EmulatedBot, EmulatedPerson, Room]:
        team = self.workspace(workspace)
        bot = team.bot_of(self.app)
        person = team.person(user)
        return bot, person, team.room(channel) if channel else team.direct(bot, person)

    # --- messages

    async def says(
        self,
        text: str,
        *,
        user: str | None = None,
        channel: str | None = None,
        thread: str | None = None,
        mention: bool = False,
        files: tuple[str, ...] = (),
        workspace: str | None = None,
        **extra: Any,
    ) -> httpx.Response | None:
        """Write; `mention` puts the bot's name in front, `files` are ids of `shares`' kind."""
        bot, person, room = self.place(user, channel, workspace)
        whole = f"<@{bot.user.id}> {text}" if mention else text
        stored = events.message(person, bot.workspace, events.typed(whole), thread) | extra
        if files:
            infos = [bot.workspace.files[each].info for each in files]
            stored |= {"subtype": "file_share", "files": infos, "upload": False}
        room.add(stored)
        self.world.changed()
        return await self.report(bot, room, stored)

    async def report(self, bot: EmulatedBot, room: Room, stored: Json) -> httpx.Response | None:
        """A mention is reported twice, as itself and as a message, each under its own event id."""
        response: httpx.Response | None = None
        is_mention = f"<@{bot.user.id}>" in stored.get("text", "") and not room.is_im
        if bot.user.id in room.members:
            event = events.message_event(stored, room)
            response = await self.deliver(event_delivery(bot, event))
        if is_mention:
            event = events.mention_event(stored, room)
            response = await self.deliver(event_delivery(bot, event))
        return response

    def uploads(
        self,
        name: str,
        content: bytes,
        *,
        user: str | None = None,
        workspace: str | None = None,
        mimetype: str | None = None,
    ) -> str:
        """Store a file and return its id, for `says(files=(…,))`."""
        team = self.workspace(workspace)
        kind = mimetype or mimetypes.guess_type(name)[0] or "application/octet-stream"
        person = team.person(user)
        info = events.file_info(person, team, self.world.base_url, name, kind, len(content))
        team.files[info["id"]] = StoredFile(info=info, content=content)
        return str(info["id"])

    async def shares(
        self,
        name: str,
        content: bytes | str,
        *,
        text: str = "",
        user: str | None = None,
        channel: str | None = None,
        thread: str | None = None,
        workspace: str | None = None,
        mimetype: str | None = None,
    ) -> httpx.Response | None:
        """Share a file, with or without words."""
        data = content.encode() if isinstance(content, str) else content
        file_id = self.uploads(name, data, user=user, workspace=workspace, mimetype=mimetype)
        where = {"user": user, "channel": channel, "thread": thread, "workspace": workspace}
        return await self.says(text, files=(file_id,), **where)  # type: ignore[arg-type]

    async def edits(
        self,
        ts: str,
        text: str,
        *,
        user: str | None = None,
        channel: str | None = None,
        workspace: str | None = None,
    ) -> httpx.Response | None:
        bot, person, room = self.place(user, channel, workspace)
        stored = room.messages[ts]
        before = deepcopy(stored)
        stored.pop("blocks", None)
        stored |= {
            "text": events.typed(text),
            "edited": {"user": person.id, "ts": f"{float(ts) + 1:.6f}"},
        }
        self.world.changed()
        event = events.changed_event(before, stored, room)
        return await self.deliver(event_delivery(bot, event))

    async def deletes(
        self,
        ts: str,
        *,
        user: str | None = None,
        channel: str | None = None,
        workspace: str | None = None,
    ) -> httpx.Response | None:
        bot, _, room = self.place(user, channel, workspace)
        before = room.messages.pop(ts)
        self.world.changed()
        return await self.deliver(event_delivery(bot, events.deleted_event(before, room)))

    async def reacts(
        self,
        emoji: str,
        ts: str,
        *,
        user: str | None = None,
        channel: str | None = None,
        workspace: str | None = None,
        remove: bool = False,
    ) -> httpx.Response | None:
        """React with an emoji's name, or take it back."""
        bot, person, room = self.place(user, channel, workspace)
        stored = room.messages[ts]
        (unreact if remove else react)(stored, emoji, person.id)
        self.world.changed()
        kind = "reaction_removed" if remove else "reaction_added"
        event = events.reaction_event(kind, person, emoji, room, stored)
        return await self.deliver(event_delivery(bot, event))

    # --- delivery

    async def deliver(
        self, delivery: Delivery, *, retry: int = 0, reason: str = "http_timeout"
    ) -> httpx.Response | None:
        """Post it once, or send it over the app's socket; None where neither is there."""
        self.last_delivery = delivery
        if await self.over_socket(delivery, retry, reason):
            return None
        if not delivery.app.webhook_url:
            return None
        headers = events.signed(delivery.app, delivery.body)
        headers["Content-Type"] = delivery.content_type
        if retry:
            headers |= {"X-Slack-Retry-Num": str(retry), "X-Slack-Retry-Reason": reason}
        if self.client is None:
            self.client = httpx.AsyncClient(timeout=_WEBHOOK_SECONDS, trust_env=False)
        url = delivery.app.webhook_url
        return await self.client.post(url, content=delivery.body, headers=headers)

    async def over_socket(self, delivery: Delivery, retry: int, reason: str) -> bool:
        """Whether a Socket Mode connection took it."""
        return False

    async def retries(self, number: int = 1, reason: str = "http_timeout") -> httpx.Response | None:
        """Slack sends the last request again, as after no or a bad answer (at most three times)."""
        if self.last_delivery is None:
            raise LookupError("nothing was delivered yet")
        return await self.deliver(self.last_delivery, retry=number, reason=reason)
