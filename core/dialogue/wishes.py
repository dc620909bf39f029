"""What a person wishes to be written about: STOP, START, JOIN, and single purposes.

In words, by `/stop` and `/subscribe`, by a tapped choice (`stop:broadcast`, `agree:broadcast`).
Noted with the turn's commit, with the message as evidence.
"""

import re
from collections.abc import Container, Mapping, Sequence
from typing import Literal

from core import consent, optout
from core.dialogue.commands import Builtin, Call
from core.dialogue.memory import Effect
from core.optout_texts import Texts
from shared.database import PgConnection
from shared.markdown import escape
from shared.models.consents import ALL, Person, Said, Source

Change = Literal["stop", "resume", "agree"]

WORDS_KEPT = 100  # of what was said, as evidence
QUESTION_KEPT = 300  # of what it answers, from its end

_CHOICE = re.compile(r"(stop|agree):([a-z][a-z0-9-]{0,63})")


async def stop(call: Call) -> None:
    """Write first to this person no more, here; or no more about what they name."""
    if purposes := _named(call):
        await _stop_some(call, purposes)
        return
    call.effects.append(_effect(call, "stop", [ALL]))
    texts = _texts(call)
    call.turn.say(_from(call, texts.texted_stopped) if _is_texted(call) else texts.stopped)


async def resume(call: Call) -> None:
    """Write to this person again, about what they had agreed to."""
    call.effects.append(_effect(call, "resume", [ALL]))
    texts = _texts(call)
    call.turn.say(_from(call, texts.texted_resumed) if _is_texted(call) else texts.resumed)


async def join(call: Call) -> None:
    """Take the explicit yes that a channel needs, and confirm it in carriers' words."""
    call.effects.append(_effect(call, "agree", consent.GRANTED_BY_START))
    call.turn.say(_from(call, _texts(call).texted_joined))


async def subscribe(call: Call) -> None:
    """Write to this person about what they name."""
    if purposes := _named(call):
        await _agree(call, purposes)
    else:
        call.turn.say(_texts(call).ask_purpose.format(names=", ".join(consent.PURPOSES)))


async def picked(call: Call, taken: Container[str]) -> bool:
    """Take a choice of ours that was tapped, unless the bot has an action of that name."""
    match = _CHOICE.fullmatch(call.turn.text)
    if match is None or match[1] in taken or match[0] in taken:
        return False
    await (_stop_some if match[1] == "stop" else _agree)(call, [match[2]])
    return True


COMMANDS: Mapping[str, Builtin] = {"stop": stop, "unsubscribe": stop, "subscribe": subscribe}


async def _stop_some(call: Call, purposes: Sequence[str]) -> None:
    call.effects.append(_effect(call, "stop", purposes))
    texts = _texts(call)
    call.turn.say(_about(texts, texts.stopped_some, purposes))


async def _agree(call: Call, purposes: Sequence[str]) -> None:
    call.effects.append(_effect(call, "agree", purposes))
    texts = _texts(call)
    call.turn.say(_about(texts, texts.agreed, purposes))


def _texts(call: Call) -> Texts:
    work, turn = call.work, call.turn
    return optout.texts_for(turn.text, work.language, turn.locale, work.creator_locale)


def _is_texted(call: Call) -> bool:
    return call.turn.channel in optout.CARRIERS


def _from(call: Call, text: str) -> str:
    return text.format(sender=escape(call.sender))


def _about(texts: Texts, text: str, purposes: Sequence[str]) -> str:
    return text.format(
        what=", ".join(map(texts.named, purposes)), names=" ".join(map(consent.shown, purposes))
    )


def _named(call: Call) -> list[str]:
    """The purposes that a command names, if it names nothing else."""
    words = call.turn.arguments.casefold().replace(",", " ").split()
    known = [consent.PURPOSE_BY_NAME.get(word) for word in words]
    return list(dict.fromkeys(one for one in known if one)) if all(known) else []


def _effect(call: Call, change: Change, purposes: Sequence[str]) -> Effect:
    async def apply(connection: PgConnection) -> None:
        work = call.work
        person = await consent.find_person(
            connection, call.creator_id, work.channel_id, work.person or ""
        )
        if person is not None:
            await _apply(connection, person, change, purposes, _said(call))

    return apply


async def _apply(
    connection: PgConnection, person: Person, change: Change, purposes: Sequence[str], said: Said
) -> None:
    if change == "stop":
        await consent.withdraw(connection, person, purposes, said)
        return
    # Who asks for something in so many words isn't out any more.
    await consent.resume(connection, person, said)
    if change == "agree":
        await consent.grant(connection, person, purposes, said)


def _said(call: Call) -> Said:
    evidence = {"message_id": str(call.work.message_id), "words": call.work.text[:WORDS_KEPT]}
    return Said(
        source=_source(call), actor=call.actor, at=call.now, evidence=evidence | _offered(call)
    )


def _offered(call: Call) -> dict[str, str]:
    """What a bare number or a tapped button meant: the choice, and what was asked with it."""
    offer, value = call.work.offer, call.turn.text
    label = next((c.label for c in offer.choices if c.value == value), None) if offer else None
    if offer is None or label is None:
        return {}
    return {"choice": label[:WORDS_KEPT], "asked": offer.text[-QUESTION_KEPT:]}


def _source(call: Call) -> Source:
    if call.work.kind == "action":
        return "button"
    is_command = call.work.kind in ("command", "start") or call.work.text.startswith("/")
    return "command" if is_command else "word"
