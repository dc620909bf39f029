"""What is sent in tests, and what a failure to send it comes to."""

from uuid import uuid4

from adapters.telegram.channel import TelegramChannel
from core.channels import Account, Address, OutboundPart
from shared.errors import ChannelError
from shared.messages import Attachment, Choice
from shared.richtext import from_markdown

ADA = Address(chat="1001", person="1001")


def part_of(
    markdown: str, *choices: Choice, attachments: tuple[Attachment, ...] = ()
) -> OutboundPart:
    return OutboundPart(
        message_id=uuid4(),
        index=0,
        count=1,
        text=from_markdown(markdown),
        choices=choices,
        attachments=attachments,
    )


async def failure_of(
    channel: TelegramChannel, account: Account, part: OutboundPart | None = None
) -> ChannelError:
    """What sending one part comes to."""
    try:
        await channel.send(ADA, part or part_of("hello"), account)
    except Exception as error:
        chain = (error, error.__cause__, error.__context__)
        assert all(account.credentials["bot_token"] not in f"{e} {e!r}" for e in chain)
        return channel.classify(error)
    raise AssertionError("it was sent")
