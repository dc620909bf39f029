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

CATALOG: Mapping[str, TemplateSpec] = MappingProxyType({ANSWER.template_id: ANSWER})


def spec_of(template_id: str) -> TemplateSpec:
    """Raises NotFound."""
    if template_id not in CATALOG:
        raise NotFound(f"there is no prompt template {template_id[:64]!r}")
    return CATALOG[template_id]
