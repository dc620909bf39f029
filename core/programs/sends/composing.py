"""What a send says, as far as it is written down: the step's text, a person's progress. Pure."""

from core.programs import flow
from core.programs.check_ins.progress import Progress, told
from core.programs.check_ins.words import shown
from core.programs.sends import speaking
from core.programs.sends.facts import Subject
from shared.messages import Message


def compose(subject: Subject) -> Message | None:
    """The message; None when nothing is written for anybody."""
    source = subject.source
    step = source.step
    asks = step is not None and step.kind in flow.ASKS
    found = speaking.in_language(source.content, *subject.locales)
    language = found[0] if found else next(filter(None, subject.locales), None)
    written = speaking.message(
        source.content,
        locales=subject.locales,
        values=_values(subject, language),
        expects=step.expects if step and asks else None,
        send_id=subject.send.id,
    )
    if step is None or step.show is None:
        return written
    telling = told(
        subject.progress or Progress(today=subject.send.planned_at.date()), step.show, language
    )
    if written is None:
        return Message(text=telling.text)
    return written.model_copy(update={"text": f"{written.text}\n\n{telling.text}"})


def _values(subject: Subject, language: str | None) -> dict[str, str]:
    """What placeholders stand for: of the person, of how they get on, of what they answered."""
    values = {"name": subject.person["name"]}
    for name, value in subject.person["attributes"].items():
        values[f"attribute:{name}"] = values[name] = _plain(value, language)
    progress = subject.progress
    if progress is not None and (line := progress.best_line) is not None:
        streak = line.streak(progress.today)
        values |= {"goal": line.title, "streak": str(streak.current)}
    enrolled = subject.source.enrolled
    if enrolled is not None:
        values["week"] = str((subject.send.planned_at - enrolled.row.started_at).days // 7 + 1)
        for step_key, answer in enrolled.state.answers.items():
            values[f"answer:{step_key}"] = _plain(answer, language)
    return values


def _plain(value: object, language: str | None) -> str:
    return shown(value, "", language) if isinstance(value, bool | int | float | str) else ""
