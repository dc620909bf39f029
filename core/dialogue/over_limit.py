"""What is said while the creator's limit of messages is reached: one line a day, and no more.

The message is stored and counts as answered. STOP and START, a call for a person and words of
danger are heard all the same.
"""

import re

from core import optout
from core.dialogue import handoff
from core.dialogue.dispatch import Hearing, run
from core.languages import in_language
from core.llm.phrases import language_for
from shared.utils.clock import utc_now

TOLD = "limit_told"  # in the session: the day on which it was last said

_HEARD_ANYHOW = re.compile(r"/(?:start|stop|unsubscribe|subscribe|human)\b", re.IGNORECASE)

LINES = {
    "en": "I've answered as much as I may this month, so I can't answer for a while. Your message "
    "is kept. `/human` still reaches a person.",
    "de": "Ich habe diesen Monat so viel beantwortet, wie ich darf, und kann eine Weile nicht "
    "antworten. Deine Nachricht ist gespeichert. `/human` erreicht weiterhin einen Menschen.",
    "es": "Este mes ya he respondido todo lo que puedo, así que por un tiempo no podré contestar. "
    "Tu mensaje queda guardado. Con `/human` llegas igualmente a una persona.",
    "fr": "J'ai répondu autant que je le peux ce mois-ci et ne pourrai plus répondre pendant un "
    "moment. Ton message est conservé. `/human` joint toujours une personne.",
    "pt": "Já respondi tudo o que posso este mês, por isso não poderei responder por algum tempo. "
    "A tua mensagem fica guardada. `/human` continua a chamar uma pessoa.",
    "it": "Questo mese ho risposto quanto potevo e per un po' non potrò rispondere. Il tuo "
    "messaggio è conservato. Con `/human` raggiungi comunque una persona.",
}


async def hear(heard: Hearing) -> None:
    """Take a message in place of the bot."""
    text = heard.turn.text
    if _HEARD_ANYHOW.match(text) or optout.is_start(text) or _is_stop(heard):
        await run(heard)
    elif not handoff.steps_in(heard.call, heard.now):
        _tell_once_a_day(heard)


def _is_stop(heard: Hearing) -> bool:
    return optout.is_stop(heard.turn.text, channel=heard.turn.channel, locale=heard.work.locale)


def _tell_once_a_day(heard: Hearing) -> None:
    today = utc_now().date().isoformat()
    if heard.session.get(TOLD) == today:
        return
    heard.session[TOLD] = today
    work = heard.work
    language = language_for(work.language, work.text, work.locale or heard.turn.locale)
    heard.turn.say(in_language(LINES, language))
