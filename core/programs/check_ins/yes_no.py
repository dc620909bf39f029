"""Whether somebody says yes or no, in six languages and by signs. Pure."""

import re
import unicodedata
from dataclasses import dataclass

_YES = {
    "en": "yes yep yeah yup yea sure done absolutely definitely indeed ok okay y|did it|i did"
    "|of course|all done",
    "de": "ja jo jep jawohl klar erledigt geschafft gemacht natürlich|na klar|hab ich"
    "|auf jeden fall",
    "fr": "oui ouais fait absolument|bien sûr|c'est fait|tout à fait",
    "es": "sí hecho claro|por supuesto|lo hice|ya está",
    "pt": "sim feito claro|com certeza|já fiz|está feito",
    "it": "sì fatto certo certamente|l'ho fatto|già fatto",
}
_NO = {
    "en": "no nope nah n|not yet|not today|i didn't|i did not|not really|didn't",
    "de": "nein nö nee leider|noch nicht|heute nicht|leider nein|leider nicht|nicht geschafft",
    "fr": "non|pas encore|pas aujourd'hui|pas du tout",
    "es": "no nop|todavía no|aún no|hoy no",
    "pt": "não|ainda não|hoje não",
    "it": "no|non ancora|oggi no|non oggi",
}
_YES_SIGNS, _NO_SIGNS = frozenset("👍✅✔☑💪🙌👌"), frozenset("👎❌✖🚫")
_IGNORED = re.compile("[\ufe0f\u200d\U0001f3fb-\U0001f3ff]")  # variants and tones of skin
_WORD = re.compile(r"[^\W_]+(?:'[^\W_]+)?")
_CLAUSE = re.compile(r"[,.!;:–—\n]")
# They turn what follows into its opposite, so a yes beside one is none.
_NEGATIONS = frozenset(
    (
        *("not", "never", "cannot", "can't", "couldn't", "nicht", "kein", "keine", "nie"),
        *("pas", "jamais", "nunca", "nem", "mai"),
    )
)


def _bare(text: str) -> str:
    """Words without accents and signs, as phones write them in a hurry."""
    plain = unicodedata.normalize("NFKD", text.casefold().replace("’", "'"))
    letters = "".join(char for char in plain if not unicodedata.combining(char))
    return " ".join(_WORD.findall(letters))


def _phrases(rows: dict[str, str]) -> frozenset[str]:
    found = set()
    for row in rows.values():
        words, *phrases = row.split("|")
        found |= {_bare(each) for each in (*words.split(), *phrases)}
    return frozenset(found)


YES, NO = _phrases(_YES), _phrases(_NO)


@dataclass(frozen=True, kw_only=True)
class Said:
    """`sure` is false when the word stands among others that may turn it round."""

    value: bool
    sure: bool = True


def yes_or_no(text: str) -> Said | None:
    """None when a text says neither, or both."""
    if by_sign := _by_sign(_IGNORED.sub("", text.strip())):
        return by_sign
    whole, first = _bare(text), _bare(_CLAUSE.split(text.strip())[0])
    for value, phrases in ((True, YES), (False, NO)):
        if whole in phrases or (first and not _without(first, phrases)):
            return Said(value=value)
    yes, no = _without(whole, YES) != whole, _without(whole, NO | _NEGATIONS) != whole
    return None if yes == no else Said(value=yes, sure=False)


def _by_sign(text: str) -> Said | None:
    signs = {char for char in text if char in _YES_SIGNS or char in _NO_SIGNS}
    if not signs or _WORD.search(text):
        return None
    if signs <= _YES_SIGNS:
        return Said(value=True)
    return Said(value=False) if signs <= _NO_SIGNS else None


def _without(bare: str, phrases: frozenset[str]) -> str:
    """What is left of a text when these phrases are taken out; the longest go first."""
    left = f" {bare} "
    for phrase in sorted(phrases, key=len, reverse=True):
        while f" {phrase} " in left:
            left = left.replace(f" {phrase} ", " ")
    return left.strip()
