"""Coaching passages the tests of answers share."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Note:
    title: str
    heading: str
    text: str


HABIT = Note(
    title="Habits",
    heading="Habits › How do I start a habit that sticks?",
    text="To start a habit that sticks, choose one small action and tie it to a daily cue. "
    "Make the first version so small that you could do it on your worst day. "
    "Repetition in a stable setting is what turns a choice into a habit.",
)
DAYS = Note(
    title="Habits",
    heading="Habits › How long does it take to form a habit?",
    text="Forming a habit takes weeks to months, and the claim of 21 days has no good evidence. "
    "In a 2010 study by P. Lally et al. people took 66 days on average (the median). "
    "Judge yourself by repetitions, not by the calendar.",
)
SLEEP = Note(
    title="Sleep",
    heading="Sleep › How do I sleep better?",
    text="To sleep better, keep one time for getting up:\n\n"
    "- Keep the last hour before bed calm.\n"
    "- Make the bedroom dark, quiet and\n  cool.\n\n"
    "## Sources\n\n- Walker, M. (2017). Why we sleep better than we think.",
)
NOTES = (HABIT, DAYS, SLEEP)
