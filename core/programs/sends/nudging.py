"""Nudges that a model writes for one person: from what the coach wrote and what is known of them.

What a model writes is checked; whatever is wrong with it, or no model at all, and the step's own
text is said instead.
"""

import re
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from difflib import SequenceMatcher
from itertools import pairwise
from uuid import UUID

import structlog

from core.llm.language import detect, language_name, primary
from core.llm.writer import Order, Writer
from core.programs.check_ins.progress import Progress, read_progress
from core.programs.check_ins.words import shown
from shared.database import DatabaseManager, PgConnection
from shared.utils.text import clean_text, is_blank

log = structlog.get_logger(__name__)

TEMPLATE = "nudge"
SECONDS = 30.0
ANSWER_TOKENS = 256
LONGEST = 600  # characters
RECENT = 5
LIKENESS = 0.8  # of two texts' letters in order; as alike as one with a word exchanged
SHARED_WORDS = 0.6  # of both texts' pairs of words

_LINK = re.compile(
    r"(?:https?://|www\.)\S+|\b[\w-]+\.(?:com|org|net|io|de|fr|es|pt|it|app|me)\b/?\S*"
)
_MARKUP = re.compile(r"[<>`|]|!\[|\]\(|^#|\*\*", re.MULTILINE)
_PLACEHOLDER = re.compile(r"\{\w+\}|\[[^\]]*(?:name|goal)[^\]]*\]", re.IGNORECASE)
_FIGURE = re.compile(r"\d+")
# Of what a model may not say of itself, in the languages that it writes.
_HUMAN = re.compile(
    r"\b(?:i am|i'm) (?:a |an )?(?:real |actual )?(?:human|person)\b|\bas a (?:human|person)\b"
    r"|\bich bin (?:ein |eine )?(?:echter |echte )?(?:mensch|person)\b"
    r"|\bje suis (?:un |une )?(?:vrai[e]? )?(?:humain|humaine|personne)\b"
    r"|\bsoy (?:un |una )?(?:ser )?(?:humano|humana|persona)\b"
    r"|\bsou (?:um |uma )?(?:ser )?(?:humano|humana|pessoa)\b"
    r"|\bsono (?:un |una )?(?:essere )?(?:umano|umana|persona)\b"
    r"|\bnot (?:a|an) (?:bot|ai|machine|robot)\b|\bkein (?:bot|roboter)\b",
    re.IGNORECASE,
)
_SPEAKS_OF_ITSELF = re.compile(
    r"\b(?:as an ai|language model|sprachmodell|modèle de langage|modelo de lenguaje"
    r"|modelo de linguagem|modello linguistico)\b|^(?:sure|of course|certainly|here(?:'s| is))\b",
    re.IGNORECASE,
)

# What they were sent of our own accord, wherever they are.
_RECENT = """
SELECT m.text FROM app.scheduled_sends s
JOIN app.messages m ON m.creator_id = $1 AND m.id = s.message_id
WHERE s.creator_id = $1 AND s.contact_id = $2 AND s.state = 'sent'
ORDER BY s.settled_at DESC LIMIT $3
"""


@dataclass(frozen=True, kw_only=True)
class Request:
    """A nudge to be written; `written` is the step's own text in this language, filled in."""

    creator_id: UUID
    contact_id: UUID
    written: str
    persona: str
    name: str = ""
    locale: str = ""
    template: str = TEMPLATE


@dataclass(frozen=True, kw_only=True)
class Nudge:
    """What to say; without a `model` it is the step's own text."""

    text: str
    model: str | None = None
    prompt: str | None = None


@dataclass(frozen=True, kw_only=True)
class _Known:
    """What a model is told about somebody."""

    recent: Sequence[str] = ()
    goal: str = ""
    last_check_in: str = ""
    streak: int = 0

    @property
    def facts(self) -> Sequence[str]:
        return self.goal, self.last_check_in, str(self.streak)


class Nudging:
    """Lets nudges be written. Holds no connection while a model is asked, and never fails."""

    def __init__(
        self, *, database: DatabaseManager, writer: Writer, seconds: float = SECONDS
    ) -> None:
        self._database = database
        self._writer = writer
        self._seconds = seconds

    async def compose(self, request: Request, now: datetime) -> Nudge:
        """A model's words if they are good, else the step's own."""
        async with self._database.transaction(request.creator_id) as connection:
            known = await _known(connection, request, now)
        written = await self._writer.write(self._order(request, known))
        if written is None:
            return Nudge(text=request.written)
        text = tidied(written.text)
        reason = objection(
            text,
            written=request.written,
            recent=known.recent,
            language=request.locale,
            facts=known.facts,
        )
        if reason is not None:
            log.info("nudge.refused", model=written.model, reason=reason)
            return Nudge(text=request.written)
        return Nudge(text=text, model=written.model, prompt=written.prompt)

    def _order(self, request: Request, known: _Known) -> Order:
        context = {
            "persona": _unfenced(request.persona),
            "message": _unfenced(request.written),
            "language": language_name(request.locale),
            "name": _line(request.name),
            "goal": _line(known.goal),
            "last_check_in": _line(known.last_check_in),
            "streak": known.streak,
            "recent": [_line(text) for text in known.recent],
            "fence": secrets.token_hex(4),
        }
        return Order(
            creator_id=request.creator_id,
            contact_id=request.contact_id,
            template_id=request.template,
            context=context,
            locale=request.locale,
            answer_tokens=ANSWER_TOKENS,
            seconds=self._seconds,
        )


async def _known(connection: PgConnection, request: Request, now: datetime) -> _Known:
    rows = await connection.fetch(_RECENT, request.creator_id, request.contact_id, RECENT)
    found = await read_progress(connection, request.creator_id, [request.contact_id], now)
    progress = found.get(request.contact_id, Progress(today=now.date()))
    recent = [row["text"] for row in rows]
    line = progress.lines[-1] if progress.lines else None
    if line is None:
        return _Known(recent=recent)
    last = max(line.days) if line.days else None
    said = shown(line.days[last].value, line.unit, request.locale) if last else ""
    return _Known(
        recent=recent,
        goal=line.title,
        last_check_in=f"{last:%Y-%m-%d}: {said}" if last else "",
        streak=line.streak(progress.today).current,
    )


# --- what is wrong with a text: pure


def tidied(text: str) -> str:
    """Without the quotation marks and empty lines that models like to put around a text."""
    bare = " ".join(clean_text(text).split())
    pairs = (('"', '"'), ("“", "”"), ("„", "“"), ("«", "»"), ("'", "'"))
    for first, last in pairs:
        inner = bare[1:-1]
        if bare.startswith(first) and bare.endswith(last) and first not in inner:
            return inner.strip()
    return bare


def objection(
    text: str, *, written: str, recent: Sequence[str], language: str, facts: Sequence[str] = ()
) -> str | None:
    """Why a text must not be sent, in a word; None when it may.

    `facts` are what the model was told: no figure may come from anywhere else.
    """
    reasons = {
        "empty": is_blank(text),
        "long": len(text) > LONGEST,
        "link": _new_link(text, written),
        "markup": bool(_MARKUP.search(text)),
        "placeholder": bool(_PLACEHOLDER.search(text)),
        "human": bool(_HUMAN.search(text.replace("’", "'"))),
        "about_itself": bool(_SPEAKS_OF_ITSELF.search(text.replace("’", "'"))),
        "figures": not _figures(text) <= _figures(written, *facts),
        "language": _is_other_language(text, language),
        "repeated": any(is_alike(text, earlier) for earlier in recent[:RECENT]),
    }
    return next((reason for reason, holds in reasons.items() if holds), None)


def is_alike(one: str, other: str) -> bool:
    """Whether a reader would say: the same again."""
    first, second = _words(one), _words(other)
    if not first or not second:
        return False
    if first == second:
        return True
    shared, either = set(_pairs(first)) & set(_pairs(second)), {*_pairs(first), *_pairs(second)}
    if either and len(shared) / len(either) >= SHARED_WORDS:
        return True
    return SequenceMatcher(None, " ".join(first), " ".join(second)).ratio() >= LIKENESS


def _new_link(text: str, written: str) -> bool:
    return any(link.rstrip(".,!?)") not in written for link in _LINK.findall(text))


def _figures(*texts: str) -> set[str]:
    return {found for text in texts for found in _FIGURE.findall(text)}


def _is_other_language(text: str, language: str) -> bool:
    found = detect(text)
    return bool(found and language) and found != primary(language)


def _words(text: str) -> list[str]:
    return re.findall(r"\w+", text.casefold())


def _pairs(words: Sequence[str]) -> list[tuple[str, str]]:
    return list(pairwise(words))


def _line(text: str) -> str:
    return " ".join(_unfenced(text).split())[:300]


def _unfenced(text: str) -> str:
    return text.replace("<<<", "<<").replace(">>>", ">>")
