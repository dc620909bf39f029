"""What is said around check-ins and progress, in the languages that Cairn speaks. Pure.

English stands in for every other language. `in_a_row` is said of two days and more.
"""

from dataclasses import dataclass

from core.llm.language import primary

FALLBACK = "en"


@dataclass(frozen=True, kw_only=True)
class Words:
    yes: str
    no: str
    noted: str
    in_a_row: str  # two days or more
    best: str
    this_week: str  # so many days of those that a week is to have
    meant: str
    between: str
    at_least: str
    at_most: str
    a_number: str
    yes_or_no: str
    answered_already: str
    too_late: str
    not_yours: str
    progress: str
    week: str
    nothing_yet: str
    goals: str
    set_a_goal: str
    reminders: tuple[str, str]
    weekdays: str  # in short, from Monday on
    picture: str  # what it shows, for those who don't see it


WORDS = {
    "en": Words(
        yes="Yes",
        no="No",
        noted="Noted: {value}.",
        in_a_row="{n} days in a row",
        best="best: {n}",
        this_week="{n} of {of} this week",
        meant="Did you mean {value}?",
        between="Please answer with a number from {low} to {high}.",
        at_least="Please answer with a number of {low} or more.",
        at_most="Please answer with a number of {high} or less.",
        a_number="Please answer with a number.",
        yes_or_no="Please answer with yes or no.",
        answered_already="You've answered that one already; I've kept your answer.",
        too_late="That question is closed by now. The next one is sure to come.",
        not_yours="That question is for somebody else.",
        progress="Your progress",
        week="Your week",
        nothing_yet="There is nothing to show yet. It begins with your first check-in.",
        goals="Your goals",
        set_a_goal="Set a goal",
        reminders=(
            "I haven't heard from you for a few days, and that's all right. How are you getting "
            "on? A word is enough.",
            "It has been quiet for a while. If something got in the way, tell me, and we'll make "
            "the next step smaller. Write /stop if you'd rather not hear from me.",
        ),
        weekdays="Mon Tue Wed Thu Fri Sat Sun",
        picture="The last four weeks: {goals}",
    ),
    "de": Words(
        yes="Ja",
        no="Nein",
        noted="Notiert: {value}.",
        in_a_row="{n} Tage in Folge",
        best="Rekord: {n}",
        this_week="{n} von {of} diese Woche",
        meant="Meinst du {value}?",
        between="Bitte antworte mit einer Zahl von {low} bis {high}.",
        at_least="Bitte antworte mit einer Zahl ab {low}.",
        at_most="Bitte antworte mit einer Zahl bis {high}.",
        a_number="Bitte antworte mit einer Zahl.",
        yes_or_no="Bitte antworte mit Ja oder Nein.",
        answered_already="Das hast du schon beantwortet; deine Antwort habe ich behalten.",
        too_late="Diese Frage ist inzwischen geschlossen. Die nächste kommt bestimmt.",
        not_yours="Diese Frage ist für jemand anderen.",
        progress="Dein Fortschritt",
        week="Deine Woche",
        nothing_yet="Noch gibt es nichts zu zeigen. Es beginnt mit deinem ersten Check-in.",
        goals="Deine Ziele",
        set_a_goal="Ein Ziel setzen",
        reminders=(
            "Ich habe seit ein paar Tagen nichts von dir gehört, und das ist in Ordnung. Wie geht "
            "es dir? Ein Wort genügt.",
            "Es ist eine Weile still. Wenn etwas dazwischenkam, sag es mir, und wir machen den "
            "nächsten Schritt kleiner. Mit /stop melde ich mich nicht mehr von selbst.",
        ),
        weekdays="Mo Di Mi Do Fr Sa So",
        picture="Die letzten vier Wochen: {goals}",
    ),
    "fr": Words(
        yes="Oui",
        no="Non",
        noted="C'est noté : {value}.",
        in_a_row="{n} jours d'affilée",
        best="record : {n}",
        this_week="{n} sur {of} cette semaine",
        meant="Tu veux dire {value} ?",
        between="Réponds par un nombre de {low} à {high}, s'il te plaît.",
        at_least="Réponds par un nombre à partir de {low}, s'il te plaît.",
        at_most="Réponds par un nombre jusqu'à {high}, s'il te plaît.",
        a_number="Réponds par un nombre, s'il te plaît.",
        yes_or_no="Réponds par oui ou non, s'il te plaît.",
        answered_already="Tu as déjà répondu à cette question ; j'ai gardé ta réponse.",
        too_late="Cette question est close maintenant. La prochaine viendra bientôt.",
        not_yours="Cette question est pour quelqu'un d'autre.",
        progress="Tes progrès",
        week="Ta semaine",
        nothing_yet="Il n'y a encore rien à montrer. Tout commence avec ta première réponse.",
        goals="Tes objectifs",
        set_a_goal="Fixer un objectif",
        reminders=(
            "Je n'ai pas de tes nouvelles depuis quelques jours, et ce n'est pas grave. Comment "
            "ça va ? Un mot suffit.",
            "C'est calme depuis un moment. Si quelque chose t'en a empêché, dis-le-moi et nous "
            "ferons un pas plus petit. Écris /stop si tu préfères ne plus rien recevoir.",
        ),
        weekdays="lun mar mer jeu ven sam dim",
        picture="Les quatre dernières semaines : {goals}",
    ),
    "es": Words(
        yes="Sí",
        no="No",
        noted="Anotado: {value}.",
        in_a_row="{n} días seguidos",
        best="récord: {n}",
        this_week="{n} de {of} esta semana",
        meant="¿Quieres decir {value}?",
        between="Responde con un número de {low} a {high}, por favor.",
        at_least="Responde con un número a partir de {low}, por favor.",
        at_most="Responde con un número de hasta {high}, por favor.",
        a_number="Responde con un número, por favor.",
        yes_or_no="Responde sí o no, por favor.",
        answered_already="Ya respondiste a esa pregunta; he guardado tu respuesta.",
        too_late="Esa pregunta ya está cerrada. La siguiente llegará pronto.",
        not_yours="Esa pregunta es para otra persona.",
        progress="Tu progreso",
        week="Tu semana",
        nothing_yet="Todavía no hay nada que mostrar. Empieza con tu primera respuesta.",
        goals="Tus objetivos",
        set_a_goal="Fijar un objetivo",
        reminders=(
            "No sé nada de ti desde hace unos días, y no pasa nada. ¿Cómo te va? Basta una "
            "palabra.",
            "Hace un tiempo que todo está en silencio. Si algo se interpuso, cuéntamelo y haremos "
            "más pequeño el siguiente paso. Escribe /stop si prefieres no recibir más mensajes.",
        ),
        weekdays="lun mar mié jue vie sáb dom",
        picture="Las últimas cuatro semanas: {goals}",
    ),
    "pt": Words(
        yes="Sim",
        no="Não",
        noted="Anotado: {value}.",
        in_a_row="{n} dias seguidos",
        best="recorde: {n}",
        this_week="{n} de {of} esta semana",
        meant="Queres dizer {value}?",
        between="Responde com um número de {low} a {high}, por favor.",
        at_least="Responde com um número a partir de {low}, por favor.",
        at_most="Responde com um número até {high}, por favor.",
        a_number="Responde com um número, por favor.",
        yes_or_no="Responde sim ou não, por favor.",
        answered_already="Já respondeste a essa pergunta; guardei a tua resposta.",
        too_late="Essa pergunta já está fechada. A próxima virá em breve.",
        not_yours="Essa pergunta é para outra pessoa.",
        progress="O teu progresso",
        week="A tua semana",
        nothing_yet="Ainda não há nada para mostrar. Começa com a tua primeira resposta.",
        goals="Os teus objetivos",
        set_a_goal="Definir um objetivo",
        reminders=(
            "Não tenho notícias tuas há alguns dias, e não faz mal. Como vai isso? Basta uma "
            "palavra.",
            "Está tudo calado há algum tempo. Se algo se meteu no caminho, conta-me e tornamos o "
            "próximo passo mais pequeno. Escreve /stop se preferes não receber mais mensagens.",
        ),
        weekdays="seg ter qua qui sex sáb dom",
        picture="As últimas quatro semanas: {goals}",
    ),
    "it": Words(
        yes="Sì",
        no="No",
        noted="Segnato: {value}.",
        in_a_row="{n} giorni di fila",
        best="record: {n}",
        this_week="{n} su {of} questa settimana",
        meant="Intendi {value}?",
        between="Rispondi con un numero da {low} a {high}, per favore.",
        at_least="Rispondi con un numero da {low} in su, per favore.",
        at_most="Rispondi con un numero fino a {high}, per favore.",
        a_number="Rispondi con un numero, per favore.",
        yes_or_no="Rispondi sì o no, per favore.",
        answered_already="Hai già risposto a quella domanda; ho tenuto la tua risposta.",
        too_late="Quella domanda ormai è chiusa. La prossima arriverà presto.",
        not_yours="Quella domanda è per qualcun altro.",
        progress="I tuoi progressi",
        week="La tua settimana",
        nothing_yet="Non c'è ancora niente da mostrare. Comincia con la tua prima risposta.",
        goals="I tuoi obiettivi",
        set_a_goal="Fissare un obiettivo",
        reminders=(
            "Non ti sento da qualche giorno, e va bene così. Come va? Basta una parola.",
            "È tutto tranquillo da un po'. Se qualcosa si è messo di mezzo, dimmelo e faremo più "
            "piccolo il prossimo passo. Scrivi /stop se preferisci non ricevere altri messaggi.",
        ),
        weekdays="lun mar mer gio ven sab dom",
        picture="Le ultime quattro settimane: {goals}",
    ),
}


def words_in(language: str | None) -> Words:
    """By a tag like `pt-BR`, or its language."""
    return WORDS.get(primary(language)) or WORDS[FALLBACK]


# Where the decimals of a number follow a comma.
_COMMA = frozenset(("de", "fr", "es", "pt", "it", "nl", "pl", "ru", "tr", "da", "sv", "nb", "fi"))


def has_decimal_comma(language: str | None) -> bool:
    return primary(language) in _COMMA


def shown(value: object, unit: str, language: str | None) -> str:
    """A value as it is said: `7,5 km`, `Yes`, a text itself."""
    if isinstance(value, bool):
        said = words_in(language)
        return said.yes if value else said.no
    if not isinstance(value, int | float):
        return str(value)
    text = f"{value:.10g}" if abs(value) < 1e10 else f"{value:.0f}"
    if has_decimal_comma(language):
        text = text.replace(".", ",")
    return f"{text} {unit}".rstrip()
