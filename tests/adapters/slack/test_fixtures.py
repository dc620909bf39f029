"""Payloads recorded by others: from Slack itself, and from Slack's own SDK tests."""

import json
from pathlib import Path
from typing import Any

import pytest

from adapters.slack.channel import SlackChannel
from core.channels import (
    ActionEvent,
    ChannelEvent,
    MembershipEvent,
    MessageDeleted,
    MessageEdited,
    MessageEvent,
    ReactionEvent,
    Unsupported,
)
from tests.adapters.slack.accounts import account_at, interaction, request_with

FIXTURES = Path(__file__).parents[3].parent / "shared" / "fixtures"
CHANNEL = SlackChannel()
EXPECTED: dict[tuple[str, str], type[ChannelEvent]] = {
    ("test_events.py", "app_mention_body"): MessageEvent,
    ("test_events.py", "reaction_added_body"): ReactionEvent,
    ("test_events.py", "message_file_share_body"): MessageEvent,
    ("test_events.py", "join_event_body"): MembershipEvent,
    ("test_events.py", "left_event_body"): MembershipEvent,
    ("test_events.py", "app_uninstalled_body"): MembershipEvent,
    ("test_events.py", "tokens_revoked_body"): MembershipEvent,
    ("test_events_ignore_self.py", "self_event"): Unsupported,
    ("test_events_ignore_self.py", "response_url_message_event"): Unsupported,
    ("test_events_ignore_self.py", "different_app_response_url_message_event"): Unsupported,
    ("test_message_bot.py", "user_message_event_payload"): MessageEvent,
    ("test_message_bot.py", "bot_message_event_payload"): Unsupported,
    ("test_message_bot.py", "classic_bot_message_event_payload"): Unsupported,
    ("test_message_changed.py", "event_payload"): MessageEdited,
    ("test_message_deleted.py", "event_payload"): MessageDeleted,
    ("test_message_file_share.py", "event_payload"): MessageEvent,
    ("test_events_token_revocations.py", "event_payload"): MembershipEvent,
    ("test_block_actions.py", "body"): ActionEvent,
    ("test_events_org_apps.py", "event_payload"): MessageEvent,
    ("test_message_thread_broadcast.py", "event_payload"): MessageEvent,
}


def recorded(name: str) -> Any:
    path = FIXTURES / name
    if not path.exists():
        pytest.skip("no recorded payloads beside this checkout")
    return json.loads(path.read_text())


def message_of(payload: Any) -> MessageEvent:
    (event,) = CHANNEL.parse(request_with(payload), account_at()).events
    assert isinstance(event, MessageEvent)
    return event


def test_payloads_of_slacks_sdk() -> None:
    # In those tests the bot's user is W23456789, as auth.test told.
    account = account_at(bot_user_id="W23456789")
    seen = 0
    for path, payloads in recorded("slack_events_bolt.json")["by_file"].items():
        for name, payload in payloads.items():
            expected = EXPECTED.get((Path(path).name, name))
            if expected is None:
                continue
            is_interaction = payload["type"] == "block_actions"
            request = interaction(payload) if is_interaction else request_with(payload)
            (event,) = CHANNEL.parse(request, account).events
            assert type(event) is expected, name
            seen += 1
    assert seen >= len(EXPECTED)


def test_the_challenge_of_slacks_sdk() -> None:
    payloads = recorded("slack_events_bolt.json")["by_file"]
    payload = payloads["tests/scenario_tests_async/test_events_url_verification.py"]["event_body"]

    assert CHANNEL.parse(request_with(payload), account_at()).reply.body == payload["challenge"]


def test_a_recorded_mention_and_what_followed_in_its_thread() -> None:
    data = recorded("slack_mention_followup_replay.json")["data"]
    mention, follow_up = message_of(data["mention"]), message_of(data["followUp"])

    assert (mention.text, follow_up.text) == ("Hey", "Hi")
    assert not mention.overheard
    assert CHANNEL.conversation(mention) == CHANNEL.conversation(follow_up)


def test_a_recorded_direct_conversation() -> None:
    data = recorded("slack_dm_replay.json")["data"]
    mention, asked, said = (message_of(data[k]) for k in ("mention", "dmRequest", "dmMessage"))

    assert CHANNEL.conversation(mention) == CHANNEL.conversation(asked)
    assert CHANNEL.conversation(said) == "T00FAKE00AA/dm/U00FAKEUSER1"
    assert (said.address.chat, said.text) == ("D0A5319PS02", "Hey!")
