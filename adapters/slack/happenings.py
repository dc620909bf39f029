"""Events API payloads to events: messages, edits, reactions, comings and goings. Pure.

https://docs.slack.dev/reference/events
"""

from collections.abc import Callable

from adapters.slack import emoji, mrkdwn
from adapters.slack.envelope import (
    Envelope,
    Payload,
    WrongShape,
    is_direct,
    known_id,
    mapping,
    optional_timestamp,
    text_of,
    timestamp,
)
from core.channels import (
    Address,
    ChannelEvent,
    InboundAttachment,
    MembershipEvent,
    MessageDeleted,
    MessageEdited,
    MessageEvent,
    ReactionEvent,
    StartEvent,
)

# Subtypes under which a person writes; all others are Slack's own notices.
_WRITTEN = (None, "file_share", "me_message", "thread_broadcast")
_SLACKBOT = "USLACKBOT"
_KINDS = {"image": "image", "audio": "audio", "video": "video"}


def event(envelope: Envelope) -> ChannelEvent:
    """One event per payload. Raises WrongShape."""
    if envelope.payload.get("type") != "event_callback":
        return envelope.unsupported("payload_type")
    inner = mapping(envelope.payload.get("event"))
    handlers: dict[str, Callable[[Envelope, Payload], ChannelEvent]] = {
        "message": _message,
        "app_mention": _message,
        "reaction_added": _reaction,
        "reaction_removed": _reaction,
        "app_home_opened": _home,
        "assistant_thread_started": _assistant_thread,
        "member_joined_channel": _membership,
        "member_left_channel": _membership,
        "app_uninstalled": _uninstalled,
        "tokens_revoked": _uninstalled,
    }
    handler = handlers.get(text_of(inner.get("type")))
    return handler(envelope, inner) if handler else envelope.unsupported("event_type")


# --- messages


def _message(envelope: Envelope, inner: Payload) -> ChannelEvent:
    subtype = inner.get("subtype")
    if subtype == "message_changed":
        return _changed(envelope, inner)
    if subtype == "message_deleted":
        return _deleted(envelope, inner, mapping(inner.get("previous_message")))
    if reason := _not_a_person(envelope, inner):
        return envelope.unsupported(reason)
    ts = timestamp(inner.get("ts"))
    chat = known_id(inner.get("channel"))
    fields = envelope.fields(_message_name(envelope, inner), _address(envelope, inner), ts)
    text, attachments = _text(envelope, inner), _attachments(inner)
    if not text and not attachments and not _is_called(envelope, inner):
        return envelope.unsupported("empty")
    return MessageEvent(
        **fields,
        text=text,
        attachments=attachments,
        message_external_id=f"{chat}:{ts}",
        overheard=not is_direct(chat) and not _is_called(envelope, inner),
    )


def _not_a_person(envelope: Envelope, inner: Payload) -> str:
    """Why nobody is to be answered; two bots that answer each other never stop."""
    if inner.get("subtype") not in _WRITTEN:
        return "subtype"
    if inner.get("hidden"):
        return "hidden"
    # Not the authorization's user: every message that a bot posts carries `bot_id`.
    is_ours = inner.get("user") is not None and inner.get("user") == envelope.own_bot
    if inner.get("bot_id") or inner.get("user") == _SLACKBOT or is_ours:
        return "bot"
    return ""


def _message_name(envelope: Envelope, inner: Payload) -> str:
    """One name for the two events of one post; a mention added by an edit is a new one."""
    name = f"msg:{envelope.space}:{known_id(inner.get('channel'))}:{timestamp(inner.get('ts'))}"
    edited = optional_timestamp(mapping(inner.get("edited")).get("ts"))
    return f"{name}:{edited}" if edited else name


def _is_called(envelope: Envelope, inner: Payload) -> bool:
    """Whether it is said to the bot: by name, or in answer to what the bot began."""
    if inner.get("type") == "app_mention":
        return True
    if envelope.account.settings.get("channel_messages") == "all":
        return True
    if inner.get("parent_user_id") in envelope.bots:
        return True
    return mrkdwn.mentions(text_of(inner.get("text")), envelope.bots)


def _text(envelope: Envelope, inner: Payload) -> str:
    text = text_of(inner.get("text"))
    if inner.get("type") == "app_mention" and not envelope.bots:
        text = mrkdwn.without_first_mention(text)
    return mrkdwn.readable("\n\n".join(filter(None, [text, *_forwarded(inner)])), envelope.bots)


def _forwarded(inner: Payload) -> list[str]:
    """What a person forwarded; unfurled links are attachments too, but nobody's words."""
    listed = inner.get("attachments")
    attachments = [mapping(each) for each in listed] if isinstance(listed, list) else []
    return [text_of(each.get("text")) for each in attachments if each.get("is_share")]


def _address(envelope: Envelope, inner: Payload, user: str | None = None) -> Address:
    """In a channel every answer goes to the message's thread; in a DM to its thread, if any."""
    chat = known_id(inner.get("channel"))
    thread = optional_timestamp(inner.get("thread_ts"))
    if not thread and not is_direct(chat):
        thread = timestamp(inner.get("ts"))
    person = user or known_id(inner.get("user"))
    return envelope.address(chat, person, thread)


def _attachments(inner: Payload) -> tuple[InboundAttachment, ...]:
    files = inner.get("files")
    if not isinstance(files, list):
        return ()
    return tuple(_attachment(mapping(file)) for file in files[:20])


def _attachment(file: Payload) -> InboundAttachment:
    media_type = text_of(file.get("mimetype"))
    url = text_of(file.get("url_private_download")) or text_of(file.get("url_private"))
    size = file.get("size")
    # An external file stands on somebody else's server, a removed one nowhere.
    is_here = not file.get("is_external") and file.get("mode") not in ("external", "tombstone")
    return InboundAttachment(
        kind=_KINDS.get(media_type.split("/")[0], "file"),
        ref=url if is_here and len(url) <= 2000 else "",
        name=(text_of(file.get("name")) or text_of(file.get("title")))[:200],
        media_type=media_type[:100],
        size=size if isinstance(size, int) and 0 <= size < 2**53 else None,
    )


def _changed(envelope: Envelope, inner: Payload) -> ChannelEvent:
    message = mapping(inner.get("message"))
    previous = mapping(inner.get("previous_message"))
    if message.get("subtype") == "tombstone":  # the root of a thread that goes on without it
        return _deleted(envelope, inner, previous)
    if reason := _not_a_person(envelope, message):
        return envelope.unsupported(reason)
    if not message.get("edited") or message.get("text") == previous.get("text"):
        return envelope.unsupported("unfurled")
    return MessageEdited(
        **_changed_fields(envelope, inner, {**previous, **message}),
        text=_text(envelope, message),
        message_external_id=_changed_name(inner, message, previous),
    )


def _deleted(envelope: Envelope, inner: Payload, previous: Payload) -> ChannelEvent:
    if reason := _not_a_person(envelope, previous):
        return envelope.unsupported(reason)
    return MessageDeleted(
        **_changed_fields(envelope, inner, previous),
        message_external_id=_changed_name(inner, {"ts": inner.get("deleted_ts")}, previous),
    )


def _changed_fields(envelope: Envelope, inner: Payload, message: Payload) -> dict[str, object]:
    """Of an edit or a withdrawal: its own time and name, the message's place and person."""
    place = {
        "channel": inner.get("channel"),
        "ts": message.get("ts") or inner.get("ts"),
        "thread_ts": message.get("thread_ts"),
        "user": message.get("user"),
    }
    at = optional_timestamp(inner.get("event_ts")) or timestamp(inner.get("ts"))
    name = f"change:{envelope.space}:{known_id(inner.get('channel'))}:{at}"
    return envelope.fields(name, _address(envelope, place), at)


def _changed_name(inner: Payload, message: Payload, previous: Payload) -> str:
    ts = optional_timestamp(message.get("ts")) or timestamp(previous.get("ts"))
    return f"{known_id(inner.get('channel'))}:{ts}"


# --- everything else


def _reaction(envelope: Envelope, inner: Payload) -> ChannelEvent:
    item = mapping(inner.get("item"))
    if item.get("type") != "message":
        return envelope.unsupported("reaction_item")
    user = known_id(inner.get("user"))
    if user in envelope.bots:
        return envelope.unsupported("bot")
    at = optional_timestamp(inner.get("event_ts"))
    place = {"channel": item.get("channel"), "ts": item.get("ts")}
    address = _address(envelope, place, user)
    is_added = inner.get("type") == "reaction_added"
    return ReactionEvent(
        **envelope.fields(_event_name(envelope), address, at),
        emoji=emoji.unicode_of(text_of(inner.get("reaction"))[:100]) if is_added else "",
        message_external_id=f"{address.chat}:{timestamp(item.get('ts'))}",
    )


def _home(envelope: Envelope, inner: Payload) -> ChannelEvent:
    """Comes each time the app is looked at: named by the person, so that it greets them once."""
    if inner.get("tab") != "messages":
        return envelope.unsupported("home_tab")
    user = known_id(inner.get("user"))
    address = envelope.address(known_id(inner.get("channel")), user)
    at = optional_timestamp(inner.get("event_ts"))
    return StartEvent(**envelope.fields(f"home:{envelope.space}:{user}", address, at))


def _assistant_thread(envelope: Envelope, inner: Payload) -> ChannelEvent:
    thread = mapping(inner.get("assistant_thread"))
    chat, ts = known_id(thread.get("channel_id")), timestamp(thread.get("thread_ts"))
    address = envelope.address(chat, known_id(thread.get("user_id")), ts)
    name = f"thread:{envelope.space}:{chat}:{ts}"
    return StartEvent(**envelope.fields(name, address, optional_timestamp(inner.get("event_ts"))))


def _membership(envelope: Envelope, inner: Payload) -> ChannelEvent:
    user = known_id(inner.get("user"))
    listed = envelope.payload.get("authed_users")
    legacy = listed if isinstance(listed, list) else []
    if user not in envelope.bots and user not in legacy:
        return envelope.unsupported("member")
    address = Address(
        chat=known_id(inner.get("channel")),
        person=_optional_id(inner.get("inviter")) or user,
        space=envelope.space,
    )
    change = "joined" if inner.get("type") == "member_joined_channel" else "left"
    at = optional_timestamp(inner.get("event_ts"))
    return MembershipEvent(**envelope.fields(_event_name(envelope), address, at), change=change)


def _uninstalled(envelope: Envelope, inner: Payload) -> ChannelEvent:
    """The app was removed, or its bot token taken back; a person's own token is none of ours."""
    tokens = mapping(inner.get("tokens"))
    if inner.get("type") == "tokens_revoked" and not tokens.get("bot"):
        return envelope.unsupported("user_token")
    address = Address(chat=envelope.space, space=envelope.space)
    return MembershipEvent(**envelope.fields(_event_name(envelope), address), change="uninstalled")


def _optional_id(value: object) -> str | None:
    try:
        return known_id(value)
    except WrongShape:
        return None


def _event_name(envelope: Envelope) -> str:
    """Slack repeats an event under its `event_id`."""
    event_id = text_of(envelope.payload.get("event_id"))
    return f"event:{event_id[:100]}" if event_id else envelope.body_id()
