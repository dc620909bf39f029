"""The emulated Web API: arguments, refusals, limits, streams, installs, faults, the log."""

import asyncio
import base64
import json
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from adapters.slack import emulator_streams
from adapters.slack.emulator import DEFAULT_TOKEN, SlackEmulator, create_emulator
from core.channels import Account
from core.emulators import Emulator
from tests.serving import serving
from tests.waiting import eventually

DM, TEAM, ADA = "D0ADA", "C0TEAM", "U0ADA"


class Api:
    """Calls methods as a bare HTTP client would."""

    def __init__(self, client: httpx.AsyncClient) -> None:
        self.client = client

    async def __call__(self, method: str, token: str = DEFAULT_TOKEN, **params: Any) -> Any:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        response = await self.client.post(method, json=params, headers=headers)
        assert response.status_code == 200
        return response.json()

    async def refusal(self, method: str, **params: Any) -> str:
        body = await self(method, **params)
        assert body["ok"] is False
        return str(body["error"])

    async def posts(self, **params: Any) -> Any:
        body = await self("chat.postMessage", **({"channel": DM, "text": "x"} | params))
        assert body["ok"] is True, body
        return body


@pytest.fixture
async def api(account: Account) -> AsyncIterator[Api]:
    async with httpx.AsyncClient(base_url=str(account.api_base_url), trust_env=False) as client:
        yield Api(client)


def section(text: str = "x", **more: Any) -> dict[str, Any]:
    return {"type": "section", "text": {"type": "mrkdwn", "text": text}} | more


def button(label: str = "Yes", **more: Any) -> dict[str, Any]:
    return {"type": "button", "text": {"type": "plain_text", "text": label}} | more


def actions(*elements: Any) -> dict[str, Any]:
    return {"type": "actions", "elements": list(elements)}


def test_it_is_an_emulator() -> None:
    assert isinstance(create_emulator(), Emulator)


# --- calls


async def test_auth_test_names_the_bot(api: Api) -> None:
    assert await api("auth.test") == {
        "ok": True,
        "url": "https://emulated.slack.com/",
        "team": "Emulated",
        "user": "cairn",
        "team_id": "T0EMULATED",
        "user_id": "U0EMULATED",
        "bot_id": "B0EMULATED",
        "is_enterprise_install": False,
    }


async def test_json_form_and_query_say_the_same(emulator: SlackEmulator, api: Api) -> None:
    blocks = [section("hi")]
    form = {"channel": DM, "text": "hi", "blocks": json.dumps(blocks)}
    path = "chat.postMessage"

    await api.posts(**form | {"blocks": blocks})
    await api.posts(**form)
    await api.client.post(path, data=form | {"token": DEFAULT_TOKEN})
    headers = {"Authorization": f"Bearer {DEFAULT_TOKEN}"}
    await api.client.get(path, params=form, headers=headers)
    # Also without the /api before the method.
    bare = str(api.client.base_url).replace("/api/", "/chat.postMessage")
    await api.client.post(bare, data=form, headers=headers)

    assert emulator.texts(DM) == ["hi"] * 5
    shown = [sent.message["blocks"][0]["text"]["text"] for sent in emulator.sent]
    assert shown == ["hi"] * 5


@pytest.mark.parametrize(
    ("content", "error"), [(b"{", "invalid_json"), (b"[]", "json_not_object")], ids=str
)
async def test_a_broken_body_is_refused(api: Api, content: bytes, error: str) -> None:
    headers = {"Content-Type": "application/json; charset=utf-8"}
    response = await api.client.post("auth.test", content=content, headers=headers)
    assert response.json() == {"ok": False, "error": error}


@pytest.mark.parametrize(
    ("method", "params", "error"),
    [
        ("no.such", {}, "unknown_method"),
        ("auth.test", {"token": ""}, "not_authed"),
        ("auth.test", {"token": "xoxb-unknown"}, "invalid_auth"),
        ("chat.postMessage", {"text": "x"}, "channel_not_found"),
        ("chat.postMessage", {"channel": "C0NOWHERE", "text": "x"}, "channel_not_found"),
        ("chat.postMessage", {"channel": DM}, "no_text"),
        ("chat.postMessage", {"channel": DM, "text": "x" * 40_001}, "msg_too_long"),
        ("chat.postMessage", {"channel": DM, "markdown_text": "x" * 12_001}, "msg_too_long"),
        (
            "chat.postMessage",
            {"channel": DM, "text": "x", "markdown_text": "x"},
            "markdown_text_conflict",
        ),
        ("chat.postMessage", {"channel": DM, "text": "x", "thread_ts": "1"}, "invalid_thread_ts"),
        ("chat.postMessage", {"channel": DM, "blocks": "[{"}, "invalid_blocks_format"),
        (
            "chat.postMessage",
            {"channel": DM, "text": "x", "metadata": "{"},
            "invalid_metadata_format",
        ),
        (
            "chat.postMessage",
            {"channel": DM, "text": "x", "metadata": {"event_type": "a"}},
            "invalid_metadata_schema",
        ),
        ("chat.update", {"channel": DM, "text": "x"}, "invalid_arguments"),
        ("chat.update", {"channel": DM, "ts": "1.000001", "text": "x"}, "message_not_found"),
        ("chat.delete", {"channel": DM, "ts": "1.000001"}, "message_not_found"),
        ("conversations.history", {"channel": "C0NOWHERE"}, "channel_not_found"),
        ("conversations.history", {"channel": DM, "limit": 1000}, "invalid_limit"),
        ("conversations.history", {"channel": DM, "cursor": "x"}, "invalid_cursor"),
        ("conversations.history", {"channel": DM, "oldest": "x"}, "invalid_ts_oldest"),
        ("conversations.replies", {"channel": DM, "ts": "1.000001"}, "thread_not_found"),
        ("conversations.open", {}, "users_list_not_supplied"),
        ("conversations.open", {"users": "U0NOBODY"}, "user_not_found"),
        ("conversations.open", {"users": "U0EMULATED"}, "cannot_dm_bot"),
        ("users.info", {"user": "U0NOBODY"}, "user_not_found"),
        ("users.info", {}, "invalid_arguments"),
        ("reactions.add", {"channel": DM, "timestamp": "1.000001"}, "no_reaction"),
        (
            "reactions.add",
            {"channel": DM, "timestamp": "1.000001", "name": "tada"},
            "message_not_found",
        ),
        ("files.info", {"file": "F0"}, "file_not_found"),
        ("views.open", {"trigger_id": "1.2.3", "view": {"type": "modal"}}, "invalid_trigger_id"),
        ("apps.connections.open", {}, "not_allowed_token_type"),
        ("oauth.v2.access", {"client_id": "1.1", "code": "x"}, "invalid_client_id"),
    ],
)
async def test_refusals_are_slacks(
    api: Api, method: str, params: dict[str, Any], error: str
) -> None:
    assert await api.refusal(method, **params) == error


@pytest.mark.parametrize(
    ("blocks", "complaint"),
    [
        ([section()] * 51, "no more than 50 items allowed [json-pointer:/blocks]"),
        (
            [section("x" * 3001)],
            "must be less than 3001 characters [json-pointer:/blocks/0/text/text]",
        ),
        ([section("")], "must be more than 0 characters [json-pointer:/blocks/0/text/text]"),
        ([{"type": "section"}], "missing required field: text or fields [json-pointer:/blocks/0]"),
        ([{"type": "poem"}], "unsupported type: poem [json-pointer:/blocks/0]"),
        (
            [actions(*[button(action_id=str(n)) for n in range(26)])],
            "no more than 25 items allowed [json-pointer:/blocks/0/elements]",
        ),
        ([actions()], "no fewer than 1 item allowed [json-pointer:/blocks/0/elements]"),
        (
            [actions(button("x" * 76))],
            "must be less than 76 characters [json-pointer:/blocks/0/elements/0/text/text]",
        ),
        (
            [actions(button(value="x" * 2001))],
            "must be less than 2001 characters [json-pointer:/blocks/0/elements/0/value]",
        ),
        (
            [actions(button(action_id="a"), button(action_id="a"))],
            "`action_id` a already exists [json-pointer:/blocks/0/elements]",
        ),
        (
            [section(block_id="b"), section(block_id="b")],
            "`block_id` b already exists [json-pointer:/blocks]",
        ),
        (
            [{"type": "context", "elements": [{"type": "mrkdwn", "text": "x"}] * 11}],
            "no more than 10 items allowed [json-pointer:/blocks/0/elements]",
        ),
        (
            [{"type": "image", "image_url": "https://x.example/1.png"}],
            "missing required field: alt_text [json-pointer:/blocks/0]",
        ),
        (
            [{"type": "header", "text": {"type": "plain_text", "text": "x" * 151}}],
            "must be less than 151 characters [json-pointer:/blocks/0/text/text]",
        ),
        (
            [{"type": "header", "text": {"type": "mrkdwn", "text": "x"}}],
            "failed to match all allowed schemas [json-pointer:/blocks/0/text]",
        ),
    ],
    ids=[
        "blocks",
        "section-text",
        "empty-text",
        "section",
        "type",
        "buttons",
        "no-buttons",
        "button-text",
        "button-value",
        "action-id",
        "block-id",
        "context",
        "alt-text",
        "header",
        "header-type",
    ],
)
async def test_blocks_are_held_to_their_limits(
    emulator: SlackEmulator, api: Api, blocks: Any, complaint: str
) -> None:
    body = await api("chat.postMessage", channel=DM, text="x", blocks=blocks)
    assert body == {
        "ok": False,
        "error": "invalid_blocks",
        "errors": [complaint],
        "response_metadata": {"messages": [f"[ERROR] {complaint}"]},
    }
    assert not emulator.sent


async def test_what_is_just_allowed_is_taken(api: Api) -> None:
    buttons = [button("x" * 75, value="y" * 2000, action_id=str(n)) for n in range(25)]
    blocks = [section("x" * 3000), actions(*buttons), *[section()] * 48]
    await api.posts(text="x" * 40_000, blocks=blocks)


# --- rooms


async def test_channels_are_open_to_members_only(emulator: SlackEmulator, api: Api) -> None:
    team = emulator.workspace()
    public, private = team.add_room("public"), team.add_room("private", kind="group")
    for room in (public, private):
        room.members.remove(emulator.bot.user.id)

    assert await api.refusal("chat.postMessage", channel=public.id, text="x") == "not_in_channel"
    assert await api.refusal("conversations.history", channel=public.id) == "not_in_channel"
    assert (
        await api.refusal("chat.postMessage", channel=private.id, text="x") == "channel_not_found"
    )

    await emulator.invites("public")
    await api.posts(channel="#public")
    emulator.team.archived = True
    assert await api.refusal("chat.postMessage", channel=TEAM, text="x") == "is_archived"


async def test_a_persons_id_is_their_direct_conversation(api: Api) -> None:
    assert (await api.posts(channel=ADA))["channel"] == DM
    assert (await api("conversations.open", users=ADA))["channel"] == {"id": DM}
    info = (await api("conversations.info", channel=DM))["channel"]
    assert (info["is_im"], info["user"]) == (True, ADA)
    assert (await api("conversations.members", channel=TEAM))["members"][0] == ADA


async def test_scopes_are_needed(emulator: SlackEmulator, api: Api) -> None:
    emulator.bot.scopes = ("chat:write",)
    assert await api("conversations.history", channel=DM) == {
        "ok": False,
        "error": "missing_scope",
        "needed": "im:history",
        "provided": "chat:write",
    }


async def test_history_is_read_in_pages_without_replies(api: Api) -> None:
    roots = [(await api.posts(channel=TEAM, text=str(n)))["ts"] for n in range(3)]
    reply = (await api.posts(channel=TEAM, text="reply", thread_ts=roots[0]))["ts"]

    first = await api("conversations.history", channel=TEAM, limit=2)
    cursor = first["response_metadata"]["next_cursor"]
    second = await api("conversations.history", channel=TEAM, limit=2, cursor=cursor)
    texts = [m["text"] for m in (*first["messages"], *second["messages"])]
    assert (texts, first["has_more"], second["has_more"]) == (["2", "1", "0"], True, False)

    after = await api("conversations.history", channel=TEAM, oldest=roots[1])
    assert [m["text"] for m in after["messages"]] == ["2"]
    including = await api("conversations.history", channel=TEAM, oldest=roots[1], inclusive=True)
    assert [m["text"] for m in including["messages"]] == ["2", "1"]
    thread = await api("conversations.replies", channel=TEAM, ts=roots[0], oldest=reply)
    assert [m["text"] for m in thread["messages"]] == ["0"]
    thread = await api("conversations.replies", channel=TEAM, ts=roots[0])
    assert [m["text"] for m in thread["messages"]] == ["0", "reply"]
    assert thread["messages"][0]["reply_count"] == 1


async def test_metadata_is_shown_to_who_asks(api: Api) -> None:
    metadata = {"event_type": "cairn_part", "event_payload": {"id": "1"}}
    await api.posts(metadata=metadata)
    [bare] = (await api("conversations.history", channel=DM))["messages"]
    [whole] = (await api("conversations.history", channel=DM, include_all_metadata=1))["messages"]
    assert "metadata" not in bare
    assert whole["metadata"] == metadata


async def test_messages_are_edited_and_deleted_by_who_wrote_them(
    emulator: SlackEmulator, api: Api
) -> None:
    ts = (await api.posts(text="one", blocks=[section("one")]))["ts"]
    edited = await api("chat.update", channel=DM, ts=ts, text="two")
    assert (edited["text"], "blocks" in edited["message"]) == ("two", False)
    assert emulator.texts() == ["two"]
    assert emulator.view(DM)[-1].edited
    assert (await api("chat.delete", channel=DM, ts=ts))["ts"] == ts
    assert await api.refusal("chat.delete", channel=DM, ts=ts) == "message_not_found"

    await emulator.says("mine")
    [theirs] = emulator.workspace().rooms[DM].messages
    names = {"channel": DM, "ts": theirs}
    assert await api.refusal("chat.update", **names, text="x") == "cant_update_message"
    assert await api.refusal("chat.delete", **names) == "cant_delete_message"


async def test_people_have_a_clock_and_a_language(api: Api) -> None:
    user = (await api("users.info", user="U0BEN", include_locale=True))["user"]
    assert (user["tz"], user["tz_offset"], user["locale"]) == ("America/New_York", -18000, "en-US")
    assert "locale" not in (await api("users.info", user="U0BEN"))["user"]


async def test_reactions_come_and_go(emulator: SlackEmulator, api: Api) -> None:
    ts = (await api.posts())["ts"]
    names = {"channel": DM, "timestamp": ts, "name": "tada"}
    assert (await api("reactions.add", **names))["ok"] is True
    assert await api.refusal("reactions.add", **names) == "already_reacted"
    assert emulator.view(DM)[-1].reactions == ("🎉",)
    assert (await api("reactions.remove", **names))["ok"] is True
    assert await api.refusal("reactions.remove", **names) == "no_reaction"
    assert emulator.view(DM)[-1].reactions == ()


async def test_a_whisper_is_for_one_person_and_kept_nowhere(
    emulator: SlackEmulator, api: Api
) -> None:
    body = await api("chat.postEphemeral", channel=TEAM, user=ADA, text="psst")
    assert body["ok"] is True
    assert [b.text for b in emulator.view(f"{TEAM}/{ADA}")] == ["psst"]
    assert emulator.view(f"{TEAM}/U0BEN") == ()
    assert (await api("conversations.history", channel=TEAM))["messages"] == []


async def test_files_need_the_token(emulator: SlackEmulator, api: Api) -> None:
    await api("auth.test")
    file_id = emulator.uploads("notes.txt", b"hello")
    info = (await api("files.info", file=file_id))["file"]
    assert (info["mimetype"], info["size"]) == ("text/plain", 5)
    for url in (info["url_private"], info["url_private_download"]):
        headers = {"Authorization": f"Bearer {DEFAULT_TOKEN}"}
        fetched = await api.client.get(url, headers=headers)
        assert fetched.content == b"hello"
        assert (await api.client.get(url)).status_code == 302


# --- growing messages


async def test_a_stream_grows_and_ends(emulator: SlackEmulator, api: Api) -> None:
    root = (await api.posts())["ts"]
    names = {"channel": DM, "thread_ts": root}
    ts = (await api("chat.startStream", **names, markdown_text="**He"))["ts"]
    assert emulator.view(DM)[-1].growing
    assert await api.refusal("chat.update", channel=DM, ts=ts, text="x") == (
        "streaming_state_conflict"
    )
    await api("chat.appendStream", channel=DM, ts=ts, markdown_text="llo** you")
    blocks = [actions(button("Go", value="go"))]
    assert (await api("chat.stopStream", channel=DM, ts=ts, blocks=blocks))["ok"] is True

    shown = emulator.view(DM)[-1]
    assert (shown.text, shown.growing, shown.thread) == ("Hello you", False, root)
    assert [(mark.kind, mark.start, mark.end) for mark in shown.marks] == [("bold", 0, 5)]
    assert emulator.sent[-1].buttons == {"Go": "go"}
    late = await api.refusal("chat.appendStream", channel=DM, ts=ts, markdown_text="x")
    assert late == "message_not_in_streaming_state"
    assert await api.refusal("chat.stopStream", channel=DM, ts=ts) == late


async def test_a_stream_needs_a_thread_and_in_channels_a_reader(api: Api) -> None:
    start = "chat.startStream"
    root = {"channel": TEAM, "thread_ts": (await api.posts(channel=TEAM))["ts"]}
    both = {"markdown_text": "x", "chunks": [{"type": "markdown_text", "text": "x"}]}

    assert await api.refusal(start, channel=DM) == "invalid_arguments"
    assert await api.refusal(start, **root) == "missing_recipient_user_id"
    assert await api.refusal(start, **root, recipient_user_id=ADA) == "missing_recipient_team_id"
    recipient = {"recipient_user_id": ADA, "recipient_team_id": "T0EMULATED"}
    ts = (await api(start, **root, **recipient))["ts"]
    append = {"channel": TEAM, "ts": ts}
    assert await api.refusal("chat.appendStream", **append) == "invalid_arguments"
    long = {"markdown_text": "x" * 12_001}
    assert await api.refusal("chat.appendStream", **append, **long) == "msg_too_long"
    conflict = await api.refusal("chat.appendStream", **append, **both)
    assert conflict == "cannot_provide_both_markdown_text_and_chunks"


async def test_a_stream_ends_by_its_age(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    root = (await api.posts())["ts"]
    ts = (await api("chat.startStream", channel=DM, thread_ts=root))["ts"]
    monkeypatch.setattr(emulator_streams, "MAX_STREAM_SECONDS", -1.0)
    stop = await api.refusal("chat.stopStream", channel=DM, ts=ts)
    assert stop == "message_not_in_streaming_state"


async def test_assistant_threads_show_a_status_until_the_answer(
    emulator: SlackEmulator, api: Api
) -> None:
    await emulator.opens_assistant()
    [root] = emulator.workspace().rooms[DM].messages
    names = {"channel_id": DM, "thread_ts": root}
    await api("assistant.threads.setStatus", **names, status="is thinking…")
    assert (emulator.is_typing(DM), emulator.status(DM)) == (True, "is thinking…")
    await api.posts(thread_ts=root)
    assert not emulator.is_typing(DM)

    prompts = [{"title": "One", "message": "one"}] * 5
    method = "assistant.threads.setSuggestedPrompts"
    assert await api.refusal(method, **names, prompts=prompts) == "invalid_arguments"
    assert (await api(method, **names, prompts=prompts[:4]))["ok"] is True
    assert (await api("assistant.threads.setTitle", **names, title="Focus"))["ok"] is True
    assert emulator.workspace().rooms[DM].titles == {root: "Focus"}


# --- installs


def basic(emulator: SlackEmulator, secret: str | None = None) -> dict[str, str]:
    pair = f"{emulator.app.client_id}:{secret or emulator.app.client_secret}"
    return {"Authorization": f"Basic {base64.b64encode(pair.encode()).decode()}"}


def authorize_url(emulator: SlackEmulator, base: str = "", **changes: str) -> str:
    params = {
        "client_id": emulator.app.client_id,
        "scope": "chat:write,im:history",
        "redirect_uri": "https://cairn.example/back",
        "state": "s&t",
    }
    return str(httpx.URL(f"{base}/oauth/v2/authorize", params=params | changes))


async def test_a_code_becomes_a_token_once(emulator: SlackEmulator, api: Api) -> None:
    emulator.add_workspace("Second")
    back = httpx.URL(emulator.allows(authorize_url(emulator), workspace="Second"))
    assert (back.host, back.params["state"]) == ("cairn.example", "s&t")
    form = {"code": back.params["code"], "redirect_uri": "https://cairn.example/back"}

    async def exchange(secret: str | None = None, **changes: str) -> Any:
        headers = basic(emulator, secret)
        response = await api.client.post("oauth.v2.access", data=form | changes, headers=headers)
        return response.json()

    assert (await exchange("wrong"))["error"] == "bad_client_secret"
    assert (await exchange(code="x"))["error"] == "invalid_code"
    assert (await exchange(redirect_uri="https://x.example"))["error"] == "bad_redirect_uri"
    body = await exchange()
    assert (body["team"]["name"], body["token_type"]) == ("Second", "bot")
    assert (body["scope"], body["enterprise"]) == ("chat:write,im:history", None)
    assert (await exchange())["error"] == "code_already_used"
    known = await api("auth.test", token=body["access_token"])
    assert (known["team"], known["user_id"]) == ("Second", body["bot_user_id"])
    # One workspace's token knows nothing of the other.
    assert await api.refusal("chat.postMessage", token=body["access_token"], channel=DM) == (
        "channel_not_found"
    )


async def test_the_page_asks_and_sends_the_browser_back(emulator: SlackEmulator, api: Api) -> None:
    base = str(api.client.base_url).removesuffix("/api/")
    page = await api.client.get(authorize_url(emulator, base))
    assert "Allow" in page.text
    answer = {"decision": "allow", "team": "T0EMULATED"}
    allowed = await api.client.post(authorize_url(emulator, base), data=answer)
    assert "code" in httpx.URL(allowed.headers["location"]).params
    denied = await api.client.post(authorize_url(emulator, base), data={"decision": "deny"})
    assert (
        denied.headers["location"] == "https://cairn.example/back?error=access_denied&state=s%26t"
    )

    emulator.app.redirect_urls = ("https://other.example",)
    refused = await api.client.get(authorize_url(emulator, base))
    assert (refused.status_code, "bad_redirect_uri" in refused.text) == (400, True)
    unknown = await api.client.get(authorize_url(emulator, base, client_id="9.9"))
    assert "invalid_client_id" in unknown.text


async def test_tokens_die(emulator: SlackEmulator, api: Api) -> None:
    assert (await api("auth.revoke", test=1))["revoked"] is False
    assert (await api("auth.revoke"))["revoked"] is True
    assert await api.refusal("auth.test") == "token_revoked"

    other = emulator.workspace().install(emulator.app)
    app = {"client_id": emulator.app.client_id, "client_secret": emulator.app.client_secret}
    assert (await api("apps.uninstall", token=other.token, **app))["ok"] is True
    assert await api.refusal("auth.test", token=other.token) == "token_revoked"


# --- faults


async def test_rate_limits_say_when(emulator: SlackEmulator, api: Api) -> None:
    emulator.fails("rate_limit", seconds=9, channel=DM)
    await api.posts(channel=TEAM)
    headers = {"Authorization": f"Bearer {DEFAULT_TOKEN}"}
    limited = await api.client.post("chat.postMessage", json={"channel": DM}, headers=headers)
    assert (limited.status_code, limited.headers["retry-after"]) == (429, "9")
    assert limited.json() == {"ok": False, "error": "ratelimited"}
    await api.posts()


@pytest.mark.parametrize(
    ("kind", "status", "accepted"),
    [
        ("server_error", 500, 0),
        ("server_error", 504, 0),
        ("server_error_after_accept", 504, 1),
    ],
)
async def test_server_errors(
    emulator: SlackEmulator, api: Api, kind: Any, status: int, accepted: int
) -> None:
    emulator.fails(kind, status=status)
    headers = {"Authorization": f"Bearer {DEFAULT_TOKEN}"}
    params = {"channel": DM, "text": "x"}
    response = await api.client.post("chat.postMessage", json=params, headers=headers)
    assert (response.status_code, len(emulator.sent)) == (status, accepted)
    assert emulator.calls("chat.postMessage")[0].fault == kind


@pytest.mark.parametrize(("kind", "accepted"), [("drop_before", 0), ("drop_after_accept", 1)])
async def test_a_drop_closes_without_a_byte(
    emulator: SlackEmulator, api: Api, kind: Any, accepted: int
) -> None:
    emulator.fails(kind)
    with pytest.raises((httpx.RemoteProtocolError, httpx.ReadError)):
        await api.posts()
    assert len(emulator.sent) == accepted
    assert emulator.calls("chat.postMessage")[0].status == 0


async def test_a_delay_delays_and_an_error_refuses(emulator: SlackEmulator, api: Api) -> None:
    emulator.fails("delay", seconds=0.2)
    started_at = time.monotonic()
    await api.posts()
    assert time.monotonic() - started_at >= 0.2
    emulator.fails("error", method="users.info", error="fatal_error")
    assert await api.refusal("users.info", user=ADA) == "fatal_error"


# --- the log


async def test_the_log_file_has_every_request_as_it_ends(tmp_path: Path) -> None:
    log = tmp_path / "requests.jsonl"
    emulator = SlackEmulator(log_path=log)
    async with (
        serving(emulator, lifespan="off") as url,
        httpx.AsyncClient(base_url=f"{url}/api/", trust_env=False) as client,
    ):
        api = Api(client)
        await api.posts(text="kept")
        await api.refusal("chat.postMessage", channel="C0NOWHERE", text="refused")
        lines = [json.loads(line) for line in log.read_text().splitlines()]
    await emulator.close()

    assert [(line["sequence"], line["status"], line["error"]) for line in lines] == [
        (1, 200, ""),
        (2, 200, "channel_not_found"),
    ]
    assert (lines[0]["params"]["text"], lines[0]["team"]) == ("kept", "T0EMULATED")
    assert lines[0]["accepted_message_id"] == emulator.sent[0].ts
    assert DEFAULT_TOKEN not in log.read_text()


async def test_it_runs_alone_and_is_controlled_over_http(
    tmp_path: Path, unused_tcp_port: int
) -> None:
    log = tmp_path / "requests.jsonl"
    process = await asyncio_process(unused_tcp_port, log)
    try:
        url = f"http://127.0.0.1:{unused_tcp_port}"
        async with httpx.AsyncClient(base_url=f"{url}/api/", trust_env=False) as client:
            await eventually(lambda: answers(client))
            api = Api(client)
            said = await client.post(f"{url}/control/says", json={"text": "hello", "user": "Ben"})
            await client.post(
                f"{url}/control/fails", json={"kind": "error", "error": "fatal_error"}
            )
            assert (await client.post(f"{url}/control/fly", json={})).status_code == 404
            params = {"token": "xoxb-alone-1", "channel": "D0BEN"}
            failed = await api("chat.postMessage", **params, text="x")
            [heard] = (await api("conversations.history", **params))["messages"]
    finally:
        process.terminate()
        await process.wait()

    assert said.json() == {"ok": True, "webhook_status": None}
    assert (failed["error"], heard["text"]) == ("fatal_error", "hello")
    assert [json.loads(line)["fault"] for line in log.read_text().splitlines()][-2:] == [
        "error",
        "",
    ]


async def asyncio_process(port: int, log: Path) -> Any:

    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "adapters.slack.emulator"),
        *("--port", str(port), "--token", "xoxb-alone-1", "--log", str(log)),
    )


async def answers(client: httpx.AsyncClient) -> bool:
    try:
        return (await client.get("api.test")).status_code == 200
    except httpx.TransportError:
        return False
