"""Objects as the Web API writes them: messages, people, channels, reactions. Pure."""

from typing import Any

from adapters.slack.emulator_rules import Json, text
from adapters.slack.emulator_state import EmulatedBot, EmulatedPerson, Room, new_id


def content(params: Json) -> Json:
    """What a message holds of the arguments it was posted with."""
    held: Json = {"text": text(params, "text")}
    if markdown := text(params, "markdown_text"):
        held |= {"text": markdown, "markdown": True}
    if params.get("blocks"):
        held["blocks"] = [_with_ids(block) for block in params["blocks"]]
    if params.get("attachments"):
        held["attachments"] = params["attachments"]
    if params.get("metadata"):
        held["metadata"] = params["metadata"]
    return held


def _with_ids(block: Json) -> Json:
    """Slack names the blocks and elements that came without a name."""
    named = {"block_id": new_id("b"), **block}
    if block.get("type") == "actions":
        elements = block["elements"]
        named["elements"] = [{"action_id": new_id("a"), **element} for element in elements]
    return named


def react(message: Json, name: str, user: str) -> bool:
    """Add a reaction; False when it was there."""
    reactions = message.setdefault("reactions", [])
    for reaction in reactions:
        if reaction["name"] == name:
            if user in reaction["users"]:
                return False
            reaction["users"].append(user)
            reaction["count"] += 1
            return True
    reactions.append({"name": name, "users": [user], "count": 1})
    return True


def unreact(message: Json, name: str, user: str) -> bool:
    """Take a reaction back; False when there was none."""
    for reaction in message.get("reactions", []):
        if reaction["name"] == name and user in reaction["users"]:
            reaction["users"].remove(user)
            reaction["count"] -= 1
            message["reactions"] = [r for r in message["reactions"] if r["count"]]
            return True
    return False


def room_body(room: Room, bot: EmulatedBot) -> Json:
    body: Json = {
        "id": room.id,
        "created": 1_700_000_000,
        "is_im": room.is_im,
        "is_org_shared": False,
        "context_team_id": bot.workspace.id,
        "is_archived": room.archived,
    }
    if room.is_im:
        return body | {"user": room.members[0]}
    return body | {
        "name": room.name,
        "name_normalized": room.name,
        "is_channel": room.kind == "channel",
        "is_group": room.kind == "group",
        "is_private": room.kind == "group",
        "is_mpim": False,
        "is_member": bot.user.id in room.members,
        "num_members": len(room.members),
    }


def person_body(person: EmulatedPerson, team_id: str) -> Json:
    """https://docs.slack.dev/reference/objects/user-object"""
    return {
        "id": person.id,
        "team_id": team_id,
        "name": person.handle,
        "deleted": person.deleted,
        "real_name": person.name,
        "tz": person.tz,
        "tz_label": person.tz_label,
        "tz_offset": person.tz_offset,
        "profile": {
            "real_name": person.name,
            "real_name_normalized": person.name,
            "display_name": person.handle,
            "display_name_normalized": person.handle,
            "team": team_id,
        },
        "is_admin": False,
        "is_bot": person.is_bot,
        "is_app_user": False,
        "updated": 1_700_000_000,
    }


def needed_scope(scope: str, room: Room | None) -> str:
    """`history` and `read` are a scope for each kind of room."""
    if scope not in ("history", "read"):
        return scope
    prefixes = {"im": "im", "channel": "channels", "group": "groups"}
    return f"{prefixes[room.kind] if room else 'channels'}:{scope}"


def known_room(bot: EmulatedBot, params: dict[str, Any]) -> Room | None:
    return bot.workspace.rooms.get(str(params.get("channel", "")))
