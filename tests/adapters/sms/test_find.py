"""What Twilio's list says of a send whose answer never came: certain, absent, or unsure."""

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from adapters.sms.channel import SmsChannel
from adapters.sms.emulator import SmsEmulator
from adapters.sms.find import MAX_LISTED, judge
from core.channels import Account, Address, OutboundPart, Reconciles
from shared.errors import OutcomeUnknown
from shared.richtext import RichText
from tests.adapters.sms.accounts import ADA, BEN

SINCE = datetime(2026, 6, 1, 12, tzinfo=UTC)
BODY = "See you on Tuesday at 5?"


@dataclass(frozen=True, kw_only=True)
class Listed:
    sid: str = "SM1"
    body: str | None = BODY
    direction: str = "outbound-api"
    date_created: datetime | None = SINCE + timedelta(seconds=1)


OURS = Listed()
OTHER = Listed(sid="SM2", body="Something else")
OLD = Listed(sid="SM0", date_created=SINCE - timedelta(hours=1))
BEFORE = Listed(sid="SM0", date_created=SINCE - timedelta(minutes=2))


def judged(*listed: Listed, after: float = 600) -> str | None:
    return judge(list(listed), BODY, SINCE, now=SINCE + timedelta(seconds=after))


@pytest.mark.parametrize(
    "listed",
    [
        [OURS],
        [OTHER, OURS, OLD],
        [replace(OURS, date_created=SINCE - timedelta(seconds=1))],
        [replace(OURS, body="Sent from your Twilio trial account - " + BODY)],
        [OURS, Listed(sid="SM3", direction="inbound")],
        [replace(OURS, direction="outbound-reply")],
    ],
    ids=["alone", "among others", "another clock", "trial", "echoed by them", "reply"],
)
def test_exactly_one_is_it(listed: list[Listed]) -> None:
    assert judged(*listed) == "SM1"


@pytest.mark.parametrize(
    "listed", [[], [OTHER], [OLD], [OLD, OTHER]], ids=["nothing", "another", "old", "both"]
)
def test_none_is_surely_none_once_the_list_has_settled(listed: list[Listed]) -> None:
    assert judged(*listed) is None
    with pytest.raises(OutcomeUnknown):
        judged(*listed, after=30)


@pytest.mark.parametrize(
    "listed",
    [
        [OURS, replace(OURS, sid="SM2")],
        [OURS, BEFORE],
        [BEFORE],
        [replace(OURS, date_created=None)],
        [replace(OURS, body="SEE YOU on tuesday – at 5?")],
        [replace(OURS, body="Reminder: " + BODY + " Reply STOP to leave")],
    ],
    ids=["twins", "an earlier twin", "only a twin", "no date", "changed", "wrapped"],
)
def test_what_can_be_something_else_is_unsure(listed: list[Listed]) -> None:
    with pytest.raises(OutcomeUnknown):
        judged(*listed)


def test_a_list_that_does_not_reach_back_proves_no_absence() -> None:
    newer = [replace(OTHER, sid=f"SM{n}") for n in range(MAX_LISTED)]
    with pytest.raises(OutcomeUnknown):
        judged(*newer)

    assert judged(*newer[:-1], OLD) is None


def test_emoji_alone_can_not_be_told_apart() -> None:
    with pytest.raises(OutcomeUnknown):
        judge([OTHER], "👍", SINCE, now=SINCE + timedelta(hours=1))


# --- over the emulated API


def part_of(text: str) -> OutboundPart:
    return OutboundPart(message_id=UUID(int=7), index=0, count=1, text=RichText(text=text))


def now() -> datetime:
    return datetime.now(UTC)


async def test_a_send_that_was_taken_is_found(
    emulator: SmsEmulator, channel: SmsChannel, account: Account
) -> None:
    assert isinstance(channel, Reconciles)
    since = now()
    for to in (ADA, BEN):
        emulator.fails("drop_after_accept")
        with pytest.raises(OutcomeUnknown):
            await sent(channel, to, "It’s done", account)

    found = await channel.find(Address(chat=ADA, person=ADA), part_of("It’s done"), account, since)

    assert found is not None
    assert found.external_ids == (emulator.sent[0].sid,)


async def test_twins_stay_unsure(
    emulator: SmsEmulator, channel: SmsChannel, account: Account
) -> None:
    since = now()
    for _ in range(2):
        await sent(channel, ADA, "OK", account)

    with pytest.raises(OutcomeUnknown):
        await channel.find(Address(chat=ADA, person=ADA), part_of("OK"), account, since)


async def test_what_never_arrived_is_missing_from_every_page(
    emulator: SmsEmulator, channel: SmsChannel, account: Account
) -> None:
    for number in range(120):
        await sent(channel, ADA, f"message {number}", account)
    emulator.fails("drop_before")
    with pytest.raises(OutcomeUnknown):
        await sent(channel, ADA, "lost", account)

    since = now() - timedelta(hours=1)
    assert await channel.find(Address(chat=ADA), part_of("lost"), account, since) is None
    assert len(emulator.calls("messages.list")) == 2


async def test_a_list_that_fails_is_unsure(
    emulator: SmsEmulator, channel: SmsChannel, account: Account
) -> None:
    emulator.fails("server_error", method="messages.list")

    with pytest.raises(OutcomeUnknown):
        await channel.find(Address(chat=ADA), part_of("x"), account, now())


async def sent(channel: SmsChannel, to: str, text: str, account: Account) -> None:
    try:
        await channel.send(Address(chat=to, person=to), part_of(text), account)
    except Exception as error:
        raise channel.classify(error) from error
