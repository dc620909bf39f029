"""The people who chat with an emulated bot: what they do becomes an update, posted or queued."""

import time
from typing import Any

import httpx

from adapters.telegram import emulator_view
from adapters.telegram.emulator_bot import EmulatedBot, Json, Sent
from adapters.telegram.emulator_view import Screen
from core.emulators import Bubble, Place

DEFAULT_CHAT = 1001
_WEBHOOK_SECONDS = 60


class People:
    """Person-level acts. Each returns the webhook's response, or None when the update is queued
    for getUpdates because no webhook is set."""

    bot: EmulatedBot
    client: httpx.AsyncClient | None
    screen: Screen

    async def says(
        self,
        text: str,
        *,
        chat: int = DEFAULT_CHAT,
        name: str = "Ada",
        bot: EmulatedBot | None = None,
        **extra: Any,
    ) -> httpx.Response | None:
        """A person writes; `extra` are further fields of the message (`photo=[…]`, `date=…`)."""
        return await self.deliver(self.message(text, chat=chat, name=name, bot=bot, **extra), bot)

    def message(
        self,
        text: str,
        *,
        chat: int = DEFAULT_CHAT,
        name: str = "Ada",
        bot: EmulatedBot | None = None,
        **extra: Any,
    ) -> Json:
        """The update of a message, not yet delivered: `deliver` it as often as a test likes."""
        bot = bot or self.bot
        content = self._place(bot, chat, name) | {
            "message_id": bot.next_message_id(),
            "date": int(time.time()),
        }
        return bot.update(message=content | ({"text": text} if text else {}) | extra)

    async def edits(
        self, message_id: int, text: str, *, chat: int = DEFAULT_CHAT, name: str = "Ada"
    ) -> httpx.Response | None:
        now = int(time.time())
        content = {"message_id": message_id, "date": now, "edit_date": now, "text": text}
        place = self._place(self.bot, chat, name)
        return await self.deliver(self.bot.update(edited_message=place | content))

    async def taps(
        self, button: str, *, chat: int = DEFAULT_CHAT, name: str = "Ada"
    ) -> httpx.Response | None:
        """Tap the button with this label on the newest message that has it."""
        for sent in reversed(self.bot.sent):
            if sent.chat == str(chat) and button in sent.buttons:
                break
        else:
            raise LookupError(f"no button {button!r} in chat {chat}")
        return await self._tap(sent, sent.buttons[button], chat, name)

    async def _tap(self, sent: Sent, data: str, chat: int, name: str) -> httpx.Response | None:
        place = self._place(self.bot, chat, name)
        query = {
            "id": str(self.bot.next_message_id() + 7_000_000_000),
            "from": place["from"],
            "chat_instance": str(chat),
            "data": data,
            "message": {
                "message_id": sent.message_id,
                "from": self.bot.user,
                "chat": place["chat"],
                "date": int(time.time()),
                "text": sent.text,
            },
        }
        return await self.deliver(self.bot.update(callback_query=query))

    async def reacts(
        self, emoji: str, message_id: int, *, chat: int = DEFAULT_CHAT, name: str = "Ada"
    ) -> httpx.Response | None:
        """React with an emoji; an empty one takes the reaction back."""
        place = self._place(self.bot, chat, name)
        reaction = {
            "chat": place["chat"],
            "user": place["from"],
            "message_id": message_id,
            "date": int(time.time()),
            "old_reaction": [],
            "new_reaction": [{"type": "emoji", "emoji": emoji}] if emoji else [],
        }
        return await self.deliver(self.bot.update(message_reaction=reaction))

    async def blocks(self, *, chat: int = DEFAULT_CHAT, name: str = "Ada") -> httpx.Response | None:
        self.bot.blocked.add(str(chat))
        return await self._membership(chat, name, "member", "kicked")

    async def unblocks(
        self, *, chat: int = DEFAULT_CHAT, name: str = "Ada"
    ) -> httpx.Response | None:
        self.bot.blocked.discard(str(chat))
        return await self._membership(chat, name, "kicked", "member")

    async def _membership(
        self, chat: int, name: str, before: str, after: str
    ) -> httpx.Response | None:
        place = self._place(self.bot, chat, name)
        change = place | {
            "date": int(time.time()),
            "old_chat_member": self._member(before),
            "new_chat_member": self._member(after),
        }
        return await self.deliver(self.bot.update(my_chat_member=change))

    def _member(self, status: str) -> Json:
        member = {"user": self.bot.user, "status": status}
        return member | ({"until_date": 0} if status == "kicked" else {})

    def _place(self, bot: EmulatedBot, chat: int, name: str) -> Json:
        """`from` and `chat` of a private chat, which from now on the bot may write to."""
        person = {"id": chat, "is_bot": False, "first_name": name, "language_code": "en"}
        place = {"id": chat, "type": "private", "first_name": name}
        bot.chats.setdefault(str(chat), place)
        return {"from": person, "chat": place}

    async def deliver(self, update: Json, bot: EmulatedBot | None = None) -> httpx.Response | None:
        """Post the update to the webhook, once; without a webhook, queue it."""
        bot = bot or self.bot
        url = bot.webhook["url"]
        said = self.screen.note(update)
        if not url:
            bot.queue(update)
            return None
        if self.client is None:
            self.client = httpx.AsyncClient(timeout=_WEBHOOK_SECONDS, trust_env=False)
        secret = bot.webhook.get("secret_token")
        headers = {"X-Telegram-Bot-Api-Secret-Token": secret} if secret else {}
        response = await self.client.post(url, json=update, headers=headers)
        if said is not None and response.is_success:
            self.screen.note_taken(said)
        return response

    # --- the simulator's windows: each is one person's private chat with the first bot

    @property
    def revision(self) -> int:
        return self.screen.revision + self.bot.revision

    def places(self) -> tuple[Place, ...]:
        return emulator_view.places()

    def view(self, place: str) -> tuple[Bubble, ...]:
        return self.screen.view(self.bot, place)

    def is_typing(self, place: str) -> bool:
        return self.bot.is_typing(place)

    async def writes(self, place: str, text: str, *, thread: str | None = None) -> None:
        """Write in the private chat; Telegram has no threads there. Raises LookupError."""
        person = self._person(place)
        await self.says(text, chat=int(place), name=person)

    async def presses(self, place: str, bubble: str, value: str) -> None:
        """Tap the button of this message that carries `value`. Raises LookupError without it."""
        person = self._person(place)
        for sent in self.bot.sent:
            is_meant = (sent.chat, str(sent.message_id)) == (place, bubble)
            if is_meant and value in sent.buttons.values():
                await self._tap(sent, value, int(place), person)
                return
        raise LookupError("no such button in this chat")

    def _person(self, place: str) -> str:
        for known in self.places():
            if known.id == place:
                return known.person
        raise LookupError("no such chat")
