"""What Slack posts to an app: event envelopes, interactions, commands, each signed. Pure.

https://docs.slack.dev/apis/events-api/ · https://docs.slack.dev/interactivity/ ·
https://docs.slack.dev/authentication/verifying-requests-from-slack
"""

import hashlib
import hmac
import re
import time
from uuid import uuid4

from adapters.slack.emulator_rules import Json
from adapters.slack.emulator_state import (
    EmulatedApp,
    EmulatedBot,
    EmulatedPerson,
    EmulatedWorkspace,
    Room,
    new_id,
    new_ts,
)

_SPECIAL = re.compile(r"(<[@#!][^<>\n]+>|<https?://[^<>\s]+>|https?://[^\s<>|]*[\w/])")
CHANNEL_TYPES = {"im": "im", "channel": "channel", "group": "group"}


def signed(app: EmulatedApp, body: bytes, *, at: float | None = None) -> dict[str, str]:
    """The headers that show that a request is Slack's."""
    stamp = str(int(time.time() if at is None else at))
    base = b"v0:" + stamp.encode() + b":" + body
    digest = hmac.new(app.signing_secret.encode(), base, hashlib.sha256).hexdigest()
    return {
        "X-Slack-Request-Timestamp": stamp,
        "X-Slack-Signature": f"v0={digest}",
        "User-Agent": "Slackbot 1.0 (+https://api.slack.com/robots)",
    }


def envelope(bot: EmulatedBot, event: Json) -> Json:
    """An event as the Events API wraps it."""
    authorization = {
        "enterprise_id": None,
        "team_id": bot.workspace.id,
        "user_id": bot.user.id,
        "is_bot": True,
        "is_enterprise_install": False,
    }
    return {
        "token": bot.app.verification_token,
        "team_id": bot.workspace.id,
        "context_team_id": bot.workspace.id,
        "context_enterprise_id": None,
        "api_app_id": bot.app.id,
        "event": event,
        "type": "event_callback",
        "event_id": new_id("Ev"),
        "event_time": int(time.time()),
        "authorizations": [authorization],
        "is_ext_shared_channel": False,
        "event_context": f"4-{uuid4().hex}",
    }


def typed(text: str) -> str:
    """What Slack makes of what a person types: `& < >` escaped, links in angle brackets.

    Mentions and links that are written as Slack has them (`<@U1>`) stay.
    """
    pieces = _SPECIAL.split(text)
    return "".join(_piece(piece, is_special=i % 2 == 1) for i, piece in enumerate(pieces))


def _piece(piece: str, *, is_special: bool) -> str:
    if is_special and piece.startswith("<"):
        return piece
    escaped = piece.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return f"<{escaped}>" if is_special else escaped


def message(
    person: EmulatedPerson, workspace: EmulatedWorkspace, text: str, thread: str | None = None
) -> Json:
    """What a person wrote, as it is stored and reported."""
    paragraph = {"type": "rich_text_section", "elements": [{"type": "text", "text": text}]}
    block = {"type": "rich_text", "block_id": new_id("b"), "elements": [paragraph]}
    content: Json = {
        "user": person.id,
        "type": "message",
        "ts": new_ts(),
        "client_msg_id": str(uuid4()),
        "text": text,
        "team": workspace.id,
    }
    # The pieces of a rich text with a mention in it are worked out only where there is none.
    if text and "<" not in text and "&" not in text:
        content["blocks"] = [block]
    return content | ({"thread_ts": thread} if thread else {})


def message_event(stored: Json, room: Room) -> Json:
    parent = room.messages.get(stored.get("thread_ts", ""))
    event = dict(stored)
    if parent is not None and parent is not stored:
        event["parent_user_id"] = parent.get("user", "")
    return event | _in(room, stored["ts"])


def mention_event(stored: Json, room: Room) -> Json:
    names = ("user", "ts", "client_msg_id", "text", "team", "thread_ts", "blocks", "files")
    event: Json = {"type": "app_mention"}
    event |= {name: stored[name] for name in names if name in stored}
    return event | {"channel": room.id, "event_ts": stored["ts"]}


def changed_event(before: Json, after: Json, room: Room) -> Json:
    return {
        "type": "message",
        "subtype": "message_changed",
        "message": after,
        "previous_message": before,
        "hidden": True,
        **_stamped(room),
    }


def deleted_event(before: Json, room: Room) -> Json:
    return {
        "type": "message",
        "subtype": "message_deleted",
        "previous_message": before,
        "deleted_ts": before["ts"],
        "hidden": True,
        **_stamped(room),
    }


def _stamped(room: Room) -> Json:
    ts = new_ts()
    return {"ts": ts, **_in(room, ts)}


def _in(room: Room, ts: str) -> Json:
    return {"channel": room.id, "event_ts": ts, "channel_type": CHANNEL_TYPES[room.kind]}


def reaction_event(kind: str, person: EmulatedPerson, name: str, room: Room, stored: Json) -> Json:
    return {
        "type": kind,
        "user": person.id,
        "reaction": name,
        "item": {"type": "message", "channel": room.id, "ts": stored["ts"]},
        "item_user": stored.get("user", ""),
        "event_ts": new_ts(),
    }


def thread_started_event(person: EmulatedPerson, room: Room, thread: str, context: Json) -> Json:
    return {
        "type": "assistant_thread_started",
        "assistant_thread": {
            "user_id": person.id,
            "context": context,
            "channel_id": room.id,
            "thread_ts": thread,
        },
        "event_ts": new_ts(),
    }


# --- interactions


def _interaction(bot: EmulatedBot, person: EmulatedPerson, kind: str, trigger: str) -> Json:
    return {
        "type": kind,
        "user": {
            "id": person.id,
            "username": person.handle,
            "name": person.handle,
            "team_id": bot.workspace.id,
        },
        "api_app_id": bot.app.id,
        "token": bot.app.verification_token,
        "trigger_id": trigger,
        "team": {"id": bot.workspace.id, "domain": bot.workspace.domain},
        "enterprise": None,
        "is_enterprise_install": False,
    }


def block_actions(
    bot: EmulatedBot,
    person: EmulatedPerson,
    room: Room,
    stored: Json,
    element: Json,
    *,
    trigger: str,
    response_url: str,
) -> Json:
    """A tap on a button of a message."""
    container = {
        "type": "message",
        "message_ts": stored["ts"],
        "channel_id": room.id,
        "is_ephemeral": False,
    }
    if "thread_ts" in stored:
        container["thread_ts"] = stored["thread_ts"]
    action = {
        name: element[name]
        for name in ("action_id", "block_id", "text", "value", "style")
        if name in element
    }
    return _interaction(bot, person, "block_actions", trigger) | {
        "container": container,
        "channel": {"id": room.id, "name": room_name(room)},
        "message": stored,
        "state": {"values": {}},
        "response_url": response_url,
        "actions": [action | {"type": "button", "action_ts": new_ts()}],
    }


def shortcut(bot: EmulatedBot, person: EmulatedPerson, callback_id: str, trigger: str) -> Json:
    """A global shortcut."""
    payload = _interaction(bot, person, "shortcut", trigger)
    return payload | {"callback_id": callback_id, "action_ts": new_ts()}


def message_shortcut(
    bot: EmulatedBot,
    person: EmulatedPerson,
    room: Room,
    stored: Json,
    callback_id: str,
    *,
    trigger: str,
    response_url: str,
) -> Json:
    """A shortcut in a message's menu."""
    return _interaction(bot, person, "message_action", trigger) | {
        "callback_id": callback_id,
        "action_ts": new_ts(),
        "message_ts": stored["ts"],
        "channel": {"id": room.id, "name": room_name(room)},
        "message": stored,
        "response_url": response_url,
    }


def slash_command(
    bot: EmulatedBot,
    person: EmulatedPerson,
    room: Room,
    command: str,
    text: str,
    *,
    trigger: str,
    response_url: str,
) -> dict[str, str]:
    """The form of a slash command."""
    return {
        "token": bot.app.verification_token,
        "team_id": bot.workspace.id,
        "team_domain": bot.workspace.domain,
        "channel_id": room.id,
        "channel_name": room_name(room),
        "user_id": person.id,
        "user_name": person.handle,
        "command": command,
        "text": text,
        "api_app_id": bot.app.id,
        "is_enterprise_install": "false",
        "response_url": response_url,
        "trigger_id": trigger,
    }


def room_name(room: Room) -> str:
    return "directmessage" if room.is_im else "privategroup" if room.kind == "group" else room.name


def file_info(
    person: EmulatedPerson,
    workspace: EmulatedWorkspace,
    base_url: str,
    name: str,
    mimetype: str,
    size: int,
) -> Json:
    """https://docs.slack.dev/reference/objects/file-object"""
    file_id = new_id("F")
    path = f"{base_url or 'https://files.slack.com'}/files-pri/{workspace.id}-{file_id}"
    kind = name.rpartition(".")[2].lower() or "binary"
    now = int(time.time())
    return {
        "id": file_id,
        "created": now,
        "timestamp": now,
        "name": name,
        "title": name,
        "mimetype": mimetype,
        "filetype": kind,
        "pretty_type": kind.upper(),
        "user": person.id,
        "user_team": workspace.id,
        "editable": False,
        "size": size,
        "mode": "hosted",
        "is_external": False,
        "external_type": "",
        "is_public": False,
        "public_url_shared": False,
        "display_as_bot": False,
        "username": "",
        "url_private": f"{path}/{name}",
        "url_private_download": f"{path}/download/{name}",
        "permalink": f"https://{workspace.domain}.slack.com/files/{person.id}/{file_id}/{name}",
        "has_rich_preview": False,
        "file_access": "visible",
    }
