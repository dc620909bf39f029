"""What people of an emulated Slack do besides writing: buttons, commands, shortcuts, installs."""

import httpx

from adapters.slack import emulator_events as events
from adapters.slack.emulator_people import People, event_delivery, form_delivery
from adapters.slack.emulator_rules import Json
from adapters.slack.emulator_state import EmulatedBot, EmulatedPerson, Room, new_id, new_ts
from adapters.slack.emulator_view import buttons
from adapters.slack.emulator_world import Sent


class Acts(People):
    """Each returns the webhook's answer; arguments as in People."""

    # --- interactions

    async def taps(
        self,
        label: str,
        *,
        user: str | None = None,
        channel: str | None = None,
        workspace: str | None = None,
        ts: str | None = None,
    ) -> httpx.Response | None:
        """Tap the button with this label on the newest message that has it."""
        bot, person, room = self.place(user, channel, workspace)
        for stored in reversed(room.messages.values()):
            for element in buttons(stored):
                if element["text"]["text"] == label and ts in (None, stored["ts"]):
                    return await self.tap(bot, person, room, stored, element)
        raise LookupError(f"no button {label!r} in {room.name or room.id}")

    async def tap(
        self, bot: EmulatedBot, person: EmulatedPerson, room: Room, stored: Json, element: Json
    ) -> httpx.Response | None:
        payload = events.block_actions(
            bot,
            person,
            room,
            stored,
            element,
            trigger=self._trigger(bot),
            response_url=self._response_url("actions", bot, person, room),
        )
        return await self.deliver(form_delivery(bot, "interactive", payload))

    async def commands(
        self,
        command: str,
        text: str = "",
        *,
        user: str | None = None,
        channel: str | None = None,
        workspace: str | None = None,
    ) -> httpx.Response | None:
        """Use a slash command; `command` begins with its slash."""
        bot, person, room = self.place(user, channel, workspace)
        form = events.slash_command(
            bot,
            person,
            room,
            command,
            text,
            trigger=self._trigger(bot),
            response_url=self._response_url("commands", bot, person, room),
        )
        return await self.deliver(form_delivery(bot, "slash_commands", form))

    async def uses(
        self,
        callback_id: str,
        *,
        ts: str | None = None,
        user: str | None = None,
        channel: str | None = None,
        workspace: str | None = None,
    ) -> httpx.Response | None:
        """Use a shortcut: a global one, or with `ts` the one in a message's menu."""
        bot, person, room = self.place(user, channel, workspace)
        trigger = self._trigger(bot)
        if ts is None:
            payload = events.shortcut(bot, person, callback_id, trigger)
        else:
            payload = events.message_shortcut(
                bot,
                person,
                room,
                room.messages[ts],
                callback_id,
                trigger=trigger,
                response_url=self._response_url("app", bot, person, room),
            )
        return await self.deliver(form_delivery(bot, "interactive", payload))

    async def echo(self, sent: Sent | None = None) -> httpx.Response | None:
        """Report the bot's own message (its newest) to it, as Slack does with every one."""
        sent = sent or self.world.sent[-1]
        bot = sent.workspace.bot_of(self.app)
        return await self.deliver(
            event_delivery(bot, events.message_event(sent.message, sent.room))
        )

    def _trigger(self, bot: EmulatedBot) -> str:
        trigger = f"{new_id('')[1:]}.{bot.workspace.id}.{new_id('')}"
        self.world.triggers[trigger] = bot
        return trigger

    def _response_url(self, kind: str, bot: EmulatedBot, person: EmulatedPerson, room: Room) -> str:
        base = self.world.base_url or "https://hooks.slack.com"
        return f"{base}/{kind}/{bot.workspace.id}/{room.id}/{person.id}/{new_id('')}"

    # --- standing

    async def opens_home(
        self, *, user: str | None = None, workspace: str | None = None, tab: str = "home"
    ) -> httpx.Response | None:
        bot, person, room = self.place(user, None, workspace)
        event: Json = {"type": "app_home_opened", "user": person.id, "channel": room.id}
        event |= {"tab": tab, "event_ts": new_ts()}
        return await self.deliver(event_delivery(bot, event))

    async def opens_assistant(
        self, *, user: str | None = None, workspace: str | None = None
    ) -> httpx.Response | None:
        """Open an assistant thread in the direct conversation; its `ts` is the newest message's."""
        bot, person, room = self.place(user, None, workspace)
        root: Json = {"type": "message", "subtype": "assistant_app_thread", "ts": new_ts()}
        root |= {"user": bot.user.id, "text": "New Assistant Thread", "thread_ts": root["ts"]}
        room.add(root)
        self.world.changed()
        context = {"team_id": bot.workspace.id, "enterprise_id": None}
        event = events.thread_started_event(person, room, root["ts"], context)
        return await self.deliver(event_delivery(bot, event))

    async def invites(
        self, channel: str, *, user: str | None = None, workspace: str | None = None
    ) -> httpx.Response | None:
        """Bring the bot into a channel."""
        bot, person, room = self.place(user, channel, workspace)
        if bot.user.id not in room.members:
            room.members.append(bot.user.id)
        event: Json = {"type": "member_joined_channel", "user": bot.user.id, "channel": room.id}
        event |= {
            "channel_type": "C",
            "team": bot.workspace.id,
            "inviter": person.id,
            "event_ts": new_ts(),
        }
        self.world.changed()
        return await self.deliver(event_delivery(bot, event))

    async def uninstalls(self, *, workspace: str | None = None) -> httpx.Response | None:
        """Remove the app from a workspace: its tokens die, and two events tell."""
        await self.revokes(workspace=workspace)
        bot = self.workspace(workspace).bot_of(self.app)
        event: Json = {"type": "app_uninstalled", "event_ts": new_ts()}
        return await self.deliver(event_delivery(bot, event))

    async def revokes(self, *, workspace: str | None = None) -> httpx.Response | None:
        """Take the bot's tokens in a workspace back."""
        team = self.workspace(workspace)
        for bot in team.bots:
            bot.revoked |= bot.app is self.app
        bot = team.bot_of(self.app)
        event: Json = {"type": "tokens_revoked", "tokens": {"oauth": [], "bot": [bot.user.id]}}
        return await self.deliver(event_delivery(bot, event | {"event_ts": new_ts()}))
