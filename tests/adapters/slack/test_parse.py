"""Slack's payloads to events: who said what where, once, and nobody else's business."""

import json
from typing import Any

import pytest

from adapters.slack.channel import SlackChannel
from core.channels import (
    Account,
    ActionEvent,
    ChannelEvent,
    CommandEvent,
    InboundRequest,
    MembershipEvent,
    MessageDeleted,
    MessageEdited,
    MessageEvent,
    ReactionEvent,
    StartEvent,
    Unsupported,
)
from core.loader import ROOT
from shared.errors import InvalidInput
from tests.adapters.slack.accounts import (
    BOT,
    FORM,
    TEAM,
    account_at,
    form_with,
    happening,
    interaction,
    message,
    request_with,
)

SAMPLES = ROOT / "adapters" / "slack" / "samples"
ADA = "U07ADAOBI01"
DIRECT = {"channel": "D07ADACOACH", "channel_type": "im"}
CHANNEL = SlackChannel()


def event_of(request: InboundRequest, account: Account | None = None) -> ChannelEvent:
    parsed = CHANNEL.parse(request, account or account_at())
    assert (parsed.reply.status, parsed.reply.body) == (200, "")
    (event,) = parsed.events
    return event


def sample(name: str) -> ChannelEvent:
    content_type = FORM if name.endswith(".form") else "application/json"
    return event_of(request_with((SAMPLES / name).read_bytes(), content_type))


def message_of(request: InboundRequest, **settings: Any) -> MessageEvent:
    event = event_of(request, account_at(**settings))
    assert isinstance(event, MessageEvent)
    return event


# --- messages


def test_a_direct_message() -> None:
    event = sample("message_im.json")

    assert isinstance(event, MessageEvent)
    assert event.text == "Hello, I'd like to run 5 km"
    assert event.external_id == f"msg:{TEAM}:D07ADACOACH:1780000000.000100"
    assert event.message_external_id == "D07ADACOACH:1780000000.000100"
    assert event.occurred_at.timestamp() == 1780000000.0001
    assert event.sender.address == ADA
    assert event.address.model_dump() == {
        "chat": "D07ADACOACH",
        "thread": None,
        "person": ADA,
        "space": TEAM,
        "direct": True,
    }
    assert CHANNEL.conversation(event) == f"{TEAM}/dm/{ADA}"
    assert not event.overheard


def test_a_mention_and_its_message_are_one() -> None:
    mention, posted = sample("app_mention.json"), sample("message_channel_mention.json")

    assert isinstance(mention, MessageEvent)
    assert isinstance(posted, MessageEvent)
    assert mention.external_id == posted.external_id
    assert mention.text == posted.text == "how do I start?"
    assert mention.attachments == posted.attachments
    assert CHANNEL.conversation(mention) == CHANNEL.conversation(posted)
    assert not mention.overheard
    assert not posted.overheard


def test_a_mention_with_a_file_is_one_too() -> None:
    photo = {"id": "F1", "name": "a.png", "mimetype": "image/png", "size": 3, "mode": "hosted"}
    photo["url_private_download"] = f"https://files.slack.com/files-pri/{TEAM}-F1/download/a.png"
    said = message(f"<@{BOT}> look", files=[photo], subtype="file_share")
    mention = {name: value for name, value in said.items() if name != "subtype"}

    one, other = message_of(happening(said)), message_of(
        happening(mention | {"type": "app_mention"})
    )
    assert one.attachments
    keys = {"external_id", "text", "attachments", "message_external_id"}
    assert one.model_dump(include=keys) == other.model_dump(include=keys)


def test_a_mention_added_by_an_edit_is_a_message_of_its_own() -> None:
    edited = message(f"<@{BOT}> you too", edited={"user": ADA, "ts": "1780000009.000000"})
    event = message_of(happening(edited | {"type": "app_mention"}))

    assert event.external_id.endswith(":1780000000.000100:1780000009.000000")


def test_what_is_said_to_others_is_overheard() -> None:
    assert message_of(happening(message("Lunch anyone?"))).overheard
    assert message_of(happening(message("<@U07BENLEE02> lunch?"))).overheard


def test_a_channel_may_be_the_bots_own() -> None:
    request = happening(message("Lunch anyone?"))

    assert not message_of(request, channel_messages="all").overheard


def test_a_thread_is_a_conversation() -> None:
    first = message_of(happening(message(f"<@{BOT}> hi")))
    reply = message_of(
        happening(message("And then?", ts="1780000001.000100", thread_ts="1780000000.000100"))
    )

    assert CHANNEL.conversation(first) == CHANNEL.conversation(reply)
    assert first.address.thread == reply.address.thread == "1780000000.000100"
    assert reply.overheard  # taken where the bot takes part, dropped elsewhere


def test_a_reply_to_what_the_bot_posted_is_for_the_bot() -> None:
    event = sample("message_thread_of_the_bot.json")

    assert isinstance(event, MessageEvent)
    assert not event.overheard


def test_one_ts_in_two_channels_is_two_conversations() -> None:
    here, there = (message_of(happening(message("x", channel=c))) for c in ("C1AAA", "C1BBB"))

    assert here.external_id != there.external_id
    assert CHANNEL.conversation(here) != CHANNEL.conversation(there)


def test_two_workspaces_are_apart() -> None:
    other = [{"team_id": "T0OTHER", "user_id": "U0BOT", "is_bot": True}]
    one = message_of(happening(message("x", **DIRECT)))
    two = message_of(happening(message("x", **DIRECT), team_id="T0OTHER", authorizations=other))

    assert (one.address.space, two.address.space) == (TEAM, "T0OTHER")
    assert CHANNEL.conversation(one) != CHANNEL.conversation(two)


def test_an_assistant_thread_is_answered_in_place_and_part_of_the_direct_conversation() -> None:
    event = sample("message_assistant_thread.json")

    assert event.address.thread == "1779999990.000100"
    assert CHANNEL.conversation(event) == f"{TEAM}/dm/{ADA}"


def test_another_companys_person_in_a_shared_channel() -> None:
    event = sample("slack_connect_message.json")

    assert isinstance(event, MessageEvent)
    assert (event.address.space, event.sender.address) == (TEAM, "U0PARTNER99")


def test_an_organisations_install_answers_with_its_own_token() -> None:
    name = "org_install_message.json"
    assert sample(name).address.space == TEAM

    tokens = {"E07ENTERPR1": {"bot_token": "xoxb-of-the-organisation"}}
    request = request_with((SAMPLES / name).read_bytes())
    assert event_of(request, account_at(installations=tokens)).address.space == "E07ENTERPR1"


def test_files_come_without_secrets() -> None:
    event = sample("file_share.json")

    assert isinstance(event, MessageEvent)
    (photo,) = event.attachments
    assert (photo.kind, photo.name, photo.size) == ("image", "run.png", 42706)
    assert photo.ref == f"https://files.slack.com/files-pri/{TEAM}-F07PHOTO001/download/run.png"


def test_what_stands_elsewhere_is_not_fetched() -> None:
    event = sample("file_share_external_and_voice.json")

    assert isinstance(event, MessageEvent)
    external, voice = event.attachments
    assert (external.kind, external.ref) == ("file", "")
    assert voice.kind == "audio"
    assert voice.ref.endswith("audio_message_audio.mp4")


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("message_of_our_own.json", "bot"),
        ("message_from_another_bot.json", "subtype"),
        ("message_channel_join.json", "subtype"),
        ("message_changed_by_unfurl.json", "unfurled"),
        ("reaction_of_our_own.json", "bot"),
        ("app_home_opened_home.json", "home_tab"),
        ("assistant_thread_context_changed.json", "event_type"),
        ("member_joined_channel_person.json", "member"),
        ("tokens_revoked_person.json", "user_token"),
        ("unknown_event.json", "event_type"),
        ("app_rate_limited.json", "payload_type"),
        ("wrong_shape.json", "shape"),
        ("not_an_object.json", "payload_type"),
        ("view_submission.form", "interaction"),
        ("block_actions_link_button.form", "action_without_value"),
        ("ssl_check.form", "interaction"),
        ("payload_not_an_object.form", "interaction"),
    ],
)
def test_what_is_nobodys_turn_is_counted_and_forgotten(name: str, reason: str) -> None:
    event = sample(name)

    assert isinstance(event, Unsupported)
    assert event.reason == reason


@pytest.mark.parametrize(
    "fields",
    [{"bot_id": "B1"}, {"user": "USLACKBOT"}, {"hidden": True}, {"subtype": "huddle_thread"}],
    ids=lambda fields: next(iter(fields)),
)
def test_machines_are_not_answered(fields: dict[str, Any]) -> None:
    assert isinstance(event_of(happening(message("hi", **DIRECT) | fields)), Unsupported)


def test_the_installed_bots_own_words_are_not_answered() -> None:
    tokens = {TEAM: {"bot_token": "xoxb-1", "bot_user_id": "U07SELF0001"}}
    request = happening(message("hi", user="U07SELF0001", **DIRECT))

    assert isinstance(event_of(request, account_at(installations=tokens)), Unsupported)


def test_what_is_forwarded_is_read_and_what_is_unfurled_is_not() -> None:
    forwarded = {"is_share": True, "text": "How long is <https://cairn.example|it>?", "id": 1}
    unfurled = {"from_url": "https://cairn.example", "text": "A site about cairns", "id": 2}
    event = message_of(happening(message("", attachments=[forwarded, unfurled], **DIRECT)))

    assert event.text == "How long is it (https://cairn.example)?"


# --- what changes


def test_an_edit() -> None:
    event = sample("message_changed.json")

    assert isinstance(event, MessageEdited)
    assert event.text == "I run 6 km"
    assert event.message_external_id == "D07ADACOACH:1780000011.000100"
    assert CHANNEL.conversation(event) == f"{TEAM}/dm/{ADA}"


@pytest.mark.parametrize("name", ["message_deleted.json", "message_changed_tombstone.json"])
def test_a_withdrawal(name: str) -> None:
    event = sample(name)

    assert isinstance(event, MessageDeleted)
    assert event.message_external_id == "D07ADACOACH:1780000011.000100"
    assert event.sender.address == ADA


def test_an_edit_in_a_thread_is_found_in_its_conversation() -> None:
    reply = message("x", ts="1780000001.000100", thread_ts="1780000000.000100")
    new = reply | {"text": "y", "edited": {"user": ADA, "ts": "1780000002.000000"}}
    change = {"type": "message", "subtype": "message_changed", "hidden": True, "message": new}
    change |= {"previous_message": reply, "channel": "C07GENERAL1", "ts": "1780000002.000100"}

    assert CHANNEL.conversation(event_of(happening(change))).endswith("/1780000000.000100")


@pytest.mark.parametrize(
    ("name", "emoji"),
    [
        ("reaction_added.json", "👍🏾"),
        ("reaction_added_custom.json", ":party-parrot:"),
        ("reaction_removed.json", ""),
    ],
)
def test_reactions(name: str, emoji: str) -> None:
    event = sample(name)

    assert isinstance(event, ReactionEvent)
    assert (event.emoji, event.message_external_id) == (emoji, "D07ADACOACH:1780000010.000100")


def test_opening_the_app_says_hello_once() -> None:
    first = sample("app_home_opened_messages.json")
    later = json.loads((SAMPLES / "app_home_opened_messages.json").read_text())
    later |= {"event_id": "Ev0LATER"}
    later["event"]["event_ts"] = "1790000000.000100"

    assert isinstance(first, StartEvent)
    assert event_of(request_with(later)).external_id == first.external_id


def test_each_assistant_thread_says_hello() -> None:
    event = sample("assistant_thread_started.json")

    assert isinstance(event, StartEvent)
    assert (event.address.chat, event.address.thread) == ("D07ADACOACH", "1779999990.000100")
    assert event.sender.address == ADA


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("member_joined_channel_bot.json", "joined"),
        ("app_uninstalled.json", "uninstalled"),
        ("tokens_revoked_bot.json", "uninstalled"),
    ],
)
def test_comings_and_goings(name: str, change: str) -> None:
    event = sample(name)

    assert isinstance(event, MembershipEvent)
    assert (event.change, event.address.space) == (change, TEAM)


# --- commands and taps


def test_a_command_is_answered_in_private_and_knows_where_it_was_typed() -> None:
    event = sample("slash_command.form")

    assert isinstance(event, CommandEvent)
    assert (event.name, event.arguments) == ("goal", "run 5 km")
    assert (event.address.chat, event.address.person) == (ADA, ADA)
    assert event.origin is not None
    assert (event.origin.chat, event.origin.space) == ("C07GENERAL1", TEAM)
    assert event.sender.username == "ada"


def test_commands_and_direct_messages_are_one_conversation() -> None:
    keys = {CHANNEL.conversation(sample(n)) for n in ("slash_command.form", "message_im.json")}

    assert keys == {f"{TEAM}/dm/{ADA}"}


@pytest.mark.parametrize(
    ("command", "prefix", "name"),
    [
        ("/goal", "", "goal"),
        ("/Stand-Up", "", "stand_up"),
        ("/coach-goal", "coach-", "goal"),
        ("/goal", "coach-", "goal"),
    ],
)
def test_a_commands_name(command: str, prefix: str, name: str) -> None:
    form = {"command": command, "team_id": TEAM, "user_id": ADA, "channel_id": "C07GENERAL1"}
    event = event_of(form_with(form), account_at(command_prefix=prefix))

    assert isinstance(event, CommandEvent)
    assert event.name == name


def test_a_commands_text_is_decoded() -> None:
    form = {"command": "/goal", "team_id": TEAM, "user_id": ADA, "channel_id": "C07GENERAL1"}
    event = event_of(form_with(form | {"text": "run &lt;5 km with <@U07BENLEE02|ben>"}))

    assert isinstance(event, CommandEvent)
    assert event.arguments == "run <5 km with @ben"


@pytest.mark.parametrize(
    ("name", "value", "chat", "thread"),
    [
        ("block_actions_im.form", "yes", "D07ADACOACH", None),
        ("block_actions_thread.form", "yes", "C07GENERAL1", "1780000000.000100"),
        ("block_actions_select.form", "tue", "D07ADACOACH", None),
    ],
)
def test_a_tap(name: str, value: str, chat: str, thread: str | None) -> None:
    event = sample(name)

    assert isinstance(event, ActionEvent)
    assert (event.value, event.address.chat, event.address.thread) == (value, chat, thread)
    assert event.message_external_id is not None
    assert event.ack is None  # the 200 is all Slack waits for


def test_a_tap_below_a_post_in_a_channel_begins_its_thread() -> None:
    payload = {
        "type": "block_actions",
        "team": {"id": TEAM},
        "user": {"id": ADA},
        "channel": {"id": "C07GENERAL1"},
        "container": {"message_ts": "1780000000.000100", "channel_id": "C07GENERAL1"},
        "trigger_id": "1.2.3",
        "actions": [{"type": "button", "value": "yes"}],
    }

    assert event_of(interaction(payload)).address.thread == "1780000000.000100"


def test_each_tap_counts_once() -> None:
    body = (SAMPLES / "block_actions_im.form").read_bytes()
    one, again = (event_of(request_with(body, FORM)) for _ in range(2))
    other = event_of(request_with(body.replace(b"9000000000010.", b"9000000000099."), FORM))

    assert one.external_id == again.external_id != other.external_id


def test_shortcuts_are_commands() -> None:
    on_all, on_message = sample("shortcut_global.form"), sample("message_shortcut.form")

    assert isinstance(on_all, CommandEvent)
    assert isinstance(on_message, CommandEvent)
    assert (on_all.name, on_all.origin) == ("goal", None)
    assert on_message.name == "ask_the_coach"
    assert on_message.arguments == "How long is the run (https://cairn.example/run)?"


def test_nothing_kept_of_a_request_lets_anybody_speak_as_slack() -> None:
    event = sample("block_actions_im.form")

    assert not {"token", "response_url"} & set(event.raw)


# --- bodies


def test_the_challenge_is_echoed() -> None:
    body = {"type": "url_verification", "challenge": "c" * 40, "token": "x"}
    parsed = CHANNEL.parse(request_with(body), account_at())

    assert (parsed.events, parsed.reply.status, parsed.reply.body) == ((), 200, "c" * 40)
    assert parsed.reply.content_type == "text/plain"


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        (b"{", "application/json"),
        (b"[" * 100_000, "application/json"),
        (b"\xff", FORM),
        (b"payload=%7B", FORM),
        (b"&".join([b"a=1"] * 500), FORM),
    ],
    ids=["cut", "deep", "bytes", "payload", "fields"],
)
def test_a_broken_body_is_invalid_input(body: bytes, content_type: str) -> None:
    with pytest.raises(InvalidInput):
        CHANNEL.parse(request_with(body, content_type), account_at())


@pytest.mark.parametrize("number", [float(10**30), -5, 10**400])
def test_times_beyond_the_calendar_are_now(number: float) -> None:
    event = event_of(happening(message("hi", ts="9999999999999999.000100", **DIRECT)))

    assert event.occurred_at.year == 2026
    assert isinstance(event_of(happening(message("x") | {"ts": number})), Unsupported)
