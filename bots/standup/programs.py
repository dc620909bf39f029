"""The team's mornings: the questions at 09:30 on each person's clock, the summary at 11:00.

Whoever opens the bot is asked; the summary goes to the team's room once, by the person who chose
the room with `/team`.
"""

from core.bots import Choice, Content, Program, Step, When

WEEKDAYS = "FREQ=WEEKLY;BYDAY=MO,TU,WE,TH,FR"

daily = Program(
    slug="daily-standup",
    name="Daily stand-up",
    bot="standup",
    joins_on_start=True,
    minds_silence=False,
    steps=(
        Step(
            key="ask",
            when=When(anchor="enrolment", at="09:30", rrule=WEEKDAYS),
            content={
                "en": Content(
                    text="Good morning, {name}. Four short questions for your team's stand-up?",
                    choices=(Choice(label="Start my stand-up", value="/standup"),),
                )
            },
            late_policy="skip",
            expires_after="3 hours",
        ),
    ),
)

summary = Program(
    slug="team-summary",
    name="The team's summary",
    bot="standup",
    minds_silence=False,
    steps=(
        Step(
            key="summary",
            when=When(anchor="enrolment", at="11:00", rrule=WEEKDAYS),
            action="post_summary",
            content="Your team's summary for today:",
            late_policy="skip",
            expires_after="3 hours",
        ),
    ),
)

programs = [daily, summary]
