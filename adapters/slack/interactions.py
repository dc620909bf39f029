"""Slash commands, taps on buttons and shortcuts to events. Pure.

https://docs.slack.dev/interactivity/implementing-slash-commands
https://docs.slack.dev/reference/interaction-payloads
"""

import re
from collections.abc import Callable
from typing import Any

from adapters.slack import mrkdwn
from adapters.slack.envelope import (
    Envelope,
    Payload,
    WrongShape,
    is_direct,
    known_id,
    mapping,
    optional_timestamp,
    text_of,
)
from core.channels import ActionEvent, Address, ChannelEvent, CommandEvent, Sender

_MAX_NAME = 32


def events(envelope: Envelope) -> tuple[ChannelEvent, ...]:
    """One event per payload, one per element of `actions`. Raises WrongShape."""
    payload = envelope.payload
    if "command" in payload:
        return (_command(envelope),)
    handlers: dict[str, Callable[[Envelope], tuple[ChannelEvent, ...]]] = {
        "block_actions": _actions,
        "shortcut": _shortcut,
        "message_action": _shortcut,
    }
    handler = handlers.get(text_of(payload.get("type")))
    return handler(envelope) if handler else (envelope.unsupported("interaction"),)


# --- commands


def _command(envelope: Envelope) -> ChannelEvent:
    """The answer goes to the person alone: others in the channel did not see the command."""
    payload = envelope.payload
    name = text_of(payload.get("command")).lstrip("/")
    prefix = text_of(envelope.account.settings.get("command_prefix"))
    person = known_id(payload.get("user_id"))
    sender = Sender(address=person, username=text_of(payload.get("user_name")) or None)
    return _commanded(
        envelope,
        command_name(name.removeprefix(prefix)),
        mrkdwn.readable(text_of(payload.get("text"))),
        sender,
        _origin(envelope, payload.get("channel_id"), person),
    )


def _shortcut(envelope: Envelope) -> tuple[ChannelEvent, ...]:
    """A shortcut is a command by its callback_id; on a message, with the message's text."""
    payload = envelope.payload
    sender = _sender(mapping(payload.get("user")))
    message = mapping(payload.get("message"))
    channel = mapping(payload.get("channel")).get("id")
    origin = _origin(envelope, channel, sender.address) if channel else None
    name = command_name(text_of(payload.get("callback_id")))
    text = mrkdwn.readable(text_of(message.get("text")), envelope.bots)
    return (_commanded(envelope, name, text, sender, origin),)


def _commanded(
    envelope: Envelope, name: str, arguments: str, sender: Sender, origin: Address | None
) -> ChannelEvent:
    if not name:
        return envelope.unsupported("command_name")
    address = envelope.address(sender.address, sender.address)
    fields = envelope.fields(_trigger_name(envelope, "command"), address) | {"sender": sender}
    return CommandEvent(**fields, name=name, arguments=arguments, origin=origin)


def command_name(name: str) -> str:
    """As bots declare commands: lower case letters, digits and underscores."""
    return re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_")[:_MAX_NAME]


def _origin(envelope: Envelope, channel: Any, person: str) -> Address:
    return envelope.address(known_id(channel), person)


# --- buttons


def _actions(envelope: Envelope) -> tuple[ChannelEvent, ...]:
    listed = envelope.payload.get("actions")
    actions = [mapping(each) for each in listed] if isinstance(listed, list) else []
    found = [
        _action(envelope, index, value)
        for index, action in enumerate(actions)
        if (value := _value(action))
    ]
    return tuple(found) or (envelope.unsupported("action_without_value"),)


def _action(envelope: Envelope, index: int, value: str) -> ChannelEvent:
    payload = envelope.payload
    sender = _sender(mapping(payload.get("user")))
    container, message = mapping(payload.get("container")), mapping(payload.get("message"))
    ts = optional_timestamp(container.get("message_ts")) or optional_timestamp(message.get("ts"))
    thread = optional_timestamp(message.get("thread_ts") or container.get("thread_ts"))
    chat = _chat(payload, container, sender)
    address = envelope.address(chat, sender.address, thread if is_direct(chat) else thread or ts)
    name = _trigger_name(envelope, "action")
    fields = envelope.fields(f"{name}:{index}" if index else name, address)
    return ActionEvent(
        **fields | {"sender": sender},
        value=value,
        message_external_id=f"{chat}:{ts}" if ts else None,
    )


def _chat(payload: Payload, container: Payload, sender: Sender) -> str:
    """Where the button stands; one on the app's home is answered to the person."""
    for channel in (mapping(payload.get("channel")).get("id"), container.get("channel_id")):
        try:
            return known_id(channel)
        except WrongShape:
            continue
    return sender.address


def _value(action: Payload) -> str:
    """What was picked: a button's value, a menu's option, a picked date, user or channel."""
    chosen = mapping(action.get("selected_option")).get("value")
    picked = ("value", "selected_date", "selected_time", "selected_user", "selected_channel")
    values = (chosen, *(action.get(name) for name in (*picked, "selected_conversation")))
    return next((value for value in values if isinstance(value, str) and value), "")


# --- common


def _sender(user: Payload) -> Sender:
    username = text_of(user.get("username")) or None
    name = text_of(user.get("name"))
    return Sender(address=known_id(user.get("id")), name=name, username=username)


def _trigger_name(envelope: Envelope, kind: str) -> str:
    """A trigger is one tap or one command, and comes once."""
    trigger = text_of(envelope.payload.get("trigger_id"))
    return f"{kind}:{envelope.space}:{trigger[:150]}" if trigger else envelope.body_id()
