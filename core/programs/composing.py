"""What a send says, as far as it is written down: the step's text, a person's progress. Pure."""

from typing import Any

from core.programs import flow, speaking
from core.programs.facts import Subject
from core.programs.progress import Progress, told
from shared.messages import Message


def compose(subject: Subject) -> Message | None:
    """The message; None when nothing is written for anybody."""
    source = subject.source
    step = source.step
    asks = step is not None and step.kind in flow.ASKS
    written = speaking.message(
        source.content,
        locales=subject.locales,
        values=_values(subject),
        expects=step.expects if step and asks else None,
        send_id=subject.send.id,
    )
    if step is None or step.show is None:
        return written
    found = speaking.in_language(source.content, *subject.locales)
    language = found[0] if found else next(filter(None, subject.locales), None)
    shown = told(
        subject.progress or Progress(today=subject.send.planned_at.date()), step.show, language
    )
    if written is None:
        return Message(text=shown.text)
    return written.model_copy(update={"text": f"{written.text}\n\n{shown.text}"})


def _values(subject: Subject) -> dict[str, str]:
    """What placeholders stand for: name, goal, streak, and what else is known of the person."""
    attributes: dict[str, Any] = subject.person["attributes"]
    values = {k: str(v) for k, v in attributes.items() if isinstance(v, str | int | float)}
    values["name"] = subject.person["name"]
    progress = subject.progress
    if progress is not None and (line := progress.best_line) is not None:
        streak = line.streak(progress.today)
        values |= {"goal": line.title, "streak": str(streak.current)}
    return values
