"""What the team writes in a ticket's thread: words for the contact, or for the ticket alone."""

import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass

from core import desk, tickets
from core.channels import ChannelAdapter
from core.dialogue.commands import Call
from core.tickets import Ticket
from shared.database import PgConnection
from shared.errors import Conflict
from shared.utils.ids import derived_id
from shared.utils.text import is_blank

TAKEN = "It's yours: I'm silent there until you write `return`."
NOT_YOURS = "Somebody else has it already."
RETURNED = "Thank you. I answer there again."
CLOSED = "Closed."
NOTED = "Noted; they don't see it."
OVER = "This ticket is closed. Take the conversation over in the console or over REST."
ONLY_TEXT = "I can only pass words on."

_ORDER = re.compile(r"^\s*/?(take|return|close|note)\b[:\s]*(.*)$", re.IGNORECASE | re.DOTALL)


@dataclass(frozen=True, kw_only=True)
class Thread:
    """A ticket's thread in the team's room."""

    ticket: Ticket
    channels: Mapping[str, ChannelAdapter]

    def heard(self, call: Call) -> None:
        """Decide what a message in the thread does; it takes effect with the turn."""
        order = _ORDER.match(call.turn.text)
        if self.ticket.state in ("returned", "closed") and not (order and order[1] == "note"):
            call.turn.say(OVER)
        elif order:
            self._order(call, order[1].lower(), order[2].strip())
        elif is_blank(call.turn.text):
            call.turn.say(ONLY_TEXT)
        else:
            call.effects.append(self._pass_on(call))
            if self.ticket.state == "queued":
                call.turn.say(TAKEN)

    def _order(self, call: Call, name: str, text: str) -> None:
        where, actor = (call.creator_id, self.ticket.id), call.actor

        async def carry_out(connection: PgConnection) -> None:
            # Somebody else may have been quicker; the ticket is then as they left it.
            with suppress(Conflict):
                match name:
                    case "take":
                        await tickets.take(connection, *where, actor)
                    case "return":
                        await tickets.give_back(connection, *where, actor, call.now)
                    case "close":
                        await tickets.close(connection, *where, actor, call.now)
                    case _ if text:
                        await tickets.add_note(
                            connection, *where, actor=actor, text=text[:5000], now=call.now
                        )

        if name == "take" and self.ticket.taken_by not in (None, actor):
            call.turn.say(NOT_YOURS)
            return
        answers = {"take": TAKEN, "return": RETURNED, "close": CLOSED, "note": NOTED}
        call.effects.append(carry_out)
        call.turn.say(answers[name])

    def _pass_on(self, call: Call) -> "PassOn":
        return PassOn(call=call, ticket=self.ticket, channels=self.channels)


@dataclass(frozen=True, kw_only=True)
class PassOn:
    """Write a coach's words to the contact, in the transaction of the turn that heard them."""

    call: Call
    ticket: Ticket
    channels: Mapping[str, ChannelAdapter]

    async def __call__(self, connection: PgConnection) -> None:
        call, conversation_id = self.call, self.ticket.conversation_id
        message_id = derived_id(call.work.message_id, "desk")
        words = desk.Words(text=call.turn.text, message_id=message_id, key=str(message_id))
        await desk.write(connection, self.channels, call.creator_id, conversation_id, words)
        await tickets.answered(connection, call.creator_id, conversation_id, call.actor, call.now)
