"""What a person sees in the emulated Telegram app: a chat's bubbles, typing, its ticks."""

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from adapters.telegram.emulator_bot import EmulatedBot, Json, Sent
from core.emulators import Bubble, Button, Mark, Place

MAX_BUBBLES = 300
PEOPLE = (("1001", "Ada"), ("1002", "Ben"))
_KINDS = {
    "bold": "bold",
    "italic": "italic",
    "strikethrough": "strike",
    "code": "code",
    "pre": "pre",
    "text_link": "link",
    "blockquote": "quote",
    "expandable_blockquote": "quote",
}


@dataclass(kw_only=True)
class Said:
    """A message of a person; `is_taken` once the webhook has answered 2xx."""

    chat: str
    message_id: int
    name: str
    text: str
    at: float
    is_taken: bool = False
    is_edited: bool = False


@dataclass(kw_only=True)
class Screen:
    """People's own messages, and both sides of a chat as its bubbles."""

    said: dict[tuple[str, int], Said] = field(default_factory=dict)
    revision: int = 0

    def note(self, update: Json) -> Said | None:
        """A person wrote or edited: show it at once, whatever the webhook says."""
        message = update.get("message") or update.get("edited_message")
        if not message:
            return None
        key = (str(message["chat"]["id"]), int(message["message_id"]))
        said = self.said.get(key) or Said(
            chat=key[0],
            message_id=key[1],
            name=message["from"]["first_name"],
            text="",
            at=time.time(),
        )
        said.text = _text_of(message)
        said.is_edited = "edit_date" in message
        self.said[key] = said
        self.revision += 1
        return said

    def note_taken(self, said: Said) -> None:
        said.is_taken = True
        self.revision += 1

    def view(self, bot: EmulatedBot, chat: str) -> tuple[Bubble, ...]:
        ours = [
            (sent.message_id, _of_bot(str(bot.user["first_name"]), sent))
            for sent in bot.sent
            if sent.chat == chat and (chat, sent.message_id) not in bot.deleted
        ]
        theirs = [(said.message_id, _of_person(said)) for said in self._said_in(chat)]
        # One counter numbers both sides' messages, so the number is the order.
        both = sorted(ours + theirs, key=lambda pair: pair[0])
        return tuple(bubble for _, bubble in both[-MAX_BUBBLES:])

    def _said_in(self, chat: str) -> list[Said]:
        return [said for said in self.said.values() if said.chat == chat]


def _of_bot(name: str, sent: Sent) -> Bubble:
    return Bubble(
        id=str(sent.message_id),
        author="bot",
        name=name,
        text=sent.text,
        marks=tuple(_marks(sent.text, _entities(sent.params))),
        buttons=tuple(Button(label=k, value=v) for k, v in sent.buttons.items()),
        images=(sent.media,) if sent.media.startswith("http") else (),
        edited=sent.edits > 0,
        at=sent.at,
    )


def places() -> tuple[Place, ...]:
    return tuple(Place(id=id_, title="Cairn", kind="dm", person=name) for id_, name in PEOPLE)


def _of_person(said: Said) -> Bubble:
    return Bubble(
        id=str(said.message_id),
        author="person",
        name=said.name,
        text=said.text,
        edited=said.is_edited,
        state="read" if said.is_taken else "sent",
        at=said.at,
    )


def _text_of(message: Json) -> str:
    text = message.get("text") or message.get("caption")
    if text:
        return str(text)
    others = sorted(set(message) - {"from", "chat", "message_id", "date", "edit_date"})
    return f"[{', '.join(others)}]"


def _entities(params: Mapping[str, Any]) -> list[Json]:
    found = params.get("entities") or params.get("caption_entities") or []
    return found if isinstance(found, list) else []


def _marks(text: str, entities: Iterable[Json]) -> Iterable[Mark]:
    """Entities, whose offsets are UTF-16 units, as marks over code points."""
    starts = _code_points(text)
    for entity in entities:
        kind = _KINDS.get(str(entity.get("type")))
        start = starts.get(int(entity["offset"]))
        end = starts.get(int(entity["offset"]) + int(entity["length"]))
        if kind and start is not None and end is not None:
            value = str(entity.get("url") or entity.get("language") or "")
            yield Mark(kind=kind, start=start, end=end, value=value)


def _code_points(text: str) -> dict[int, int]:
    """Code point index by UTF-16 offset."""
    found, units = {0: 0}, 0
    for index, char in enumerate(text, 1):
        units += 2 if char > "\uffff" else 1
        found[units] = index
    return found
