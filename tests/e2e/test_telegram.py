"""The whole way over Telegram: gateway on a port, worker beside it, an emulated Bot API."""

import socket
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import httpx
import pytest

from adapters.telegram.emulator import TelegramEmulator
from core.bots import Turn
from core.creators import add_creator
from core.runtime import open_runtime
from shared.settings import Settings
from tests.apps import App, quick, working
from tests.core.dialogue.test_router import probe_bot
from tests.gateway import new_gateway
from tests.serving import serving
from tests.waiting import eventually

SECRET = "Webhook-secret_1"
SECRET_HEADER = "X-Telegram-Bot-Api-Secret-Token"


@dataclass(kw_only=True)
class Stage:
    """A running Cairn, its REST client, and Telegram as the outside world."""

    app: App
    api: httpx.AsyncClient
    telegram: TelegramEmulator
    telegram_url: str

    async def add_channel(self, bot: str = "coach", **settings: Any) -> dict[str, Any]:
        """POST the channel, and point the emulated bot at its webhook as `connect` does."""
        response = await self.api.post(
            "/api/v1/channels",
            json={
                "type": "telegram",
                "name": "Telegram",
                "bot": bot,
                "credentials": {"bot_token": self.telegram.token, "secret_token": SECRET},
                "settings": {"api_base_url": self.telegram_url, **settings},
            },
        )
        assert response.status_code == 201, response.text
        channel: dict[str, Any] = response.json()
        connected = await self.api.post(f"/api/v1/channels/{channel['id']}/connect")
        assert connected.status_code == 200, connected.text
        return channel

    async def answers(self, count: int) -> list[str]:
        """The texts sent so far, once there are `count`."""
        await eventually(lambda: len(self.telegram.sent) >= count)
        await self.app.drain()
        assert len(self.telegram.sent) == count
        return self.telegram.texts()


@pytest.fixture
async def stage(settings: Settings) -> AsyncIterator[Stage]:
    telegram = TelegramEmulator()
    port = free_port()  # Telegram is told our address, so it is settled before anything starts
    public = quick(settings, public_base_url=f"http://127.0.0.1:{port}")
    async with (
        serving(telegram, lifespan="off") as telegram_url,
        open_runtime(public) as runtime,
        serving(new_gateway(runtime), port=port) as url,
        working(runtime),
    ):
        runtime.bots["probe"] = probe_bot()
        creator = await add_creator(runtime.database, "Ada")
        key = {"Authorization": f"Bearer {creator.api_key}"}
        async with httpx.AsyncClient(base_url=url, headers=key) as api:
            app = App(runtime=runtime, creator_id=creator.id)
            yield Stage(app=app, api=api, telegram=telegram, telegram_url=telegram_url)
        await telegram.close()


def free_port() -> int:
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        port: int = holder.getsockname()[1]
        return port


async def test_a_learner_is_welcomed_with_text_entities_and_buttons(stage: Stage) -> None:
    await stage.add_channel()
    response = await stage.telegram.says("/start", name="Grace")
    assert response is not None
    assert response.status_code == 200
    [welcome] = await stage.answers(1)
    assert welcome.startswith("Hello Grace!")
    [sent] = stage.telegram.sent
    assert "Set a goal" in sent.buttons
    [code] = sent.params["entities"]
    start, end = code["offset"], code["offset"] + code["length"]
    assert (code["type"], welcome[start:end]) == ("code", "/goal")


async def test_connecting_learns_the_name_people_call_the_bot_by(stage: Stage) -> None:
    channel = await stage.add_channel()
    shown = (await stage.api.get(f"/api/v1/channels/{channel['id']}")).json()
    assert shown["settings"]["bot_username"] == "emulated_bot"
    assert shown["settings"]["api_base_url"] == stage.telegram_url


async def test_a_tap_is_acknowledged_and_leads_on(stage: Stage) -> None:
    await stage.add_channel()
    await stage.telegram.says("/start")
    await stage.answers(1)
    await stage.telegram.taps("Set a goal")
    texts = await stage.answers(3)
    assert texts[-1].startswith("What would you like to achieve?")
    await eventually(lambda: len(stage.telegram.bot.answered) == 1)


async def test_a_deep_link_brings_its_payload(stage: Stage) -> None:
    probe = stage.app.runtime.bots["probe"]

    @probe.start
    async def welcome(turn: Turn) -> None:
        turn.say(f"came with {turn.payload or 'nothing'}")

    await stage.add_channel(bot="probe")
    await stage.telegram.says("/start campaign_7")
    assert await stage.answers(1) == ["came with campaign_7"]


@pytest.mark.parametrize("secret", ["wrong", "", None], ids=["wrong", "empty", "missing"])
async def test_without_the_secret_nothing_is_taken(stage: Stage, secret: str | None) -> None:
    channel = await stage.add_channel()
    update = stage.telegram.message("/start")
    headers = {} if secret is None else {SECRET_HEADER: secret}
    async with httpx.AsyncClient() as stranger:
        response = await stranger.post(channel["webhook_url"], json=update, headers=headers)
    assert response.status_code == 401
    assert response.headers["content-type"] == "application/problem+json"
    assert SECRET not in response.text
    assert await stage.app.fetch("SELECT 1 FROM app.messages WHERE creator_id = $1") == []


async def test_an_unknown_route_is_not_found(stage: Stage) -> None:
    response = await stage.api.post(
        "/webhooks/telegram/nobody", json={}, headers={SECRET_HEADER: SECRET}
    )
    assert response.status_code == 404


async def test_the_same_update_three_times_is_answered_once(stage: Stage) -> None:
    await stage.add_channel()
    update = stage.telegram.message("/goals")
    responses = [await stage.telegram.deliver(update) for _ in range(3)]
    assert [response.status_code for response in responses if response] == [200, 200, 200]
    assert len(await stage.answers(1)) == 1
    await stage.telegram.says("/help")
    assert len(await stage.answers(2)) == 2


async def test_a_burst_of_one_learner_is_answered_in_order(stage: Stage) -> None:
    await stage.add_channel(bot="probe")
    for n in range(12):
        await stage.telegram.says(f"/echo {n}")
    assert await stage.answers(12) == [f"echo: {n}" for n in range(12)]


async def test_every_learner_gets_their_own_answers(stage: Stage) -> None:
    await stage.add_channel(bot="probe")
    for chat in range(5):
        for n in range(3):
            await stage.telegram.says(f"/echo {chat}.{n}", chat=2000 + chat)
    await stage.answers(15)
    for chat in range(5):
        expected = [f"echo: {chat}.{n}" for n in range(3)]
        assert stage.telegram.texts(2000 + chat) == expected


async def test_credentials_are_masked_and_in_no_log_of_ours(
    stage: Stage, caplog: pytest.LogCaptureFixture
) -> None:
    channel = await stage.add_channel()
    await stage.telegram.says("/goals")
    await stage.answers(1)
    shown = (await stage.api.get(f"/api/v1/channels/{channel['id']}")).text
    for secret in (stage.telegram.token, SECRET):
        assert secret not in shown
        assert secret not in caplog.text


async def test_without_a_webhook_the_bot_polls(stage: Stage) -> None:
    await stage.add_channel(bot="probe", mode="poll")
    assert stage.telegram.bot.webhook["url"] == ""
    for n in range(3):
        await stage.telegram.says(f"/echo {n}")
    await eventually(lambda: len(stage.telegram.sent) == 3)
    assert stage.telegram.texts() == ["echo: 0", "echo: 1", "echo: 2"]
    # What was taken is confirmed: Telegram does not bring it again.
    await eventually(lambda: stage.telegram.bot.pending == [])


async def test_a_disabled_channel_takes_and_answers_nothing(stage: Stage) -> None:
    channel = await stage.add_channel()
    changed = await stage.api.patch(
        f"/api/v1/channels/{channel['id']}", json={"status": "disabled"}
    )
    assert changed.status_code == 200, changed.text
    response = await stage.telegram.says("/goals")
    assert response is not None
    assert response.status_code == 200
    assert await stage.app.fetch("SELECT 1 FROM app.messages WHERE creator_id = $1") == []


async def test_a_creator_sees_what_was_said(stage: Stage) -> None:
    await stage.add_channel(bot="probe")
    await stage.telegram.says("/echo hello")
    await stage.answers(1)
    [conversation] = (await stage.api.get("/api/v1/conversations")).json()["items"]
    path = f"/api/v1/conversations/{UUID(conversation['id'])}/messages"
    texts = [message["text"] for message in (await stage.api.get(path)).json()["items"]]
    assert sorted(texts) == ["/echo hello", "echo: hello"]
