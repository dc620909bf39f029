"""The words of a send that a turn has to find: a model's nudge, and the picture beside progress."""

from dataclasses import dataclass

from core.bots import Bot
from core.channels import Account
from core.dialogue.memory import Work
from core.programs.check_ins.pictures import Pictures, Shot
from core.programs.check_ins.progress import Progress, told
from core.programs.sends import speaking
from core.programs.sends.due_turns import Due
from core.programs.sends.nudging import Nudging, Request
from shared.messages import Message
from shared.utils.clock import Clock


@dataclass(frozen=True, kw_only=True)
class Words:
    """What is said; `model` and `prompt` say who found the words, if somebody did."""

    message: Message | None
    model: str | None = None
    prompt: str | None = None


@dataclass(frozen=True, kw_only=True)
class Saying:
    nudging: Nudging
    pictures: Pictures
    clock: Clock

    async def words(self, work: Work, bot: Bot, account: Account, due: Due) -> Words:
        """What is written, in a model's words where the step wants that, with its picture."""
        step = due.subject.source.step
        if step is not None and step.show is not None and due.written is not None:
            return Words(message=self._with_picture(work, account, due, due.written))
        if step is not None and step.template is not None:
            return await self._nudge(work, bot, account, due, step.template)
        return Words(message=due.written)

    async def _nudge(
        self, work: Work, bot: Bot, account: Account, due: Due, template: str
    ) -> Words:
        written = due.written or Message(text="")
        nudge = await self.nudging.compose(
            Request(
                creator_id=account.creator_id,
                contact_id=work.contact_id,
                written=written.text,
                persona=bot.persona,
                name=work.contact_name,
                locale=_language(due),
                template=template,
            ),
            self.clock.now(),
        )
        if not nudge.text:
            return Words(message=None)
        message = written.model_copy(update={"text": nudge.text})
        return Words(message=message, model=nudge.model, prompt=nudge.prompt)

    def _with_picture(self, work: Work, account: Account, due: Due, written: Message) -> Message:
        now, step = self.clock.now(), due.subject.source.step
        progress = due.subject.progress or Progress(today=now.date())
        kind = step.show if step and step.show else "progress"
        shot = Shot(creator_id=account.creator_id, contact_id=work.contact_id, at=now)
        shown = told(progress, kind, _language(due))
        picture = self.pictures.attachment(account, shot, shown.description)
        return written.model_copy(update={"attachments": (picture,)}) if picture else written


def _language(due: Due) -> str:
    """That of the text that is there for this person, else theirs."""
    found = speaking.in_language(due.subject.source.content, *due.subject.locales)
    return found[0] if found else next(filter(None, due.subject.locales), "") or ""
