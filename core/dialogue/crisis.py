"""Words of somebody in danger, and what is said to them: written by people, never by a model.

It would rather answer one time too often. Numbers of help lines are those of findahelpline.com and
of the services themselves; where no country is known, the text names the emergency number of most
of Europe and the directory.
"""

import re
import unicodedata
from collections.abc import Iterable, Mapping

from core.languages import FALLBACK, in_language

MAX_READ = 8000  # characters of a message that are looked at

_PHRASES: Mapping[str, str] = {
    "en": """kill myself|killing myself|end my life|ending my life|take my own life|suicide
        |suicidal|want to die|wanna die|wish i was dead|wish i were dead|better off dead
        |better off without me
        |do not want to live|don't want to live|no reason to live|want to end it all|hurt myself
        |hurting myself|harm myself|harming myself|self harm|self-harm|cutting myself|overdose
        |being abused|he hits me|she hits me|beats me up""",
    "de": """mich umbringen|bringe mich um|mir das leben nehmen|nehme mir das leben|selbstmord
        |suizid|selbsttötung|will sterben|möchte sterben|will nicht mehr leben
        |möchte nicht mehr leben|nicht mehr leben will|lieber tot|mir etwas antun|mir was antun
        |mich selbst verletzen
        |selbstverletzung|mich ritzen|ritze mich|überdosis|er schlägt mich|sie schlägt mich""",
    "fr": """me tuer|me suicider|suicide|suicidaire|mettre fin à mes jours|en finir avec la vie
        |envie de mourir|veux mourir|voudrais mourir|plus envie de vivre|ne veux plus vivre
        |me faire du mal|m'automutiler|automutilation|me scarifier|overdose|il me frappe
        |elle me frappe""",
    "es": """matarme|suicidarme|suicidio|quitarme la vida|acabar con mi vida|quiero morir
        |quiero morirme|no quiero vivir|no quiero seguir viviendo|sin ganas de vivir|hacerme daño
        |autolesión|autolesionarme|cortarme las venas|sobredosis|me golpea""",
    "pt": """me matar|matar-me|suicidar|suicídio|acabar com a minha vida|tirar a minha vida
        |quero morrer|queria morrer|não quero viver|não quero mais viver|me machucar|magoar-me
        |automutilação|overdose|ele me bate|ela me bate|bate-me""",
    "it": """uccidermi|ammazzarmi|suicidarmi|suicidio|togliermi la vita|farla finita|voglio morire
        |vorrei morire|non voglio vivere|non voglio più vivere|farmi del male|autolesionismo
        |tagliarmi|overdose|lui mi picchia|lei mi picchia|mi picchia""",
    "nl": """mezelf van kant maken|mezelf doden|zelfmoord|suïcide|een einde aan mijn leven
        |wil dood|wil niet meer leven|mezelf pijn doen|zelfbeschadiging|mezelf snijden|overdosis
        |hij slaat me|zij slaat me""",
    "pl": """zabić się|zabiję się|samobójstwo|odebrać sobie życie|chcę umrzeć|nie chcę żyć
        |nie chce mi się żyć|zrobić sobie krzywdę|samookaleczenie|przedawkować""",
    "tr": """kendimi öldür|intihar|canıma kıy|ölmek istiyorum|yaşamak istemiyorum
        |kendime zarar""",
}

TEXTS: Mapping[str, str] = {
    "en": (
        "I'm glad you wrote that. I'm a program and can't help with this the way a person can, so "
        "please talk to somebody now. {line} If you are in danger, call your local emergency "
        "number. I've told a person of the team; they will read this."
    ),
    "de": (
        "Gut, dass du das schreibst. Ich bin ein Programm und kann dabei nicht helfen wie ein "
        "Mensch; bitte sprich jetzt mit jemandem. {line} Bist du in Gefahr, ruf den Notruf an. "
        "Ich habe einem Menschen aus dem Team Bescheid gegeben; er wird das lesen."
    ),
    "fr": (
        "Merci de l'avoir écrit. Je suis un programme et je ne peux pas aider comme une personne : "
        "parlez à quelqu'un maintenant, s'il vous plaît. {line} En cas de danger, appelez les "
        "secours. J'ai prévenu une personne de l'équipe, qui lira ceci."
    ),
    "es": (
        "Gracias por contarlo. Soy un programa y no puedo ayudar como una persona; por favor, "
        "habla con alguien ahora. {line} Si estás en peligro, llama a emergencias. He avisado a "
        "una persona del equipo, que lo leerá."
    ),
    "pt": (
        "Obrigado por escrever isso. Sou um programa e não posso ajudar como uma pessoa; por "
        "favor, fale com alguém agora. {line} Se estiver em perigo, ligue para a emergência. "
        "Avisei uma pessoa da equipe, que vai ler isto."
    ),
    "it": (
        "Hai fatto bene a scriverlo. Sono un programma e non posso aiutare come una persona; per "
        "favore parla subito con qualcuno. {line} Se sei in pericolo, chiama il numero di "
        "emergenza. Ho avvisato una persona del team, che lo leggerà."
    ),
    "nl": (
        "Goed dat je dit schrijft. Ik ben een programma en kan hier niet bij helpen zoals een "
        "mens; praat alsjeblieft nu met iemand. {line} Bel het alarmnummer als je in gevaar bent. "
        "Ik heb iemand van het team gewaarschuwd, die dit zal lezen."
    ),
    "pl": (
        "Dobrze, że o tym piszesz. Jestem programem i nie pomogę tak jak człowiek; porozmawiaj "
        "proszę z kimś teraz. {line} Jeśli grozi ci niebezpieczeństwo, zadzwoń pod numer alarmowy. "
        "Powiadomiłem osobę z zespołu, która to przeczyta."
    ),
    "tr": (
        "Bunu yazman iyi oldu. Ben bir programım ve bir insan gibi yardım edemem; lütfen şimdi "
        "biriyle konuş. {line} Tehlikedeysen acil yardım numarasını ara. Ekipten bir kişiye haber "
        "verdim; bunu okuyacak."
    ),
}
# By country; the services' own numbers, free where they are offered.
_LINES: Mapping[str, str] = {
    "US": "988 (Suicide & Crisis Lifeline)",
    "CA": "988",
    "GB": "116 123 (Samaritans)",
    "IE": "116 123 (Samaritans)",
    "AU": "13 11 14 (Lifeline)",
    "NZ": "1737",
    "DE": "0800 111 0 111 (Telefonseelsorge)",
    "AT": "142 (Telefonseelsorge)",
    "CH": "143",
    "FR": "3114",
    "ES": "024",
    "IT": "02 2327 2327 (Telefono Amico)",
    "PT": "1411",
    "BR": "188 (CVV)",
    "NL": "113",
    "PL": "116 123",
}
_ELSEWHERE = "112 · findahelpline.com"
_COUNTRY_OF_LANGUAGE = {"de": "DE", "fr": "FR", "it": "IT", "nl": "NL", "pl": "PL"}


def is_crisis(text: str, extra: Iterable[str] = ()) -> bool:
    """Whether a message holds words of somebody in danger, in any language that we know.

    `extra` are phrases of the creator's own.
    """
    plain = _plain(text[:MAX_READ])
    return bool(_PATTERN.search(plain)) or says_any(text, extra)


def says_any(text: str, phrases: Iterable[str]) -> bool:
    """Whether one of these phrases stands in a text, as whole words."""
    padded = f" {_words(text[:MAX_READ])} "
    return any(f" {words} " in padded for phrase in phrases if (words := _words(phrase)))


def crisis_text(locale: str | None, own: Mapping[str, str] | None = None) -> str:
    """What is said, in the contact's language, with the help line of their country.

    `own` are the creator's texts by language; `{line}` in them is the help line.
    """
    language, _, region = (locale or FALLBACK).replace("_", "-").partition("-")
    country = region.upper()[-2:] or _COUNTRY_OF_LANGUAGE.get(language.lower(), "")
    text = in_language({**TEXTS, **(own or {})}, locale)
    return text.replace("{line}", f"**{_LINES.get(country, _ELSEWHERE)}**.")


def _plain(text: str) -> str:
    folded = unicodedata.normalize("NFC", text).casefold().replace("’", "'")
    return " ".join(folded.split())


def _words(text: str) -> str:
    return " ".join(re.findall(r"[\w']+", _plain(text)))


def _compiled() -> re.Pattern[str]:
    phrases = {
        " ".join(phrase.split()) for listed in _PHRASES.values() for phrase in listed.split("|")
    }
    longest_first = sorted(phrases, key=len, reverse=True)
    return re.compile(r"(?<!\w)(?:" + "|".join(map(re.escape, longest_first)) + ")")


_PATTERN = _compiled()
