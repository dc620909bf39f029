"""Why a send was put off, left out or cancelled, in plain words for the creator."""

REASONS = {
    "opted_out": "The contact has asked to be left alone there.",
    "no_consent": "The contact has not agreed to messages of this purpose on any channel.",
    "unreachable": "The contact can't be reached: they blocked the bot, or the address is gone.",
    "no_channel": "There is no channel on which this contact could be written to.",
    "replied": "The contact wrote by themselves, so there was no reason for it any more.",
    "replaced": "A later slot of the same step took its place.",
    "enrolment_ended": "The contact is no longer in the program.",
    "enrolment_paused": "The contact's enrolment is paused.",
    "step_gone": "The program was edited, and this step is gone.",
    "edited": "The program, or the contact's clock or dates, changed; the slot doesn't exist now.",
    "program_paused": "The program is paused.",
    "human": "A person of the team has the conversation.",
    "quiet_hours": "It would have come in quiet hours; it waits for their end.",
    "cap": "The contact had enough messages of this kind; it waits for room.",
    "quota": "The account's limit for this month is reached.",
    "late": "It could not be sent in time, and by the step's policy is not made up for.",
    "expired": "It was only good until a certain time, which has passed.",
    "no_content": "The step has nothing to say in any of the contact's languages.",
    "stopped": "The contact said STOP.",
    "broadcast_paused": "The broadcast is paused.",
    "broadcast_cancelled": "The broadcast was cancelled.",
    "pace": "The channel takes so many messages at a time; it waits for its turn.",
    "suspended": "The account is suspended.",
    "linked": "The contact was joined with another one who has the same step planned.",
    "failed": "It could not be looked at because of an error; it is tried again.",
    "busy": "Somebody else was changing this contact or program; it is looked at again.",
}


def in_words(reason: str | None) -> str | None:
    """A sentence for a reason; the reason itself where there is none."""
    return None if reason is None else REASONS.get(reason, reason.replace("_", " "))
