"""Make a follow-up stand alone: "and how often?" asks about what the question before it asked.

No model: what is joined is what people said. A question that stands alone stays as it is, so a
wrong guess costs at most a few words too many in a search.
"""

import re
from collections.abc import Sequence

from core.rag.tokenize import terms, words

# Earlier questions looked at, and the characters that are taken from one of them.
LOOK_BACK = 6
MAX_TOPIC = 500
MAX_LENGTH = 8000
# A question with this many telling words says itself what it is about.
ENOUGH_TERMS = 4
# With more words than this it says something, if only in words that tell the index nothing.
MOST_ASKING = 8

# Openings that lean on what was said: "and …", "what about …", "und …", "et …", "y …".
_LEANING = re.compile(
    r"(?:and|but|or|so|also|then|what about|how about|what if not|same for|"
    r"und|aber|oder|auch|dann|was ist mit|wie ist es mit|wie sieht es mit|"
    r"et|mais|ou|alors|aussi|qu'en est-il|"
    r"y|pero|o|entonces|tambien|que tal|que pasa con)\b"
)
# Words that point at something named before. Where a language uses the word for more (articles,
# polite forms), it is left out: an unjoined follow-up is refused, a wrong topic misleads.
_POINTING = frozenset("""it its it's they them their theirs he she him her ones
    es davon damit dazu dafur dabei daran
    ca cela ceci elle elles ils lui celui celle ceux celles
    eso esto ello ellos ellas""".split())  # noqa: SIM905
_DEMONSTRATIVE = re.compile(
    r"\b(?:do|does|did|is|are|can|will|should|would|could|about|of|for|with|like|from)"
    r" (?:this|that|these|those)"
    r"(?: (?:help|work|mean|take|happen|apply|matter|important|normal|enough|true)|$)"
    r"|\b(?:das|dies|so)$"
)
# "Is it normal to …?" points at nothing.
_EXPLETIVE = re.compile(r"\b(?:is|was|does) it \w+ (?:to|that|if|when)\b")
# Words that ask and say nothing of what about, where the index counts them as telling.
_ASKING = frozenset(
    """often long much many far soon early late long please tell explain more else again really
    exactly example examples mean means why how when where who which ok okay thanks thank yes
    wie oft lange viel viele warum wieso weshalb wann wo wer welche welcher welches was bitte mehr
    noch genau beispiel und aber oder auch dann sollte soll kann man ich mir
    pourquoi comment combien quand ou qui quel quelle quels quelles quoi est ce que de plus encore
    exemple souvent longtemps temps et mais je faut il dois
    por que como cuanto cuanta cuantos cuantas cuando donde quien cual cuales mas otra vez ejemplo
    frecuencia tiempo y pero con veces debo""".split()  # noqa: SIM905
)


def standalone(question: str, history: Sequence[str]) -> str:
    """The question with what it leans on; `history` are the person's earlier questions, oldest
    first."""
    asked = question.strip()[:MAX_LENGTH]
    if not history or not leans(asked):
        return question[:MAX_LENGTH]
    for earlier in reversed(history[-LOOK_BACK:]):
        topic = " ".join(earlier.split())[:MAX_TOPIC]
        if topic and topic != asked and not leans(topic):
            return f"{topic} {asked}"[:MAX_LENGTH]
    return question[:MAX_LENGTH]


def names_topic(question: str) -> bool:
    """Whether a follow-up says what it is about: "and tapering?" may stand alone after all."""
    said = " ".join(words(question))
    opening = _LEANING.match(said)
    rest = said[opening.end() :] if opening else ""
    telling = terms(" ".join(word for word in rest.split() if word not in _ASKING))
    return bool(telling) and not _points(rest.strip())


def leans(question: str) -> bool:
    """Whether a question can't be understood without what was said before it."""
    said = " ".join(words(question))
    opening = _LEANING.match(said)
    rest = said[opening.end() :].split() if opening else said.split()
    telling = terms(" ".join(word for word in rest if word not in _ASKING))
    if not telling:
        return len(rest) <= MOST_ASKING
    if opening:
        return len(telling) < ENOUGH_TERMS
    return _points(" ".join(rest)) and len(telling) < ENOUGH_TERMS - 1


def _points(said: str) -> bool:
    meant = _EXPLETIVE.sub("", said).split()
    return not _POINTING.isdisjoint(meant) or _DEMONSTRATIVE.search(said) is not None
