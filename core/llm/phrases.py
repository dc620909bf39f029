"""What the bot itself says around answers, in the languages that it speaks. Pure.

English stands in for every other language.
"""

from dataclasses import dataclass

from core.llm.language import detect, primary

FALLBACK = "en"


@dataclass(frozen=True, kw_only=True)
class Phrases:
    """`refusal` names the way to a person; `nearest` and `instead` lead to choices."""

    refusal: str
    nearest: str
    instead: str
    canned: str


PHRASES = {
    "en": Phrases(
        refusal="I don't find that in what I was given to answer from, so I'd rather not guess. "
        "Say `/human` to ask a person.",
        nearest="What I do know that comes nearest:",
        instead="What you can ask me, for example:",
        canned="I can't answer that right now. Please ask again in a little while.",
    ),
    "de": Phrases(
        refusal="Das finde ich nicht in dem, woraus ich antworten darf, und raten möchte ich "
        "nicht. Mit `/human` fragst du einen Menschen.",
        nearest="Am nächsten kommt dem, was ich weiß:",
        instead="Das kannst du mich zum Beispiel fragen:",
        canned="Darauf kann ich gerade nicht antworten. Bitte frag in Kürze noch einmal.",
    ),
    "fr": Phrases(
        refusal="Je ne trouve pas cela dans ce dont je dispose pour répondre, et je préfère ne pas "
        "deviner. Écris `/human` pour demander à une personne.",
        nearest="Ce que je sais de plus proche :",
        instead="Tu peux par exemple me demander :",
        canned="Je ne peux pas répondre à cela pour le moment. Repose la question dans un instant.",
    ),
    "es": Phrases(
        refusal="No encuentro eso en el material que tengo para responder, y prefiero no adivinar. "
        "Escribe `/human` para preguntar a una persona.",
        nearest="Lo más cercano que sé:",
        instead="Puedes preguntarme, por ejemplo:",
        canned="Ahora mismo no puedo responder a eso. Vuelve a preguntar dentro de un rato.",
    ),
    "pt": Phrases(
        refusal="Não encontro isso no material de que disponho para responder, e prefiro não "
        "adivinhar. Escreve `/human` para perguntar a uma pessoa.",
        nearest="O que sei de mais próximo:",
        instead="Podes perguntar-me, por exemplo:",
        canned="Não consigo responder a isso agora. Pergunta outra vez daqui a pouco.",
    ),
    "it": Phrases(
        refusal="Non lo trovo in ciò da cui posso rispondere, e preferisco non tirare a "
        "indovinare. Scrivi `/human` per chiedere a una persona.",
        nearest="Quello che so di più vicino:",
        instead="Puoi chiedermi, per esempio:",
        canned="Adesso non posso rispondere. Riprova a chiedere tra poco.",
    ),
}


def phrases_in(language: str) -> Phrases:
    """By a tag like `pt-BR`, or its language."""
    return PHRASES.get(primary(language)) or PHRASES[FALLBACK]


def language_for(chosen: str | None, question: str, locale: str | None = None) -> str:
    """What a contact is to be answered in: as they chose, as they ask, as their device is set."""
    return chosen or detect(question) or locale or FALLBACK
