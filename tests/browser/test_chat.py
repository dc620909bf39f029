"""A visitor's chat in a real browser with a whole Cairn behind it, as `cairn dev` starts it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.async_api import Browser, Locator, Page, expect
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse
from starlette.routing import Route

from shared.embedded.engines import discard
from tests.e2e.dev import Dev, developing
from tests.serving import serving

pytestmark = pytest.mark.browser

ANSWER_MS = 30_000
RETURN_MS = 90_000
QUESTION = "How do I start a habit that sticks?"


@dataclass(frozen=True, kw_only=True)
class Visitor:
    """What a person does and sees on the page; `page` may be the frame of a widget."""

    page: Any

    async def says(self, text: str) -> None:
        field = self.page.get_by_role("textbox", name="Message")
        await field.fill(text)
        await field.press("Enter")

    async def picks(self, label: str) -> None:
        await self.page.get_by_role("button", name=label, exact=True).last.click()

    async def sees(self, text: str) -> None:
        await expect(self.log.get_by_text(text).last).to_be_visible(timeout=ANSWER_MS)

    async def is_connected(self, timeout: float = ANSWER_MS) -> None:
        await expect(self.page.locator("#connection")).to_have_text("Connected", timeout=timeout)

    @property
    def log(self) -> Locator:
        log: Locator = self.page.get_by_role("log")
        return log

    @property
    def citations(self) -> Locator:
        citations: Locator = self.page.get_by_test_id("citation")
        return citations


@asynccontextmanager
async def visiting(browser: Browser, url: str, **options: Any) -> AsyncIterator[Visitor]:
    context = await browser.new_context(**options)
    page = await context.new_page()
    await page.goto(url)
    yield Visitor(page=page)
    await context.close()


@pytest.fixture(scope="module")
async def dev(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Dev]:
    folder = tmp_path_factory.mktemp("chat") / "cairn"
    try:
        async with developing(folder) as running:
            yield running
    finally:
        discard(folder)


@pytest.fixture
async def visitor(browser: Browser, dev: Dev) -> AsyncIterator[Visitor]:
    async with visiting(browser, dev.url) as opened:
        await opened.is_connected()
        await opened.sees("I'm your coach")
        yield opened


async def test_an_answer_opens_the_passage_it_quotes(visitor: Visitor) -> None:
    page: Page = visitor.page
    await visitor.says(QUESTION)
    chip = visitor.citations.first
    await expect(chip).to_be_visible(timeout=ANSWER_MS)
    await chip.click()
    panel = page.get_by_role("dialog")
    await expect(panel.get_by_role("heading", level=2)).to_be_focused()
    await expect(panel.locator("mark").first).to_be_visible()
    await page.keyboard.press("Escape")
    await expect(panel).to_be_hidden()
    await expect(chip).to_be_focused()


async def test_what_the_handbook_does_not_say_is_not_answered(visitor: Visitor) -> None:
    await visitor.says("What is the capital of Mongolia?")
    await visitor.sees("rather not guess")
    assert await visitor.citations.count() == 0


async def test_a_form_goes_on_after_the_page_is_loaded_again(visitor: Visitor) -> None:
    await visitor.picks("Set a goal")
    await visitor.sees("What would you like to achieve?")
    await visitor.page.reload()
    await visitor.is_connected()
    await visitor.sees("What would you like to achieve?")
    picked = visitor.page.locator(".choice.picked")
    await expect(picked).to_have_text("Set a goal")
    await expect(picked).to_be_disabled()


async def test_progress_is_shown_as_a_picture_of_our_own(visitor: Visitor) -> None:
    page: Page = visitor.page
    for text in ("/goal", "Run five kilometres", "To have energy", "3", "Evening"):
        await visitor.says(text)
        await expect(visitor.log.locator("[data-role=contact]").last).to_contain_text(text)
    await visitor.sees("the smallest step")
    await visitor.says("/progress")
    await visitor.sees("0 of 3 this week")
    picture = page.get_by_test_id("attachment").get_by_role("img")
    described = "The last four weeks: Run five kilometres: 0 of 3 this week"
    await expect(picture).to_have_attribute("alt", described)
    await picture.scroll_into_view_if_needed()
    await expect(picture).to_have_js_property("naturalWidth", 720, timeout=ANSWER_MS)


async def test_shift_enter_makes_a_line_and_enter_sends_it_once(visitor: Visitor) -> None:
    field = visitor.page.get_by_role("textbox", name="Message")
    await field.fill("first")
    await field.press("Shift+Enter")
    await field.press_sequentially("second")
    await field.press("Enter")
    own = visitor.page.locator("[data-role=contact][data-state=sent]")
    await expect(own.locator(".bubble")).to_have_text("first\nsecond", use_inner_text=True)
    await expect(field).to_have_value("")
    assert await own.count() == 1


async def test_the_composer_refuses_more_than_the_server_takes(visitor: Visitor) -> None:
    field = visitor.page.get_by_role("textbox", name="Message")
    await field.fill("x" * 8001)
    await expect(visitor.page.get_by_text("1 characters too many")).to_be_visible()
    await expect(visitor.page.get_by_role("button", name="Send")).to_be_disabled()
    await field.fill("x" * 7500)
    await expect(visitor.page.get_by_text("7500 of 8000 characters")).to_be_visible()


async def test_two_tabs_of_a_visitor_show_one_conversation(visitor: Visitor, dev: Dev) -> None:
    other = Visitor(page=await visitor.page.context.new_page())
    await other.page.goto(dev.url)
    await other.is_connected()
    await visitor.says("a word from the first tab")
    await other.sees("a word from the first tab")


async def test_the_token_is_in_no_address(browser: Browser, dev: Dev) -> None:
    addresses: list[str] = []
    async with visiting(browser, "about:blank") as visitor:
        page: Page = visitor.page
        page.on("request", lambda request: addresses.append(request.url))
        await page.goto(dev.url)
        await visitor.is_connected()
        stored = await page.evaluate("Object.values(localStorage).join()")
        token = stored.split('"token":"')[1].split('"')[0]
    assert len(addresses) > 10
    assert not any(token in address for address in addresses)
    assert all(address.startswith(dev.url) for address in addresses)


async def test_a_phone_held_offline_sends_what_was_written_when_it_is_back(
    browser: Browser, dev: Dev
) -> None:
    phone = {"viewport": {"width": 390, "height": 780}, "has_touch": True, "is_mobile": True}
    async with visiting(browser, dev.url, **phone) as visitor:
        await visitor.is_connected()
        context = visitor.page.context
        await context.set_offline(True)
        await expect(visitor.page.locator("#strip")).to_contain_text("You are offline")
        await visitor.says("How much sleep do I need?")
        await visitor.page.locator("[data-state=waiting]").wait_for()
        await context.set_offline(False)
        await expect(visitor.citations.first).to_be_visible(timeout=ANSWER_MS)
        assert await visitor.page.locator("[data-role=contact]").count() == 1
        width = await visitor.page.evaluate("document.documentElement.scrollWidth")
        assert width == phone["viewport"]["width"]  # type: ignore[index]


async def test_the_page_returns_by_itself_when_the_server_does(
    browser: Browser, tmp_path: Path
) -> None:
    folder = tmp_path / "cairn"
    try:
        async with developing(folder) as first:
            port = first.url.rsplit(":", 1)[1]
            async with visiting(browser, first.url) as visitor:
                await visitor.is_connected()
                await first.stop()
                await expect(visitor.page.locator("#strip")).to_contain_text("Reconnecting")
                await visitor.says(QUESTION)
                async with developing(folder, "--port", port):
                    await visitor.is_connected(RETURN_MS)
                    await expect(visitor.citations.first).to_be_visible(timeout=ANSWER_MS)
                    assert await visitor.page.locator("[data-role=contact]").count() == 1
    finally:
        discard(folder)


def coach_api(dev: Dev) -> httpx.AsyncClient:
    key = (dev.data_dir / "demo-api-key").read_text().strip()
    return httpx.AsyncClient(base_url=dev.url, headers={"Authorization": f"Bearer {key}"})


@asynccontextmanager
async def coachs_site(dev: Dev) -> AsyncIterator[tuple[str, str]]:
    """(address, channel id) of another origin whose page holds the widget's tag."""
    async with coach_api(dev) as api:
        channels = (await api.get("/api/v1/channels")).json()["items"]
    channel = next(each for each in channels if each["type"] == "web")

    async def page(request: Request) -> HTMLResponse:
        # Stricter than most sites: the widget must manage without inline style.
        policy = f"default-src 'none'; script-src {dev.url}; frame-src {dev.url}; img-src data:"
        icon = '<link rel="icon" href="data:,">'
        html = f"<!doctype html><title>Site</title>{icon}<h1>A site</h1>{channel['widget']}"
        return HTMLResponse(html, headers={"Content-Security-Policy": policy})

    async with serving(Starlette(routes=[Route("/", page)])) as address:
        yield address, channel["id"]


async def allow(dev: Dev, channel_id: str, origins: list[str]) -> None:
    change = {"settings": {"allowed_origins": origins}}
    async with coach_api(dev) as api:
        response = await api.patch(f"/api/v1/channels/{channel_id}", json=change)
    assert response.status_code == 200, response.text


async def coach_writes(dev: Dev, text: str) -> None:
    """To the conversation that was written in last."""
    async with coach_api(dev) as api:
        latest = (await api.get("/api/v1/conversations?limit=1")).json()["items"][0]
        path = f"/api/v1/conversations/{latest['id']}/messages"
        response = await api.post(path, json={"text": text})
    assert response.status_code == 202, response.text


async def test_the_widget_chats_on_a_site_of_the_allow_list(browser: Browser, dev: Dev) -> None:
    async with coachs_site(dev) as (address, channel_id):
        await allow(dev, channel_id, [address])
        async with visiting(browser, address) as site:
            page: Page = site.page
            await page.get_by_role("button", name="Open Chat").click()
            frame = Visitor(page=page.frame_locator("iframe"))
            await frame.is_connected()
            await frame.says(QUESTION)
            await expect(frame.citations.first).to_be_visible(timeout=ANSWER_MS)
            await page.get_by_role("button", name="Close Chat").click()
            await coach_writes(dev, "Shall we talk tomorrow?")
            await page.get_by_role("button", name="Open Chat, 1 unread").click(timeout=ANSWER_MS)
            await frame.sees("Shall we talk tomorrow?")
            await frame.page.get_by_role("textbox", name="Message").press("Escape")
            await expect(page.get_by_role("button", name="Open Chat", exact=True)).to_be_focused()


async def test_the_widget_stays_empty_on_a_foreign_site(browser: Browser, dev: Dev) -> None:
    async with coachs_site(dev) as (address, channel_id):
        await allow(dev, channel_id, ["https://someone.example"])
        async with visiting(browser, address) as site:
            async with site.page.expect_console_message(
                lambda entry: "frame-ancestors" in entry.text
            ):
                await site.page.get_by_role("button", name="Open Chat").click()
            frame = site.page.frame_locator("iframe")
            assert await frame.get_by_role("textbox").count() == 0
