"""Which prompt templates there are: what each is given, and what it must not leave out."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from shared.errors import NotFound


@dataclass(frozen=True, kw_only=True)
class TemplateSpec:
    """`variables` says what each is; `samples` are contexts every version must render with."""

    template_id: str
    about: str
    variables: Mapping[str, str]
    required: frozenset[str]
    blocks: tuple[str, ...]
    samples: tuple[Mapping[str, Any], ...]


_PASSAGES = (
    {"label": "Habits › Starting", "text": "A habit starts small: two minutes a day will do."},
    {"label": "", "text": "Missing one day does no harm. Missing two begins a new habit."},
)
_ANSWER_SAMPLE = {
    "persona": "You are a calm, encouraging coach.",
    "unknown": "I don't know that from the material I have.",
    "question": "How do I start a habit that lasts?",
    "passages": _PASSAGES,
    "language": "English",
    "facts": ("Wants to run in the morning.",),
    "summary": "They asked how long a habit takes.",
    "fence": "5f2c",
}

ANSWER = TemplateSpec(
    template_id="answer",
    about="Answers a question from the passages found for it.",
    variables=MappingProxyType(
        {
            "persona": "how the bot speaks, as its author wrote it",
            "unknown": "the sentence that says that the passages don't hold the answer",
            "question": "what was asked",
            "passages": "what was found, best first; each has a `text` and a `label`",
            "language": "the language to answer in, or empty",
            "facts": "what the contact told about themselves, a list of texts",
            "summary": "what was said earlier, in short, or empty",
            "fence": "a few letters that nobody can guess, to mark where material ends",
        }
    ),
    # Without `unknown` a model has no words to refuse with.
    required=frozenset(("question", "passages", "unknown")),
    blocks=("system", "user"),
    samples=(
        _ANSWER_SAMPLE,
        {**_ANSWER_SAMPLE, "passages": _PASSAGES[1:], "language": "", "facts": (), "summary": ""},
    ),
)

_NUDGE_SAMPLE = {
    "persona": "You are a calm, encouraging coach.",
    "message": "How is the running going? Ten minutes are enough today.",
    "language": "English",
    "name": "Ada",
    "goal": "Run five kilometres",
    "last_check_in": "yesterday: 3 km",
    "streak": 3,
    "recent": ("Ready for a small run?",),
    "fence": "5f2c",
}

NUDGE = TemplateSpec(
    template_id="nudge",
    about="Writes a nudge for one person, from what its author wrote and what is known of them.",
    variables=MappingProxyType(
        {
            "persona": "how the bot speaks, as its author wrote it",
            "message": "the text of the step, which is sent when no model answers",
            "language": "the language to write in, or empty",
            "name": "what the person is called, or empty",
            "goal": "what they work on, or empty",
            "last_check_in": "what they answered last, or empty",
            "streak": "how many days in a row they kept at it",
            "recent": "the last texts that they were sent",
            "fence": "a few letters that nobody can guess, to mark where material ends",
        }
    ),
    required=frozenset(("message",)),
    blocks=("system", "user"),
    samples=(
        _NUDGE_SAMPLE,
        {
            **_NUDGE_SAMPLE,
            "language": "",
            "name": "",
            "goal": "",
            "last_check_in": "",
            "streak": 0,
            "recent": (),
        },
    ),
)

_CLASSIFY_SAMPLE = {
    "expected": "a number from 1 to 10",
    "question": "How was your day, from 1 to 10?",
    "words": "so-so, a bit better than average",
    "fence": "5f2c",
}

CLASSIFY_ANSWER = TemplateSpec(
    template_id="classify_answer",
    about="Says which value somebody's words mean; the person is asked whether it is right.",
    variables=MappingProxyType(
        {
            "expected": "what kind of answer it is to be",
            "question": "what was asked",
            "words": "what the person wrote",
            "fence": "a few letters that nobody can guess, to mark where material ends",
        }
    ),
    required=frozenset(("expected", "words")),
    blocks=("system", "user"),
    samples=(_CLASSIFY_SAMPLE, {**_CLASSIFY_SAMPLE, "expected": "yes or no", "words": "nearly"}),
)

CATALOG: Mapping[str, TemplateSpec] = MappingProxyType(
    {spec.template_id: spec for spec in (ANSWER, NUDGE, CLASSIFY_ANSWER)}
)


def spec_of(template_id: str) -> TemplateSpec:
    """Raises NotFound."""
    if template_id not in CATALOG:
        raise NotFound(f"there is no prompt template {template_id[:64]!r}")
    return CATALOG[template_id]
