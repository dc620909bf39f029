"""When a person is needed: words of danger, a creator's rules, being asked for, and silence while
somebody of the team answers.

All of it comes before forms, commands and models, so that none of them can get in its way.
"""

from datetime import datetime, timedelta

from core import optout
from core.desk_room import tell_opened
from core.dialogue.commands import Call
from core.dialogue.crisis import crisis_text, is_crisis, says_any
from core.dialogue.memory import Effect
from core.llm.phrases import language_for
from core.programs.sends.silence import plan_silence
from core.tickets import Opening, Reason, open_ticket
from shared.database import PgConnection

# What a person says about being written to counts whoever answers them.
_WISHES = ("/stop", "/start", "/subscribe", "/unsubscribe", "stop:", "agree:")


def is_held(call: Call) -> bool:
    """Whether a person of the team has the conversation, so that the bot says nothing."""
    if call.work.owner != "human" or call.work.kind in ("start", "due"):
        return False
    return not _is_wish(call)


def _is_wish(call: Call) -> bool:
    work, turn = call.work, call.turn
    if work.payload.get("overheard"):
        return False
    is_word = optout.is_stop(turn.text, channel=turn.channel, locale=turn.locale)
    return is_word or optout.is_start(turn.text) or turn.text.strip().lower().startswith(_WISHES)


def steps_in(call: Call, now: datetime) -> bool:
    """Open the ticket that a message calls for; True when nothing else is to be said.

    Somebody in danger is answered by a fixed text, also while a person has the conversation.
    """
    handoff, work = call.work.handoff, call.work
    if work.kind == "due":
        return False
    if work.is_enrolled and _may_be_missed(call):
        call.effects.append(_begins_ladder(call))
    if is_crisis(work.text, handoff.crisis_words):
        language = language_for(work.language, work.text, work.locale or call.turn.locale)
        tag = work.locale if (work.locale or "").startswith(language) else language
        call.turn.say(crisis_text(tag, handoff.crisis_texts))
        call.effects.append(opens(call, "crisis", now, is_urgent=True))
        return True
    for rule in handoff.rules:
        if says_any(work.text, rule.words):
            call.effects.append(
                opens(call, "rule", now, detail=rule.note, is_urgent=rule.is_urgent)
            )
            break
    return is_held(call)


def _may_be_missed(call: Call) -> bool:
    """Who has opted out is not asked how they are, unless they come back just now."""
    work = call.work
    return not work.opted_out or work.kind == "start" or optout.is_start(work.text)


def _begins_ladder(call: Call) -> Effect:
    """Whoever wrote after the last rung of silence begins at its foot, whatever they wrote."""

    async def plan(connection: PgConnection) -> None:
        await plan_silence(connection, call.creator_id, [call.work.contact_id], call.now)

    return plan


def opens(
    call: Call,
    reason: Reason,
    now: datetime,
    *,
    detail: str = "",
    is_urgent: bool = False,
) -> Effect:
    """Open the conversation's ticket with the turn, and tell the team's room when it is new."""
    handoff, work = call.work.handoff, call.work

    async def open_it(connection: PgConnection) -> None:
        opening = Opening(
            conversation_id=work.conversation_id,
            contact_id=work.contact_id,
            reason=reason,
            detail=detail,
            is_urgent=is_urgent,
            message_id=work.message_id,
            respond_within=timedelta(minutes=handoff.sla_minutes),
        )
        opened = await open_ticket(connection, call.creator_id, opening, now)
        await tell_opened(connection, call.creator_id, handoff.room, opened)

    return open_it
