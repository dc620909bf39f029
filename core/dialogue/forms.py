"""Forms: a pydantic model asked field by field. Pure: state in, state and what to say out.

The state lives in `user_sessions` as plain JSON, so a form outlives any restart.
"""

import enum
import types
import typing
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Literal

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo

from core.dialogue.choosing import by_number
from shared.messages import Choice, Message

SKIP = "skip"
MAX_DIGITS = 18  # a longer whole number fits neither 64 bits nor the column it is kept in
YES_NO = (("Yes", "yes"), ("No", "no"))
NUMBERS = (int, float, Decimal)


@dataclass(frozen=True, kw_only=True)
class FormState:
    """Which form, what was answered so far (JSON values), which field is being asked."""

    form: str
    answers: dict[str, Any]
    field: str

    def dump(self) -> dict[str, Any]:
        return {"form": self.form, "answers": self.answers, "field": self.field}


@dataclass(frozen=True, kw_only=True)
class Step:
    """What comes next: another question (`state`), or the finished form (`result`)."""

    state: FormState | None = None
    result: BaseModel | None = None
    reason: str = ""


def begin(model: type[BaseModel]) -> FormState:
    return FormState(form=model.__name__, answers={}, field=next(iter(model.model_fields)))


def load(model: type[BaseModel], stored: dict[str, Any]) -> FormState:
    """A stored state, mended when the form changed since: answers of unknown fields are dropped."""
    answers = {k: v for k, v in stored.get("answers", {}).items() if k in model.model_fields}
    missing = [name for name in model.model_fields if name not in answers]
    asked = stored.get("field")
    current = asked if asked in missing else (missing[0] if missing else begin(model).field)
    return FormState(form=model.__name__, answers=answers, field=current)


def question(model: type[BaseModel], state: FormState, reason: str = "") -> Message:
    """The current question; `reason` says why the last answer was not taken."""
    info = model.model_fields[state.field]
    asked = info.title or state.field.replace("_", " ").capitalize() + "?"
    lines = [reason] if reason else []
    lines.append(asked if not info.description else f"{asked}\n\n_{info.description}_")
    return Message(text="\n\n".join(lines), choices=_choices(info))


def offers(model: type[BaseModel], state: FormState, text: str) -> bool:
    """Whether the field being asked has a choice with exactly this label."""
    labels = (choice.label.lower() for choice in _choices(model.model_fields[state.field]))
    return text.strip().lower() in labels


def take(model: type[BaseModel], state: FormState, text: str, *, numbered: bool = False) -> Step:
    """Read an answer: the next question, the same one with a reason, or the finished form.

    `numbered`: the choices were shown as a list with numbers, which then stand for them.
    """
    info = model.model_fields[state.field]
    value = _pick(info, text.strip(), numbered)
    if value.lower() == SKIP and not info.is_required():
        return _advance(model, state, {})
    if _plain(info.annotation) is int and len(text.strip()) > MAX_DIGITS:
        return Step(state=state, reason="That number is too long.")
    reason = _objection(model, {**state.answers, state.field: value}, state.field)
    if reason:
        return Step(state=state, reason=reason)
    return _advance(model, state, {state.field: value})


def options(info: FieldInfo) -> tuple[tuple[str, str], ...]:
    """(label, value) of a field that is picked, not typed: Literal, Enum or bool."""
    annotation = _plain(info.annotation)
    if annotation is bool:
        return YES_NO
    if typing.get_origin(annotation) is Literal:
        return tuple((str(v), str(v)) for v in typing.get_args(annotation))
    if isinstance(annotation, type) and issubclass(annotation, enum.Enum):
        return tuple((str(m.value), str(m.value)) for m in annotation)
    return ()


def suggestions(info: FieldInfo) -> tuple[tuple[str, str], ...]:
    """(label, value) of a typed field's `examples`: a tap saves the usual answer's typing."""
    return tuple((str(example), str(example)) for example in info.examples or ())


def _advance(model: type[BaseModel], state: FormState, answer: dict[str, Any]) -> Step:
    answers = {**state.answers, **answer}
    names = list(model.model_fields)
    rest = names[names.index(state.field) + 1 :]
    following = next((name for name in rest if name not in answers), None)
    if following is not None:
        return Step(state=FormState(form=state.form, answers=answers, field=following))
    try:
        return Step(result=model.model_validate(answers))
    except ValidationError as error:
        # A rule over several fields failed: say why and ask the field it names, or the first.
        place = error.errors()[0]["loc"]
        field = str(place[0]) if place and str(place[0]) in names else names[0]
        info = model.model_fields[field]
        kept = {
            k: v for k, v in answers.items() if k != field and names.index(k) < names.index(field)
        }
        state = FormState(form=state.form, answers=kept, field=field)
        return Step(state=state, reason=_explain(str(error.errors()[0]["msg"]), info))


def _choices(info: FieldInfo) -> tuple[Choice, ...]:
    shown = list(options(info) or suggestions(info))
    if not info.is_required():
        shown.append(("Skip", SKIP))
    return tuple(Choice(label=label, value=value) for label, value in shown)


def _pick(info: FieldInfo, text: str, numbered: bool) -> str:
    """Map "2", "two" or a label in any case to the choice's value; other text stays as it is."""
    choices = _choices(info)
    lowered = text.lower().rstrip(".)")
    for choice in choices:
        if lowered in (choice.label.lower(), choice.value.lower()):
            return choice.value
    # A number that is typed into a typed field is itself, unless numbers were offered there.
    if options(info) or (numbered and _plain(info.annotation) not in NUMBERS):
        picked = by_number(text, choices)
        return picked.value if picked else text
    return text


def _objection(model: type[BaseModel], answers: dict[str, Any], field: str) -> str:
    """Why the model refuses this field's value; empty when it doesn't.

    Validating all answers so far runs the field's own validators too; complaints about fields that
    were not asked yet don't count.
    """
    try:
        model.model_validate(answers)
    except ValidationError as error:
        details = [detail for detail in error.errors() if detail["loc"][:1] == (field,)]
        return _explain(str(details[0]["msg"]), model.model_fields[field]) if details else ""
    return ""


def _plain(annotation: Any) -> Any:
    """`T` of `T | None`."""
    if typing.get_origin(annotation) in (typing.Union, types.UnionType):
        inner = [a for a in typing.get_args(annotation) if a is not type(None)]
        return inner[0] if len(inner) == 1 else annotation
    return annotation


def _explain(reason: str, info: FieldInfo) -> str:
    labels = [label for label, _ in options(info)]
    if labels:
        return f"Please pick one of: {', '.join(labels)}."
    reason = reason.removeprefix("Value error, ")
    reason = reason.replace("String", "Your answer").replace("Input", "Your answer")
    return f"{reason}." if not reason.endswith((".", "!", "?")) else reason
