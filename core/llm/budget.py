"""Fit a prompt into the model's context, since the server would cut what does not fit unseen.

The question and the rules stay; old turns go first, then the last passages, then more of both.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from uuid import UUID

from core.llm.base import ChatMessage, ChatPrompt, Passage, Template
from shared.errors import ContextTooLong

ANSWER_TOKENS = 512
MESSAGE_TOKENS = 8  # role markers of a chat template
# Below the share at which a nearly full context raises an alarm.
USABLE_SHARE = 0.92
NOBODY = UUID(int=0)  # as shared defaults are kept
UNKNOWN = "I don't know that from the material I have."

_KEPT_TURNS = 2
_KEPT_PASSAGES = 2
_LONGEST_LABEL = 100
_SHORTEST = 80  # characters: less of a passage or a question says too little
_FENCE = re.compile(r"<{3,}|>{3,}")
_BRACKETED = re.compile(r"\[(\d{1,3})\]")
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
    draft: AnswerRequest | None = request
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
            )
        draft = _smaller(draft)
    raise ContextTooLong()


def unfenced(text: str) -> str:
    """Text that cannot open or close a fence of the prompt."""
    return _FENCE.sub(lambda match: match.group()[:2], text)


def _messages(draft: AnswerRequest, template: Template) -> tuple[tuple[ChatMessage, ...], str]:
    """The prompt, and which version of the template it was rendered with."""
    context = {
        "persona": draft.persona,
        "unknown": UNKNOWN,
        "question": unfenced(draft.question),
        "passages": [_fenced(passage) for passage in draft.passages],
    }
    history = [
        # Only the template speaks as the system.
        ChatMessage(
            role="user" if said.role == "user" else "assistant", content=unfenced(said.content)
        )
        for said in draft.history
    ]
    rendered = template.render_blocks(context, "system", "user")
    system = ChatMessage(role="system", content=rendered.blocks["system"])
    user = ChatMessage(role="user", content=rendered.blocks["user"])
    return (system, *history, user), rendered.reference


def _fenced(passage: Passage) -> _Fenced:
    named = passage.heading.startswith(passage.title)  # a breadcrumb may begin with the title
    parts = (passage.heading,) if named else (passage.title, passage.heading)
    label = " › ".join(part for part in parts if part)
    # A passage's own [7] would read as a citation.
    text = _BRACKETED.sub(r"(\1)", unfenced(passage.text))
    return _Fenced(label=unfenced(" ".join(label.split()))[:_LONGEST_LABEL], text=text)


def _smaller(draft: AnswerRequest) -> AnswerRequest | None:
    """The next thing to give up; None when there is nothing left to give."""
    turns, passages = len(draft.history), len(draft.passages)
    if turns > _KEPT_TURNS:
        return replace(draft, history=draft.history[-max(_KEPT_TURNS, turns // 2) :])
    if passages > _KEPT_PASSAGES:
        return replace(draft, passages=draft.passages[:-1])
    if turns:
        return replace(draft, history=draft.history[1:])
    if passages > 1:
        return replace(draft, passages=draft.passages[:1])
    if len(draft.question) > _SHORTEST:
        return replace(draft, question=draft.question[: max(_SHORTEST, len(draft.question) // 2)])
    if passages and len(draft.passages[0].text) > _SHORTEST:
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
