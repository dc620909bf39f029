"""One bot on the emulated server: its updates, its webhook; its messages are in a file beside."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from itertools import count
from typing import Any

from adapters.telegram.emulator_messages import ChatAction, Json, Messages, Sent
from adapters.telegram.emulator_rules import Refusal, bad_request, whole_number

__all__ = ["ChatAction", "EmulatedBot", "Json", "Sent"]

_MAX_POLL_SECONDS = 50
_MAX_UPDATES = 100


class EmulatedBot(Messages):
    """State and methods of one token. Methods take decoded parameters and return the result."""

    def __init__(self, token: str, *, first_update_id: int = 100_000_001) -> None:
        super().__init__(
            {
                "id": int(token.split(":")[0]),
                "is_bot": True,
                "first_name": "Emulated",
                "username": "emulated_bot",
            }
        )
        self.token = token
        self.answered: list[str] = []  # callback queries
        self.commands: list[Json] = []
        self.webhook: Json = {"url": ""}
        self.pending: list[Json] = []
        self._update_ids = count(first_update_id)
        self._arrived = asyncio.Event()
        self._poll = 0
        self.methods: dict[str, Callable[[Json], Awaitable[Any]]] = {
            "getme": self.get_me,
            "sendmessage": self.send_message,
            "sendphoto": self.send_photo,
            "senddocument": self.send_document,
            "editmessagetext": self.edit_message_text,
            "editmessagereplymarkup": self.edit_message_reply_markup,
            "deletemessage": self.delete_message,
            "sendchataction": self.send_chat_action,
            "getfile": self.get_file,
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

    async def get_me(self, params: Json) -> Json:
        return self.user

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
