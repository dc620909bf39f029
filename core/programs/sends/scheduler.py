"""Send what is due: find creators with something due, judge their next sends, write them at once.

One batch of one creator is one transaction, with no remote call inside; creators take turns, so
that a hundred thousand sends of one delay nobody else's. Any number of schedulers may run.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from uuid import UUID

import structlog

from core.channels import ChannelAdapter
from core.consent import Person, scope_of
from core.jobs import PROACTIVE, enqueue_many
from core.live import CHANGED, LiveBus
from core.programs import flow
from core.programs.sends import (
    claims,
    facts,
    gates,
    holding,
    onward,
    releasing,
    silence,
    sources,
    speaking,
)
from core.programs.sends.composing import compose
from core.programs.sends.facts import Creator, Subject
from core.programs.sends.gates import Place, Verdict
from core.programs.sends.onward import OUTCOMES, Done
from core.programs.sends.pacing import Paces
from core.programs.sends.releasing import Said, Settled
from core.unsubscribe import Links
from shared.database import DatabaseManager, PgConnection
from shared.errors import Unavailable
from shared.failpoints import failpoint
from shared.messages import Message
from shared.models import broadcasts
from shared.utils.clock import Clock, utc_now

log = structlog.get_logger(__name__)

Advance = Callable[[UUID, int], Awaitable[int]]

BATCH = 500
SMALL_BATCH = 50
PARALLEL = 4  # creators at once; each holds a connection for as long as its batch takes


@dataclass(kw_only=True)
class Batch:
    """What a batch of one creator comes to, before it is written."""

    done: list[Done] = field(default_factory=list)
    said: list[Said] = field(default_factory=list)
    asked: list[Said] = field(default_factory=list)
    settled: list[Settled] = field(default_factory=list)
    aside: int = 0  # silences of people who had written, or were shown to the coach
    links: Links | None = None  # that end a broadcast

    @property
    def broadcast_ids(self) -> set[UUID]:
        """Of which something was settled for good."""
        sends = (one.send for one in self.done)
        return {send.source_id for send in sends if send.source_kind == "broadcast"}

    @property
    def pushed(self) -> list[UUID]:
        return [one.conversation_id for one in self.said if one.push]

    @property
    def pulled(self) -> list[UUID]:
        return [one.conversation_id for one in self.said if not one.push]


class Scheduler:
    """Settles what is due, for all creators."""

    def __init__(
        self,
        *,
        database: DatabaseManager,
        clock: Clock,
        channels: Mapping[str, ChannelAdapter],
        live: LiveBus,
        links: Links | None = None,
    ) -> None:
        self._database = database
        self._clock = clock
        self._channels = channels
        self._live = live
        self._links = links
        self._troubled: dict[UUID, int] = {}  # creators whose last batch failed, with the next size

    async def tick(self) -> int:
        """One batch of each creator with something due; how many sends were settled or put off."""
        now = self._clock.now()
        async with self._database.dispatch() as connection:
            creators = await claims.due_creators(connection, now)
            left_over = await claims.left_over(connection, now)
        # The more creators wait, the smaller are the batches: each soon has its turn again.
        limit = max(SMALL_BATCH, BATCH // max(1, len(creators)))
        places = asyncio.Semaphore(PARALLEL)

        async def work(advance: Advance, creator_id: UUID) -> int:
            async with places:
                return await _survived(advance, creator_id, limit)

        return sum(
            await asyncio.gather(
                *(work(self._advance_safely, creator_id) for creator_id in creators),
                *(work(self.tidy_up, creator_id) for creator_id in left_over),
            )
        )

    async def _advance_safely(self, creator_id: UUID, limit: int) -> int:
        """A batch that fails is tried in smaller ones, until the send that can't be judged is
        alone; that one is put off, and the others go."""
        size = min(limit, self._troubled.pop(creator_id, limit))
        try:
            return await self.advance(creator_id, size)
        except Unavailable:
            raise
        except Exception:
            if size == 1:
                await self._put_off(creator_id)
            else:
                self._troubled[creator_id] = max(1, size // 10)
            raise

    async def _put_off(self, creator_id: UUID) -> None:
        now = self._clock.now()
        async with self._database.transaction(creator_id) as connection:
            if await claims.is_alone(connection, creator_id):
                sends = await claims.claim(connection, creator_id, now, 1)
                until = now + gates.LOOK_AGAIN
                put_off = [
                    Settled(send_id=id_, state="waiting", reason="failed", until=until)
                    for id_ in claims.ids_of(sends)
                ]
                await releasing.settle(connection, creator_id, put_off, now)

    async def advance(self, creator_id: UUID, limit: int = BATCH) -> int:
        """One batch of one creator, unless another scheduler is at it; how many it came to."""
        now = self._clock.now()
        async with self._database.transaction(creator_id) as connection:
            if not await claims.is_alone(connection, creator_id):
                return 0
            sends = await claims.claim(connection, creator_id, now, limit)
            if not sends:
                return 0
            await failpoint("mid-tick")
            batch = await self._batch(connection, creator_id, sends, now)
            await _write(connection, creator_id, batch, now)
            await failpoint("before-tick-commit")
        await failpoint("after-tick-commit")
        await asyncio.gather(
            *(self._live.publish(creator_id, id_, CHANGED) for id_ in batch.pulled)
        )
        return len(batch.settled) + batch.aside

    async def tidy_up(self, creator_id: UUID, limit: int = BATCH) -> int:
        """Let programs go on where nobody answered in time, or where a turn died; how many."""
        now = self._clock.now()
        async with self._database.transaction(creator_id) as connection:
            if not await claims.is_alone(connection, creator_id):
                return 0
            missed = await claims.missed(connection, creator_id, now, limit)
            over = await _done_with(connection, creator_id, missed, "timed_out", now)
            await releasing.miss(connection, creator_id, claims.ids_of(over), now)
            stuck = await claims.stuck(connection, creator_id, now, limit)
            dead = await _done_with(connection, creator_id, stuck, "skipped", now)
            given_up = [Settled(send_id=s.id, state="skipped", reason="no_content") for s in dead]
            await releasing.settle(connection, creator_id, given_up, now, states=("claimed",))
        return len(over) + len(dead)

    async def _batch(
        self,
        connection: PgConnection,
        creator_id: UUID,
        sends: Sequence[claims.Send],
        now: datetime,
    ) -> Batch:
        creator = await facts.read_creator(connection, creator_id, self._channels, now)
        spoken = await silence.due_silence(connection, creator_id, sends, now)
        subjects = await facts.read(connection, creator, spoken, now)
        paces = await Paces.read(connection, creator_id, now)
        judged = [(one, gates.judge(one.send, one.facts, now)) for one in subjects]
        judged = await holding.held_certainly(connection, creator_id, judged)
        judged = _within_limits(judged, creator, paces, now)
        places = await _conversations(connection, creator_id, judged)
        links = self._links if creator.policy.unsubscribe_links else None
        batch = Batch(aside=len(sends) - len(spoken), links=links)
        for subject, verdict in judged:
            _add(batch, creator, subject, verdict, places, now)
        await paces.write(connection, creator_id)
        return batch


async def _survived(advance: Advance, creator_id: UUID, limit: int) -> int:
    """One creator's trouble must not keep the others from their turn."""
    try:
        return await advance(creator_id, limit)
    except Unavailable:
        return 0
    except Exception as error:
        log.error(
            "scheduler.failed",
            creator_id=str(creator_id),
            error=type(error).__name__,
            exc_info=error,
        )
        return 0


async def _done_with(
    connection: PgConnection,
    creator_id: UUID,
    sends: Sequence[claims.Send],
    outcome: flow.Outcome,
    now: datetime,
) -> list[claims.Send]:
    """Those of these sends whose programs are free to go on, and have."""
    enrolled = await sources.read_enrolled(connection, creator_id, sends, now)
    over = [send for send in sends if send.source_kind != "step" or send.source_id in enrolled]
    done = [Done(send, enrolled.get(send.source_id), outcome) for send in over]
    await onward.go_on(connection, creator_id, done, now)
    return over


def _within_limits(
    judged: Sequence[tuple[Subject, Verdict]], creator: Creator, paces: Paces, now: datetime
) -> list[tuple[Subject, Verdict]]:
    """Put off what the channels take no more of at present, or the creator's month."""
    limited = []
    left = creator.sends_left
    for subject, verdict in judged:
        place = verdict.place
        if verdict.kind == "send" and place is not None:
            if left is not None and left <= 0:
                verdict = Verdict(kind="defer", reason="quota", until=now + gates.LOOK_AGAIN)
            else:
                verdict = _paced(verdict, place, creator, paces)
                left = left if left is None else left - (verdict.kind == "send")
        limited.append((subject, verdict))
    return limited


def _paced(verdict: Verdict, place: Place, creator: Creator, paces: Paces) -> Verdict:
    pace = paces.of(place.channel_id, creator.channels[place.channel_id].rate)
    return verdict if pace.admit() else Verdict(kind="defer", reason="pace", until=pace.park())


async def _conversations(
    connection: PgConnection, creator_id: UUID, judged: Sequence[tuple[Subject, Verdict]]
) -> dict[UUID, UUID]:
    """By contact, the conversation that its send goes to and that we hold."""
    going = [(s.send.contact_id, v.place) for s, v in judged if v.kind == "send" and v.place]
    found = {contact: p.conversation_id for contact, p in going if p.conversation_id}
    held = await releasing.hold_conversations(connection, creator_id, found.values())
    theirs = {contact: id_ for contact, id_ in found.items() if id_ in held}
    new: list[tuple[UUID, Place]] = [(c, p) for c, p in going if p.conversation_id is None]
    return theirs | await releasing.open_conversations(connection, creator_id, new)


def _add(
    batch: Batch,
    creator: Creator,
    subject: Subject,
    verdict: Verdict,
    conversations: Mapping[UUID, UUID],
    now: datetime,
) -> None:
    """Add what a verdict comes to; nothing where its conversation is held by somebody else."""
    send = subject.send
    if verdict.kind == "defer":
        deferred = Settled(
            send_id=send.id, state="waiting", reason=verdict.reason, until=verdict.until
        )
        batch.settled.append(deferred)
    elif verdict.kind != "send":
        state: releasing.State = "expired" if verdict.kind == "expire" else "skipped"
        batch.settled.append(Settled(send_id=send.id, state=state, reason=verdict.reason))
        batch.done.append(_done(subject, verdict))
    elif verdict.place is None:
        batch.settled.append(Settled(send_id=send.id, state="sent"))
        batch.done.append(_done(subject, verdict))
    elif send.contact_id in conversations:
        _release(batch, creator, subject, verdict.place, conversations[send.contact_id], now)


def _release(
    batch: Batch,
    creator: Creator,
    subject: Subject,
    place: Place,
    conversation_id: UUID,
    now: datetime,
) -> None:
    """Let a send go: what is written goes out, what must be thought about takes a turn."""
    send = subject.send
    thinks = sources.must_think(subject.source)
    message = _ended(batch, creator, subject, place, compose(subject))
    if message is None and not thinks:
        batch.settled.append(Settled(send_id=send.id, state="skipped", reason="no_content"))
        batch.done.append(_done(subject, Verdict(kind="skip")))
        return
    said = Said(
        send_id=send.id,
        conversation_id=conversation_id,
        channel_id=place.channel_id,
        contact_id=send.contact_id,
        message=message or speaking.SILENT,
        push=creator.channels[place.channel_id].capabilities.delivery == "push",
        # Deliveries go by the wall clock.
        expires_at=utc_now() + (send.window_end - now) if send.window_end else None,
        deferrals=send.deferrals,
    )
    if thinks:
        batch.asked.append(said)
        batch.settled.append(_taken(said, "claimed", said.due_id))
        return
    step = subject.source.step
    until = flow.answer_until(step, now, subject.facts.zone) if step else None
    batch.said.append(said)
    batch.settled.append(replace(_taken(said, "sent", said.id), answer_until=until))
    batch.done.append(_done(subject, Verdict(kind="send")))


def _taken(said: Said, state: releasing.State, message_id: UUID) -> Settled:
    return Settled(
        send_id=said.send_id, state=state, channel_id=said.channel_id, message_id=message_id
    )


def _ended(
    batch: Batch, creator: Creator, subject: Subject, place: Place, message: Message | None
) -> Message | None:
    """A broadcast ends with the link that ends broadcasts, where the creator wants that."""
    if message is None or batch.links is None or subject.send.source_kind != "broadcast":
        return message
    person, purpose = _person(creator, place), subject.send.purpose
    return batch.links.ended(message, person, purpose, *subject.locales)


def _person(creator: Creator, place: Place) -> Person:
    return Person(
        creator_id=creator.id, scope=scope_of(place.type, place.bot), address=place.address
    )


def _done(subject: Subject, verdict: Verdict) -> Done:
    return Done(subject.send, subject.source.enrolled, OUTCOMES[verdict.kind])


async def _write(connection: PgConnection, creator_id: UUID, batch: Batch, now: datetime) -> None:
    await releasing.say(connection, creator_id, batch.said, now)
    await releasing.ask_turns(connection, creator_id, batch.asked)
    await releasing.settle(connection, creator_id, batch.settled, now)
    await onward.go_on(connection, creator_id, batch.done, now)
    await broadcasts.finish(connection, creator_id, batch.broadcast_ids)
    pushed = [(creator_id, id_) for id_ in batch.pushed]
    await enqueue_many(connection, "deliver", pushed, priority=PROACTIVE)
    turns = [(creator_id, one.conversation_id) for one in batch.asked]
    await enqueue_many(connection, "turn", turns, priority=PROACTIVE)
