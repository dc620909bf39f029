"""The app manifest: complete, with our addresses, and within Slack's limits."""

import json
from typing import Any

import pytest

from adapters.slack.channel import SlackChannel
from adapters.slack.emulator_state import BOT_SCOPES
from adapters.slack.manifest import SCOPES
from tests.adapters.slack.accounts import account_at

BASE = "https://cairn.example/"


def manifest_of(**settings: Any) -> dict[str, Any]:
    return SlackChannel().manifest(account_at(None, **settings), BASE)


def test_slack_is_told_where_we_are() -> None:
    manifest = manifest_of()
    webhook = "https://cairn.example/webhooks/slack/route"

    assert manifest["settings"]["event_subscriptions"]["request_url"] == webhook
    assert manifest["settings"]["interactivity"] == {"is_enabled": True, "request_url": webhook}
    assert {c["url"] for c in manifest["features"]["slash_commands"]} == {webhook}
    redirects = ["https://cairn.example/slack/install/route/callback"]
    assert manifest["oauth_config"]["redirect_urls"] == redirects


def test_socket_mode_needs_no_address() -> None:
    manifest = manifest_of(mode="socket")

    assert manifest["settings"]["socket_mode_enabled"] is True
    assert "webhooks" not in json.dumps(manifest)


def test_each_event_has_its_scope() -> None:
    needed = {
        "app_mention": "app_mentions:read",
        "assistant_thread_started": "assistant:write",
        "member_joined_channel": "channels:read",
        "message.channels": "channels:history",
        "message.groups": "groups:history",
        "message.im": "im:history",
        "message.mpim": "mpim:history",
        "reaction_added": "reactions:read",
        "reaction_removed": "reactions:read",
    }
    manifest = manifest_of()
    scopes = manifest["oauth_config"]["scopes"]["bot"]

    events = manifest["settings"]["event_subscriptions"]["bot_events"]
    assert set(events) - set(needed) == {"app_uninstalled", "tokens_revoked"}
    assert {needed[event] for event in events if event in needed} <= set(scopes)
    assert scopes == sorted(scopes)
    assert set(SCOPES) <= set(BOT_SCOPES)


def test_without_an_assistant() -> None:
    manifest = manifest_of(assistant=False)

    assert "assistant_view" not in manifest["features"]
    assert "assistant:write" not in manifest["oauth_config"]["scopes"]["bot"]
    events = manifest["settings"]["event_subscriptions"]["bot_events"]
    assert "app_home_opened" in events
    assert "assistant_thread_started" not in events


@pytest.mark.parametrize("length", [1, 500])
def test_names_keep_slacks_limits(length: int) -> None:
    text = "n" * length
    prompts = [text] * 9
    manifest = manifest_of(app_name=text, app_description=text, suggested_prompts=prompts)

    assert len(manifest["display_information"]["name"]) <= 35
    assert len(manifest["display_information"]["description"]) <= 140
    assert len(manifest["features"]["assistant_view"]["suggested_prompts"]) <= 4


def test_a_bots_own_commands() -> None:
    commands = {"standup": "Report your day", "/blockers": "What is in the way"}
    manifest = manifest_of(commands=commands, command_prefix="team-")

    assert [c["command"] for c in manifest["features"]["slash_commands"]] == [
        "/team-standup",
        "/team-blockers",
    ]


def test_no_secret_stands_in_it() -> None:
    account = account_at(None)
    text = json.dumps(SlackChannel().manifest(account, BASE))

    assert not any(secret in text for secret in account.credentials.values())
