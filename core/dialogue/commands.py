"""Commands that every bot has: a person's channels, clock, language, and whether to be written to.

A bot's own command of the same name wins. What they change is committed with the turn.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from core import linking
from core.audit import contact_actor, note
from core.bots import Turn
from core.dialogue.memory import Effect, Work
from core.linking import Attempt, Linking
from core.programs.replan import replan_contact
from shared.database import PgConnection
from shared.markdown import escape
from shared.messages import Choice
from shared.utils.zones import find_language, find_zones

IN_PRIVATE = "Please do that in a private chat with me."
NO_SUCH_CODE = (
    "That code doesn't work. Codes work once, for 15 minutes, on another channel than the one they "
    "were made on; get a new one with `/link`."
)
LINKED = "Done: from now on I know you here and there as one. Take it back with `/unlink`."
UNLINKED = "Done: I know you as two again. What I knew of both stays with both."
NOTHING_LINKED = "There is nothing to unlink."
ASK_ZONE = "Write `/timezone` and a city, for example `/timezone Berlin` or `/timezone Asia/Tokyo`."
UNKNOWN_ZONE = "I don't know that place. A bigger city in the same time zone will do."
ASK_LANGUAGE = "Write `/language` and its short name, for example `/language de`."
UNKNOWN_LANGUAGE = "I don't know that language. " + ASK_LANGUAGE
HUMAN = "I've asked for a person of the team. They will answer right here."
HELP = (
    "Also: `/progress`, `/human`, `/timezone`, `/language`, `/link`, `/unlink`, `/stop`, `/start`, "
    "`/subscribe`, `/cancel`."
)

_SET_TIMEZONE = """
UPDATE app.contacts SET timezone = $3, updated_at = now() WHERE creator_id = $1 AND id = $2
"""
_SET_LOCALE = """
UPDATE app.contacts SET locale = $3, language = $3, updated_at = now()
WHERE creator_id = $1 AND id = $2
"""


@dataclass(frozen=True, kw_only=True)
class Call:
    """One use of a command: the turn it answers in, and the changes to commit with it."""

    creator_id: UUID
    work: Work
    turn: Turn
    effects: list[Effect]
    now: datetime  # by the clock that programs go by
    sender: str = ""  # what the channel is called

    @property
    def actor(self) -> str:
        return contact_actor(self.work.contact_id)


Builtin = Callable[[Call], Awaitable[None]]


class Commands:
    def __init__(self, linking: Linking, others: Mapping[str, Builtin] | None = None) -> None:
        self._linking = linking
        self.by_name: dict[str, Builtin] = {
            "timezone": set_timezone,
            "language": set_language,
            "human": call_human,
            "link": self.link,
            "unlink": self.unlink,
            **(others or {}),
        }

    async def link(self, call: Call) -> None:
        """Give a code, or use one. In private only: whoever reads a code could use it."""
        turn, work = call.turn, call.work
        if not turn.place.is_private:
            turn.say(IN_PRIVATE)
        elif not turn.arguments:
            self._offer_code(call)
        elif await self._linking.redeem(
            Attempt(
                creator_id=call.creator_id,
                contact_id=work.contact_id,
                channel_id=work.channel_id,
                address=work.person or "",
                message_id=work.message_id,
                code=turn.arguments,
                at=call.now,
            )
        ):
            turn.say(LINKED)
        else:
            turn.say(NO_SUCH_CODE)

    def _offer_code(self, call: Call) -> None:
        code = linking.new_code()

        async def add(connection: PgConnection) -> None:
            await self._linking.add_code(connection, call.creator_id, call.work.contact_id, code)

        call.effects.append(add)
        call.turn.say(
            f"Write `/link {code}` to me on your other channel, within {linking.CODE_MINUTES} "
            "minutes. Show it to nobody."
        )

    async def unlink(self, call: Call) -> None:
        """Take the newest link back."""
        contact_id = call.work.contact_id
        link_id = await self._linking.last_link(call.creator_id, contact_id)
        if link_id is None:
            call.turn.say(NOTHING_LINKED)
            return
        found = link_id

        async def undo(connection: PgConnection) -> None:
            await linking.unlink(connection, call.creator_id, contact_id, found, actor=call.actor)

        call.effects.append(undo)
        call.turn.say(UNLINKED)


async def call_human(call: Call) -> None:
    """Ask for a person of the team."""
    call.turn.call_human()
    call.turn.say(HUMAN)


async def set_timezone(call: Call) -> None:
    turn = call.turn
    if not turn.arguments:
        known = f"Your time zone is {turn.timezone}; here it is {turn.local_now():%H:%M}. "
        turn.say((known if turn.timezone else "") + ASK_ZONE)
        return
    zones = find_zones(turn.arguments[:100])
    if not zones:
        turn.say(UNKNOWN_ZONE)
    elif len(zones) > 1:
        choices = [Choice(label=zone, value=f"/timezone {zone}") for zone in zones]
        turn.say("Which one do you mean?", choices=choices)
    else:
        turn.timezone = zones[0]
        call.effects.append(_change(call, _SET_TIMEZONE, "timezone", zones[0]))
        call.effects.append(_replan(call))
        turn.say(f"Your time zone is {escape(zones[0])} now; here it is {turn.local_now():%H:%M}.")


def _replan(call: Call) -> Effect:
    async def replan(connection: PgConnection) -> None:
        await replan_contact(connection, call.creator_id, call.work.contact_id, call.now)

    return replan


async def set_language(call: Call) -> None:
    turn = call.turn
    if not turn.arguments:
        turn.say((f"Your language is {turn.locale}. " if turn.locale else "") + ASK_LANGUAGE)
        return
    tag = find_language(turn.arguments[:100])
    if tag is None:
        turn.say(UNKNOWN_LANGUAGE)
        return
    turn.locale = tag
    call.effects.append(_change(call, _SET_LOCALE, "locale", tag))
    turn.say(f"Your language is {tag} now.")


def _change(call: Call, sql: str, field: str, value: str) -> Effect:
    async def change(connection: PgConnection) -> None:
        contact_id = call.work.contact_id
        await connection.execute(sql, call.creator_id, contact_id, value)
        await note(
            connection,
            call.creator_id,
            actor=call.actor,
            action="contact.changed",
            target=contact_id,
            changed=[field],
        )

    return change
