"""One habit, four weeks: a plan each Monday, a question each evening, Sunday's look back, a review.

It begins when somebody sets a goal.
"""

from core.bots import Branch, Choice, Content, Expects, Program, Step, When

YES_NO = {
    "en": (Choice(label="Yes", value="yes"), Choice(label="Not today", value="no")),
    "de": (Choice(label="Ja", value="yes"), Choice(label="Heute nicht", value="no")),
}

weekly_habit = Program(
    slug="weekly-habit",
    name="One habit, week by week",
    bot="coach",
    steps=(
        Step(
            key="plan",
            kind="question",
            when=When(anchor="enrolment", at="08:30", rrule="FREQ=WEEKLY;BYDAY=MO;COUNT=4"),
            content={
                "en": "A new week, {name}. **{goal}**: what is the smallest step you'll take, "
                "and on which days? One line is enough.",
                "de": "Eine neue Woche, {name}. **{goal}**: Was ist der kleinste Schritt, und an "
                "welchen Tagen machst du ihn? Eine Zeile reicht.",
            },
            expects=Expects(
                kind="text",
                thanks={
                    "en": "Noted. I'll ask you in the evenings how it went.",
                    "de": "Notiert. Ich frage dich abends, wie es lief.",
                },
            ),
            timeout="2 days",
            late_policy="skip",
            expires_after="10 hours",
        ),
        Step(
            key="evening",
            kind="check_in",
            when=When(anchor="enrolment", at="19:00", rrule="FREQ=DAILY;COUNT=28"),
            content={
                "en": Content(text="Did you work on **{goal}** today?", choices=YES_NO["en"]),
                "de": Content(
                    text="Hast du heute etwas für **{goal}** getan?", choices=YES_NO["de"]
                ),
            },
            expects=Expects(kind="bool", goal="goal"),
            timeout="20 hours",
            late_policy="collapse",
            expires_after="3 hours",
        ),
        Step(
            key="encourage",
            kind="nudge",
            when=When(anchor="enrolment", at="12:15", rrule="FREQ=WEEKLY;BYDAY=WE;COUNT=4"),
            template="nudge",
            content={
                "en": "Half of the week, {name}. What would make the next step towards **{goal}** "
                "so small that you can't say no to it?",
                "de": "Die Woche ist halb um, {name}. Was würde den nächsten Schritt für "
                "**{goal}** so klein machen, dass du nicht Nein sagen kannst?",
            },
            late_policy="skip",
            expires_after="6 hours",
        ),
        Step(
            key="week",
            when=When(anchor="enrolment", at="18:00", rrule="FREQ=WEEKLY;BYDAY=SU;COUNT=4"),
            content={"en": "Your week, {name}:", "de": "Deine Woche, {name}:"},
            show="week",
            late_policy="skip",
            expires_after="12 hours",
        ),
        Step(
            key="review",
            kind="question",
            when=When(anchor="enrolment", offset="4 weeks", at="18:30"),
            content={
                "en": "Four weeks of **{goal}**. How much is it a habit now, from 1 (not at all) "
                "to 5 (I do it without thinking)?",
                "de": "Vier Wochen **{goal}**. Wie sehr ist es eine Gewohnheit, von 1 (gar nicht) "
                "bis 5 (ganz von selbst)?",
            },
            expects=Expects(kind="scale"),
            timeout="3 days",
        ),
        Step(
            key="which-way",
            kind="branch",
            branches=(
                Branch(op="missed", goto="end"),
                Branch(op="le", value=2, goto="person"),
                Branch(op="ge", value=4, goto="well-done"),
            ),
            otherwise="keep-going",
        ),
        Step(
            key="well-done",
            content={
                "en": "That's a habit. Well done, {name}! Set the next goal with `/goal` when "
                "you like; I'll stop asking about this one.",
                "de": "Das ist eine Gewohnheit. Gut gemacht, {name}! Setz dir mit `/goal` das "
                "nächste Ziel, wenn du magst; nach diesem frage ich nicht mehr.",
            },
            show="progress",
            then="end",
        ),
        Step(
            key="keep-going",
            content={
                "en": "You're on the way. `/goal` begins another four weeks with the same or a "
                "smaller step.",
                "de": "Du bist unterwegs. Mit `/goal` beginnst du vier neue Wochen, mit demselben "
                "oder einem kleineren Schritt.",
            },
            show="progress",
            then="end",
        ),
        Step(
            key="person",
            kind="handoff",
            reason="Four weeks, and it is no habit yet.",
        ),
        Step(
            key="person-told",
            content={
                "en": "Thank you for being honest. I've asked a person of the team to look at it "
                "with you.",
                "de": "Danke für die Ehrlichkeit. Ich habe jemanden aus dem Team gebeten, es mit "
                "dir anzusehen.",
            },
        ),
    ),
)

programs = [weekly_habit]
