"""What a broadcast would be: segments of text messages, languages, and the time at each pace."""

from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from adapters.sms.channel import SmsChannel
from adapters.telegram.channel import TelegramChannel
from adapters.web.channel import WebChannel
from core.channels import ChannelAdapter
from core.programs.broadcasts.estimate import Estimate, Means, cost_of, estimate
from core.programs.broadcasts.reach import Reached
from core.programs.definition import Content
from core.programs.sends.pacing import SHARE
from tests.core.programs.segments.people import NOW

SMS, TELEGRAM, WEB = uuid4(), uuid4(), uuid4()
EN = Content(text="Hello")


def means(**rates: float) -> Means:
    types = {SMS: "sms", TELEGRAM: "telegram", WEB: "web"}
    rows: dict[UUID, dict[str, Any]] = {
        id_: {"type": type_, "name": type_, "settings": {"rates": rates} if rates else {}}
        for id_, type_ in types.items()
    }
    adapters: dict[str, ChannelAdapter] = {
        "sms": SmsChannel(),
        "telegram": TelegramChannel(),
        "web": WebChannel(),
    }
    return Means(adapters=adapters, channels=rows, creator_locale=None)


def reached(
    channel_id: UUID | None, count: int, verdict: str = "ready", locale: str | None = None
) -> Reached:
    return Reached(
        channel_id=channel_id, verdict=verdict, locale=locale, language=None, count=count
    )


def foresee(
    *groups: Reached, content: dict[str, Content] | None = None, spread: int = 0, **rates: float
) -> Estimate:
    return estimate(
        content or {"en": EN}, groups, means(**rates), starts_at=NOW, spread_seconds=spread
    )


def test_a_hundred_thousand_on_telegram_take_an_hour() -> None:
    found = foresee(reached(TELEGRAM, 100_000))
    assert found.seconds == pytest.approx(100_000 / (30 * SHARE))
    assert found.finishes_at - NOW > timedelta(minutes=55.5)


def test_the_slowest_channel_decides_and_a_longer_spread_wins() -> None:
    groups = reached(TELEGRAM, 300), reached(SMS, 40), reached(WEB, 10_000)
    assert foresee(*groups).seconds == pytest.approx(40 / SHARE)
    assert foresee(*groups, spread=3600).seconds == 3600
    assert foresee(reached(WEB, 10_000)).seconds == 0
    assert foresee(spread=3600).seconds == 0


def test_a_creators_own_rate_counts() -> None:
    assert foresee(reached(SMS, 100), account=10).seconds == pytest.approx(10 / SHARE)
    assert foresee(reached(SMS, 100), account=0).seconds == 0


@pytest.mark.parametrize(
    ("text", "segments"),
    [
        pytest.param("a" * 160, 1, id="gsm7-one"),
        pytest.param("a" * 161, 2, id="gsm7-two"),
        pytest.param("€" * 80, 1, id="gsm7-extended"),
        pytest.param("ж" * 70, 1, id="ucs2-one"),
        pytest.param("ж" * 71, 2, id="ucs2-two"),
        pytest.param("“Quoted”", 1, id="folded"),
    ],
)
def test_segments_of_a_text(text: str, segments: int) -> None:
    assert cost_of(Content(text=text), SmsChannel()).segments == segments
    assert cost_of(Content(text=text), TelegramChannel()).segments is None


def test_each_gets_the_segments_and_the_time_of_their_own_language() -> None:
    content = {"en": EN, "ru": Content(text="ж" * 140)}
    found = foresee(reached(SMS, 10, locale="en-GB"), reached(SMS, 4, locale="ru"), content=content)
    assert found.segments == 10 + 4 * 3
    assert found.seconds == pytest.approx(22 / SHARE)
    assert found.gaps[SMS] == pytest.approx(22 / 14 / SHARE)


def test_who_is_left_out_is_counted_by_reason_and_takes_no_time() -> None:
    found = foresee(reached(SMS, 5), reached(SMS, 2, "no_consent"), reached(None, 3, "no_channel"))
    assert (found.recipients, found.reached) == (10, 5)
    assert found.left_out == {"no_consent": 2, "no_channel": 3}
    assert found.seconds == pytest.approx(5 / SHARE)
