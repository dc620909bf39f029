"""The words that end messages and begin them again, and how each is confirmed.

As whole messages only. What a person asks after a STOP is answered: it ends what Cairn starts by
itself, except where the platform's own opt-out lets nothing through.
"""

import unicodedata
from collections.abc import Mapping

# In the words that carriers and platforms made customary; phrases are separated by commas.
_STOP = {
    "en": "stop, stopall, unsubscribe, optout, opt-out, opt out",
    "de": "stopp, abmelden, abbestellen",
    "fr": "arrêt, arret, arrêter, arreter, désabonner, desabonner, désinscrire, se désabonner",
    "es": "alto, baja, parar, darse de baja",
    "pt": "pare, sair, descadastrar",
    "it": "basta, ferma, disiscrivi, disiscrivimi",
    "nl": "afmelden, uitschrijven",
    "pl": "wypisz, wypisz mnie",
    "tr": "durdur, abonelikten çık, abonelikten cik",
}
# Customary there, and ordinary words elsewhere: "dur" is how a French learner says "hard".
_STOP_AT_HOME = {"tr": "dur, ret", "nl": "stoppen", "pl": "dość, dosc"}
# What carriers take for STOP. Elsewhere people write "cancel" about an appointment.
# https://help.twilio.com/articles/223134027
_CARRIERS_STOP = "cancel, end, quit, revoke"
CARRIERS = frozenset({"sms"})

_START = {
    "en": "start, unstop, subscribe",
    "de": "anmelden",
    "fr": "reprendre",
    "es": "alta",
    "pt": "voltar",
    "it": "riprendi",
    "nl": "aanmelden, hervatten",
    "pl": "wznów, wznow",
    "tr": "başlat, baslat",
}
_JOIN = "join, start, unstop, subscribe"


def _split(words: str) -> frozenset[str]:
    return frozenset(word.strip() for word in words.split(","))


def _all(words: Mapping[str, str]) -> frozenset[str]:
    return frozenset[str]().union(*map(_split, words.values()))


STOP_WORDS = _all(_STOP)
START_WORDS = _all(_START)
_CARRIERS_WORDS = _split(_CARRIERS_STOP)
_JOIN_WORDS = _split(_JOIN)

STOPPED = (
    "You won't get messages from me any more unless you write first. Write /start to change that."
)
RESUMED = "You'll get messages from me again. Write /stop to end that."
# Where numbers are texted: what carriers expect of the first text after somebody agreed.
# https://www.twilio.com/docs/messaging/guides/opt-in-confirmation
JOINED = (
    "{sender}: you agreed to get texts from us. Msg frequency varies. Msg & data rates may apply. "
    "Reply HELP for help, STOP to cancel."
)


def is_stop(text: str, *, channel: str = "", locale: str | None = None) -> bool:
    """Whether a whole message is a word that ends messages, on this type of channel."""
    word = _word(text)
    if word in STOP_WORDS or (channel in CARRIERS and word in _CARRIERS_WORDS):
        return True
    return word in _split(_STOP_AT_HOME.get((locale or "").split("-")[0].lower(), "stop"))


def is_start(text: str) -> bool:
    """Whether a whole message is a word that begins them again."""
    return _word(text) in START_WORDS


def is_join(text: str, *, channel: str) -> bool:
    """Whether a whole message agrees to texts, where that needs an explicit yes."""
    return channel in CARRIERS and _word(text) in _JOIN_WORDS


def _word(text: str) -> str:
    """The text as one bare word; whatever is longer than a word stays what it is."""
    bare = unicodedata.normalize("NFC", text[:60]).strip()
    edges = "".join(char for char in set(bare) if unicodedata.category(char).startswith("P"))
    return " ".join(bare.strip(edges + " ").casefold().split())
