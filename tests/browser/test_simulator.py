"""The simulator in a real browser: four platforms side by side, each as its own app shows it.

`CAIRN_SCREENSHOTS=1 python -m pytest tests/browser/test_simulator.py` also writes the pictures
that the documentation shows.
"""

import re
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Browser, ConsoleMessage, Locator, Page, expect

from shared.embedded.engines import discard
from tests.conftest import TAKES_SCREENSHOTS
from tests.e2e.dev import Dev, developing

pytestmark = pytest.mark.browser

IMAGES = Path(__file__).resolve().parents[2] / "docs" / "images"
WIDE = {"width": 1600, "height": 980}
NARROW = {"width": 390, "height": 844}
ANSWER_MS = 40_000
QUESTION = "How do I start a habit that sticks?"

_NAMELESS = """() => [...document.querySelectorAll("button, select, textarea, input, iframe")]
  .filter((each) => each.checkVisibility())
  .filter((each) => !(each.innerText || each.ariaLabel || each.title || each.labels?.length))
  .map((each) => each.outerHTML)"""


@dataclass(frozen=True, kw_only=True)
class Pane:
    """One platform's window, and what its person does in it."""

    root: Locator

    @property
    def log(self) -> Locator:
        return self.root.get_by_role("log")

    async def says(self, text: str) -> None:
        field = self.root.locator(".composer textarea").last
        await field.fill(text)
        await field.press("Enter")

    async def says_and_sees(self, text: str, answer: str) -> None:
        await self.says(text)
        await self.sees(answer)

    async def sees(self, text: str) -> None:
        await expect(self.log.get_by_text(text).last).to_be_visible(timeout=ANSWER_MS)

    async def taps(self, label: str) -> None:
        await self.log.get_by_role("button", name=label, exact=True).last.click()

    async def opens(self, place: str) -> None:
        await self.root.locator(".sidebar").get_by_role("button", name=place).click()

    async def belongs_to(self, person: str) -> None:
        await self.root.get_by_label("You are").select_option(person)

    async def uses(self, bot: str) -> None:
        await self.root.get_by_label("Bot", exact=True).select_option(bot)


@dataclass(kw_only=True)
class Simulator:
    page: Page
    errors: list[str] = field(default_factory=list)

    def pane(self, name: str) -> Pane:
        return Pane(root=self.page.locator(f"#pane-{name}"))

    def note(self, message: ConsoleMessage) -> None:
        if message.type == "error":
            self.errors.append(message.text)


@asynccontextmanager
async def opened(browser: Browser, url: str, **options: Any) -> AsyncIterator[Simulator]:
    context = await browser.new_context(locale="en-GB", **options)
    page = await context.new_page()
    simulator = Simulator(page=page)
    page.on("console", simulator.note)
    page.on("pageerror", lambda error: simulator.errors.append(str(error)))
    await page.goto(f"{url}/simulator")
    await expect(page.locator("#connection")).to_have_attribute("data-state", "connected")
    yield simulator
    assert simulator.errors == []
    await context.close()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    path = tmp_path_factory.mktemp("simulator") / "cairn"
    yield path
    discard(path)


@pytest.fixture(scope="module")
async def dev(browser: Browser, folder: Path) -> AsyncIterator[Dev]:
    async with developing(folder) as running:
        yield running


@pytest.fixture
async def wide(browser: Browser, dev: Dev) -> AsyncIterator[Simulator]:
    async with opened(browser, dev.url, viewport=WIDE) as simulator:
        yield simulator


@pytest.fixture
async def narrow(browser: Browser, dev: Dev) -> AsyncIterator[Simulator]:
    options = {"viewport": NARROW, "color_scheme": "dark", "has_touch": True}
    async with opened(browser, dev.url, **options) as simulator:
        yield simulator


async def test_a_team_a_practice_and_a_learner_each_with_their_bot(wide: Simulator) -> None:
    telegram, slack, sms = (wide.pane(name) for name in ("telegram", "slack", "sms"))
    await slack.uses("standup")
    await sms.uses("concierge")
    for person in ("Ben", "Ada"):
        await reports(slack, person)
    await slack.opens("team")
    await slack.sees("Ada reported")
    await slack.sees("Ben reported")
    await slack.says("@Cairn blockers")
    await expect(slack.log.locator(".thread")).to_contain_text("Open blockers", timeout=ANSWER_MS)
    assert await wide.page.get_by_role("radio", checked=True).count() == 0
    await sms.belongs_to("Ben")
    await books(sms)
    await telegram.belongs_to("Ben")
    await sets_a_goal(telegram)
    page = wide.page.frame_locator("iframe")
    box = page.get_by_role("textbox", name="Message")
    await box.fill("I keep procrastinating. What helps?")
    await box.press("Enter")
    await expect(page.get_by_test_id("citation").first).to_be_visible(timeout=ANSWER_MS)
    await take_picture(wide.page, "simulator.png")


async def reports(slack: Pane, person: str) -> None:
    """`person` names #team as theirs and tells the bot about the day in private."""
    works = {"Ada": "the import wizard", "Ben": "rate limits for the API"}
    await slack.belongs_to(person)
    await slack.opens("team")
    await slack.says("/team")
    news = slack.root.locator(".sidebar .entry.news", has_text="Cairn")
    await expect(news).to_be_visible(timeout=ANSWER_MS)  # a command is answered to them alone
    await slack.opens("Cairn")
    await slack.sees("From now on")
    await slack.says_and_sees("/standup", "What did you finish")
    await slack.says_and_sees("Reviewed two pull requests", "What will you work on")
    await slack.says_and_sees(f"Finish {works[person]}", "in your way")
    blocker = "No blockers" if person == "Ada" else "I need a staging key from Cleo"
    await slack.says_and_sees(blocker, "How is your day")
    await slack.says_and_sees("4", "Thank you, noted")


async def books(sms: Pane) -> None:
    await sms.says_and_sees("Hi", "Riverside Practice")
    await sms.says_and_sees("book", "What is it for?")
    await sms.says_and_sees("2", "Which day")
    await sms.says_and_sees("Tuesday", "What time")


async def sets_a_goal(telegram: Pane) -> None:
    await telegram.says_and_sees("/start", "I'm your coach")
    await telegram.taps("Set a goal")
    await telegram.sees("What would you like to achieve?")
    await telegram.says_and_sees("Run 10 km in spring 🏃", "Why does it matter")
    await telegram.says_and_sees("To have energy for my kids", "how many days")
    await telegram.says_and_sees("3", "When suits you best?")
    await telegram.taps("Morning")
    await telegram.sees("Noted: Run 10 km in spring")


async def take_picture(page: Page, name: str) -> None:
    if TAKES_SCREENSHOTS:
        # What moved in has stopped moving, in this page and in the frame.
        await page.wait_for_function(
            "() => [document, frames[0].document].every((each) =>"
            " each.getAnimations().every((one) => one.playState !== 'running'))"
        )
        await page.screenshot(path=IMAGES / name)


async def test_one_bot_on_four_platforms_side_by_side(wide: Simulator) -> None:
    """Each app shows the same welcome and answers in its own way."""
    telegram, slack, sms = (wide.pane(name) for name in ("telegram", "slack", "sms"))
    await wide.page.get_by_role("radio", name="coach").check(force=True)
    await expect(slack.root.get_by_label("Bot", exact=True)).to_have_value("coach")
    await telegram.root.get_by_role("button", name="Start", exact=True).click()
    await telegram.sees("Hello Ada! I'm your coach.")
    await telegram.says_and_sees(QUESTION, "choose one small action")
    await expect(telegram.log.locator(".from-person .ticks").last).to_have_attribute(
        "aria-label", "read"
    )
    await slack.opens("team")
    await slack.says(f"@Cairn {QUESTION}")
    thread = slack.log.locator(".thread").last
    await expect(thread.get_by_text("choose one small action")).to_be_visible(timeout=ANSWER_MS)
    await expect(thread.locator(".context").first).to_contain_text("Habits")
    await sms.says_and_sees("How much sleep do I need?", "seven hours")
    small = sms.log.locator(".from-bot .small").last
    await expect(small).to_contain_text("segments · GSM-7")
    await expect(small).to_contain_text("Delivered")
    await expect(wide.page.frame_locator("iframe").get_by_text("I'm your coach")).to_be_visible()
    assert await wide.page.evaluate(_NAMELESS) == []


async def test_a_thread_goes_on_in_place(wide: Simulator) -> None:
    slack = wide.pane("slack")
    await slack.uses("coach")
    await slack.opens("team")
    await slack.says("@Cairn How much sleep do I need?")
    thread = slack.log.locator(".thread").last
    await expect(thread.get_by_text("seven hours")).to_be_visible(timeout=ANSWER_MS)
    reply = thread.get_by_role("textbox", name="Reply in thread")
    await reply.fill(QUESTION)
    await reply.press("Enter")
    await expect(thread.get_by_text("choose one small action")).to_be_visible(timeout=ANSWER_MS)
    await slack.log.get_by_role("button", name="Hide thread").last.click()
    await expect(slack.log.get_by_role("button", name="3 replies")).to_be_visible()


async def test_what_a_person_types_is_shown_and_never_run(wide: Simulator) -> None:
    telegram = wide.pane("telegram")
    attack = "<img src=x onerror=document.title='owned'> **not bold**"
    await telegram.says(attack)
    await telegram.sees(attack)
    assert await wide.page.title() == "Simulator · Cairn"
    assert await telegram.log.locator("img").count() == 0


async def test_marks_may_overlap_and_links_lead_to_the_web_only(wide: Simulator) -> None:
    html = await wide.page.evaluate("""async () => {
          const { richText } = await import("/simulator/static/rich.js");
          const marks = [
            { kind: "bold", start: 0, end: 4 }, { kind: "italic", start: 2, end: 6 },
            { kind: "link", start: 7, end: 8, value: "javascript:alert(1)" },
            { kind: "link", start: 8, end: 9, value: "https://example.org/" },
          ];
          const host = document.createElement("p");
          host.append(richText("🏃bcdef xy", marks));
          return host.innerHTML;
        }""")
    link = '<a href="https://example.org/" target="_blank" rel="noopener noreferrer">y</a>'
    assert html == (f"<strong>🏃b<em>cd</em></strong><em>ef</em> <span>x</span>{link}")


async def test_the_wire_shows_webhooks_and_calls(wide: Simulator) -> None:
    telegram = wide.pane("telegram")
    await telegram.says("/goals")
    await telegram.root.get_by_role("button", name="Requests on the wire").click()
    drawer = telegram.root.get_by_role("complementary", name="Requests on the wire")
    newest = drawer.locator("li", has_text="sendMessage").first
    await expect(newest).to_be_visible(timeout=ANSWER_MS)
    await newest.locator("summary").click()
    await expect(newest.locator("pre").first).to_contain_text("chat_id")
    await expect(drawer.locator("li", has_text="/webhooks/telegram/•••").first).to_be_visible()
    await wide.page.keyboard.press("Escape")
    await expect(drawer).to_be_hidden()


async def test_the_clock_shows_the_time_and_lets_it_pass(wide: Simulator) -> None:
    clock = wide.page.get_by_role("group", name="The time that programs go by")
    began = await shown_time(clock)
    assert abs(began - datetime.now(UTC)) < timedelta(minutes=2)
    await clock.get_by_role("button", name="+1 day").click()
    later = f"{began + timedelta(days=1):%Y-%m-%d}"
    await expect(clock.locator("time")).to_have_attribute("datetime", re.compile(later))
    await expect(clock).to_have_attribute("data-state", "still")
    assert await shown_time(clock) - began >= timedelta(days=1)
    await expect(clock.get_by_role("button", name="+1 h")).to_be_enabled()
    assert str((await shown_time(clock)).day) in await clock.locator("time").inner_text()


async def shown_time(clock: Locator) -> datetime:
    """Once it is there."""
    time = clock.locator("time")
    await expect(time).not_to_be_empty()
    return datetime.fromisoformat(str(await time.get_attribute("datetime")))


async def test_a_server_that_does_not_take_it_gives_the_words_back(wide: Simulator) -> None:
    async def fail(route: Any) -> None:
        await route.fulfill(status=502, json={"detail": "The webhook could not be reached."})

    await wide.page.route("**/writes", fail)
    field = wide.pane("sms").root.locator(".composer textarea")
    await field.fill("Are you there?")
    await field.press("Enter")
    await expect(wide.page.get_by_role("alert")).to_have_text("The webhook could not be reached.")
    await expect(field).to_have_value("Are you there?")
    wide.errors.clear()  # the browser's own line about the 502


async def test_a_phone_shows_one_pane_at_a_time_behind_tabs(narrow: Simulator) -> None:
    page = narrow.page
    tabs = page.get_by_role("tab")
    await expect(tabs).to_have_text(["Telegram", "Slack", "SMS", "Web chat"])
    await expect(page.get_by_role("tabpanel")).to_have_count(1)
    await tabs.first.focus()
    await page.keyboard.press("ArrowRight")
    await expect(tabs.nth(1)).to_be_focused()
    slack = narrow.pane("slack")
    await slack.uses("coach")
    await slack.opens("Cairn")
    await slack.says_and_sees("/goals", "goals")
    await expect(narrow.pane("telegram").root).to_be_hidden()
    overflow = await page.evaluate("document.scrollingElement.scrollWidth - innerWidth")
    assert overflow <= 0
    await take_picture(page, "simulator-phone.png")


async def test_the_theme_is_one_for_the_page_and_the_framed_chat(wide: Simulator) -> None:
    await wide.page.get_by_role("button", name="Dark mode").click()
    framed = wide.page.frame_locator("iframe").locator("html")
    await expect(framed).to_have_attribute("data-theme", "dark")
    await expect(wide.page.locator("html")).to_have_attribute("data-theme", "dark")
