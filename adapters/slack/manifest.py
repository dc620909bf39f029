"""The app manifest: pasted into Slack, it makes an app that is ready for this channel. Pure.

https://docs.slack.dev/reference/app-manifest
"""

from collections.abc import Mapping
from typing import Any

from core.channels import Account

SCOPES = (
    "app_mentions:read",
    "assistant:write",
    "channels:history",
    "channels:read",
    "chat:write",
    "commands",
    "files:read",
    "groups:history",
    "groups:read",
    "im:history",
    "im:read",
    "im:write",
    "mpim:history",
    "reactions:read",
    "users:read",
)
EVENTS = (
    "app_mention",
    "app_uninstalled",
    "member_joined_channel",
    "message.channels",
    "message.groups",
    "message.im",
    "message.mpim",
    "reaction_added",
    "reaction_removed",
    "tokens_revoked",
)
# Slack must be told each slash command; `settings.commands` replaces these.
COMMANDS = {
    "help": "What I understand",
    "start": "Say hello",
    "goal": "Set a goal, step by step",
    "goals": "See your goals",
    "progress": "See how you are getting on",
    "standup": "Report your day",
    "link": "Continue on another channel",
    "cancel": "Put a form aside",
    "human": "Ask for a person",
}
_NAME = 35  # characters of an app's name; a bot's display name has 80
_DESCRIPTION = 140
_COMMANDS = 50
_PROMPTS = 4


def manifest(account: Account, public_base_url: str) -> dict[str, Any]:
    """JSON for "Create an app from a manifest"."""
    base = public_base_url.rstrip("/")
    webhook = f"{base}/webhooks/slack/{account.route_key}"
    is_socket = account.settings.get("mode") == "socket"
    name = str(account.settings.get("app_name") or "Cairn coach")[:_NAME]
    return {
        "_metadata": {"major_version": 1, "minor_version": 1},
        "display_information": {
            "name": name,
            "description": _description(account),
            "background_color": "#2f4b3c",
        },
        "features": _features(account, name, None if is_socket else webhook),
        "oauth_config": {
            "redirect_urls": [f"{base}/slack/install/{account.route_key}/callback"],
            "scopes": {"bot": [scope for scope in SCOPES if _is_wanted(account, scope)]},
        },
        "settings": {
            "event_subscriptions": _reached(webhook, is_socket) | {"bot_events": _events(account)},
            "interactivity": {"is_enabled": True} | _reached(webhook, is_socket),
            "org_deploy_enabled": False,
            "socket_mode_enabled": is_socket,
            "token_rotation_enabled": False,
        },
    }


def has_assistant(account: Account) -> bool:
    """Assistant threads need a paid workspace: `settings.assistant = false` goes without."""
    return account.settings.get("assistant", True) is not False


def _reached(webhook: str, is_socket: bool) -> dict[str, Any]:
    return {} if is_socket else {"request_url": webhook}


def _features(account: Account, name: str, webhook: str | None) -> dict[str, Any]:
    features: dict[str, Any] = {
        "app_home": {
            "home_tab_enabled": False,
            "messages_tab_enabled": True,
            "messages_tab_read_only_enabled": False,
        },
        "bot_user": {"display_name": name, "always_online": True},
        "slash_commands": [
            _command(account, command, description, webhook)
            for command, description in _commands(account).items()
        ],
    }
    if has_assistant(account):
        features["assistant_view"] = {
            "assistant_description": _description(account),
            "suggested_prompts": _prompts(account),
        }
    return features


def _command(account: Account, name: str, description: str, webhook: str | None) -> dict[str, Any]:
    prefix = str(account.settings.get("command_prefix") or "")
    command: dict[str, Any] = {
        "command": f"/{prefix}{name}",
        "description": description,
        "should_escape": True,  # mentions come as ids, so that they can be read
    }
    return command | ({"url": webhook} if webhook else {})


def _commands(account: Account) -> dict[str, str]:
    given = account.settings.get("commands")
    if not isinstance(given, Mapping):
        return COMMANDS
    return {str(name).lstrip("/"): str(text) for name, text in list(given.items())[:_COMMANDS]}


def _prompts(account: Account) -> list[dict[str, str]]:
    given = account.settings.get("suggested_prompts")
    texts = [str(text) for text in given] if isinstance(given, list) else ["What can you do?"]
    return [{"title": text[:75], "message": text} for text in texts[:_PROMPTS]]


def _description(account: Account) -> str:
    given = account.settings.get("app_description")
    return str(given or "Answers from your coach's knowledge and checks in.")[:_DESCRIPTION]


def _events(account: Account) -> list[str]:
    """Where there are assistant threads, opening one says hello; else opening the app does."""
    own = "assistant_thread_started" if has_assistant(account) else "app_home_opened"
    return sorted((*EVENTS, own))


def _is_wanted(account: Account, scope: str) -> bool:
    return scope != "assistant:write" or has_assistant(account)
