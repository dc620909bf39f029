"""How somebody is getting on: their goals and check-ins read at once, told as text or drawn.

What is said is set-based: a digest for a thousand contacts costs as many statements as for one.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any, Literal
from uuid import UUID
from zoneinfo import ZoneInfo

from core.programs.check_ins import streaks
from core.programs.check_ins.picture import MOST_GOALS, Calendar, Mark
from core.programs.check_ins.streaks import Streak
from core.programs.check_ins.words import Words, shown, words_in
from core.programs.definition import When
from shared.database import PgConnection
from shared.markdown import escape
from shared.models import check_ins, goals
from shared.models.check_ins import CheckInRow
from shared.models.goals import GoalRow
from shared.utils.zones import is_zone

HISTORY_DAYS = 400  # how far back a longest streak is looked for
MOST_LINES = 10
LONGEST_VALUE = 60  # characters of a text that was answered
Kind = Literal["progress", "week"]

_PEOPLE = """
SELECT c.id, c.timezone, r.timezone AS creator_zone
FROM app.contacts c JOIN app.creators r ON r.creator_id = c.creator_id
WHERE c.creator_id = $1 AND c.id = ANY ($2::uuid[])
"""
# Check-ins that are nobody's goal are named by their program.
_STEPS = """
SELECT 'step:' || p.id || '/' || s.key AS subject, p.name, s.definition -> 'when' AS due
FROM app.coaching_programs p JOIN app.program_steps s
  ON s.creator_id = p.creator_id AND s.program_id = p.id
  AND s.version = coalesce(p.live_version, p.version)
WHERE p.creator_id = $1 AND 'step:' || p.id || '/' || s.key = ANY ($2::text[])
"""


@dataclass(frozen=True, kw_only=True)
class Line:
    """One subject: a goal, or a program's check-in that belongs to none."""

    subject: str
    title: str
    unit: str = ""
    days_per_week: int = 7
    grace_days: int = 1
    since: date | None = None
    comes_back: bool = True  # else there is no week to speak of
    days: Mapping[date, CheckInRow] = field(default_factory=dict)

    def streak(self, today: date) -> Streak:
        kept = [day for day, row in self.days.items() if row.met]
        return streaks.streak(kept, today, self.days_per_week, self.grace_days)

    def calendar(self, today: date) -> Calendar:
        found = self.streak(today)
        marks: dict[date, Mark] = {
            day: "kept" if row.met else "short" for day, row in self.days.items()
        }
        return Calendar(
            marks=marks,
            streak=found.current,
            this_week=found.this_week,
            days_per_week=self.days_per_week,
            since=self.since,
        )


@dataclass(frozen=True, kw_only=True)
class Progress:
    """What one contact has done, by their own calendar."""

    today: date
    lines: Sequence[Line] = ()

    @property
    def best_line(self) -> Line | None:
        """What a sentence with room for one goal is about: the newest goal."""
        return self.lines[-1] if self.lines else None


@dataclass(frozen=True, kw_only=True)
class Shown:
    """Progress as it is said; `description` stands for the picture. Empty when there is none."""

    text: str
    description: str = ""


def zone_of(contact: str | None, creator: str | None) -> ZoneInfo:
    return next((ZoneInfo(z) for z in (contact, creator) if z and is_zone(z)), ZoneInfo("UTC"))


async def read_progress(
    connection: PgConnection, creator_id: UUID, contact_ids: Sequence[UUID], now: datetime
) -> dict[UUID, Progress]:
    """Of each contact that there is: first what belongs to no goal, then goals, the newest last."""
    people = await connection.fetch(_PEOPLE, creator_id, list(contact_ids))
    since = now.date() - timedelta(days=HISTORY_DAYS)
    rows = await check_ins.since(connection, creator_id, contact_ids, since)
    their_goals = await goals.of_contacts(connection, creator_id, contact_ids)
    steps = await _steps(connection, creator_id, rows)
    found = {}
    for person in people:
        zone = zone_of(person["timezone"], person["creator_zone"])
        today = now.astimezone(zone).date()
        own = [r for r in rows if r.contact_id == person["id"] and r.local_day <= today]
        lines = [
            *_step_lines(own, steps),
            *(_goal_line(g, own, zone) for g in their_goals if g.contact_id == person["id"]),
        ]
        found[person["id"]] = Progress(today=today, lines=lines)
    return found


async def show(
    connection: PgConnection,
    creator_id: UUID,
    contact_id: UUID,
    kind: Kind,
    locale: str | None,
    now: datetime,
) -> Shown:
    """What a contact is told of their progress, or of their week."""
    return (await show_many(connection, creator_id, {contact_id: locale}, kind, now))[contact_id]


async def show_many(
    connection: PgConnection,
    creator_id: UUID,
    locales: Mapping[UUID, str | None],
    kind: Kind,
    now: datetime,
) -> dict[UUID, Shown]:
    """The same for many contacts, each in their language."""
    found = await read_progress(connection, creator_id, list(locales), now)
    nobody = Progress(today=now.date())
    return {
        contact_id: told(found.get(contact_id, nobody), kind, locale)
        for contact_id, locale in locales.items()
    }


def told(progress: Progress, kind: Kind, locale: str | None) -> Shown:
    said = words_in(locale)
    lines = list(reversed(progress.lines))[:MOST_LINES]
    if not lines:
        return Shown(text=said.nothing_yet)
    heading = said.week if kind == "week" else said.progress
    tell = _week_of if kind == "week" else _standing_of
    told = [f"{n}. {tell(line, progress.today, locale)}" for n, line in enumerate(lines, 1)]
    drawn = (f"{line.title}: {_summary(line, progress.today, said)}" for line in lines[:MOST_GOALS])
    return Shown(
        text=f"**{heading}**\n\n" + "\n".join(told),
        description=said.picture.format(goals="; ".join(drawn))[:1000],
    )


def calendars(progress: Progress) -> list[Calendar]:
    """What is drawn, numbered as the text is."""
    lines = list(reversed(progress.lines))[:MOST_GOALS]
    return [line.calendar(progress.today) for line in lines]


def noted(value: str, line: Line | None, today: date, locale: str | None) -> str:
    """`Noted: 7. 3 days in a row; 4 of 5 this week.`"""
    said = words_in(locale)
    first = said.noted.format(value=escape(value))
    return first if line is None else f"{first} {_summary(line, today, said)}."


def days_per_week_of(when: When) -> int | None:
    """On how many days a week a step asks; None when it doesn't come back weekly."""
    if when.rrule is None:
        return None
    parts = dict(part.partition("=")[::2] for part in when.rrule.upper().split(";"))
    if parts.get("INTERVAL", "1") != "1":
        return None
    if days := parts.get("BYDAY"):
        return min(len(days.split(",")), streaks.DAYS_OF_A_WEEK)
    by_frequency = {"DAILY": len(when.weekdays) or streaks.DAYS_OF_A_WEEK, "WEEKLY": 1}
    return by_frequency.get(parts.get("FREQ", ""))


# --- reading


async def _steps(
    connection: PgConnection, creator_id: UUID, rows: Iterable[CheckInRow]
) -> dict[str, Any]:
    subjects = {row.subject for row in rows if row.goal_id is None}
    if not subjects:
        return {}
    found = await connection.fetch(_STEPS, creator_id, sorted(subjects))
    return {row["subject"]: row for row in found}


def _step_lines(rows: Sequence[CheckInRow], steps: Mapping[str, Any]) -> Iterable[Line]:
    """Of programs that there still are."""
    for subject in dict.fromkeys(row.subject for row in rows if row.subject in steps):
        when = When.model_validate(steps[subject]["due"] or {})
        days = {row.local_day: row for row in rows if row.subject == subject}
        yield Line(
            subject=subject,
            title=steps[subject]["name"],
            days_per_week=days_per_week_of(when) or streaks.DAYS_OF_A_WEEK,
            since=min(days),
            comes_back=days_per_week_of(when) is not None,
            days=days,
        )


def _goal_line(goal: GoalRow, rows: Sequence[CheckInRow], zone: ZoneInfo) -> Line:
    subject = check_ins.subject_of_goal(goal.id)
    days = {row.local_day: row for row in rows if row.subject == subject}
    began = goal.created_at.astimezone(zone).date()
    return Line(
        subject=subject,
        title=goal.title,
        unit=goal.unit,
        days_per_week=goal.days_per_week,
        grace_days=goal.grace_days,
        since=min([began, *days]),
        days=days,
    )


# --- saying


def _standing_of(line: Line, today: date, locale: str | None) -> str:
    said = words_in(locale)
    best = said.best.format(n=line.streak(today).longest)
    return f"**{escape(line.title)}**: {_summary(line, today, said)} ({best})"


def _week_of(line: Line, today: date, locale: str | None) -> str:
    """Each day of this week so far, and what was said on it."""
    said, monday = words_in(locale), streaks.monday_of(today)
    days = []
    for n, name in enumerate(said.weekdays.split()[: today.weekday() + 1]):
        row = line.days.get(monday + timedelta(days=n))
        days.append(f"{name} {_sign(row, line.unit, locale) if row else '–'}")
    return f"**{escape(line.title)}**: {_summary(line, today, said)}\n   " + " · ".join(days)


def _sign(row: CheckInRow, unit: str, locale: str | None) -> str:
    if isinstance(row.value, bool):
        return "✓" if row.value else "✗"
    text = shown(row.value, unit, locale)
    return escape(text if len(text) <= LONGEST_VALUE else text[: LONGEST_VALUE - 1] + "…")


def _summary(line: Line, today: date, said: Words) -> str:
    found = line.streak(today)
    parts = [said.in_a_row.format(n=found.current)] if found.current > 1 else []
    parts.append(said.this_week.format(n=found.this_week, of=line.days_per_week))
    return "; ".join(parts)
