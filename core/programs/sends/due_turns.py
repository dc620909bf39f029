"""Sends whose words a turn has to find: looked at once more when it begins, settled by its commit.

The send is `claimed` and an inbound row of kind `due` waits in the conversation, so the turn has
the conversation's lease and order, and may be taken again after a crash. A turn that dies for good
leaves its send to the scheduler, which lets the program go on without it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Literal
from uuid import UUID

from core.channels import ChannelAdapter
from core.dialogue.memory import Effect, Thought, Work, reply_id
from core.programs import flow, planning
from core.programs.sends import claims, facts, gates, onward, releasing
from core.programs.sends.claims import Send
from core.programs.sends.composing import compose
from core.programs.sends.facts import Subject
from core.programs.sends.gates import Verdict
from core.programs.sends.releasing import Settled
from core.usage import count_sends
from shared.database import DatabaseManager, PgConnection
from shared.errors import Conflict, Unavailable
from shared.messages import Message
from shared.utils.clock import Clock

Said = Literal["here", "elsewhere", ""]

DUE = "due"
_MOVED = Verdict(kind="defer", reason="no_channel")


@dataclass(frozen=True, kw_only=True)
class Due:
    """A claimed send with the verdict at this moment. `written`: what is said if nothing better
    is found; None where only a model or the bot knows."""

    subject: Subject
    verdict: Verdict
    written: Message | None

    @property
    def send(self) -> Send:
        return self.subject.send

    @property
    def is_to_be_said(self) -> bool:
        return self.verdict.kind == "send"


class DueTurns:
    """Begins and settles the turns of sends that must be thought about."""

    def __init__(
        self, *, database: DatabaseManager, clock: Clock, channels: Mapping[str, ChannelAdapter]
    ) -> None:
        self._database = database
        self._clock = clock
        self._channels = channels

    async def begin(self, creator_id: UUID, work: Work) -> Due | None:
        """The send of a due row, judged anew; None when it was settled before.

        Raises Unavailable while its program or enrolment is in somebody else's hands.
        """
        now = self._clock.now()
        async with self._database.transaction(creator_id) as connection:
            send = await claims.claimed(connection, creator_id, UUID(work.payload["send_id"]))
            if send is None:
                return None
            creator = await facts.read_creator(connection, creator_id, self._channels, now)
            subjects = await facts.read(connection, creator, [send], now)
        if not subjects:
            raise Unavailable("the program is being changed")
        verdict = gates.judge(send, subjects[0].facts, now)
        place = verdict.place
        if place is not None and place.conversation_id != work.conversation_id:
            verdict = _MOVED
        if verdict.kind == "defer" and verdict.reason in gates.IMPOSED:
            # It may end before our commit: the scheduler makes certain, at its next tick.
            verdict = replace(verdict, until=now)
        return Due(subject=subjects[0], verdict=verdict, written=compose(subjects[0]))

    def settle(self, creator_id: UUID, due: Due, work: Work, said: Said) -> Effect:
        """What the turn's commit writes: the send as it is now, and what follows in its program.

        `said`: to the contact here, elsewhere alone (in a team's room), or nothing.
        """
        now = self._clock.now()
        settled = _settled(due, work, said, now)

        async def effect(connection: PgConnection) -> None:
            # Enrolment before send: the order in which an answer takes them too.
            enrolled = None
            if due.send.source_kind == "step":
                found = await planning.enrolled(
                    connection, creator_id, [due.send.source_id], now, for_update=True
                )
                enrolled = found.get(due.send.source_id)
            if not await releasing.settle(
                connection, creator_id, [settled], now, states=("claimed",)
            ):
                raise Conflict("this send was settled meanwhile")
            if settled.state == "waiting":
                return
            outcome = _OUTCOMES[settled.state]
            await onward.go_on(
                connection, creator_id, [onward.Done(due.send, enrolled, outcome)], now
            )
            await count_sends(connection, creator_id, now, int(settled.state == "sent"))

        return effect


_OUTCOMES: dict[str, flow.Outcome] = {"sent": "sent", "skipped": "skipped", "expired": "expired"}


def unsaid(work: Work, *effects: Effect) -> Thought:
    """A turn in which nothing is said."""
    return Thought(memory=work.memory, session=work.session, effects=list(effects))


def _settled(due: Due, work: Work, said: Said, now: datetime) -> Settled:
    send, verdict, step = due.send, due.verdict, due.subject.source.step
    if verdict.kind == "defer":
        return Settled(send_id=send.id, state="waiting", reason=verdict.reason, until=verdict.until)
    if verdict.kind == "send" and said:
        zone = due.subject.facts.zone
        return Settled(
            send_id=send.id,
            state="sent",
            channel_id=work.channel_id,
            message_id=reply_id(work, 1) if said == "here" else None,
            answer_until=flow.answer_until(step, now, zone) if step else None,
        )
    state: releasing.State = "expired" if verdict.kind == "expire" else "skipped"
    return Settled(send_id=send.id, state=state, reason=verdict.reason or "no_content")
