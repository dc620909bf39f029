"""Words as the lexical index knows them: folded, without stop words, stemmed, of any script."""

import re
import threading
import unicodedata
from functools import lru_cache

import snowballstemmer

MAX_TERM_LENGTH = 64
# Measured on the handbook, whose headings are questions, and on a forum, whose titles say nothing.
HEADING_WEIGHT = 3.0
TITLE_WEIGHT = 1.0

# Vowel signs of Hebrew, Arabic, Indic and South-East Asian scripts are part of the word.
_LETTER = r"(?:[^\W_]|[\u0591-\u05c7\u064b-\u065f\u0900-\u109f])"
_WORD = re.compile(rf"{_LETTER}+(?:'{_LETTER}+)*")
# The same for the commonest case, several times faster.
_ASCII_WORD = re.compile(r"[a-z0-9]+(?:'[a-z0-9]+)*")
_ACCENTS = re.compile(r"[\u0300-\u036f]+")
# Scripts written without spaces: every two neighbouring characters are a term.
_UNSPACED = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff\u0e00-\u0e7f\u1000-\u109f]+")
_STEMMER = snowballstemmer.stemmer("english")
_STEMMER_LOCK = threading.Lock()  # it keeps the word in itself while it works

STOP_WORDS = frozenset("""
a about above after again against all also am an and any are aren't as at be because been before
being below between both but by can can't cannot could couldn't did didn't do does doesn't doing
don't down during each few for from further had hadn't has hasn't have haven't having he he's her
here hers herself him himself his how i i'd i'll i'm i've if in into is isn't it it's its itself
just let's me more most my myself no nor not now of off on once only or other our ours ourselves
out over own same she she's should shouldn't so some such than that that's the their theirs them
themselves then there there's these they they're they've this those through to too under until up
us very was wasn't we we'd we'll we're we've were weren't what what's when where which while who
whom why will with won't would wouldn't you you'd you'll you're you've your yours yourself
yourselves
""".split())  # noqa: SIM905 - a list of 150 literals reads worse


def terms(text: str) -> list[str]:
    """The terms of a text in order, repeated as often as they stand there."""
    found: list[str] = []
    folded = _fold(text)
    pattern = _ASCII_WORD if folded.isascii() else _WORD
    for word in pattern.findall(folded):
        if word not in STOP_WORDS:
            found.extend(_terms_of(word))
    return found


def weighted_terms(text: str, *, heading: str, title: str) -> tuple[dict[str, float], int]:
    """How often each term stands in a passage, its heading's counted more; and its length."""
    frequencies: dict[str, float] = {}
    length = 0
    for part, weight in ((text, 1.0), (heading, HEADING_WEIGHT), (title, TITLE_WEIGHT)):
        for term in terms(part):
            frequencies[term] = frequencies.get(term, 0.0) + weight
            length += 1
    return frequencies, length


def words(text: str) -> list[str]:
    """Every word, stop words too, as it stands but for case and accents."""
    return _WORD.findall(_fold(text))


def _fold(text: str) -> str:
    """One spelling for upper and lower case, accents, ligatures and curly apostrophes."""
    if text.isascii():
        return text.lower()
    bare = _ACCENTS.sub("", unicodedata.normalize("NFKD", text))
    return unicodedata.normalize("NFKC", bare).casefold().replace("’", "'")


@lru_cache(maxsize=65_536)
def _terms_of(word: str) -> tuple[str, ...]:
    if _UNSPACED.search(word):
        return _bigrams(word)
    word = word[:MAX_TERM_LENGTH]
    return (_stem(word),) if word.isascii() else (word.replace("'", ""),)


def _stem(word: str) -> str:
    with _STEMMER_LOCK:
        stem: str = _STEMMER.stemWord(word)
        return stem


def _bigrams(word: str) -> tuple[str, ...]:
    """Pairs of characters where a script has no spaces; what stands around them stays a word."""
    found: list[str] = []
    position = 0
    for run in _UNSPACED.finditer(word):
        found += [word[position : run.start()]] if run.start() > position else []
        letters = run.group()
        found += [letters[i : i + 2] for i in range(max(1, len(letters) - 1))]
        position = run.end()
    found += [word[position:]] if position < len(word) else []
    return tuple(found)
