"""An appointment: a reminder the day before with confirm or another time, and how it went after.

It begins when a contact has an `appointment_at` (from the calendar, over REST or an import), and
every text fits one segment.
"""

from core.bots import Branch, Choice, Content, Expects, Program, Step, When

appointment = Program(
    slug="appointment",
    name="Appointment reminders",
    bot="concierge",
    purpose="reminder",
    minds_silence=False,
    entry={"field": "attribute:appointment_at", "op": "known"},
    steps=(
        Step(
            key="day-before",
            kind="question",
            when=When(anchor="date", attribute="appointment_at", offset="1 day before", at="10:00"),
            content={
                "en": Content(
                    text="Riverside Practice: your visit is tomorrow, "
                    "{attribute:appointment_text}. Does that still suit you?",
                    choices=(
                        Choice(label="Confirm", value="confirmed"),
                        Choice(label="Another time", value="another"),
                    ),
                )
            },
            expects=Expects(kind="text", thanks="Thank you. We have noted it."),
            timeout="20 hours",
            late_policy="skip",
            expires_after="10 hours",
        ),
        Step(
            key="answer",
            kind="branch",
            branches=(Branch(op="eq", value="another", goto="find-another"),),
            otherwise="end",
        ),
        Step(key="find-another", kind="handoff", reason="Wants another time for the visit."),
        Step(
            key="will-text",
            content="We will text you another time within one working day.",
        ),
        Step(
            key="follow-up",
            when=When(anchor="date", attribute="appointment_at", offset="1 day", at="11:00"),
            content={
                "en": Content(
                    text="Riverside Practice: we hope your visit went well. How was it?",
                    choices=(Choice(label="Tell us", value="/feedback"),),
                )
            },
            late_policy="skip",
            expires_after="2 days",
        ),
    ),
)

programs = [appointment]
