"""What the chat page posts, as events."""

from datetime import UTC, datetime
from uuid import UUID

import pytest

from adapters.web.channel import create_adapter
from core.channels import (
    Account,
    ActionEvent,
    ChannelEvent,
    InboundRequest,
    MessageEvent,
    StartEvent,
    Unsupported,
)
from core.loader import ROOT
from shared.errors import InvalidInput

ACCOUNT = Account(
    creator_id=UUID(int=1), channel_id=UUID(int=2), type="web", route_key="r", credentials={}
)
SAMPLES = ROOT / "adapters" / "web" / "samples"


def parse(body: bytes, visitor: str = "v1") -> ChannelEvent:
    request = InboundRequest(
        method="POST",
        url="",
        headers={"cairn-visitor": visitor} if visitor else {},
        body=body,
        received_at=datetime(2026, 6, 1, tzinfo=UTC),
    )
    (event,) = create_adapter().parse(request, ACCOUNT).events
    return event


def sample(name: str) -> ChannelEvent:
    return parse((SAMPLES / f"{name}.json").read_bytes())


def test_a_message() -> None:
    event = sample("message")
    assert isinstance(event, MessageEvent)
    assert event.text == "How do I start a habit that sticks?"
    assert event.external_id == "v1/0192f5a0-7c11-7b1e-9d7a-0d5a4c1b2e3f"
    assert create_adapter().conversation(event) == event.sender.address == "v1"


def test_a_tapped_choice() -> None:
    event = sample("action")
    assert isinstance(event, ActionEvent)
    assert (event.value, event.message_external_id) == (
        "weekly",
        "0192f5a0-7c10-7b1e-9d7a-0d5a4c1b2e3f",
    )


def test_a_start_happens_once_for_each_visitor() -> None:
    event = sample("start")
    assert isinstance(event, StartEvent)
    assert (event.external_id, event.payload) == ("start:v1", "from-newsletter")


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"[]", b"5", b'{"id": 5, "text": "x"}', b'{"id": "", "text": "x"}', b'{"id": "a"}'],
    ids=str,
)
def test_a_strange_shape_is_unsupported(body: bytes) -> None:
    assert isinstance(parse(body), Unsupported)


def test_without_a_visitor_nothing_is_supported() -> None:
    assert isinstance(parse((SAMPLES / "message.json").read_bytes(), visitor=""), Unsupported)


@pytest.mark.parametrize(
    ("origins", "is_fine"),
    [
        (["https://a.example"], True),
        (["http://localhost:3000"], True),
        ([], True),
        (["https://a.example/"], False),
        (["https://A.example"], False),
        (["https://user@a.example"], False),
        (["https://a.example:99999"], False),
        (["https://"], False),
        (["javascript:alert(1)"], False),
    ],
    ids=str,
)
def test_the_allow_list_holds_plain_origins(origins: list[str], is_fine: bool) -> None:
    account = Account(
        creator_id=UUID(int=1),
        channel_id=UUID(int=2),
        type="web",
        route_key="r",
        credentials={},
        settings={"allowed_origins": origins},
    )
    if is_fine:
        create_adapter().check_account(account)
    else:
        with pytest.raises(InvalidInput):
            create_adapter().check_account(account)
