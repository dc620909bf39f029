"""One bot on the emulated server: its chats, its messages, its updates, its webhook."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from itertools import count
from typing import Any

from adapters.telegram.emulator_rules import (
    Refusal,
    bad_request,
    check_keyboard,
    check_text,
    whole_number,
)

Json = dict[str, Any]
_MAX_POLL_SECONDS = 50
_MAX_UPDATES = 100


@dataclass(frozen=True, kw_only=True)
class Sent:
    """A message the bot sent and the server accepted."""

    chat: str
    message_id: int
    text: str
    params: Json = field(repr=False)

    @property
    def buttons(self) -> dict[str, str]:
        """Label to callback data."""
        rows = (self.params.get("reply_markup") or {}).get("inline_keyboard", [])
        return {button["text"]: button.get("callback_data", "") for row in rows for button in row}


class EmulatedBot:
    """State and methods of one token. Methods take decoded parameters and return the result."""

    def __init__(self, token: str, *, first_update_id: int = 100_000_001) -> None:
        self.token = token
        self.user: Json = {
            "id": int(token.split(":")[0]),
            "is_bot": True,
            "first_name": "Emulated",
            "username": "emulated_bot",
        }
        self.chats: dict[str, Json] = {}  # who wrote to the bot; it can't write first
        self.blocked: set[str] = set()
        self.moved: dict[str, int] = {}
        self.sent: list[Sent] = []
        self.deleted: set[tuple[str, int]] = set()
        self.answered: list[str] = []  # callback queries
        self.commands: list[Json] = []
        self.webhook: Json = {"url": ""}
        self.pending: list[Json] = []
        self._message_ids = count(1)
        self._update_ids = count(first_update_id)
        self._arrived = asyncio.Event()
        self._poll = 0
        self.methods: dict[str, Callable[[Json], Awaitable[Any]]] = {
            "getme": self.get_me,
            "sendmessage": self.send_message,
            "editmessagetext": self.edit_message_text,
            "deletemessage": self.delete_message,
            "sendchataction": self.send_chat_action,
            "answercallbackquery": self.answer_callback_query,
            "setmycommands": self.set_my_commands,
            "setwebhook": self.set_webhook,
            "deletewebhook": self.delete_webhook,
            "getwebhookinfo": self.get_webhook_info,
            "getupdates": self.get_updates,
        }

    # --- updates

    def update(self, **content: Any) -> Json:
        return {"update_id": next(self._update_ids), **content}

    def next_message_id(self) -> int:
        return next(self._message_ids)

    def queue(self, update: Json) -> None:
        self.pending.append(update)
        self._arrived.set()

    async def get_updates(self, params: Json) -> list[Json]:
        """Waits for updates; `offset` confirms what came before it."""
        self._refuse_poll()
        self._poll += 1
        poll = self._poll
        self._arrived.set()  # wakes an older poller, which then finds itself replaced
        offset = whole_number(params, "offset")
        self.pending = [update for update in self.pending if update["update_id"] >= offset]
        wait = min(whole_number(params, "timeout"), _MAX_POLL_SECONDS)
        ends_at = time.monotonic() + wait
        while not self.pending and time.monotonic() < ends_at:
            self._arrived.clear()
            try:
                await asyncio.wait_for(self._arrived.wait(), ends_at - time.monotonic())
            except TimeoutError:
                break
            self._refuse_poll(replaced=poll != self._poll)
        limit = whole_number(params, "limit", _MAX_UPDATES)
        return self.pending[:limit]

    def _refuse_poll(self, *, replaced: bool = False) -> None:
        if self.webhook["url"]:
            raise Refusal(
                409,
                "Conflict: can't use getUpdates method while webhook is active; "
                "use deleteWebhook to delete the webhook first",
            )
        if replaced:
            raise Refusal(
                409,
                "Conflict: terminated by other getUpdates request; "
                "make sure that only one bot instance is running",
            )

    async def set_webhook(self, params: Json) -> bool:
        url = str(params.get("url") or "")
        if url and not url.startswith(("https://", "http://")):
            raise bad_request("bad webhook: invalid URL")
        self.webhook = dict(params) | {"url": url}
        self._arrived.set()
        return True

    async def delete_webhook(self, params: Json) -> bool:
        self.webhook = {"url": ""}
        if str(params.get("drop_pending_updates")).lower() == "true":
            self.pending.clear()
        return True

    async def get_webhook_info(self, params: Json) -> Json:
        shown = {key: value for key, value in self.webhook.items() if key != "secret_token"}
        return shown | {
            "has_custom_certificate": False,
            "pending_update_count": len(self.pending),
        }

    # --- messages

    async def get_me(self, params: Json) -> Json:
        return self.user

    async def send_message(self, params: Json) -> Json:
        chat = self._chat(params)
        check_text(params)
        message_id = self.next_message_id()
        message = self._message(chat, message_id, params)
        self.sent.append(
            Sent(
                chat=str(chat["id"]),
                message_id=message_id,
                text=str(params["text"]),
                params=dict(params),
            )
        )
        return message

    async def edit_message_text(self, params: Json) -> Json:
        chat = self._chat(params)
        check_text(params)
        index = self._sent_index(params, "message to edit not found")
        before = self.sent[index]
        same = before.text == params["text"]
        if same and before.params.get("reply_markup") == params.get("reply_markup"):
            raise bad_request(
                "message is not modified: specified new message content and reply markup are "
                "exactly the same as a current content and reply markup of the message"
            )
        self.sent[index] = Sent(
            chat=before.chat,
            message_id=before.message_id,
            text=str(params["text"]),
            params=dict(params),
        )
        return self._message(chat, before.message_id, params)

    async def delete_message(self, params: Json) -> bool:
        sent = self.sent[self._sent_index(params, "message to delete not found")]
        self.deleted.add((sent.chat, sent.message_id))
        return True

    async def send_chat_action(self, params: Json) -> bool:
        self._chat(params)
        if not params.get("action"):
            raise bad_request("wrong parameter action in request")
        return True

    async def answer_callback_query(self, params: Json) -> bool:
        query = str(params.get("callback_query_id") or "")
        if not query:
            raise bad_request(
                "query is too old and response timeout expired or query ID is invalid"
            )
        self.answered.append(query)
        return True

    async def set_my_commands(self, params: Json) -> bool:
        self.commands = list(params.get("commands") or [])
        return True

    def _chat(self, params: Mapping[str, Any]) -> Json:
        chat = str(params.get("chat_id") or "")
        if not chat:
            raise bad_request("chat_id is empty")
        if chat in self.moved:
            raise Refusal(
                400,
                "Bad Request: group chat was upgraded to a supergroup chat",
                {"migrate_to_chat_id": self.moved[chat]},
            )
        if chat not in self.chats:
            raise bad_request("chat not found")
        if chat in self.blocked:
            raise Refusal(403, "Forbidden: bot was blocked by the user")
        return self.chats[chat]

    def _sent_index(self, params: Mapping[str, Any], missing: str) -> int:
        wanted = (str(params.get("chat_id")), whole_number(params, "message_id"))
        for index, sent in enumerate(self.sent):
            if (sent.chat, sent.message_id) == wanted and wanted not in self.deleted:
                return index
        raise bad_request(missing)

    def _message(self, chat: Json, message_id: int, params: Json) -> Json:
        markup = params.get("reply_markup")
        check_keyboard(markup or {})
        message = {
            "message_id": message_id,
            "from": self.user,
            "chat": chat,
            "date": int(time.time()),
            "text": params["text"],
        }
        if params.get("entities"):
            message["entities"] = params["entities"]
        return message | ({"reply_markup": markup} if markup else {})
