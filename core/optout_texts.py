"""What is said about being written to or not, in the languages that Cairn speaks. Pure.

`what` are purposes as a sentence has them, `names` as commands do, `sender` who texts. A text
message of accented letters that GSM-7 lacks has room for 70 characters in place of 160, so what is
texted is worded without them where a language lets it.
"""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Texts:
    stopped: str
    resumed: str
    stopped_some: str
    agreed: str
    ask_purpose: str
    coaching: str
    reminder: str
    broadcast: str
    link: str  # under a broadcast: it leads to the page that ends them
    # Where numbers are texted, in carriers' terms: who, that it ends, how it comes back.
    # https://www.twilio.com/docs/messaging/guides/opt-in-confirmation
    texted_stopped: str
    texted_resumed: str
    texted_joined: str

    def named(self, purpose: str) -> str:
        """A purpose of ours in words; a creator's own by its name."""
        ours = {"coaching": self.coaching, "reminder": self.reminder, "broadcast": self.broadcast}
        return ours.get(purpose, purpose)


TEXTS: Mapping[str, Texts] = {
    "en": Texts(
        stopped="You won't get messages from me any more unless you write first. Write /start to "
        "change that.",
        resumed="You'll get messages from me again. Write /stop to end that.",
        stopped_some="You won't get {what} from me any more. Take that back with "
        "`/subscribe {names}`, or end all messages with `/stop`.",
        agreed="You'll get {what} from me from now on. End that with `/stop {names}`.",
        ask_purpose="Write `/subscribe` and one of: {names}.",
        coaching="coaching",
        reminder="reminders",
        broadcast="broadcasts",
        link="No more of these",
        texted_stopped="{sender}: you won't get texts from us any more. Reply START to get them "
        "again.",
        texted_resumed="{sender}: you'll get texts from us again. Reply STOP to end them.",
        texted_joined="{sender}: you agreed to get texts from us. Msg frequency varies. Msg & data "
        "rates may apply. Reply HELP for help, STOP to cancel.",
    ),
    "de": Texts(
        stopped="Du bekommst von mir keine Nachrichten mehr, außer du schreibst zuerst. Mit /start "
        "änderst du das.",
        resumed="Du bekommst wieder Nachrichten von mir. Mit /stop endet das.",
        stopped_some="Das bekommst du von mir nicht mehr: {what}. Mit `/subscribe {names}` kommt "
        "es wieder, mit `/stop` endet alles.",
        agreed="Ab jetzt bekommst du von mir: {what}. Mit `/stop {names}` endet das.",
        ask_purpose="Schreib `/subscribe` und eines davon: {names}.",
        coaching="Coaching",
        reminder="Erinnerungen",
        broadcast="Neuigkeiten",
        link="Nichts mehr davon",
        texted_stopped="{sender}: Du bekommst keine SMS mehr von uns. Antworte START, um sie "
        "wieder zu bekommen.",
        texted_resumed="{sender}: Du bekommst wieder SMS von uns. Antworte STOP, um sie zu "
        "beenden.",
        texted_joined="{sender}: Du bekommst SMS von uns, in wechselnder Zahl. Kosten je nach "
        "Tarif. Antworte HELP für Hilfe, STOP zum Beenden.",
    ),
    "fr": Texts(
        stopped="Tu ne recevras plus de messages de ma part, sauf si tu écris d'abord. Écris "
        "/start pour changer cela.",
        resumed="Tu recevras à nouveau mes messages. Écris /stop pour y mettre fin.",
        stopped_some="Je ne t'écris plus pour : {what}. Pour y revenir : `/subscribe {names}` ; "
        "pour ne plus rien recevoir : `/stop`.",
        agreed="Désormais, je t'écris pour : {what}. Pour y mettre fin : `/stop {names}`.",
        ask_purpose="Écris `/subscribe` et un de ces mots : {names}.",
        coaching="coaching",
        reminder="rappels",
        broadcast="annonces",
        link="Ne plus en recevoir",
        texted_stopped="{sender} : tu ne recevras plus nos SMS. Réponds START pour les recevoir à "
        "nouveau.",
        texted_resumed="{sender} : tu recevras à nouveau nos SMS. Réponds STOP pour y mettre fin.",
        texted_joined="{sender} : tu acceptes nos SMS, en nombre variable. Frais selon ton "
        "opérateur. Réponds HELP pour de l'aide, STOP pour y mettre fin.",
    ),
    "it": Texts(
        stopped="Non riceverai più messaggi da me, a meno che non sia tu a scrivere. Scrivi /start "
        "per cambiare idea.",
        resumed="Riceverai di nuovo i miei messaggi. Scrivi /stop per interromperli.",
        stopped_some="Non ti scrivo più per: {what}. Per riprendere: `/subscribe {names}`; per non "
        "ricevere più nulla: `/stop`.",
        agreed="D'ora in poi ti scrivo per: {what}. Per smettere: `/stop {names}`.",
        ask_purpose="Scrivi `/subscribe` e una di queste parole: {names}.",
        coaching="coaching",
        reminder="promemoria",
        broadcast="novità",
        link="Non riceverne più",
        texted_stopped="{sender}: non riceverai più i nostri SMS. Rispondi START per riceverli di "
        "nuovo.",
        texted_resumed="{sender}: riceverai di nuovo i nostri SMS. Rispondi STOP per "
        "interromperli.",
        texted_joined="{sender}: hai accettato i nostri SMS, in numero variabile. Costi secondo il "
        "tuo operatore. Rispondi HELP per aiuto, STOP per finire.",
    ),
    "es": Texts(
        stopped="Ya no recibirás mensajes míos, salvo que escribas tú primero. Escribe /start para "
        "cambiarlo.",
        resumed="Volverás a recibir mis mensajes. Escribe /stop para que terminen.",
        stopped_some="Ya no te escribo sobre: {what}. Para volver: `/subscribe {names}`; para no "
        "recibir nada: `/stop`.",
        agreed="Desde ahora te escribo sobre: {what}. Para dejarlo: `/stop {names}`.",
        ask_purpose="Escribe `/subscribe` y una de estas palabras: {names}.",
        coaching="coaching",
        reminder="recordatorios",
        broadcast="novedades",
        link="No recibir esto",
        texted_stopped="{sender}: ya no te enviaremos SMS. Responde START para volver a "
        "recibirlos.",
        texted_resumed="{sender}: volvemos a enviarte SMS. Responde STOP para que terminen.",
        texted_joined="{sender}: aceptaste recibir SMS nuestros, en cantidad variable. Tu "
        "operador puede cobrarlos. Responde HELP para ayuda, STOP para terminar.",
    ),
    "pt": Texts(
        stopped="Não recebes mais mensagens minhas, a não ser que escrevas primeiro. Escreve "
        "/start para mudar isso.",
        resumed="Voltas a receber as minhas mensagens. Escreve /stop para acabar com isso.",
        stopped_some="Deixo de te escrever sobre: {what}. Para voltar: `/subscribe {names}`; para "
        "parar tudo: `/stop`.",
        agreed="A partir de agora escrevo-te sobre: {what}. Para parar: `/stop {names}`.",
        ask_purpose="Escreve `/subscribe` e uma destas palavras: {names}.",
        coaching="coaching",
        reminder="lembretes",
        broadcast="novidades",
        link="Deixar de receber",
        texted_stopped="{sender}: deixamos de te enviar SMS. Responde START para voltar a receber.",
        texted_resumed="{sender}: voltamos a enviar-te SMS. Responde STOP para parar.",
        texted_joined="{sender}: aceitaste receber os nossos SMS, em quantidade que varia. Custos "
        "conforme o operador. Responde HELP para ajuda, STOP para parar.",
    ),
    "nl": Texts(
        stopped="Je krijgt geen berichten meer van mij, tenzij je zelf eerst schrijft. Schrijf "
        "/start om dat te veranderen.",
        resumed="Je krijgt weer berichten van mij. Schrijf /stop om dat te beëindigen.",
        stopped_some="Dit krijg je niet meer van mij: {what}. Terug kan met `/subscribe {names}`, "
        "helemaal stoppen met `/stop`.",
        agreed="Vanaf nu krijg je van mij: {what}. Stoppen kan met `/stop {names}`.",
        ask_purpose="Schrijf `/subscribe` en een van deze woorden: {names}.",
        coaching="coaching",
        reminder="herinneringen",
        broadcast="nieuws",
        link="Dit niet meer ontvangen",
        texted_stopped="{sender}: je krijgt geen sms'en meer van ons. Antwoord START om ze weer te "
        "krijgen.",
        texted_resumed="{sender}: je krijgt weer sms'en van ons. Antwoord STOP om te stoppen.",
        texted_joined="{sender}: je krijgt sms'en van ons, in wisselend aantal. Kosten volgens je "
        "abonnement. Antwoord HELP voor hulp, STOP om te stoppen.",
    ),
    "pl": Texts(
        stopped="Nie dostaniesz już ode mnie wiadomości, chyba że najpierw do mnie napiszesz. "
        "Napisz /start, aby to zmienić.",
        resumed="Znowu będziesz dostawać ode mnie wiadomości. Napisz /stop, aby to zakończyć.",
        stopped_some="Od teraz nie dostajesz ode mnie: {what}. Wznowienie: `/subscribe {names}`, "
        "koniec wszystkiego: `/stop`.",
        agreed="Od teraz dostajesz ode mnie: {what}. Koniec: `/stop {names}`.",
        ask_purpose="Napisz `/subscribe` i jedno z tych: {names}.",
        coaching="coaching",
        reminder="przypomnienia",
        broadcast="komunikaty",
        link="Nie chcę ich więcej",
        texted_stopped="{sender}: to nasz ostatni SMS. Odpisz START, a znowu napiszemy.",
        texted_resumed="{sender}: znowu do Ciebie piszemy. Odpisz STOP, a przestaniemy.",
        texted_joined="{sender}: Twoja zgoda na SMS-y od nas jest zapisana. Piszemy nieregularnie. "
        "Koszty wg taryfy operatora. HELP: pomoc, STOP: koniec.",
    ),
    "tr": Texts(
        stopped="Önce sen yazmadıkça benden mesaj almayacaksın. Bunu değiştirmek için /start yaz.",
        resumed="Yeniden benden mesaj alacaksın. Bitirmek için /stop yaz.",
        stopped_some="Benden bir daha gelmeyecekler: {what}. `/subscribe {names}` yazarsan yeniden "
        "gelir, `/stop` yazarsan hepsi biter.",
        agreed="Bundan böyle benden gelecekler: {what}. `/stop {names}` yazarsan biter.",
        ask_purpose="`/subscribe` ve bunlardan birini yaz: {names}.",
        coaching="koçluk",
        reminder="hatırlatmalar",
        broadcast="duyurular",
        link="Bunları istemiyorum",
        texted_stopped="{sender}: bu son SMS'imiz. START yazarsan yeniden göndeririz.",
        texted_resumed="{sender}: sana yeniden SMS gönderiyoruz. STOP yazarsan biter.",
        texted_joined="{sender}: SMS göndermemize izin verdin. SMS'ler düzenli gelmez. Operatör "
        "ücret alabilir. HELP: destek, STOP: iptal.",
    ),
}
