"""The emulated Web API's growing messages and assistant threads.

https://docs.slack.dev/reference/methods/chat.startStream/ and its neighbours. What happens to a
stream from outside (its age, an edit) is documented nowhere: it is as others observed it.
"""

import time

from adapters.slack.emulator_api import Method
from adapters.slack.emulator_blocks import check_blocks
from adapters.slack.emulator_rules import (
    Json,
    Refusal,
    check_metadata,
    check_prompts,
    check_stream_text,
    missing,
    required,
    text,
    timestamp,
)
from adapters.slack.emulator_state import EmulatedBot, Room
from adapters.slack.emulator_world import World

# Appends don't extend it. https://github.com/slackapi/python-slack-sdk/issues/1859
MAX_STREAM_SECONDS = 300.0


class Streams:
    """chat.startStream, appendStream, stopStream; assistant.threads.*."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.methods: dict[str, tuple[str, Method]] = {
            "chat.startStream": ("chat:write", self.start),
            "chat.appendStream": ("chat:write", self.append),
            "chat.stopStream": ("chat:write", self.stop),
            "assistant.threads.setStatus": ("assistant:write", self.set_status),
            "assistant.threads.setSuggestedPrompts": ("assistant:write", self.set_prompts),
            "assistant.threads.setTitle": ("assistant:write", self.set_title),
        }

    async def start(self, bot: EmulatedBot, params: Json) -> Json:
        room = self.world.room_to_write(bot, params)
        if not timestamp(params, "thread_ts", "invalid_thread_ts"):
            raise missing("thread_ts")
        if not room.is_im:
            self._check_recipient(bot, params)
        markdown = check_stream_text(params)
        message = self.world.post(
            bot, room, params, text=markdown, markdown=True, streaming_state="in_progress"
        )
        self.world.streams[room.id, message["ts"]] = bot
        return {"channel": room.id, "ts": message["ts"]}

    def _check_recipient(self, bot: EmulatedBot, params: Json) -> None:
        if not text(params, "recipient_user_id"):
            raise Refusal("missing_recipient_user_id")
        if not text(params, "recipient_team_id"):
            raise Refusal("missing_recipient_team_id")
        self.world.person(bot, text(params, "recipient_user_id"))

    async def append(self, bot: EmulatedBot, params: Json) -> Json:
        room, message = self._growing(bot, params)
        message["text"] += check_stream_text(params, is_required=True)
        self.world.changed()
        return {"channel": room.id, "ts": message["ts"]}

    async def stop(self, bot: EmulatedBot, params: Json) -> Json:
        room, message = self._growing(bot, params)
        markdown = check_stream_text(params)
        check_blocks(params.get("blocks"))
        check_metadata(params.get("metadata"))
        message["text"] += markdown
        message["streaming_state"] = "completed"
        if params.get("blocks"):
            # They stand below what was written, as one more part of it.
            written = [{"type": "markdown", "text": message["text"]}] if message["text"] else []
            message["blocks"] = [*written, *params["blocks"]]
        if params.get("metadata"):
            message["metadata"] = params["metadata"]
        del self.world.streams[room.id, message["ts"]]
        self.world.changed()
        return {"channel": room.id, "ts": message["ts"], "message": message}

    def _growing(self, bot: EmulatedBot, params: Json) -> tuple[Room, Json]:
        room = self.world.room(bot, params)
        ts = timestamp(params, "ts", "message_not_found")
        if not ts:
            raise missing("ts")
        message = self.world.own_message(bot, room, ts, "message_not_owned_by_app")
        if time.time() - float(ts) > MAX_STREAM_SECONDS:
            self.world.streams.pop((room.id, ts), None)
        if (room.id, ts) not in self.world.streams:
            raise Refusal("message_not_in_streaming_state")
        return room, message

    # --- assistant threads

    async def set_status(self, bot: EmulatedBot, params: Json) -> Json:
        """An empty status takes it away; so does the next message in the thread."""
        room, thread = self._thread(bot, params)
        if "status" not in params:
            raise missing("status")
        room.statuses[thread] = text(params, "status")
        self.world.changed()
        return {}

    async def set_prompts(self, bot: EmulatedBot, params: Json) -> Json:
        room = self.world.room(bot, params, "channel_id")
        room.prompts[text(params, "thread_ts")] = check_prompts(params)
        self.world.changed()
        return {}

    async def set_title(self, bot: EmulatedBot, params: Json) -> Json:
        room, thread = self._thread(bot, params)
        room.titles[thread] = required(params, "title")
        self.world.changed()
        return {}

    def _thread(self, bot: EmulatedBot, params: Json) -> tuple[Room, str]:
        room = self.world.room(bot, params, "channel_id")
        thread = timestamp(params, "thread_ts", "invalid_thread_ts")
        if not thread:
            raise missing("thread_ts")
        return room, thread
