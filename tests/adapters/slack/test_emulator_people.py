"""The people of the emulated Slack: what they do arrives signed, and the adapter understands it."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import aclosing
from dataclasses import replace
from typing import Any
from urllib.parse import parse_qs

import httpx
import pytest
from slack_sdk.signature import SignatureVerifier
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.types import Receive, Scope, Send

from adapters.slack.channel import SlackChannel
from adapters.slack.emulator import SlackEmulator
from core.channels import Account, ChannelEvent, InboundRequest
from shared.utils.clock import utc_now
from tests.adapters.slack.accounts import account_at
from tests.serving import serving
from tests.waiting import eventually

DM, TEAM, ADA = "D0ADA", "C0TEAM", "U0ADA"


class Hook:
    """A webhook that keeps what it is sent."""

    def __init__(self) -> None:
        self.requests: list[InboundRequest] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        self.requests.append(
            InboundRequest(
                method="POST",
                url=str(request.url),
                headers=dict(request.headers),
                body=await request.body(),
                received_at=utc_now(),
            )
        )
        await PlainTextResponse("taken", status_code=202)(scope, receive, send)

    @property
    def payloads(self) -> list[dict[str, Any]]:
        return [payload_of(request) for request in self.requests]

    @property
    def events(self) -> list[dict[str, Any]]:
        return [payload["event"] for payload in self.payloads]


def payload_of(request: InboundRequest) -> dict[str, Any]:
    if request.headers["content-type"] == "application/json":
        return dict(json.loads(request.body))
    form = {name: values[0] for name, values in parse_qs(request.body.decode()).items()}
    return dict(json.loads(form["payload"])) if "payload" in form else dict(form)


@pytest.fixture
def hook() -> Hook:
    return Hook()


@pytest.fixture
async def slack(hook: Hook) -> AsyncIterator[SlackEmulator]:
    client = httpx.AsyncClient(transport=httpx.ASGITransport(hook))
    emulator = SlackEmulator(client=client)
    emulator.connect("http://cairn.test/webhooks/slack/route")
    yield emulator
    await emulator.close()


@pytest.fixture
async def bot(slack: SlackEmulator) -> AsyncIterator[httpx.AsyncClient]:
    """What the bot calls the Web API with."""
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(slack),
        base_url="http://slack.test/api/",
        headers={"Authorization": f"Bearer {slack.bot.token}"},
    ) as client:
        yield client


async def posts(bot: httpx.AsyncClient, **params: Any) -> str:
    body = (await bot.post("chat.postMessage", json={"channel": DM, "text": "x"} | params)).json()
    assert body["ok"] is True, body
    return str(body["ts"])


async def understood(request: InboundRequest) -> list[ChannelEvent]:
    """As the adapter takes it in, signature and all."""
    channel = SlackChannel()
    await channel.verify(request, account_at())
    return list(channel.parse(request, account_at()).events)


# --- how it arrives


async def test_requests_are_signed_as_slack_signs_them(slack: SlackEmulator, hook: Hook) -> None:
    response = await slack.says("hello")
    assert response is not None
    assert (response.status_code, response.text) == (202, "taken")
    [request] = hook.requests
    verifier = SignatureVerifier(slack.app.signing_secret)
    assert verifier.is_valid_request(request.body, dict(request.headers))
    assert not SignatureVerifier("other").is_valid_request(request.body, dict(request.headers))


async def test_a_retry_is_the_same_request_with_a_number(slack: SlackEmulator, hook: Hook) -> None:
    with pytest.raises(LookupError):
        await slack.retries()
    await slack.says("hello")
    await slack.retries(2, "http_error")
    first, second = hook.requests
    assert first.body == second.body
    assert "x-slack-retry-num" not in first.headers
    assert second.headers["x-slack-retry-num"] == "2"
    assert second.headers["x-slack-retry-reason"] == "http_error"


async def test_without_a_webhook_nothing_is_posted() -> None:
    slack = SlackEmulator()
    assert await slack.says("hello") is None
    assert [bubble.text for bubble in slack.view(DM)] == ["hello"]


# --- what they write


async def test_a_direct_message(slack: SlackEmulator, hook: Hook) -> None:
    await slack.says("hello & <hi>", user="Ben")
    [payload] = hook.payloads
    event = payload["event"]
    assert (payload["type"], payload["team_id"]) == ("event_callback", "T0EMULATED")
    assert payload["authorizations"][0]["user_id"] == slack.bot.user.id
    assert (event["type"], event["channel_type"], event["channel"]) == ("message", "im", "D0BEN")
    # Slack escapes what a person types.
    assert event["text"] == "hello &amp; &lt;hi&gt;"
    assert [bubble.text for bubble in slack.view("D0BEN")] == ["hello & <hi>"]

    await slack.says("see https://x.example/?a=1&b=2. <@U0ADA>")
    text = hook.events[-1]["text"]
    assert text == "see <https://x.example/?a=1&amp;b=2>. <@U0ADA>"
    [link, mention] = slack.view(DM)[-1].marks
    assert (link.value, mention.kind) == ("https://x.example/?a=1&b=2", "mention")


async def test_a_mention_is_reported_twice(slack: SlackEmulator, hook: Hook) -> None:
    await slack.says("hello", channel="team", mention=True)
    message, mention = hook.events
    assert (message["type"], mention["type"]) == ("message", "app_mention")
    assert message["ts"] == mention["ts"]
    assert mention["text"] == "<@U0EMULATED> hello"
    first, second = hook.payloads
    assert first["event_id"] != second["event_id"]
    ids = {(await understood(request))[0].external_id for request in hook.requests}
    assert len(ids) == 1


async def test_a_channel_without_the_bot_is_silent(slack: SlackEmulator, hook: Hook) -> None:
    slack.workspace().add_room("elsewhere").members.remove(slack.bot.user.id)
    await slack.says("hello", channel="elsewhere")
    assert hook.requests == []
    await slack.says("hello", channel="elsewhere", mention=True)
    assert [event["type"] for event in hook.events] == ["app_mention"]


async def test_a_reply_names_its_thread(
    slack: SlackEmulator, hook: Hook, bot: httpx.AsyncClient
) -> None:
    root = await posts(bot, channel=TEAM)
    await slack.says("yes", channel="team", thread=root)
    [event] = hook.events
    assert (event["thread_ts"], event["parent_user_id"]) == (root, slack.bot.user.id)
    assert slack.view(f"{TEAM}/{ADA}")[-1].thread == root


async def test_a_file_comes_with_or_without_words(slack: SlackEmulator, hook: Hook) -> None:
    await slack.shares("plan.pdf", b"%PDF-1.7", text="my plan")
    await slack.shares("cat.png", b"png")
    first, second = hook.events
    assert (first["subtype"], first["text"]) == ("file_share", "my plan")
    assert first["files"][0]["mimetype"] == "application/pdf"
    assert (second["text"], second["files"][0]["size"]) == ("", 3)


# --- everything else they do, as the adapter understands it

ACTS: dict[str, tuple[str, dict[str, Any]]] = {
    "says": ("message", {"text": "hi"}),
    "mentions": ("message", {"text": "hi", "channel": "team", "mention": True}),
    "shares": ("message", {"name": "a.txt", "content": "x"}),
    "edits": ("edited", {"text": "better"}),
    "deletes": ("deleted", {}),
    "reacts": ("reaction", {"emoji": "tada"}),
    "takes_back": ("reaction", {"emoji": "tada", "remove": True}),
    "commands": ("command", {"command": "/goals", "text": "all"}),
    "taps": ("action", {"label": "Yes"}),
    "uninstalls": ("membership", {}),
    "revokes": ("membership", {}),
    "invites": ("start", {"channel": "team"}),
}
_METHODS = {"mentions": "says", "takes_back": "reacts"}
_WITH_TS = ("edits", "deletes", "reacts", "takes_back")


@pytest.mark.parametrize("act", list(ACTS))
async def test_the_adapter_understands_each_act(
    slack: SlackEmulator, hook: Hook, bot: httpx.AsyncClient, act: str
) -> None:
    button = {"type": "button", "text": {"type": "plain_text", "text": "Yes"}, "value": "yes"}
    ts = await posts(bot, blocks=[{"type": "actions", "elements": [button]}])
    kind, details = ACTS[act]
    if act in _WITH_TS:
        await slack.says("mine")
        details = details | {"ts": hook.events[-1]["ts"]}
        if act == "takes_back":
            await slack.reacts("tada", details["ts"])
    assert ts
    await getattr(slack, _METHODS.get(act, act))(**details)
    [event] = await understood(hook.requests[-1])
    if act == "invites":
        assert event.kind in ("start", "membership")
        return
    assert event.kind == kind
    assert event.address.space == "T0EMULATED"


@pytest.mark.parametrize("act", ["uses", "uses_on", "opens_home", "opens_assistant", "echo"])
async def test_other_payloads_are_shaped_as_slacks(
    slack: SlackEmulator, hook: Hook, bot: httpx.AsyncClient, act: str
) -> None:
    ts = await posts(bot)
    calls: dict[str, Any] = {
        "uses": lambda: slack.uses("help"),
        "uses_on": lambda: slack.uses("save", ts=ts),
        "opens_home": slack.opens_home,
        "opens_assistant": slack.opens_assistant,
        "echo": slack.echo,
    }
    await calls[act]()
    [payload] = hook.payloads
    shape = payload.get("event", payload)
    expected = {
        "uses": {"type": "shortcut", "callback_id": "help"},
        "uses_on": {"type": "message_action", "message_ts": ts},
        "opens_home": {"type": "app_home_opened", "tab": "home"},
        "opens_assistant": {"type": "assistant_thread_started"},
        "echo": {"type": "message", "bot_id": slack.bot.bot_id},
    }[act]
    assert shape | expected == shape
    # Its own message says nothing new to the bot.
    if act == "echo":
        events = await understood(hook.requests[-1])
        assert [event.kind for event in events] in ([], ["unsupported"])


async def test_a_tap_names_the_button_and_a_modal_can_answer_it(
    slack: SlackEmulator, hook: Hook, bot: httpx.AsyncClient
) -> None:
    yes = {"type": "button", "text": {"type": "plain_text", "text": "Yes"}, "value": "yes"}
    ts = await posts(
        bot,
        channel=TEAM,
        blocks=[{"type": "actions", "block_id": "b1", "elements": [yes | {"action_id": "a1"}]}],
    )
    await slack.taps("Yes", channel="team", user="Ben")
    [payload] = hook.payloads
    [action] = payload["actions"]
    assert (action["action_id"], action["block_id"], action["value"]) == ("a1", "b1", "yes")
    assert payload["container"]["message_ts"] == ts
    assert (payload["user"]["id"], payload["channel"]["name"]) == ("U0BEN", "team")

    view = {"type": "modal", "title": {"type": "plain_text", "text": "Hi"}, "blocks": []}
    params = {"trigger_id": payload["trigger_id"], "view": view}
    assert (await bot.post("views.open", json=params)).json()["ok"] is True
    again = (await bot.post("views.open", json=params)).json()
    assert again["error"] == "invalid_trigger_id"
    with pytest.raises(LookupError):
        await slack.taps("No", channel="team")


async def test_a_command_is_answered_at_its_response_url(
    slack: SlackEmulator, hook: Hook, bot: httpx.AsyncClient
) -> None:
    await bot.post("auth.test")
    await slack.commands("/goals", "all", channel="team", user="Ben")
    [form] = hook.payloads
    assert (form["command"], form["text"], form["channel_name"]) == ("/goals", "all", "team")

    whispered = await bot.post(form["response_url"], json={"text": "for you"})
    told = {"text": "for all", "response_type": "in_channel"}
    assert (await bot.post(form["response_url"], json=told)).text == "ok"
    assert whispered.text == "ok"
    assert [b.text for b in slack.view(f"{TEAM}/U0BEN")] == ["for you", "for all"]
    assert [b.text for b in slack.view(f"{TEAM}/{ADA}")] == ["for all"]


# --- Socket Mode


async def test_socket_mode_carries_the_same_events(emulator: SlackEmulator) -> None:
    async with serving(emulator, lifespan="off", websockets=True) as base_url:
        credentials = emulator.credentials | {"app_token": emulator.app.app_token}
        account = account_at(f"{base_url}/api/", credentials=credentials, mode="socket")
        channel = SlackChannel()
        heard: list[ChannelEvent] = []
        listener = asyncio.create_task(listen(channel, account, heard))
        try:
            await eventually(lambda: emulator.sockets.open)
            assert await emulator.says("hello") is None
            await emulator.commands("/goals")
            await eventually(lambda: len(heard) == 2)
            assert [event.kind for event in heard] == ["message", "command"]
            # Both were acknowledged.
            await eventually(lambda: not emulator.sockets.open[0].waiting)
            await emulator.sockets.refresh()
            await eventually(lambda: len(emulator.calls("apps.connections.open")) == 2)
        finally:
            listener.cancel()
            await asyncio.wait([listener])
            await channel.close()
    assert emulator.sockets.unacknowledged == 0


async def listen(channel: SlackChannel, account: Account, heard: list[ChannelEvent]) -> None:
    async with aclosing(channel.listen(account)) as requests:
        async for request in requests:
            heard += channel.parse(replace(request), account).events


# --- as the simulator shows it


async def test_places_are_windows_of_persons(slack: SlackEmulator) -> None:
    shown = [(place.kind, place.title, place.person) for place in slack.places()]
    assert shown == [
        ("dm", "Cairn", "Ada"),
        ("dm", "Cairn", "Ben"),
        ("dm", "Cairn", "Cleo"),
        ("channel", "#team", "Ada"),
        ("channel", "#team", "Ben"),
        ("channel", "#team", "Cleo"),
    ]


async def test_a_window_is_written_in(slack: SlackEmulator, hook: Hook) -> None:
    before = slack.revision
    await slack.writes(f"{TEAM}/U0BEN", "hello @Cairn!")
    await slack.writes(DM, "/goals now")
    assert slack.revision > before
    message, _, command = hook.payloads
    assert (message["event"]["user"], message["event"]["text"]) == (
        "U0BEN",
        "hello <@U0EMULATED>!",
    )
    assert (command["command"], command["text"], command["user_id"]) == ("/goals", "now", ADA)
    [bubble] = slack.view(f"{TEAM}/{ADA}")
    assert (bubble.author, bubble.name, bubble.text) == ("person", "Ben", "hello @Cairn!")


async def test_a_bubble_reads_as_slack_shows_it(
    slack: SlackEmulator, hook: Hook, bot: httpx.AsyncClient
) -> None:
    no = {"type": "button", "text": {"type": "plain_text", "text": "No &amp; no"}, "value": "n"}
    ts = await posts(
        bot,
        text="for notifications",
        blocks=[
            {
                "type": "section",
                "text": {
                    "type": "mrkdwn",
                    "text": "*Hi* <@U0ADA>, see <https://x.example/?a=1&amp;b|_this_>"
                    " 2*3*4 snake_case_\n&gt; said\n```a *b*```",
                },
            },
            {"type": "image", "image_url": "https://x.example/1.png", "alt_text": "one"},
            {"type": "context", "elements": [{"type": "mrkdwn", "text": "[1] *Guide*"}]},
            {"type": "actions", "elements": [no]},
        ],
    )
    [bubble] = slack.view(DM)
    assert bubble.text == "Hi @Ada, see _this_ 2*3*4 snake_case_\nsaid\na *b*"
    marked = {(m.kind, bubble.text[m.start : m.end], m.value) for m in bubble.marks}
    assert marked == {
        ("bold", "Hi", ""),
        ("mention", "@Ada", ""),
        ("link", "_this_", "https://x.example/?a=1&b"),
        ("quote", "said", ""),
        ("pre", "a *b*", ""),
    }
    assert bubble.context == ("[1] Guide",)
    assert bubble.images == ("https://x.example/1.png",)
    [button] = bubble.buttons
    assert (button.label, button.value) == ("No & no", "n")
    await slack.presses(DM, ts, "n")
    assert hook.payloads[-1]["actions"][0]["value"] == "n"
    with pytest.raises(LookupError):
        await slack.presses(DM, ts, "y")
