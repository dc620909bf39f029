"""With a language model behind it, the answer grows on the page while it is written."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from playwright.async_api import Browser, expect

from core.llm.emulator import create_ollama_emulator
from shared.embedded.engines import discard
from tests.e2e.dev import Dev, developing
from tests.serving import serving

pytestmark = pytest.mark.browser


@pytest.fixture
async def dev(tmp_path: Path) -> AsyncIterator[Dev]:
    emulator = create_ollama_emulator(token_seconds=0.05)
    folder = tmp_path / "cairn"
    try:
        async with (
            serving(emulator.app) as host,
            developing(folder, CAIRN_OLLAMA__HOST=host) as running,
        ):
            yield running
    finally:
        discard(folder)


async def test_an_answer_grows_and_ends_with_its_citation(browser: Browser, dev: Dev) -> None:
    assert "Ollama with" in dev.output
    context = await browser.new_context()
    page = await context.new_page()
    await page.goto(dev.url)
    box = page.get_by_role("textbox", name="Message")
    await box.fill("How do I start a habit that sticks?")
    await box.press("Enter")
    growing = page.get_by_test_id("growing")
    await expect(growing).to_be_visible()
    first = await growing.inner_text()
    await expect(growing).not_to_have_text(first)
    answer = page.get_by_test_id("message").last
    await expect(answer.get_by_test_id("citation").first).to_be_visible(timeout=20_000)
    await expect(growing).to_have_count(0)
    await context.close()
