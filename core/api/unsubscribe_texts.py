"""The words of the page that ends messages, in the languages that Cairn speaks. Pure.

`what` names the messages; `about` does so where their purpose is a creator's own.
"""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class PageTexts:
    ask_title: str
    ask: str
    button: str
    done_title: str
    done: str
    unknown_title: str
    unknown: str
    coaching: str
    reminder: str
    broadcast: str
    all: str
    about: str

    def named(self, purpose: str) -> str:
        ours = {
            "coaching": self.coaching,
            "reminder": self.reminder,
            "broadcast": self.broadcast,
            "*": self.all,
        }
        return ours.get(purpose) or self.about.format(purpose=purpose)


PAGE_TEXTS: Mapping[str, PageTexts] = {
    "en": PageTexts(
        ask_title="Stop these messages?",
        ask="You will get no more {what} from this bot. What you ask it is still answered.",
        button="Stop them",
        done_title="Done",
        done="You will get no more {what} from this bot. You can close this page.",
        unknown_title="Unknown link",
        unknown="This link doesn't work. To end messages, answer one of them with STOP.",
        coaching="check-ins and coaching messages",
        reminder="reminders",
        broadcast="news and announcements",
        all="messages",
        about="messages about {purpose}",
    ),
    "de": PageTexts(
        ask_title="Diese Nachrichten beenden?",
        ask="Das schickt dir dieser Bot dann nicht mehr: {what}. Was du ihn fragst, beantwortet er "
        "weiterhin.",
        button="Beenden",
        done_title="Erledigt",
        done="Das schickt dir dieser Bot nicht mehr: {what}. Du kannst diese Seite schließen.",
        unknown_title="Unbekannter Link",
        unknown="Dieser Link funktioniert nicht. Um Nachrichten zu beenden, antworte auf eine "
        "davon mit STOP.",
        coaching="Check-ins und Coaching-Nachrichten",
        reminder="Erinnerungen",
        broadcast="Neuigkeiten und Ankündigungen",
        all="Nachrichten",
        about="Nachrichten zu {purpose}",
    ),
    "fr": PageTexts(
        ask_title="Arrêter ces messages ?",
        ask="Ce bot ne t'enverra plus : {what}. Il répondra toujours à tes questions.",
        button="Arrêter",
        done_title="C'est fait",
        done="Ce bot ne t'enverra plus : {what}. Tu peux fermer cette page.",
        unknown_title="Lien inconnu",
        unknown="Ce lien ne fonctionne pas. Pour arrêter les messages, réponds STOP à l'un d'eux.",
        coaching="suivi et messages de coaching",
        reminder="rappels",
        broadcast="nouvelles et annonces",
        all="messages",
        about="messages sur {purpose}",
    ),
    "it": PageTexts(
        ask_title="Interrompere questi messaggi?",
        ask="Questo bot non ti manderà più: {what}. Alle tue domande risponderà ancora.",
        button="Interrompi",
        done_title="Fatto",
        done="Questo bot non ti manderà più: {what}. Puoi chiudere questa pagina.",
        unknown_title="Link sconosciuto",
        unknown="Questo link non funziona. Per interrompere i messaggi, rispondi STOP a uno di "
        "essi.",
        coaching="check-in e messaggi di coaching",
        reminder="promemoria",
        broadcast="novità e annunci",
        all="messaggi",
        about="messaggi su {purpose}",
    ),
    "es": PageTexts(
        ask_title="¿Terminar estos mensajes?",
        ask="Este bot ya no te enviará: {what}. Seguirá respondiendo a lo que le preguntes.",
        button="Terminar",
        done_title="Hecho",
        done="Este bot ya no te enviará: {what}. Puedes cerrar esta página.",
        unknown_title="Enlace desconocido",
        unknown="Este enlace no funciona. Para terminar los mensajes, responde STOP a uno de "
        "ellos.",
        coaching="seguimiento y mensajes de coaching",
        reminder="recordatorios",
        broadcast="novedades y anuncios",
        all="mensajes",
        about="mensajes sobre {purpose}",
    ),
    "pt": PageTexts(
        ask_title="Parar estas mensagens?",
        ask="Este bot deixa de te enviar: {what}. Continua a responder ao que lhe perguntas.",
        button="Parar",
        done_title="Feito",
        done="Este bot deixa de te enviar: {what}. Podes fechar esta página.",
        unknown_title="Ligação desconhecida",
        unknown="Esta ligação não funciona. Para parar as mensagens, responde STOP a uma delas.",
        coaching="acompanhamento e mensagens de coaching",
        reminder="lembretes",
        broadcast="novidades e anúncios",
        all="mensagens",
        about="mensagens sobre {purpose}",
    ),
    "nl": PageTexts(
        ask_title="Deze berichten stoppen?",
        ask="Dit stuurt deze bot je dan niet meer: {what}. Op je vragen antwoordt hij nog steeds.",
        button="Stoppen",
        done_title="Klaar",
        done="Dit stuurt deze bot je niet meer: {what}. Je kunt deze pagina sluiten.",
        unknown_title="Onbekende link",
        unknown="Deze link werkt niet. Om berichten te stoppen, antwoord je op een ervan met STOP.",
        coaching="check-ins en coachingsberichten",
        reminder="herinneringen",
        broadcast="nieuws en aankondigingen",
        all="berichten",
        about="berichten over {purpose}",
    ),
    "pl": PageTexts(
        ask_title="Zakończyć te wiadomości?",
        ask="Ten bot nie będzie ci już wysyłać: {what}. Na pytania nadal odpowie.",
        button="Zakończ",
        done_title="Gotowe",
        done="Ten bot nie będzie ci już wysyłać: {what}. Możesz zamknąć tę stronę.",
        unknown_title="Nieznany link",
        unknown="Ten link nie działa. Aby zakończyć wiadomości, odpowiedz na jedną z nich STOP.",
        coaching="pytania o postępy i wiadomości coachingowe",
        reminder="przypomnienia",
        broadcast="nowości i ogłoszenia",
        all="wiadomości",
        about="wiadomości na temat: {purpose}",
    ),
    "tr": PageTexts(
        ask_title="Bu mesajlar bitsin mi?",
        ask="Bu bot artık sana şunları göndermeyecek: {what}. Sorularını yine yanıtlar.",
        button="Bitir",
        done_title="Tamam",
        done="Bu bot artık sana şunları göndermeyecek: {what}. Bu sayfayı kapatabilirsin.",
        unknown_title="Bilinmeyen bağlantı",
        unknown="Bu bağlantı çalışmıyor. Mesajları bitirmek için birine STOP yanıtını ver.",
        coaching="takip soruları ve koçluk mesajları",
        reminder="hatırlatmalar",
        broadcast="haberler ve duyurular",
        all="mesajlar",
        about="şu konudaki mesajlar: {purpose}",
    ),
}
