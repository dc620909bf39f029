"""Answer a question from the creator's knowledge, streamed as the model writes; or refuse.

In the contact's language where the model can; an answer quoted from the passages stays in theirs.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from core.bots import Bot
from core.channels import Address
from core.dialogue.memory import Work
from core.dialogue.reply_stream import ReplyStream
from core.knowledge import Knowledge, Passage, SearchResult
from core.leases import Lease
from core.live import LiveBus
from core.llm.base import ChatMessage
from core.llm.budget import AnswerRequest
from core.llm.chain import AnswerChain, Completion, Delta, Restart
from core.llm.phrases import FALLBACK, PHRASES, language_for, phrases_in
from core.rag.chunk import SEPARATOR
from core.usage import Meter
from shared import telemetry
from shared.messages import Choice, Citation, Message

PASSAGES = 5
TOPICS_OFFERED = 3
GOALS_TOLD = 5
TOPIC_LABEL = 60  # characters of a button

REFUSAL = PHRASES[FALLBACK].refusal
# Sections that support a document and answer nothing.
APPARATUS = frozenset({"sources", "references", "further reading", "bibliography"})


@dataclass(frozen=True, kw_only=True)
class Spoken:
    """An answer as messages, and which rung of the chain gave it."""

    messages: Sequence[Message] = ()
    rung: str | None = None
    model: str | None = None
    prompt: str | None = None
    tokens_in: int = 0
    tokens_out: int = 0


@dataclass(kw_only=True)
class Answering:
    """Retrieval, then the chain of models. Holds no connection while either is awaited."""

    knowledge: Knowledge
    chain: AnswerChain
    live: LiveBus
    meter: Meter
    budget_seconds: float = field(default=50.0)

    async def answer(
        self,
        lease: Lease,
        work: Work,
        bot: Bot,
        question: str,
        stream: ReplyStream | None = None,
    ) -> Spoken:
        """Answer or refuse; `stream` shows the answer on its channel while it is written."""
        language = language_for(work.language, question, work.locale)
        asked = _Asked(lease=lease, work=work, bot=bot, question=question, language=language)
        with telemetry.span("knowledge.search", creator_id=lease.creator_id):
            result = await self.knowledge.search(
                lease.creator_id, question, k=PASSAGES, history=_questions(work)
            )
        if not result.answerable or not result.passages:
            return refusal(result, bot, language)
        with telemetry.span("models.answer", creator_id=lease.creator_id):
            # A follow-up as it was searched for, since not every rung reads the history.
            asked = replace(asked, question=result.query or question)
            completion = await self._complete(asked, result.passages, stream)
        if not completion.is_known:
            return replace(
                refusal(result, bot, language),
                tokens_in=completion.prompt_tokens,
                tokens_out=completion.answer_tokens,
            )
        return Spoken(
            messages=[
                Message(text=completion.text, citations=_citations(completion, result.passages))
            ],
            rung=completion.rung,
            model=completion.model,
            prompt=completion.prompt,
            tokens_in=completion.prompt_tokens,
            tokens_out=completion.answer_tokens,
        )

    async def _complete(
        self, asked: "_Asked", passages: Sequence[Passage], stream: ReplyStream | None
    ) -> Completion:
        lease, turn = asked.lease, str(asked.work.message_id)

        async def show(event: Delta | Restart) -> None:
            if stream is not None:
                stream.take(event)
            name, text = ("delta", event.text) if isinstance(event, Delta) else ("restart", "")
            piece = {"event": name, "turn": turn, "text": text}
            await self.live.publish(lease.creator_id, lease.conversation_id, piece)

        request = asked.request(passages)
        chain = self.chain
        if await self.meter.is_over(lease.creator_id, asked.work.quotas, "tokens"):
            chain = chain.using(rungs=())
        return await chain.complete(request, budget_seconds=self.budget_seconds, on_event=show)


@dataclass(frozen=True, kw_only=True)
class _Asked:
    """A question with who asked it, and where."""

    lease: Lease
    work: Work
    bot: Bot
    question: str
    language: str

    def request(self, passages: Sequence[Passage]) -> AnswerRequest:
        # What a room reads holds nothing that one of them told about themselves elsewhere.
        is_private = Address.model_validate(self.work.address).is_private
        return AnswerRequest(
            question=self.question,
            persona=self.bot.persona,
            passages=passages,
            history=tuple(_history(self.work)),
            creator_id=self.lease.creator_id,
            contact_id=self.work.contact_id,
            locale=self.language,
            facts=_facts(self.work) if is_private else (),
        )


def refusal(result: SearchResult, bot: Bot, language: str = FALLBACK) -> Spoken:
    """Say plainly that the knowledge doesn't hold it; offer what does come near."""
    said = phrases_in(language)
    near = [topic for topic in result.nearest_topics if topic.lower() not in APPARATUS]
    lead, topics = (said.nearest, near) if near else (said.instead, list(bot.suggestions))
    choices = tuple(Choice(label=_short(t), value=t) for t in topics[:TOPICS_OFFERED])
    text = f"{said.refusal}\n\n{lead}" if choices else said.refusal
    return Spoken(messages=[Message(text=text, choices=choices)], rung="refused")


def _facts(work: Work) -> tuple[str, ...]:
    """What the person works on, the latest first."""
    return tuple(f"Goal: {goal}" for goal in work.goals[:GOALS_TOLD])


def _citations(completion: Completion, passages: Sequence[Passage]) -> tuple[Citation, ...]:
    return tuple(
        Citation(
            number=cited.number,
            document_id=passages[cited.passage].document_id,
            chunk_id=passages[cited.passage].chunk_id,
            title=passages[cited.passage].title,
            heading=_below_title(passages[cited.passage]),
            page=passages[cited.passage].page,
            quote=cited.quote,
        )
        for cited in completion.citations
    )


def _questions(work: Work) -> list[str]:
    """What the person asked earlier; a command asks nothing."""
    said = [each.text for each in work.history if each.author == "contact"]
    return [text for text in said if not text.startswith("/")]


def _history(work: Work) -> list[ChatMessage]:
    return [
        ChatMessage(role="user" if said.author == "contact" else "assistant", content=said.text)
        for said in work.history
    ]


def _short(topic: str) -> str:
    return topic if len(topic) <= TOPIC_LABEL else topic[: TOPIC_LABEL - 1].rstrip() + "…"


def _below_title(passage: Passage) -> str:
    """The heading without the document's own title, which a citation shows beside it."""
    if passage.heading == passage.title:
        return ""
    return passage.heading.removeprefix(passage.title + SEPARATOR)
