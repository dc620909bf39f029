"""One person's stand-up of one day: how it is kept, found again and read by others."""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from datetime import date, timedelta

from bots.standup.forms import Standup
from bots.standup.team import Team
from core.bots import Turn
from shared.markdown import escape

MOOD_PEOPLE = 3  # an average of fewer would tell whose mood it is
LOOK_BACK_DAYS = 7  # how long a blocker stands that its owner never mentions again


@dataclass(frozen=True, kw_only=True)
class Entry:
    """`name` is escaped already, as the turn gave it; the rest is as it was written."""

    name: str
    yesterday: str
    today: str
    blocker: str = ""
    mood: int | None = None
    resolved_by: str = ""

    @property
    def is_blocked(self) -> bool:
        return bool(self.blocker) and not self.resolved_by


@dataclass(frozen=True, kw_only=True)
class Blocker:
    """An open blocker and where it is kept."""

    day: date
    key: str
    entry: Entry


# --- kept and found again


def topic(team: Team, day: date) -> str:
    return f"standup:{team.key}:{day.isoformat()}"


def from_form(name: str, form: Standup) -> Entry:
    return Entry(
        name=name or "Someone",
        yesterday=form.yesterday,
        today=form.today,
        blocker=form.blocker,
        mood=form.mood,
    )


def keep(turn: Turn, team: Team, day: date, key: str, entry: Entry) -> None:
    turn.put(topic(team, day), key, asdict(entry))


async def of_day(turn: Turn, team: Team, day: date) -> dict[str, Entry]:
    """What a team's people reported that day, by person."""
    return {key: Entry(**value) for key, value in (await turn.topic(topic(team, day))).items()}


async def open_blockers(turn: Turn, team: Team) -> list[Blocker]:
    """The open ones, newest first. A person's latest stand-up replaces what they said before."""
    found: list[Blocker] = []
    seen: set[str] = set()
    # A day ahead: colleagues further east report tomorrow already.
    day = turn.local_now().date() + timedelta(days=1)
    for _ in range(LOOK_BACK_DAYS + 1):
        for key, entry in (await of_day(turn, team, day)).items():
            if key not in seen and entry.is_blocked:
                found.append(Blocker(day=day, key=key, entry=entry))
            seen.add(key)
        day -= timedelta(days=1)
    return found


def resolved(entry: Entry, by: str) -> Entry:
    return replace(entry, resolved_by=by)


# --- read by others


def shown(entry: Entry) -> str:
    """One person's entry as Markdown, what blocks them first."""
    blocked = [f"**Blocked:** {escape(entry.blocker)}"] if entry.is_blocked else []
    done = f"**Done:** {escape(entry.yesterday)}"
    return "\n".join(f"- {line}" for line in [*blocked, done, f"**Today:** {escape(entry.today)}"])


def digest(entries: Mapping[str, Entry], day: date) -> str:
    """A team's day as Markdown: blockers on top, then each person, then the mood."""
    if not entries:
        return f"Nobody has reported for {written(day)} yet."
    ordered = sorted(entries.values(), key=lambda entry: (not entry.is_blocked, entry.name))
    count = "1 person has" if len(ordered) == 1 else f"{len(ordered)} people have"
    blocked = [entry for entry in ordered if entry.is_blocked]
    parts = [f"**Stand-up, {written(day)}** · {count} reported", _blocked(blocked)]
    parts += [f"**{e.name}**\n\n{_done(e)}" for e in ordered]
    return "\n\n".join(part for part in [*parts, _mood(ordered)] if part)


def written(day: date) -> str:
    return f"{day:%A} {day.day} {day:%B}"


def _blocked(entries: Iterable[Entry]) -> str:
    lines = [f"- **{entry.name}**: {escape(entry.blocker)}" for entry in entries]
    return "**Blocked**\n\n" + "\n".join(lines) if lines else "Nobody is blocked."


def _done(entry: Entry) -> str:
    return f"- Done: {escape(entry.yesterday)}\n- Today: {escape(entry.today)}"


def _mood(entries: Iterable[Entry]) -> str:
    moods = [entry.mood for entry in entries if entry.mood is not None]
    if len(moods) < MOOD_PEOPLE:
        return ""
    return f"Mood: {sum(moods) / len(moods):.1f} of 5, from {len(moods)} people"
