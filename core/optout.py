"""The words that end messages and begin them again, and how each is confirmed.

As whole messages only. What a person asks after a STOP is answered: it ends what Cairn starts by
itself, except where the platform's own opt-out lets nothing through.
"""

import unicodedata
from collections.abc import Mapping

from core.languages import closest, in_language
from core.optout_texts import TEXTS, Texts

# In the words that carriers and platforms made customary; phrases are separated by commas.
# They are written in every language, so they tell of none.
_STOP_ANYWHERE = "stop, stopp, stopall, unsubscribe, optout, opt-out, opt out"
# A word of several languages is the contact's own, else the first's.
_STOP = {
    "de": "abmelden, abbestellen",
    "fr": "arrêt, arret, arrêter, arreter, désabonner, desabonner, désinscrire, se désabonner",
    "it": "basta, ferma, disiscrivi, disiscrivimi",
    "es": "alto, baja, parar, basta, darse de baja",
    "pt": "pare, parar, basta, sair, descadastrar",
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

_START_ANYWHERE = "start, unstop, subscribe"
_START = {
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


def _all(anywhere: str, words: Mapping[str, str]) -> frozenset[str]:
    return _split(anywhere).union(*map(_split, words.values()))


STOP_WORDS = _all(_STOP_ANYWHERE, _STOP)
START_WORDS = _all(_START_ANYWHERE, _START)
_CARRIERS_WORDS = _split(_CARRIERS_STOP)
_JOIN_WORDS = _split(_JOIN)


def is_stop(text: str, *, channel: str = "", locale: str | None = None) -> bool:
    """Whether a whole message is a word that ends messages, on this type of channel."""
    word = _word(text)
    if word in STOP_WORDS or (channel in CARRIERS and word in _CARRIERS_WORDS):
        return True
    home = closest(_STOP_AT_HOME, locale)
    return home is not None and word in _split(_STOP_AT_HOME[home])


def is_start(text: str) -> bool:
    """Whether a whole message is a word that begins them again."""
    return _word(text) in START_WORDS


def is_join(text: str, *, channel: str) -> bool:
    """Whether a whole message agrees to texts, where that needs an explicit yes."""
    return channel in CARRIERS and _word(text) in _JOIN_WORDS


def texts_for(text: str, *locales: str | None) -> Texts:
    """What is said to this wish: in the language of its word, else in the first of these."""
    word = _word(text)
    spoken = [
        language
        for words in (_STOP, _START)
        for language, listed in words.items()
        if word in _split(listed)
    ]
    return in_language(TEXTS, closest(spoken, *locales, *spoken), *locales)


def _word(text: str) -> str:
    """The text as one bare word; whatever is longer than a word stays what it is."""
    bare = unicodedata.normalize("NFC", text[:60]).strip()
    edges = "".join(char for char in set(bare) if unicodedata.category(char).startswith("P"))
    return " ".join(bare.strip(edges + " ").casefold().split())
