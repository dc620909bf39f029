"""Fit a prompt into the model's context, since the server would cut what does not fit unseen.

The rules and the question stay. The rest is shared out by sections with caps: what is known of the
person, then passages, a summary of what was said, the latest turns.
"""

import re
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, replace
from hashlib import blake2s
from typing import Any
from uuid import UUID

from core.llm.allotment import Section, allot
from core.llm.base import ChatMessage, ChatPrompt, Passage, Template
from core.llm.citations import without_markers
from core.llm.language import language_name
from core.llm.structured import SCHEMA
from shared.errors import ContextTooLong

ANSWER_TOKENS = 768  # an answer of 5 sentences, and its quotes
MESSAGE_TOKENS = 8  # role markers of a chat template
# Below the share at which a nearly full context raises an alarm.
USABLE_SHARE = 0.92
NOBODY = UUID(int=0)  # as shared defaults are kept
UNKNOWN = "I don't know that from the material I have."

# Shares of what the rules and the question leave.
FACTS_CAP, PASSAGES_CAP, SUMMARY_CAP, TURNS_CAP = 0.1, 0.65, 0.1, 0.25
_ITEM_TOKENS = 48  # the fences around a passage
_MOST_OF_A_FACT = 300  # characters
_LONGEST_LABEL = 100
_SHORTEST = 80  # characters: less of a passage or a question says too little
_FENCE = re.compile(r"<{3,}|>{3,}")
_BRACKETED = re.compile(r"\[(\d{1,3})\]")
# Nobody who writes a passage can know it: the fences of this process's prompts.
_FENCE_KEY = secrets.token_bytes(16)
_CHEAP = re.compile(rb"[A-Za-z ]+")


@dataclass(frozen=True, kw_only=True)
class AnswerRequest:
    """A question with what may be said about it: passages best first, history oldest first.

    `creator_id` and `contact_id` choose the models and the prompt; without a creator it is what
    all share. `locale` is the language the answer is to be in: `de`.
    """

    question: str
    passages: Sequence[Passage]
    persona: str
    history: Sequence[ChatMessage] = ()
    creator_id: UUID = NOBODY
    contact_id: UUID | None = None
    locale: str = ""
    facts: Sequence[str] = ()
    summary: str = ""


@dataclass(frozen=True, kw_only=True)
class _Fenced:
    label: str
    text: str


def estimate_tokens(text: str) -> int:
    """More than a model's tokenizer makes of real text: 3 letters, or 1 other byte, a token.

    Byte-level tokenizers never need more than a token a byte; only runs of plain letters are
    counted cheaper (English has about 4.5 letters a token).
    """
    data = text.encode("utf-8", "replace")
    runs = [len(run) for run in _CHEAP.findall(data)]
    return len(data) - sum(runs) + sum(-(-length // 3) for length in runs)


def estimate_prompt(messages: Sequence[ChatMessage]) -> int:
    return sum(estimate_tokens(m.content) + MESSAGE_TOKENS for m in messages)


def fit(
    request: AnswerRequest,
    template: Template,
    *,
    num_ctx: int,
    answer_tokens: int = ANSWER_TOKENS,
) -> ChatPrompt:
    """The prompt with as much history and as many passages as fit.

    Raises ContextTooLong when not even the rules, a short question and one short passage do.
    """
    answer_tokens = min(answer_tokens, num_ctx // 4)
    room = int(num_ctx * USABLE_SHARE) - answer_tokens
    draft: AnswerRequest | None = _shared_out(request, template, room)
    while draft is not None:
        messages, reference = _messages(draft, template)
        tokens = estimate_prompt(messages)
        if tokens <= room:
            return ChatPrompt(
                messages=messages,
                passages=len(draft.passages),
                answer_tokens=answer_tokens,
                estimated_tokens=tokens,
                template=reference,
                schema=SCHEMA,
            )
        draft = _smaller(draft)
    raise ContextTooLong()


def _shared_out(request: AnswerRequest, template: Template, room: int) -> AnswerRequest:
    """The request with as many items of each section as it gets; a passage always."""
    bare = replace(request, passages=(), history=(), facts=(), summary="")
    left = room - estimate_prompt(_messages(bare, template)[0])
    fenced = [_fenced(passage) for passage in request.passages]
    turns = list(reversed(request.history))
    taken = allot(
        left,
        (
            Section(name="facts", cap=FACTS_CAP, costs=[_cost(f) for f in request.facts]),
            Section(
                name="passages", cap=PASSAGES_CAP, costs=[_cost(p.label, p.text) for p in fenced]
            ),
            Section(
                name="summary",
                cap=SUMMARY_CAP,
                costs=[_cost(request.summary)] if request.summary else [],
            ),
            Section(name="turns", cap=TURNS_CAP, costs=[_cost(t.content) for t in turns]),
        ),
    )
    return replace(
        request,
        facts=request.facts[: taken["facts"]],
        passages=request.passages[: max(taken["passages"], 1)],
        summary=request.summary if taken["summary"] else "",
        history=turns[: taken["turns"]][::-1],
    )


def _cost(*texts: str) -> int:
    return sum(estimate_tokens(text) for text in texts) + _ITEM_TOKENS


def unfenced(text: str) -> str:
    """Text that cannot open or close a fence of the prompt."""
    return _FENCE.sub(lambda match: match.group()[:2], text)


def _messages(draft: AnswerRequest, template: Template) -> tuple[tuple[ChatMessage, ...], str]:
    """The prompt, and which version of the template it was rendered with."""
    context: dict[str, Any] = {
        "persona": unfenced(draft.persona),
        "unknown": UNKNOWN,
        "question": unfenced(draft.question),
        "passages": [_fenced(passage) for passage in draft.passages],
        "language": language_name(draft.locale),
        "facts": [" ".join(unfenced(fact).split())[:_MOST_OF_A_FACT] for fact in draft.facts],
        "summary": unfenced(draft.summary),
        "fence": _fence(draft),
    }
    history = [
        # Only the template speaks as the system; the [n] of old answers mean other passages.
        (
            ChatMessage(role="user", content=unfenced(said.content))
            if said.role == "user"
            else ChatMessage(role="assistant", content=unfenced(without_markers(said.content)))
        )
        for said in draft.history
    ]
    rendered = template.render_blocks(context, "system", "user")
    system = ChatMessage(role="system", content=rendered.blocks["system"])
    user = ChatMessage(role="user", content=rendered.blocks["user"])
    return (system, *history, user), rendered.reference


def _fence(draft: AnswerRequest) -> str:
    """The same for the same material, so that a model's cache of it stays good."""
    material = "\0".join((draft.question, *(passage.text for passage in draft.passages)))
    return blake2s(material.encode("utf-8", "replace"), key=_FENCE_KEY, digest_size=4).hexdigest()


def _fenced(passage: Passage) -> _Fenced:
    named = passage.heading.startswith(passage.title)  # a breadcrumb may begin with the title
    parts = (passage.heading,) if named else (passage.title, passage.heading)
    label = " › ".join(part for part in parts if part)
    # A passage's own [7] would read as a citation.
    text = _BRACKETED.sub(r"(\1)", unfenced(passage.text))
    return _Fenced(label=unfenced(" ".join(label.split()))[:_LONGEST_LABEL], text=text)


def _smaller(draft: AnswerRequest) -> AnswerRequest | None:
    """The next thing to give up; None when there is nothing left to give."""
    if draft.history:
        return replace(draft, history=draft.history[1:])
    if draft.summary:
        return replace(draft, summary="")
    if len(draft.passages) > 1:
        return replace(draft, passages=draft.passages[:-1])
    if draft.facts:
        return replace(draft, facts=draft.facts[:-1])
    if len(draft.question) > _SHORTEST:
        return replace(draft, question=draft.question[: max(_SHORTEST, len(draft.question) // 2)])
    if draft.passages and len(draft.passages[0].text) > _SHORTEST:
        return replace(draft, passages=[_halved(draft.passages[0])])
    return None


@dataclass(frozen=True, kw_only=True)
class _Cut:
    title: str
    heading: str
    text: str


def _halved(passage: Passage) -> Passage:
    keep = max(_SHORTEST, len(passage.text) // 2)
    return _Cut(title=passage.title, heading=passage.heading, text=passage.text[:keep])
