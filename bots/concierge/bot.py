"""The concierge: takes appointment requests and asks how it went, in texts of one segment.

Every text it writes fits 160 characters of the GSM 7-bit alphabet with its choices, which is what
one text message carries; a test counts them. None asks anybody to reply with CANCEL or END alone:
carriers take those words for STOP.
"""

from bots.concierge import requests
from bots.concierge.forms import Appointment, Feedback
from core.bots import Bot, Choice, Turn

bot = Bot(
    name="concierge",
    persona=(
        "You are the front desk of a small practice and answer by text message. You write plain "
        "English in one or two short sentences, without emoji, and you give no medical advice."
    ),
    greeting="Riverside Practice. How can we help?",
    knowledge="knowledge",
    suggestions=("When are you open?", "What should I bring?", "What does a visit cost?"),
)

BOOK = Choice(label="Book", value="/book")
REMIND = Choice(label="And remind me", value="agree:reminder")
REQUEST = Choice(label="My request", value="/request")
PERSON = Choice(label="A person", value="/human")
CONFIRM = Choice(label="Send it", value="confirm")
CHANGE = Choice(label="Change it", value="change")
WITHDRAW = Choice(label="Withdraw it", value="withdraw")

WELCOME = (
    "Riverside Practice: ask a question or book a visit. Reply STOP to opt out, HELP for help."
)
HELP = "Ask a question, or text BOOK, REQUEST, FEEDBACK or PERSON. Reply STOP to opt out."
ASKED = "A visit request: four short questions, /cancel ends them. Reply STOP to opt out."
SENT = "Sent. We will text you a time within one working day."
NOTHING = "You have no open request."
WITHDRAWN = "Your request is withdrawn."
HUMAN = "A person from the practice will text you here during opening hours."
THANKS = "Thank you. We have noted it."
SORRY = "We are sorry. A person from the practice can text you about it."
WELCOME_BACK = "You're welcome."


@bot.start
async def welcome(turn: Turn) -> None:
    """A link in a message after a visit carries `feedback`."""
    if turn.payload == "feedback":
        turn.ask(Feedback)
        return
    turn.say(WELCOME, choices=[BOOK, Choice(label="Opening hours", value=bot.suggestions[0])])


@bot.message(r"^(?:hi|hello|hey|good (?:morning|afternoon|evening))[.!]?$")
async def greet(turn: Turn) -> None:
    """Who texts a number first has not opened a bot: the opt-out wording comes here too."""
    await welcome(turn)


# --- an appointment


@bot.command("book", help="ask for an appointment")
async def book(turn: Turn) -> None:
    turn.say(ASKED)
    turn.ask(Appointment)


@bot.form(Appointment)
async def check(turn: Turn, form: Appointment) -> None:
    request = requests.draft(turn, form)
    turn.memory["draft"] = request
    turn.say(f"{requests.line(request)}. Shall we send it?", choices=[CONFIRM, CHANGE, WITHDRAW])


@bot.action("confirm")
async def confirm(turn: Turn) -> None:
    request = turn.memory.pop("draft", None)
    if request is None:
        await show_request(turn)
        return
    requests.put(turn, request, "requested")
    turn.say(SENT, choices=[REMIND, REQUEST])


@bot.action("change")
async def change(turn: Turn) -> None:
    turn.memory.pop("draft", None)
    turn.ask(Appointment)


@bot.action("withdraw")
async def withdraw(turn: Turn) -> None:
    """Drop what was not sent yet, and take back what was."""
    had_draft = turn.memory.pop("draft", None) is not None
    request = turn.memory.get("request", {})
    is_open = request.get("status") == "requested"
    if is_open:
        requests.put(turn, request, "withdrawn")
    turn.say(WITHDRAWN if is_open or had_draft else NOTHING, choices=[BOOK])


@bot.command("request", help="see, change or withdraw your request")
async def show_request(turn: Turn) -> None:
    request = turn.memory.get("request", {})
    if request.get("status") != "requested":
        turn.say(NOTHING, choices=[BOOK])
        return
    turn.say(f"Your request: {requests.line(request)}.", choices=[CHANGE, WITHDRAW])


# --- after an appointment


@bot.command("feedback", help="tell us how it was")
async def ask_feedback(turn: Turn) -> None:
    turn.ask(Feedback)


@bot.form(Feedback)
async def take_feedback(turn: Turn, form: Feedback) -> None:
    now = turn.local_now()
    turn.put(
        "feedback",
        f"{requests.person(turn)}:{now.date().isoformat()}",
        {"name": turn.contact_name, "rating": form.rating, "comment": form.said},
    )
    if form.rating <= 2:
        turn.say(SORRY, choices=[PERSON])
    else:
        turn.say(THANKS)


# --- a person, help, and the same in words: who texts has no slash at hand


@bot.command("human", help="ask for a person")
async def call_human(turn: Turn) -> None:
    turn.call_human()
    turn.say(HUMAN)


@bot.command("help", help="what we understand")
async def show_help(turn: Turn) -> None:
    turn.say(HELP)


@bot.message(r"^(?:book(?: (?:a|an) (?:visit|appointment))?|appointment)[.!]?$")
async def book_in_words(turn: Turn) -> None:
    await book(turn)


@bot.message(r"^(?:my )?request[.!]?$")
async def request_in_words(turn: Turn) -> None:
    await show_request(turn)


@bot.message(r"^feedback[.!]?$")
async def feedback_in_words(turn: Turn) -> None:
    await ask_feedback(turn)


@bot.message(r"^(?:(?:a )?person|human|(?:talk|speak) to (?:a person|someone))[.!]?$")
async def human_in_words(turn: Turn) -> None:
    await call_human(turn)


@bot.message(r"^help[.!?]?$")
async def help_in_words(turn: Turn) -> None:
    await show_help(turn)


@bot.message(r"^(?:thanks|thank you|thx|ok|okay)\b.{0,20}$")
async def thanks(turn: Turn) -> None:
    turn.say(WELCOME_BACK)
