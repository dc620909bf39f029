"""A real Chromium, and the web channel's static files served under the page's own strict policy."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from playwright.async_api import Browser, ConsoleMessage, Error, Page, async_playwright
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from adapters.web.channel import WebChannel
from core.api.pages import content_policy
from tests.serving import serving

CHROMIUM = Path("/usr/bin/chromium")
ARGUMENTS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
EMPTY_PAGE = """<!doctype html><html lang="en"><title>Empty</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="/static/theme.css"><link rel="stylesheet" href="/static/message.css">
<main id="host" class="bubble prose"></main></html>"""


@pytest.fixture(scope="session")
async def browser() -> AsyncIterator[Browser]:
    """Debian's Chromium; the tests that need it are skipped where there is none."""
    if not CHROMIUM.exists():
        pytest.skip(f"no {CHROMIUM}: install it with `apt-get install chromium`")
    async with async_playwright() as playwright:
        chromium = await playwright.chromium.launch(
            executable_path=str(CHROMIUM), args=list(ARGUMENTS)
        )
        yield chromium
        await chromium.close()


@pytest.fixture(scope="session")
async def static_site() -> AsyncIterator[str]:
    """The real static files beside an empty page, for the modules on their own."""

    async def empty_page(request: Request) -> HTMLResponse:
        return HTMLResponse(EMPTY_PAGE, headers={"Content-Security-Policy": content_policy([])})

    files = StaticFiles(directory=WebChannel.static_folder)
    app = Starlette(routes=[Route("/", empty_page), Mount("/static", files)])
    async with serving(app) as base_url:
        yield base_url


@pytest.fixture(scope="session")
async def tab(browser: Browser) -> AsyncIterator[Page]:
    """One tab for all the module tests: opening one costs more than most of them."""
    context = await browser.new_context()
    yield await context.new_page()
    await context.close()


@pytest.fixture
async def page(tab: Page, static_site: str) -> AsyncIterator[Page]:
    """An empty page that may load our modules and nothing else; any error on it fails the test."""
    errors: list[str] = []

    def note(entry: ConsoleMessage) -> None:
        if entry.type == "error":
            errors.append(entry.text)

    def note_exception(error: Error) -> None:
        errors.append(str(error))

    tab.on("console", note)
    tab.on("pageerror", note_exception)
    await tab.goto(static_site)
    yield tab
    tab.remove_listener("console", note)
    tab.remove_listener("pageerror", note_exception)
    assert errors == []
