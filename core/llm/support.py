"""Does a passage say what a sentence says? By words, figures, names and negation. Pure.

Fast and strict rather than clever: what it drops is replaced by the passages' own words, so a good
sentence lost costs little, an invented one kept costs trust. The limits were chosen on the pairs in
tests/core/llm/pairs.py.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from core.llm.base import Passage
from core.llm.figures import figures, is_figure_word, spans, unfounded
from core.llm.language import detect, is_stop_word
from core.llm.sentences import sentences
from core.rag.tokenize import terms, words

# Shares of a sentence's words: in the passage, and in two neighbouring sentences of it.
LEAST_COVERED = 0.6
LEAST_TOGETHER = 0.6
LONGEST_CLAIM = 800  # characters of a sentence that can still be checked
_SAME_STEM = 5  # letters that words of one stem begin with,
_OF_THE_LONGER = 0.6  # and which part of the longer one that must be

# What an answer may say around its facts; anything else needs a passage.
_CONNECTING = frozenset("""
    helpful useful hilfreich nützlich utile utiles útil útiles
    answer ask question great good hello hi hope help helps here sum summary short brief shortly
    follow following step steps tip tips idea ideas point points example instance first second
    finally also additionally moreover importantly remember note keep mind luck glad happy sure
    course yes okay ok let know thing things way ways try consider option options material passage
    passages source sources accord according say says mention mentioned suggest suggests recommend
    recommends welcome feel free anything else need like want tell more overall conclusion
    paar einige quelques algunos algunas alguns algumas alcuni alcune qualche
    hier folgende folgendes folgenden tipps tipp frage antwort hoffe hilft helfen kurz gesagt
    zusammengefasst zusammenfassung gerne gern beispiel wichtig viel erfolg gut gute punkte schritte
    voici conseils conseil question réponse espère aide bref résumé exemple bonne chance important
    aquí tienes consejos consejo pregunta respuesta espero ayude resumen ejemplo suerte importante
    aqui estão dicas dica pergunta resposta espero ajude resumo exemplo sorte
    ecco consigli consiglio domanda risposta spero aiuti riassunto esempio fortuna
""".split())  # noqa: SIM905 - a list of literals reads worse
_NEGATIONS = frozenset("""
    not no never none nor neither without cannot hardly nicht kein keine keinen keiner nie niemals
    ohne weder pas jamais aucun aucune sans nunca jamás ningún ninguna sin não nenhum nenhuma sem
    non mai nessun nessuno nessuna senza
""".split())  # noqa: SIM905
_SHORT_NEGATION = re.compile(r"n['’]t$")
_OPPOSITES = (
    "increase decrease",
    "increases decreases",
    "raise lower",
    "raises lowers",
    "more less",
    "more fewer",
    "most least",
    "before after",
    "always never",
    "early late",
    "earlier later",
    "higher lower",
    "high low",
    "longer shorter",
    "long short",
    "bigger smaller",
    "big small",
    "large small",
    "better worse",
    "best worst",
    "strengthens weakens",
    "improves worsens",
    "improve worsen",
    "start stop",
    "begin end",
    "allowed forbidden",
    "possible impossible",
    "easy hard",
    "easier harder",
    "first last",
    "with without",
    "warm cool",
    "dark bright",
    "bright dim",
    "quiet loud",
    "morning evening",
    "vor nach",
    "mehr weniger",
    "immer nie",
    "avant après",
    "plus moins",
    "antes después",
    "más menos",
    "mais menos",
    "prima dopo",
    "più meno",
)
_NONE: frozenset[str] = frozenset()
_OPPOSITE: dict[str, set[str]] = {}
for _pair in _OPPOSITES:
    _one, _other = _pair.split()
    _OPPOSITE.setdefault(_one, set()).add(_other)
    _OPPOSITE.setdefault(_other, set()).add(_one)
# Addresses, markup and mentions: never a model's own.
_FOREIGN = re.compile(
    r"(?:https?://|www\.|mailto:|tel:)[^\s)>\]]+|(?:javascript|data|vbscript):\S*"
    r"|</?[A-Za-z!@#][^<>]*>?|(?<!\w)@\w+|!\[|\]\([^)]*\)?|&#?\w+;",
    re.IGNORECASE,
)
_NAME = re.compile(r"[^\W\d_][\w'’-]+")


@dataclass(frozen=True, kw_only=True)
class Measured:
    """How much of a claim its passages say, and the first reason to doubt the rest."""

    covered: float
    together: float
    doubt: str = ""

    @property
    def is_supported(self) -> bool:
        enough = self.covered >= LEAST_COVERED and self.together >= LEAST_TOGETHER
        return enough and not self.doubt


def has_facts(claim: str) -> bool:
    """Whether a sentence says anything that could be wrong; a question to the reader doesn't."""
    if len(claim) > LONGEST_CLAIM:
        return True
    if _FOREIGN.search(claim) or any(figure.is_sure for figure in figures(claim)):
        return True
    said = [w for w in words(claim) if w not in _CONNECTING and not is_stop_word(w, detect(claim))]
    if claim.rstrip("\"'”’»)*_ ").endswith("?"):
        return len(said) > _LONGEST_QUESTION
    return bool(said)


_LONGEST_QUESTION = 8  # words; longer ones carry claims


def is_supported(claim: str, passages: Sequence[Passage], *, is_quoted: bool = False) -> bool:
    """Whether the passages say it together.

    Across languages words can't be compared: there the figures must stand in the passage, and the
    claim must come with a quote that was found in it (`is_quoted`).
    """
    if not passages or len(claim) > LONGEST_CLAIM:
        return False
    source = "\n".join(_whole(passage) for passage in passages)
    if not set(_FOREIGN.findall(claim)) <= set(_FOREIGN.findall(source)):
        return False
    if is_translated(claim, passages):
        return is_quoted and not unfounded(claim, source)
    return not unfounded(claim, *_about(claim, passages)) and measure(claim, passages).is_supported


def _whole(passage: Passage) -> str:
    return f"{passage.title}\n{passage.heading}\n{passage.text}"


@dataclass(frozen=True, kw_only=True)
class _Sentence:
    text: str
    terms: frozenset[str]


@lru_cache(maxsize=256)
def _read(text: str) -> tuple[_Sentence, ...]:
    """A passage is read once for all the sentences of an answer."""
    texts = [s.text for s in sentences(text)] or [text]
    return tuple(_Sentence(text=each, terms=frozenset(terms(each))) for each in texts)


@lru_cache(maxsize=256)
def _language(text: str) -> str:
    return detect(text)


def _about(claim: str, passages: Sequence[Passage]) -> list[str]:
    """What the passages say with a word of the claim: a figure of something else founds nothing."""
    said = set(_content(claim, detect(claim) or _language(passages[0].text)))
    found = [f"{passage.title}\n{passage.heading}" for passage in passages]
    for passage in passages:
        found += [s.text for s in _read(passage.text) if not said or _shares(said, s.terms)]
    return found


def _shares(said: set[str], held: frozenset[str]) -> bool:
    return any(_stands(term, held) for term in said)


def is_translated(claim: str, passages: Sequence[Passage]) -> bool:
    """Whether a claim is surely in another language than its passages."""
    theirs = {_language(passage.text) for passage in passages}
    ours = detect(claim)
    return bool(ours) and "" not in theirs and ours not in theirs


def measure(claim: str, passages: Sequence[Passage]) -> Measured:
    language = detect(claim) or _language(passages[0].text)
    said = _content(claim, language)
    if not said:
        return Measured(covered=1.0, together=1.0)
    titles = " ".join(f"{p.title} {p.heading}" for p in passages)
    about = frozenset(terms(titles))
    known = [sentence for p in passages for sentence in _read(p.text)]
    covered = _share(said, about.union(*(sentence.terms for sentence in known)))
    windows = [_window(known, index) for index in range(len(known))]
    best_terms, best_text = max(windows, key=lambda window: _share(said, window[0] | about))
    source = " ".join((titles, *(s.text for s in known)))
    doubt = _doubt(claim, best_text, source, language)
    return Measured(covered=covered, together=_share(said, best_terms | about), doubt=doubt)


def _content(text: str, language: str) -> list[str]:
    """Its words with a meaning; figures are looked at by themselves."""
    return [
        term
        for word in words(text)
        if not is_stop_word(word, language) and not is_figure_word(word)
        for term in terms(word)
    ]


def _window(known: list[_Sentence], index: int) -> tuple[frozenset[str], list[str]]:
    """A sentence and the one after it."""
    both = known[index : index + 2]
    return frozenset().union(*(s.terms for s in both)), [s.text for s in both]


def _share(said: list[str], held: frozenset[str] | set[str]) -> float:
    return sum(1 for term in said if _stands(term, held)) / len(said)


def _stands(term: str, held: frozenset[str] | set[str]) -> bool:
    if term in held:
        return True
    if len(term) < _SAME_STEM:
        return False
    beginning = term[: max(_SAME_STEM, int(len(term) * _OF_THE_LONGER))]
    return any(
        other.startswith(beginning) and len(beginning) >= _OF_THE_LONGER * len(other)
        for other in held
    )


# --- doubts


def _doubt(claim: str, best: list[str], source: str, language: str) -> str:
    """The first reason for which the same words may say something else."""
    said, theirs = words(claim), [words(text) for text in best]
    near = {word for sentence in theirs for word in sentence}
    if _turns_around(said, theirs):
        return "negation"
    if any(_OPPOSITE.get(word, _NONE) & near - set(said) for word in set(said) - near):
        return "opposite"
    if not spans(said) <= spans(words(source)):
        return "span"
    return "name" if language != "de" and _unknown_names(claim, set(words(source))) else ""


def _turns_around(said: list[str], theirs: list[list[str]]) -> bool:
    """Whether one of the two denies what the other says; two negations are none."""
    ours = len(_denied(said))
    about = set(terms(" ".join(said)))
    for sentence in theirs:
        denied = _denied(sentence)
        if any(one and one <= about for one in denied):
            return (ours - len(denied)) % 2 == 1
    return ours % 2 == 1 and not any(_denied(sentence) for sentence in theirs)


def _denied(said: list[str]) -> list[set[str]]:
    """The next words with a meaning after each negation."""
    found = []
    for index, word in enumerate(said):
        if word in _NEGATIONS or _SHORT_NEGATION.search(word):
            found.append(set(terms(" ".join(said[index + 1 : index + 6]))[:2]))
    return found


def _unknown_names(claim: str, known: set[str]) -> list[str]:
    """Capitalised words inside a sentence that its source doesn't have."""
    found = list(_NAME.finditer(claim))
    capital = [m for m in found if m.group()[0].isupper()]
    if len(capital) * 2 > len(found):  # a title
        return []
    return [
        match.group()
        for match in capital
        if not _begins(claim, match.start())
        and not all(_stands(word, known) or is_figure_word(word) for word in words(match.group()))
    ]


def _begins(claim: str, start: int) -> bool:
    before = claim[:start].rstrip("\"'“‘«(*_ ")
    return not before or before[-1] in ".!?:…"
