"""Which language a text is written in, by its commonest words. Pure; empty when it can't be told.

Few words are enough for a question. Tested on sentences of each language in tests/core/llm; words
that two of these languages share count half.
"""

import re
import unicodedata
from collections import Counter
from collections.abc import Mapping

_WORD = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)?")
_ACCENTS = re.compile(r"[\u0300-\u036f]")
_LEAST = 1.0  # how much evidence the winner needs,
_AHEAD = 1.25  # and how many times the second's

STOP_WORDS: Mapping[str, frozenset[str]] = {
    language: frozenset(words.split())
    for language, words in {
        "en": """a about after all also am an and any are as at be because been before but by can
            could did do does doing don't for from get had has have he her his how i i'm if in into
            is isn't it it's its just like long many me more most much my no not of often on or our
            she should so some than that the their them then there these they this to too until up
            us was we were what what's when where which while who why will with would you your""",
        "de": """aber alle als am an auch auf aus bei bin bis bist damit dann das dass dein deine
            dem den der des dich die dies diese dir doch du durch ein eine einem einen einer eines
            er es euch für gibt habe haben hat ich ihr im in ist ja kann kannst kein keine können
            lange machen man mehr mein meine mich mir mit muss nach nicht noch nur oder oft ohne
            sehr sein sich sie sind so soll sollte über um und uns unser viel viele vom von vor
            wann war warum was wenn wer werden wie wieder wir wird wo wollen zu zum zur""",
        "fr": """ai ainsi alors après as au aussi aux avant avec avez avoir c'est ce cela ces cet
            cette chez combien comme comment dans de depuis des dois doit du elle en est et être
            faire fait faut il ils j'ai je jour la le les leur lui ma mais me mes moi mon ne nos
            notre nous on ou où par pas plus pour pourquoi puis qu'est quand que quel quelle quels
            qui quoi sa sans se sera ses si son sont sur ta te tes toi ton toujours tous tout très
            tu un une vos votre vous y""",
        "es": """al algo antes así aún cada como cómo con cual cuál cuando cuándo cuánta cuántas
            cuánto cuántos de debe debo del desde después días donde dónde e el él ella en entre
            era es esa ese eso esta está están este esto estoy hace hacer hasta hay la las le les
            lo los más me mi mis mucho muy nada no nos o para pero por porque puede puedo que qué
            quién se sea según ser si sí sin sobre son su sus también te tengo tener tiene todo tu
            tus un una uno veces y ya yo""",
        "pt": """ao aos as às até cada com como da das de depois devo do dos e é ela ele em entre
            era essa esse esta está este estou eu faço fazer foi há isso isto já lhe mais mas me
            meu meus minha muito na nas não nem no nos nós nossa nosso num numa o os ou para pela
            pelo por porque posso qual quais quando quanto quantas quantos que quem são se sem ser
            seu sua também te tem tenho ter um uma vezes você vocês""",
        "it": """a ai al alla alle anche c'è che chi ci come con cosa così da dal dalla de degli dei
            del della delle devo di dopo dove e è gli ha hai ho i il in io la le lei lo loro lui ma
            mi mia mio molto nei nel nella noi non o per perché più poi posso prima qual quale
            quali quando quante quanti quanto questa questo se sei sempre senza si sia sono sta su
            sua sui sul suo te ti tra tu tutti tutto un una uno voi volte""",
        "nl": """aan als bij dan dat de deze die dit door een en er hebben heb heeft het hij hoe
            hoeveel ik in is je jij kan kunnen maar me meer met mij mijn moet naar niet nog of om
            ook op over te tot uit vaak van veel voor waar waarom wanneer wat we welke wij worden
            zal zich zijn zo zou""",
    }.items()
}


def _plain(word: str) -> str:
    word = word.casefold().replace("’", "'")
    return _ACCENTS.sub("", unicodedata.normalize("NFKD", word))


_SHARED = Counter(word for words in STOP_WORDS.values() for word in words)


def detect(text: str) -> str:
    """`en`, `de`, `fr`, `es`, `pt`, `it` or `nl`; empty when the words don't tell."""
    found = [word.casefold().replace("’", "'") for word in _WORD.findall(text)]
    scores = sorted(
        ((_score(found, words), language) for language, words in STOP_WORDS.items()), reverse=True
    )
    (best, language), (second, _) = scores[:2]
    return language if best >= _LEAST and best >= _AHEAD * second else ""


def _score(found: list[str], words: frozenset[str]) -> float:
    return sum(1.0 / _SHARED[word] for word in found if word in words)


_NAMES: Mapping[str, str] = {
    tag: name
    for row in (
        ("ar Arabic", "bg Bulgarian", "bn Bengali", "cs Czech", "da Danish", "de German"),
        ("el Greek", "en English", "es Spanish", "et Estonian", "fa Persian", "fi Finnish"),
        ("fr French", "he Hebrew", "hi Hindi", "hr Croatian", "hu Hungarian", "id Indonesian"),
        ("it Italian", "ja Japanese", "ko Korean", "lt Lithuanian", "lv Latvian", "nb Norwegian"),
        ("nl Dutch", "no Norwegian", "pl Polish", "pt Portuguese", "ro Romanian", "ru Russian"),
        ("sk Slovak", "sl Slovenian", "sr Serbian", "sv Swedish", "th Thai", "tr Turkish"),
        ("uk Ukrainian", "ur Urdu", "vi Vietnamese", "zh Chinese"),
    )
    for tag, _, name in (pair.partition(" ") for pair in row)
}


def language_name(tag: str) -> str:
    """`German` for `de-AT`, as a prompt names it; empty for what isn't known."""
    return _NAMES.get(primary(tag), "")


def primary(tag: str | None) -> str:
    """`pt` of `pt-BR`."""
    return re.split(r"[-_]", tag or "")[0].lower()


def is_stop_word(word: str, language: str) -> bool:
    return word in STOP_WORDS.get(language or "en", frozenset()) or word in _BARE.get(
        language or "en", frozenset()
    )


# As terms are: without accents.
_BARE: Mapping[str, frozenset[str]] = {
    language: frozenset(_plain(word) for word in words) for language, words in STOP_WORDS.items()
}
