"""The simulator over HTTP: what a person types reaches the bot, its answer the same window."""

import os
import signal
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from shared.embedded import running_urls
from shared.embedded.engines import discard
from tests.e2e.dev import Dev, command, developing
from tests.e2e.simulated import OWN_PAGE, Simulator

QUESTION = "How do I start a habit that sticks?"
ANSWER = "choose one small action"


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("simulator") / "cairn"
    yield folder
    discard(folder)


@pytest.fixture(scope="module")
async def dev(data_dir: Path) -> AsyncIterator[Dev]:
    async with developing(data_dir) as running:
        yield running


@pytest.fixture
async def simulator(dev: Dev) -> AsyncIterator[Simulator]:
    async with httpx.AsyncClient(base_url=dev.url) as client:
        yield Simulator(client=client)


async def test_every_channel_has_a_pane(dev: Dev, simulator: Simulator) -> None:
    assert f"{dev.url}/simulator" in dev.output
    stage = await simulator.stage()
    assert {pane["name"] for pane in stage["panes"]} >= {"telegram", "slack", "sms"}
    assert {pane["bot"] for pane in stage["panes"]} == {"coach"}
    assert stage["web"]["page"].startswith("/embed?channel=")
    assert {bot["name"] for bot in stage["bots"]} >= {"coach", "standup", "concierge"}


@pytest.mark.parametrize("pane", ["telegram", "slack", "sms"])
async def test_what_is_typed_is_answered_in_the_same_window(
    simulator: Simulator, pane: str
) -> None:
    place = next(p for p in await simulator.places(pane) if p["kind"] != "channel")
    await simulator.writes(pane, place["id"], QUESTION)
    await simulator.sees(pane, place["id"], ANSWER)
    [own] = [b for b in await simulator.view(pane, place["id"]) if b["author"] == "person"]
    assert own["text"] == QUESTION


async def test_two_people_have_two_conversations(simulator: Simulator) -> None:
    ada, ben = (place["id"] for place in (await simulator.places("sms"))[:2])
    await simulator.writes("sms", ben, "How much sleep do I need?")
    await simulator.sees("sms", ben, "seven hours")
    assert not any("seven hours" in b["text"] for b in await simulator.view("sms", ada))


async def test_a_mention_in_a_channel_is_answered_in_its_thread(simulator: Simulator) -> None:
    place = next(p["id"] for p in await simulator.places("slack") if p["kind"] == "channel")
    await simulator.writes("slack", place, f"@Cairn {QUESTION}")
    answer = await simulator.sees("slack", place, ANSWER)
    [asked] = [b for b in await simulator.view("slack", place) if b["author"] == "person"]
    assert answer["thread"] == asked["id"]


async def test_a_button_leads_on_and_marks_stand_over_the_right_letters(
    simulator: Simulator,
) -> None:
    place = (await simulator.places("telegram"))[1]["id"]
    await simulator.writes("telegram", place, "/start")
    welcome = await simulator.sees("telegram", place, "Hello Ben!")
    [code] = [mark for mark in welcome["marks"] if mark["kind"] == "code"]
    assert welcome["text"][code["start"] : code["end"]] == "/goal"
    await simulator.presses("telegram", place, "Set a goal")
    await simulator.sees("telegram", place, "What would you like to achieve?")


async def test_the_wire_shows_both_ways_and_no_secret(simulator: Simulator, dev: Dev) -> None:
    exchanges = (await simulator.client.get("/simulator/api/panes/telegram/wire")).json()
    assert {exchange["direction"] for exchange in exchanges} == {"in", "out"}
    assert {exchange["status"] for exchange in exchanges} == {200}
    assert any(exchange["path"].endswith("/sendMessage") for exchange in exchanges)
    assert all("EMULATED-BOT-TOKEN" not in str(exchange) for exchange in exchanges)


async def test_changes_are_told_as_they_happen(simulator: Simulator) -> None:
    place = (await simulator.places("telegram"))[0]["id"]
    async with simulator.client.stream("GET", "/simulator/api/changes") as response:
        lines = response.aiter_lines()
        first = [line async for line in _until(lines, "data:")]
        assert '"telegram"' in first[-1]
        assert '"sms"' in first[-1]
        await simulator.writes("telegram", place, "/goals")
        second = [line async for line in _until(lines, "data:")]
        assert second[-1] == 'data: ["telegram"]'


async def _until(lines: AsyncIterator[str], prefix: str) -> AsyncIterator[str]:
    async for line in lines:
        yield line
        if line.startswith(prefix):
            return


async def test_another_bot_answers_in_one_pane_only(simulator: Simulator) -> None:
    change = {"bot": "standup", "pane": "slack"}
    place = next(p["id"] for p in await simulator.places("slack") if p["kind"] == "dm")
    changed = await simulator.client.patch("/simulator/api/bot", json=change, headers=OWN_PAGE)
    assert changed.status_code == 204
    await simulator.writes("slack", place, "/standup")
    await simulator.sees("slack", place, "Your stand-up for")
    await simulator.writes("slack", place, "/cancel")
    await simulator.writes("slack", place, "What makes a good stand-up?")
    await simulator.sees("slack", place, "[1]")  # from its own handbook
    bots = {pane["name"]: pane["bot"] for pane in (await simulator.stage())["panes"]}
    assert (bots["slack"], bots["telegram"]) == ("standup", "coach")


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("POST", "panes/telegram/writes", {"place": "1001", "text": " "}, 422),
        ("POST", "panes/telegram/writes", {"place": "nowhere", "text": "x"}, 404),
        ("POST", "panes/pigeon/writes", {"place": "1001", "text": "x"}, 404),
        ("POST", "panes/telegram/presses", {"place": "1001", "bubble": "0", "value": "x"}, 404),
        ("PATCH", "bot", {"bot": "nobody"}, 422),
        ("GET", "panes/telegram?place=nowhere", None, 404),
    ],
    ids=["blank", "no such place", "no such pane", "no such button", "no such bot", "no view"],
)
async def test_what_makes_no_sense_is_refused(
    simulator: Simulator, method: str, path: str, body: Any, status: int
) -> None:
    address = f"/simulator/api/{path}"
    answer = await simulator.client.request(method, address, json=body, headers=OWN_PAGE)
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"


async def test_pages_of_other_sites_can_do_nothing(simulator: Simulator) -> None:
    body = {"place": "1001", "text": "from elsewhere"}
    answer = await simulator.client.post("/simulator/api/panes/telegram/writes", json=body)
    assert answer.status_code == 403
    answer = await simulator.client.post(
        "/emulators/telegram/control/says",
        json={"text": "from elsewhere"},
        headers={"Sec-Fetch-Site": "cross-site"},
    )
    assert answer.status_code == 403
    page = await simulator.client.get("/simulator")
    assert "frame-ancestors 'none'" in page.headers["content-security-policy"]


async def test_a_production_gateway_has_neither_page_nor_emulators(
    dev: Dev, data_dir: Path
) -> None:
    urls = running_urls(data_dir)
    assert urls is not None
    process = await command(
        "serve",
        "--port",
        "0",
        CAIRN_DATABASE__URL=urls.postgres_url("cairn_app", database="cairn"),
        CAIRN_DATABASE__DISPATCH_URL=urls.postgres_url("cairn_dispatch", database="cairn"),
        CAIRN_CHROMA__URL=urls.chroma,
        CAIRN_SECRET_KEYS=(data_dir / "secret-keys").read_text().strip(),
    )
    try:
        assert process.stdout is not None
        line = (await process.stdout.readline()).decode()
        assert line.startswith("ready "), line
        async with httpx.AsyncClient(base_url=line.split()[1]) as client:
            assert (await client.get("/healthz")).status_code == 200
            for path in ("/simulator", "/simulator/api/stage", "/simulator/static/app.js"):
                assert (await client.get(path)).status_code == 404
            answer = await client.post("/emulators/telegram/bot1:x/getMe")
            assert answer.status_code == 404
    finally:
        process.send_signal(signal.SIGINT)
        await process.communicate()


async def test_the_next_start_is_quick_and_finds_its_channels_again(
    tmp_path: Path,
) -> None:
    folder = tmp_path / "cairn"
    try:
        async with developing(folder) as first, httpx.AsyncClient(base_url=first.url) as client:
            key = (folder / "demo-api-key").read_text().strip()
            before = await _channels(client, key)
        began = time.monotonic()
        async with developing(folder) as again, httpx.AsyncClient(base_url=again.url) as client:
            assert time.monotonic() - began < _start_seconds()
            after = await _channels(client, key)
            assert set(after) == set(before)
            assert {url.split("/emulators")[0] for url in after.values() if url} == {again.url}
            simulator = Simulator(client=client)
            place = (await simulator.places("telegram"))[0]["id"]
            await simulator.writes("telegram", place, "/goals")
            await simulator.sees("telegram", place, "You have no goals yet.")
    finally:
        discard(folder)


def _start_seconds() -> float:
    """Ten on a machine of one's own; the tests share theirs with others."""
    return 10.0 * max(1.0, os.getloadavg()[0] / (os.cpu_count() or 1))


async def _channels(client: httpx.AsyncClient, key: str) -> dict[str, str]:
    """The API's address of each channel, by id."""
    response = await client.get("/api/v1/channels", headers={"Authorization": f"Bearer {key}"})
    items = response.json()["items"]
    assert len(items) >= 4
    return {item["id"]: item["settings"].get("api_base_url", "") for item in items}
