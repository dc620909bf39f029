"""What one emulated bot says and shows: chats, messages, edits, files, chat actions."""

import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from itertools import count
from typing import Any

from adapters.telegram.emulator_rules import (
    Refusal,
    bad_request,
    check_caption,
    check_keyboard,
    check_text,
    whole_number,
)

Json = dict[str, Any]
TYPING_SECONDS = 5.0
MAX_DOWNLOAD = 20_000_000  # https://core.telegram.org/bots/api#getfile
_URLS = ("http://", "https://")


@dataclass(frozen=True, kw_only=True)
class Sent:
    """A message the bot sent and the server accepted, as it stands after edits."""

    chat: str
    message_id: int
    text: str  # of a photo or document: the caption
    params: Json = field(repr=False)
    media: str = ""  # photo or document: the address or file id it was sent by
    at: float = field(default=0.0, repr=False)  # seconds since 1970
    edits: int = 0

    @property
    def buttons(self) -> dict[str, str]:
        """Label to callback data."""
        rows = (self.params.get("reply_markup") or {}).get("inline_keyboard", [])
        return {button["text"]: button.get("callback_data", "") for row in rows for button in row}


@dataclass(frozen=True, kw_only=True)
class ChatAction:
    """One "typing…" signal; `at` in monotonic seconds."""

    chat: str
    action: str
    at: float


class Messages:
    """State and methods; `revision` grows with everything a person could see."""

    def __init__(self, user: Json) -> None:
        self.user = user
        self.revision = 0
        self.chats: dict[str, Json] = {}  # who wrote to the bot; it can't write first
        self.blocked: set[str] = set()
        self.moved: dict[str, int] = {}
        self.sent: list[Sent] = []
        self.deleted: set[tuple[str, int]] = set()
        self.actions: list[ChatAction] = []
        self.lost_urls: set[str] = set()  # that Telegram can't fetch
        self._files: dict[str, tuple[str, bytes]] = {}  # id → path, content
        self._typing_until: dict[str, float] = {}
        self._message_ids = count(1)
        self._file_ids = count(1)

    def changed(self) -> None:
        self.revision += 1

    def next_message_id(self) -> int:
        self.changed()
        return next(self._message_ids)

    def is_typing(self, chat: str) -> bool:
        return time.monotonic() < self._typing_until.get(chat, 0.0)

    # --- sending

    async def send_message(self, params: Json) -> Json:
        chat = self._chat(params)
        check_text(params)
        return self._accepted(chat, params, text=str(params["text"]))

    async def send_photo(self, params: Json) -> Json:
        return await self._send_media("photo", params)

    async def send_document(self, params: Json) -> Json:
        return await self._send_media("document", params)

    async def _send_media(self, kind: str, params: Json) -> Json:
        chat = self._chat(params)
        media = str(params.get(kind) or "")
        self._check_media(kind, media)
        check_caption(params)
        return self._accepted(chat, params, text=str(params.get("caption") or ""), media=media)

    def _check_media(self, kind: str, media: str) -> None:
        if not media:
            raise bad_request(f"there is no {kind} in the request")
        if media in self.lost_urls:
            raise bad_request("failed to get HTTP URL content")
        if media not in self._files and not media.startswith(_URLS):
            raise bad_request("wrong file identifier/HTTP URL specified")

    def _accepted(self, chat: Json, params: Json, *, text: str, media: str = "") -> Json:
        check_keyboard(params.get("reply_markup") or {})
        sent = Sent(
            chat=str(chat["id"]),
            message_id=self.next_message_id(),
            text=text,
            params=dict(params),
            media=media,
            at=time.time(),
        )
        self.sent.append(sent)
        self._typing_until.pop(sent.chat, None)  # a message ends "typing…"
        return self._message(chat, sent)

    # --- editing

    async def edit_message_text(self, params: Json) -> Json:
        chat = self._chat(params)
        check_text(params)
        index = self._sent_index(params, "message to edit not found")
        before = self.sent[index]
        if before.media:
            raise bad_request("there is no text in the message to edit")
        after = replace(before, text=str(params["text"]), params=dict(params))
        return self._edited(chat, index, after)

    async def edit_message_reply_markup(self, params: Json) -> Json:
        chat = self._chat(params)
        check_keyboard(params.get("reply_markup") or {})
        index = self._sent_index(params, "message to edit not found")
        before = self.sent[index]
        markup = {"reply_markup": params.get("reply_markup")}
        return self._edited(chat, index, replace(before, params=before.params | markup))

    def _edited(self, chat: Json, index: int, after: Sent) -> Json:
        if _shown(after) == _shown(self.sent[index]):
            raise bad_request(
                "message is not modified: specified new message content and reply markup are "
                "exactly the same as a current content and reply markup of the message"
            )
        self.sent[index] = after = replace(after, edits=after.edits + 1)
        self.changed()
        return self._message(chat, after) | {"edit_date": int(time.time())}

    async def delete_message(self, params: Json) -> bool:
        sent = self.sent[self._sent_index(params, "message to delete not found")]
        self.deleted.add((sent.chat, sent.message_id))
        self.changed()
        return True

    # --- files

    def add_file(self, content: bytes, path: str = "documents/file.bin") -> str:
        """A file a person could have sent; its `file_id`."""
        number = next(self._file_ids)
        stem, dot, suffix = path.rpartition(".")
        file_id = f"EmulatedFile-{number:06d}"
        self._files[file_id] = (f"{stem}_{number}{dot}{suffix}", content)
        return file_id

    async def get_file(self, params: Json) -> Json:
        file_id = str(params.get("file_id") or "")
        if file_id not in self._files:
            raise bad_request("wrong file_id or the file is temporarily unavailable")
        path, content = self._files[file_id]
        if len(content) > MAX_DOWNLOAD:
            raise bad_request("file is too big")
        unique = {"file_id": file_id, "file_unique_id": f"u{file_id[-6:]}"}
        return unique | {"file_size": len(content), "file_path": path}

    def content(self, path: str) -> bytes:
        """What `/file/bot<token>/<path>` serves."""
        for known, content in self._files.values():
            if known == path:
                return content
        raise Refusal(404, "Not Found")

    # --- chats

    async def send_chat_action(self, params: Json) -> bool:
        chat = str(self._chat(params)["id"])
        action = str(params.get("action") or "")
        if not action:
            raise bad_request("wrong parameter action in request")
        now = time.monotonic()
        self.actions.append(ChatAction(chat=chat, action=action, at=now))
        self._typing_until[chat] = now + TYPING_SECONDS
        self.changed()
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
            raise _shut_out(self.chats[chat])
        return self.chats[chat]

    def _sent_index(self, params: Mapping[str, Any], missing: str) -> int:
        wanted = (str(params.get("chat_id")), whole_number(params, "message_id"))
        for index, sent in enumerate(self.sent):
            if (sent.chat, sent.message_id) == wanted and wanted not in self.deleted:
                return index
        raise bad_request(missing)

    def _message(self, chat: Json, sent: Sent) -> Json:
        message = {
            "message_id": sent.message_id,
            "from": self.user,
            "chat": chat,
            "date": int(sent.at),
        }
        return message | _content(sent)


def _shut_out(chat: Json) -> Refusal:
    if chat.get("type", "private") == "private":
        return Refusal(403, "Forbidden: bot was blocked by the user")
    return Refusal(403, f"Forbidden: bot was kicked from the {chat['type']} chat")


def _shown(sent: Sent) -> tuple[Any, ...]:
    """What two messages must share for an edit between them to change nothing."""
    params = sent.params
    return sent.text, params.get("entities") or None, params.get("reply_markup") or None


def _content(sent: Sent) -> Json:
    """The fields of a message by what was sent."""
    params = sent.params
    markup = {"reply_markup": params["reply_markup"]} if params.get("reply_markup") else {}
    if not sent.media:
        entities = {"entities": params["entities"]} if params.get("entities") else {}
        return {"text": sent.text} | entities | markup
    caption: Json = {"caption": sent.text} if sent.text else {}
    if params.get("caption_entities"):
        caption["caption_entities"] = params["caption_entities"]
    file = {"file_id": f"sent-{sent.message_id}", "file_unique_id": f"s{sent.message_id}"}
    if "photo" in params:
        return {"photo": [file | {"width": 90, "height": 60}]} | caption | markup
    name = sent.media.rsplit("/", 1)[-1]
    return {"document": file | {"file_name": name}} | caption | markup
