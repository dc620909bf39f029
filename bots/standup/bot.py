"""The stand-up: asks each person in private, tells the team's room, keeps blockers in sight."""

from datetime import date, timedelta

from bots.standup import entries, team
from bots.standup.forms import Standup
from core.bots import Bot, Choice, Turn
from shared.markdown import escape

bot = Bot(
    name="standup",
    persona=(
        "You help a team with its daily stand-up. You are brief and neutral, you care about what "
        "blocks people, and you never judge how much somebody got done."
    ),
    greeting="Hello! I run your team's daily stand-up.",
    knowledge="knowledge",
    suggestions=("What makes a good stand-up?", "How do I describe a blocker?"),
)

DAILY, SUMMARY = "daily-standup", "team-summary"  # its programs
HOSTS = "hosts"  # the topic that says who chose a team's room last
MOST_BLOCKERS = 10  # as buttons; the rest are counted

_START = Choice(label="Start my stand-up", value="/standup")
_DIGEST = Choice(label="Today's summary", value="/summary")
_BLOCKERS = Choice(label="Open blockers", value="/blockers")
_LEAVE = Choice(label="Leave this team", value="leave_team")

HELP = """\
Here is what I understand:

- `/standup` report your day: four short questions, answered in private
- `/summary` today's reports of your team, `/summary yesterday` those of the day before
- `/blockers` what is in the way of your team
- `/team` in a channel: send your stand-ups there; here: see where they go
- `/cancel` put a form aside

Or ask me about stand-ups, blockers and retrospectives."""
IN_PRIVATE = (
    "I've noted that your stand-ups go here. I ask the questions in private: open a direct message "
    "with me and say `/standup`."
)
NO_TEAM = (
    "Your stand-ups go to nobody else yet. Say `/team` in your team's channel and I'll post them "
    "there."
)
GONE = "That blocker isn't open any more."


@bot.start
async def welcome(turn: Turn) -> None:
    name = f" {turn.contact_name}" if turn.contact_name else ""
    turn.say(
        f"Hello{name}! I run your team's daily stand-up: I ask you four short questions in "
        "private and tell your team's channel the answers, blockers first. Say `/team` in that "
        "channel once. I'll ask you on weekdays at 09:30, or say `/standup`.",
        choices=[_START, *bot.suggestions],
    )


# --- one's own stand-up


@bot.command("standup", help="report your day")
async def begin(turn: Turn) -> None:
    if room := team.room_of(turn):
        team.remember(turn, room)
    if team.is_room(turn.channel, turn.place):
        turn.say(IN_PRIVATE)
        return
    day = _today(turn)
    reported = await entries.of_day(turn, team.of(turn), day)
    again = " You have reported already; what you say now replaces it."
    turn.say(
        f"Your stand-up for {entries.written(day)}. `/cancel` stops at any time."
        + (again if team.person(turn) in reported else "")
    )
    turn.ask(Standup)


@bot.form(Standup)
async def report(turn: Turn, form: Standup) -> None:
    """Keep the entry, thank the person, tell the room. The same day's entry is replaced."""
    turn.join(DAILY)
    whose, key, day = team.of(turn), team.person(turn), _today(turn)
    entry = entries.from_form(turn.contact_name, form)
    is_update = key in await entries.of_day(turn, whose, day)
    entries.keep(turn, whose, day, key, entry)
    told = "I've told your team." if whose.room else ""
    if not whose.room and "team" not in turn.memory:
        told = NO_TEAM
    turn.say(
        "\n\n".join(part for part in ("Thank you, noted:", entries.shown(entry), told) if part),
        choices=[_DIGEST, _BLOCKERS],
    )
    if whose.room:
        verb = "updated their stand-up" if is_update else "reported"
        turn.post(
            whose.room,
            f"**{entry.name}** {verb} for {entries.written(day)}\n\n{entries.shown(entry)}",
            choices=[_resolve("Blocker resolved", day, key)] if entry.is_blocked else [],
        )


# --- the team's


@bot.command("summary", help="the team's reports of today")
async def summary(turn: Turn) -> None:
    day = _today(turn)
    if turn.arguments.lower() == "yesterday":
        day -= timedelta(days=1)
    reported = await entries.of_day(turn, team.of(turn), day)
    turn.say(entries.digest(reported, day), choices=[] if reported else [_START])


@bot.command("blockers", help="what is in the way of the team")
async def blockers(turn: Turn) -> None:
    found = await entries.open_blockers(turn, team.of(turn))
    if not found:
        turn.say("No open blockers.")
        return
    shown = found[:MOST_BLOCKERS]
    lines = [
        f"{number}. **{blocker.entry.name}**: {escape(blocker.entry.blocker)}"
        f" ({entries.written(blocker.day)})"
        for number, blocker in enumerate(shown, 1)
    ]
    more = f"\n\nAnd {len(found) - len(shown)} more." if len(found) > len(shown) else ""
    turn.say(
        "**Open blockers**\n\n" + "\n".join(lines) + more,
        choices=[
            _resolve(f"{number} is resolved", blocker.day, blocker.key)
            for number, blocker in enumerate(shown, 1)
        ],
    )


@bot.action("resolved")
async def resolve(turn: Turn) -> None:
    """Close a blocker of one's own team: buttons outlive what they are about."""
    whose = team.of(turn)
    day_written, _, key = turn.arguments.partition("/")
    day = _read_day(day_written)
    entry = (await entries.of_day(turn, whose, day)).get(key) if day else None
    if day is None or entry is None or not entry.is_blocked:
        turn.say(GONE)
        return
    by = turn.contact_name or "Someone"
    entries.keep(turn, whose, day, key, entries.resolved(entry, by))
    turn.say(f"Resolved: {escape(entry.blocker)}", choices=[_BLOCKERS])
    if whose.room and not team.is_room(turn.channel, turn.place):
        turn.post(whose.room, f"**{by}** resolved {entry.name}'s blocker: {escape(entry.blocker)}")


@bot.command("team", help="in a channel: send your stand-ups there")
async def choose_team(turn: Turn) -> None:
    if room := team.room_of(turn):
        team.remember(turn, room)
        turn.put(HOSTS, team.of(turn).key, team.person(turn))
        turn.join(DAILY)
        turn.join(SUMMARY)
        turn.say(
            "From now on your stand-ups go to the channel where you said that.", choices=[_START]
        )
    elif "team" in turn.memory:
        turn.say(
            "Your stand-ups go to your team's channel. To change it, say `/team` in another one.",
            choices=[_START, _LEAVE],
        )
    else:
        turn.say(NO_TEAM)


@bot.action("leave_team")
async def leave_team(turn: Turn) -> None:
    team.forget(turn)
    turn.leave(SUMMARY)
    turn.say(NO_TEAM)


@bot.command("help", help="what I understand")
async def show_help(turn: Turn) -> None:
    turn.say(HELP)


@bot.action("post_summary")
async def post_summary(turn: Turn) -> None:
    """Tell the room what was reported; its program runs for everybody who chose the room, and the
    one who did so last speaks."""
    whose = team.of(turn)
    if whose.room is None or (await turn.topic(HOSTS)).get(whose.key) != team.person(turn):
        return
    day = _today(turn)
    turn.post(whose.room, entries.digest(await entries.of_day(turn, whose, day), day))


# --- the same in words, for a mention in a room, where a slash may not reach the bot


@bot.message(r"^stand-?up[.!?]?$")
async def begin_in_words(turn: Turn) -> None:
    await begin(turn)


@bot.message(r"^(?:today'?s )?(?:summary|digest)[.!?]?$")
async def summary_in_words(turn: Turn) -> None:
    await summary(turn)


@bot.message(r"^(?:open )?blockers[.!?]?$")
async def blockers_in_words(turn: Turn) -> None:
    await blockers(turn)


@bot.message(r"^help[.!?]?$")
async def help_in_words(turn: Turn) -> None:
    await show_help(turn)


def _resolve(label: str, day: date, key: str) -> Choice:
    return Choice(label=label, value=f"resolved:{day.isoformat()}/{key}")


def _today(turn: Turn) -> date:
    return turn.local_now().date()


def _read_day(written: str) -> date | None:
    try:
        return date.fromisoformat(written)
    except ValueError:
        return None
