"""The emulated Web API's methods on messages, rooms, people and files."""

from collections.abc import Awaitable, Callable

from adapters.slack.emulator_blocks import check_blocks
from adapters.slack.emulator_bodies import content, person_body, react, room_body, unreact
from adapters.slack.emulator_rules import (
    Json,
    Refusal,
    check_text,
    emoji_name,
    flag,
    limit,
    missing,
    required,
    text,
    timestamp,
)
from adapters.slack.emulator_state import EmulatedBot, EmulatedPerson, Room, new_id, new_ts
from adapters.slack.emulator_world import World

Method = Callable[[EmulatedBot, Json], Awaitable[Json]]


class Api:
    """Methods take a bot and decoded arguments and return the answer without its `ok`."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.methods: dict[str, tuple[str, Method]] = {
            # name: (scope, method); "history" and "read" depend on the kind of room
            "auth.test": ("", self.auth_test),
            "auth.revoke": ("", self.auth_revoke),
            "chat.postMessage": ("chat:write", self.post_message),
            "chat.postEphemeral": ("chat:write", self.post_ephemeral),
            "chat.update": ("chat:write", self.update),
            "chat.delete": ("chat:write", self.delete),
            "conversations.history": ("history", self.history),
            "conversations.replies": ("history", self.replies),
            "conversations.info": ("read", self.info),
            "conversations.members": ("read", self.members),
            "conversations.open": ("im:write", self.open),
            "users.info": ("users:read", self.users_info),
            "reactions.add": ("reactions:write", self.add_reaction),
            "reactions.remove": ("reactions:write", self.remove_reaction),
            "files.info": ("files:read", self.files_info),
            "views.open": ("", self.views_open),
            "views.publish": ("", self.views_publish),
        }

    # --- auth

    async def auth_test(self, bot: EmulatedBot, params: Json) -> Json:
        return {
            "url": f"https://{bot.workspace.domain}.slack.com/",
            "team": bot.workspace.name,
            "user": bot.user.handle,
            "team_id": bot.workspace.id,
            "user_id": bot.user.id,
            "bot_id": bot.bot_id,
            "is_enterprise_install": False,
        }

    async def auth_revoke(self, bot: EmulatedBot, params: Json) -> Json:
        if not flag(params, "test"):
            bot.revoked = True
        return {"revoked": not flag(params, "test")}

    # --- messages

    async def post_message(self, bot: EmulatedBot, params: Json) -> Json:
        room = self.world.room_to_write(bot, params)
        timestamp(params, "thread_ts", "invalid_thread_ts")
        check_text(params)
        check_blocks(params.get("blocks"))
        message = self.world.post(bot, room, params, **content(params))
        return {"channel": room.id, "ts": message["ts"], "message": message}

    async def post_ephemeral(self, bot: EmulatedBot, params: Json) -> Json:
        """Only one person sees it, and nobody after a reload: it isn't part of the history."""
        room = self.world.room_to_write(bot, params)
        person = self.world.person(bot, required(params, "user"))
        if person.id not in room.members:
            raise Refusal("user_not_in_channel")
        message = self.whisper(bot, room, person, params)
        return {"message_ts": message["ts"]}

    def whisper(self, bot: EmulatedBot, room: Room, person: EmulatedPerson, params: Json) -> Json:
        check_text(params)
        check_blocks(params.get("blocks"))
        return self.world.post(
            bot, room, params, **content(params), ephemeral_to=person.id, is_ephemeral=True
        )

    async def update(self, bot: EmulatedBot, params: Json) -> Json:
        room, message = self._own(bot, params, "cant_update_message")
        # As observed: it is documented nowhere.
        if (room.id, message["ts"]) in self.world.streams:
            raise Refusal("streaming_state_conflict")
        check_text(params)
        check_blocks(params.get("blocks"))
        for name in ("blocks", "attachments", "markdown"):
            message.pop(name, None)
        message |= content(params) | {"edited": {"user": bot.user.id, "ts": new_ts()}}
        self.world.changed()
        answer = {"channel": room.id, "ts": message["ts"], "text": message["text"]}
        return answer | {"message": message}

    async def delete(self, bot: EmulatedBot, params: Json) -> Json:
        room, message = self._own(bot, params, "cant_delete_message")
        del room.messages[message["ts"]]
        self.world.changed()
        return {"channel": room.id, "ts": message["ts"]}

    def _own(self, bot: EmulatedBot, params: Json, refusal: str) -> tuple[Room, Json]:
        room = self.world.room(bot, params)
        ts = timestamp(params, "ts", "message_not_found")
        if not ts:
            raise missing("ts")
        return room, self.world.own_message(bot, room, ts, refusal)

    # --- rooms

    async def history(self, bot: EmulatedBot, params: Json) -> Json:
        """Newest first; replies only where they were also sent to the channel."""
        room = self._readable(bot, params)
        is_within = _window(params)
        messages = [
            m
            for m in room.messages.values()
            if m.get("thread_ts", m["ts"]) == m["ts"] and "ephemeral_to" not in m and is_within(m)
        ]
        return self._page(list(reversed(messages)), params)

    async def replies(self, bot: EmulatedBot, params: Json) -> Json:
        """A message and its replies, oldest first."""
        room = self._readable(bot, params)
        ts = timestamp(params, "ts", "thread_not_found")
        if not ts:
            raise missing("ts")
        thread = room.thread(ts)
        if not thread:
            raise Refusal("thread_not_found")
        is_within = _window(params)
        told = [m for m in thread if "ephemeral_to" not in m]
        shown = [m for m in told if m["ts"] == ts or is_within(m)]
        return self._page(shown, params)

    def _page(self, messages: list[Json], params: Json) -> Json:
        start, size = _cursor(params), limit(params)
        page = messages[start : start + size]
        has_more = len(messages) > start + size
        shown = [_shown(m, with_metadata=flag(params, "include_all_metadata")) for m in page]
        body: Json = {"messages": shown, "has_more": has_more}
        if has_more:
            cursor = f"bmV4dF90czox{start + size}"
            body["response_metadata"] = {"next_cursor": cursor}
        return body

    def _readable(self, bot: EmulatedBot, params: Json) -> Room:
        room = self.world.room(bot, params)
        if bot.user.id not in room.members:
            raise Refusal("not_in_channel")
        return room

    async def info(self, bot: EmulatedBot, params: Json) -> Json:
        room = self.world.room(bot, params)
        return {"channel": room_body(room, bot)}

    async def members(self, bot: EmulatedBot, params: Json) -> Json:
        room = self.world.room(bot, params)
        return {"members": list(room.members), "response_metadata": {"next_cursor": ""}}

    async def open(self, bot: EmulatedBot, params: Json) -> Json:
        users = [each for each in text(params, "users").split(",") if each]
        if text(params, "channel"):
            return {"channel": {"id": self.world.room(bot, params).id}}
        if not users:
            raise Refusal("users_list_not_supplied")
        if len(users) > 1:
            raise Refusal("method_not_supported_for_channel_type")
        person = self.world.person(bot, users[0])
        if person.is_bot:
            raise Refusal("cannot_dm_bot")
        room = bot.workspace.direct(bot, person)
        self.world.changed()
        return {"channel": {"id": room.id}}

    # --- people, reactions, files, views

    async def users_info(self, bot: EmulatedBot, params: Json) -> Json:
        person = self.world.person(bot, required(params, "user"))
        user = person_body(person, bot.workspace.id)
        if flag(params, "include_locale"):
            user["locale"] = person.locale
        return {"user": user}

    async def add_reaction(self, bot: EmulatedBot, params: Json) -> Json:
        message, name = self._reacted(bot, params)
        if not react(message, name, bot.user.id):
            raise Refusal("already_reacted")
        self.world.changed()
        return {}

    async def remove_reaction(self, bot: EmulatedBot, params: Json) -> Json:
        message, name = self._reacted(bot, params)
        if not unreact(message, name, bot.user.id):
            raise Refusal("no_reaction")
        self.world.changed()
        return {}

    def _reacted(self, bot: EmulatedBot, params: Json) -> tuple[Json, str]:
        name = emoji_name(params)
        room = self._readable(bot, params)
        message = room.messages.get(timestamp(params, "timestamp", "bad_timestamp"))
        if message is None:
            raise Refusal("message_not_found")
        return message, name

    async def files_info(self, bot: EmulatedBot, params: Json) -> Json:
        stored = bot.workspace.files.get(required(params, "file"))
        if stored is None:
            raise Refusal("file_not_found")
        return {"file": stored.info, "comments": [], "response_metadata": {"next_cursor": ""}}

    async def views_open(self, bot: EmulatedBot, params: Json) -> Json:
        # A trigger is good for one use, within three seconds.
        if self.world.triggers.pop(required(params, "trigger_id"), None) is not bot:
            raise Refusal("invalid_trigger_id")
        return {"view": self._view(bot, params)}

    async def views_publish(self, bot: EmulatedBot, params: Json) -> Json:
        self.world.person(bot, required(params, "user_id"))
        return {"view": self._view(bot, params)}

    def _view(self, bot: EmulatedBot, params: Json) -> Json:
        view = params.get("view")
        if not isinstance(view, dict) or view.get("type") not in ("modal", "home"):
            raise missing("view")
        stored = {**view, "id": new_id("V"), "team_id": bot.workspace.id, "app_id": bot.app.id}
        self.world.views[stored["id"]] = stored
        return stored


def _shown(message: Json, *, with_metadata: bool) -> Json:
    hidden = {"markdown", *(() if with_metadata else ("metadata",))}
    return {name: value for name, value in message.items() if name not in hidden}


def _window(params: Json) -> Callable[[Json], bool]:
    """Whether a message lies between `oldest` and `latest`; on them only if `inclusive`."""
    low = _bound(params, "oldest", 0.0)
    high = _bound(params, "latest", float("inf"))
    if flag(params, "inclusive"):
        return lambda message: low <= float(message["ts"]) <= high
    return lambda message: low < float(message["ts"]) < high


def _bound(params: Json, name: str, default: float) -> float:
    try:
        return float(text(params, name) or default)
    except ValueError:
        raise Refusal(f"invalid_ts_{name}") from None


def _cursor(params: Json) -> int:
    cursor = text(params, "cursor")
    if not cursor:
        return 0
    number = cursor.removeprefix("bmV4dF90czox")
    if number == cursor or not number.isdecimal():
        raise Refusal("invalid_cursor")
    return int(number)
