"""Bot API updates to events: pure and total. What is not understood becomes Unsupported.

https://core.telegram.org/bots/api#update
"""

import hashlib
import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from aiogram import types
from pydantic import ValidationError

from adapters.telegram.attachments import attachments_of
from adapters.telegram.buttons import choice_value
from core.channels import (
    Account,
    ActionEvent,
    Address,
    ChannelEvent,
    CommandEvent,
    ConversationMigrated,
    InboundRequest,
    MembershipEvent,
    MessageEdited,
    MessageEvent,
    Parsed,
    ReactionEvent,
    Sender,
    StartEvent,
    Unsupported,
)
from shared.utils.json import parse_json

_COMMAND = re.compile(r"/([A-Za-z0-9_]{1,32})(?:@([A-Za-z0-9_]{1,64}))?(?:\s+(.*))?", re.DOTALL)
_PAYLOAD = re.compile(r"[A-Za-z0-9_-]{1,64}")  # of a deep link, https://core.telegram.org/api/links
_INSIDE = ("member", "administrator", "creator", "restricted")

Fields = dict[str, Any]
"""What every event of one request has: creator, channel, external id, time, address, sender."""


def parse_update(request: InboundRequest, account: Account) -> Parsed:
    """One event per update. Raises InvalidInput only when the body is not JSON at all."""
    raw = parse_json(request.body)
    fields: Fields = {
        "creator_id": account.creator_id,
        "channel_id": account.channel_id,
        "external_id": _external_id(raw, request.body),
        "occurred_at": request.received_at,
        "address": Address(chat="unknown"),
        "sender": Sender(address="unknown"),
        "raw": raw if isinstance(raw, dict) else {},
    }
    try:
        update = types.Update.model_validate(raw)
        event = _event(update, fields, str(account.settings.get("bot_username") or ""))
    except (ValidationError, ValueError, OverflowError, OSError):
        # OSError, OverflowError: dates beyond what the machine's calendar holds.
        event = Unsupported(**fields, reason="shape")
    return Parsed(events=(event,))


def _external_id(raw: Any, body: bytes) -> str:
    """Telegram repeats an update under its id; a body without one is named by its content."""
    number = raw.get("update_id") if isinstance(raw, dict) else None
    if isinstance(number, int) and not isinstance(number, bool) and abs(number) < 10**20:
        return f"update:{number}"
    return f"body:{hashlib.sha256(body).hexdigest()}"


def _event(update: types.Update, fields: Fields, bot_username: str) -> ChannelEvent:
    if update.message:
        return _message(update.message, fields, bot_username)
    if update.edited_message:
        return _edited(update.edited_message, fields)
    if update.callback_query:
        return _action(update.callback_query, fields)
    if update.my_chat_member:
        return _membership(update.my_chat_member, fields)
    if update.message_reaction:
        return _reaction(update.message_reaction, fields)
    return Unsupported(**fields, reason="update_type")


# --- messages


def _message(message: types.Message, fields: Fields, bot_username: str) -> ChannelEvent:
    fields |= _place(message) | {"occurred_at": _utc(message.date)}
    if message.migrate_to_chat_id:
        return ConversationMigrated(**fields, new_chat=str(message.migrate_to_chat_id))
    if reason := _not_a_person(message):
        return Unsupported(**fields, reason=reason)
    text = message.text or message.caption or ""
    command = _COMMAND.fullmatch(text) if message.text else None
    if command:
        return _command(command, fields, bot_username)
    attachments = attachments_of(message)
    if not text and not attachments:
        return Unsupported(**fields, reason="service")
    return MessageEvent(
        **fields, text=text, attachments=attachments, message_external_id=_message_id(message)
    )


def _not_a_person(message: types.Message) -> str:
    """Why nobody is to be answered; two bots that answer each other never stop."""
    if message.from_user is None:
        return "no_sender"
    if message.from_user.is_bot:
        return "bot"
    return "automatic_forward" if message.is_automatic_forward else ""


def _command(command: re.Match[str], fields: Fields, bot_username: str) -> ChannelEvent:
    name, addressee, arguments = command[1].lower(), command[2], (command[3] or "").strip()
    if addressee and bot_username and addressee.lower() != bot_username.lower().lstrip("@"):
        return Unsupported(**fields, reason="other_bot")
    if name == "start":
        return StartEvent(**fields, payload=arguments if _PAYLOAD.fullmatch(arguments) else "")
    return CommandEvent(**fields, name=name, arguments=arguments)


def _edited(message: types.Message, fields: Fields) -> ChannelEvent:
    edited_at = message.edit_date or message.date
    fields |= _place(message) | {"occurred_at": _utc(edited_at)}
    if reason := _not_a_person(message):
        return Unsupported(**fields, reason=reason)
    text = message.text or message.caption or ""
    return MessageEdited(**fields, text=text, message_external_id=_message_id(message))


# --- everything else


def _action(query: types.CallbackQuery, fields: Fields) -> ChannelEvent:
    message = query.message
    if message is None or query.data is None:
        return Unsupported(**fields, reason="inline_or_game")
    fields |= {
        "address": _address(message.chat, _topic(message), query.from_user),
        "sender": _sender(query.from_user),
    }
    if query.from_user.is_bot:
        return Unsupported(**fields, reason="bot")
    return ActionEvent(
        **fields,
        value=choice_value(query.data),
        message_external_id=f"{message.chat.id}:{message.message_id}",
        ack=query.id,
    )


def _membership(member: types.ChatMemberUpdated, fields: Fields) -> ChannelEvent:
    fields |= {
        "address": _address(member.chat, None, member.from_user),
        "sender": _sender(member.from_user),
        "occurred_at": _utc(member.date),
    }
    before, after = member.old_chat_member.status, member.new_chat_member.status
    was_inside, is_inside = before in _INSIDE, after in _INSIDE
    if member.chat.type == "private":
        return MembershipEvent(**fields, change="unblocked" if is_inside else "blocked")
    if was_inside == is_inside:
        return Unsupported(**fields, reason="rights_changed")
    return MembershipEvent(**fields, change="joined" if is_inside else "left")


def _reaction(reaction: types.MessageReactionUpdated, fields: Fields) -> ChannelEvent:
    if reaction.user is None:
        return Unsupported(**fields, reason="anonymous_reaction")
    return ReactionEvent(
        **fields
        | {
            "address": _address(reaction.chat, None, reaction.user),
            "sender": _sender(reaction.user),
            "occurred_at": _utc(reaction.date),
        },
        emoji=_emoji(reaction.new_reaction[-1]) if reaction.new_reaction else "",
        message_external_id=f"{reaction.chat.id}:{reaction.message_id}",
    )


def _emoji(reaction: Any) -> str:
    by_type: dict[str, Callable[[], str]] = {
        "emoji": lambda: str(reaction.emoji),
        "custom_emoji": lambda: f"custom:{reaction.custom_emoji_id}",
    }
    return by_type.get(reaction.type, lambda: str(reaction.type))()


# --- who and where


def _place(message: types.Message) -> Fields:
    user = message.from_user
    return {
        "address": _address(message.chat, _topic(message), user),
        "sender": _sender(user) if user else Sender(address="unknown"),
    }


def _address(chat: types.Chat, topic: int | None, user: types.User | None) -> Address:
    return Address(
        chat=_id(chat.id),
        thread=str(topic) if topic else None,
        person=_id(user.id) if user else None,
    )


def _topic(message: types.MaybeInaccessibleMessageUnion) -> int | None:
    """The forum topic; outside forums `message_thread_id` only names a chain of replies."""
    if isinstance(message, types.Message) and message.is_topic_message:
        return message.message_thread_id
    return None


def _sender(user: types.User) -> Sender:
    return Sender(
        address=_id(user.id),
        name=user.full_name,
        username=user.username,
        locale=user.language_code,
    )


def _id(number: int) -> str:
    """Ids have at most 52 bits; a longer one would not even fit an index of ours."""
    if abs(number) >= 2**63:
        raise ValueError("not an id of Telegram")
    return str(number)


def _message_id(message: types.Message) -> str:
    return f"{message.chat.id}:{message.message_id}"


def _utc(moment: datetime | int) -> datetime:
    if isinstance(moment, int):
        return datetime.fromtimestamp(moment, UTC)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
