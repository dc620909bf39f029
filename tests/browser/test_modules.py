"""The page's parts that need no server: event streams, order, offers, quotes, pauses, colours."""

from typing import Any

import pytest
from playwright.async_api import Page

pytestmark = pytest.mark.browser

STREAM = (
    ": ping\r\n\r\nid: 7\r\nevent: message\r\ndata: {}\r\n\r\n"
    "event: delta\rdata: a\rdata:  b\r\rretry: 5\nnoise\n\nevent: typing\ndata\n\ndata: cut"
)
EVENTS = [
    {"id": "7", "event": "message", "data": "{}"},
    {"id": None, "event": "delta", "data": "a\n b"},
    {"id": None, "event": "typing", "data": ""},
]


@pytest.mark.parametrize("size", [1, 2, 3, 7, 1000])
async def test_an_event_stream_is_read_however_it_is_cut(page: Page, size: int) -> None:
    events = await page.evaluate(
        """async ([text, size]) => {
          const { EventParser } = await import("/static/sse.js");
          const parser = new EventParser();
          const events = [];
          for (let at = 0; at < text.length; at += size) {
            events.push(...parser.feed(text.slice(at, at + size)));
          }
          return events;
        }""",
        [STREAM, size],
    )
    assert events == EVENTS


async def test_a_cut_of_the_body_inside_a_character_is_mended(page: Page) -> None:
    data = await page.evaluate("""async () => {
      const { readEvents } = await import("/static/sse.js");
      const bytes = new TextEncoder().encode("data: caf\\u00e9 \\ud83d\\ude00\\n\\n");
      const body = new ReadableStream({
        start(controller) {
          for (const byte of bytes) controller.enqueue(new Uint8Array([byte]));
          controller.close();
        },
      });
      const events = [];
      for await (const event of readEvents(body)) events.push(event.data);
      return events;
    }""")
    assert data == ["café 😀"]


async def with_store(page: Page, steps: str) -> Any:
    script = f"""async () => {{
      const {{ Store }} = await import("/static/store.js");
      const store = new Store();
      const bot = (id, seq, more) => ({{ id, seq, role: "bot", text: id, ...more }});
      const own = (id, seq, text = id) => ({{ id, seq, role: "contact", text }});
      {steps}
    }}"""
    return await page.evaluate(script)


async def test_messages_stand_in_the_servers_order_and_unsent_ones_last(page: Page) -> None:
    order = await with_store(
        page,
        """store.expect({ id: "mine", text: "x" });
        store.receive(bot("b", 4));
        store.receive(bot("a", 3));
        store.expect({ id: "later", text: "y" });
        store.mark("mine", { seq: 2, state: "sent" });
        return store.items().map((item) => item.id);""",
    )
    assert order == ["mine", "a", "b", "later"]


async def test_the_echo_of_an_own_message_is_not_a_second_message(page: Page) -> None:
    found = await with_store(
        page,
        """store.expect({ id: "mine", text: "x" });
        const isNew = store.receive(own("mine", 5, "x"));
        store.mark("mine", { state: "waiting" });
        return [isNew, store.items().map((item) => [item.seq, item.state])];""",
    )
    assert found == [False, [[5, "sent"]]]


async def test_only_the_newest_offer_is_open_and_a_pick_closes_it(page: Page) -> None:
    offers = await with_store(
        page,
        """const choices = [{ label: "Yes", value: "y" }, { label: "No", value: "n" }];
        const seen = () => [...store.offers().values()].map((o) => [o.isOpen, o.picked]);
        store.receive(bot("first", 1, { choices }));
        const asked = seen();
        store.receive(own("typed", 2, "something else"));
        store.receive(bot("second", 3, { choices }));
        const again = seen();
        store.expect({ id: "tap", text: "No", action: "n", message_id: "second" });
        const tapped = seen();
        store.mark("tap", { state: "failed" });
        return { asked, again, tapped, failed: seen() };""",
    )
    assert offers == {
        "asked": [[True, None]],
        "again": [[False, None], [True, None]],
        "tapped": [[False, None], [False, "No"]],
        "failed": [[False, None], [True, None]],
    }


async def test_a_streamed_answer_gives_way_to_its_message(page: Page) -> None:
    texts = await with_store(
        page,
        """const seen = [];
        store.turns.append("t", "Hel");
        store.turns.append("t", "lo");
        seen.push(store.turns.text);
        store.turns.restart("t");
        store.turns.append("t", "Hi");
        seen.push(store.turns.text);
        store.receive(bot("b", 1, { in_reply_to: "t" }));
        store.turns.append("t", " late");
        seen.push(store.turns.text);
        store.turns.append("next", "cut");
        store.turns.interrupt();
        store.turns.append("next", " short");
        seen.push(store.turns.text);
        return seen;""",
    )
    assert texts == ["Hello", "Hi", "", ""]


@pytest.mark.parametrize(
    ("html_free_text", "quote", "marked"),
    [
        ("Start **very\nsmall** today", "very small today", "very\nsmall today"),
        ("one two", "two three", None),
        ("one two", " ", None),
        ("a `b` c", "a b", "a b"),
    ],
    ids=["across tags and lines", "absent", "empty", "across code"],
)
async def test_a_quote_is_marked_in_its_passage(
    page: Page, html_free_text: str, quote: str, marked: str | None
) -> None:
    found = await page.evaluate(
        """async ([text, quote]) => {
          const { renderMarkdown } = await import("/static/render.js");
          const { highlight } = await import("/static/highlight.js");
          const host = document.getElementById("host");
          renderMarkdown(host, text);
          if (!highlight(host, quote)) return null;
          return [...host.querySelectorAll("mark")].map((mark) => mark.textContent).join("");
        }""",
        [html_free_text, quote],
    )
    assert found == marked


async def test_pauses_grow_to_half_a_minute_and_differ(page: Page) -> None:
    pauses = await page.evaluate("""async () => {
      const { backoffSeconds } = await import("/static/backoff.js");
      return [0, 1, 2, 4, 9, 1000].map((attempt) =>
        [backoffSeconds(attempt, () => 0), backoffSeconds(attempt, () => 1)]);
    }""")
    assert pauses == [[0.5, 1], [1, 2], [2, 4], [8, 16], [15, 30], [15, 30]]


async def test_only_text_that_can_be_read_is_sent(page: Page) -> None:
    answers = await page.evaluate("""async () => {
      const { isSendable } = await import("/static/composer.js");
      const texts = ["a", "", " \\n", "\\u200b\\u2060", "x".repeat(8000), "x".repeat(8001),
        "\\ud83d\\ude00".repeat(8000)];
      return texts.map(isSendable);
    }""")
    assert answers == [True, False, False, False, True, False, True]


CONTRAST = """(pairs) => {
  const probe = document.createElement("p");
  document.body.append(probe);
  const canvas = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
  const luminance = (name) => {
    probe.style.color = `var(--${name})`;
    canvas.fillStyle = getComputedStyle(probe).color;
    canvas.fillRect(0, 0, 1, 1);
    const linear = [...canvas.getImageData(0, 0, 1, 1).data].slice(0, 3).map((value) =>
      value <= 10 ? value / 255 / 12.92 : ((value / 255 + 0.055) / 1.055) ** 2.4);
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2];
  };
  return pairs.map(([over, under]) => {
    const [dark, light] = [luminance(over), luminance(under)].sort((a, b) => a - b);
    return (light + 0.05) / (dark + 0.05);
  });
}"""
# WCAG 2.2 AA: 4.5 for text, 3 for what only marks the edge of a control.
TEXT_PAIRS = [
    (over, under)
    for under in ("ground", "surface", "raised", "sunken")
    for over in ("ink", "soft", "accent-strong", "danger")
] + [("own-ink", "own"), ("on-accent", "accent"), ("warn-ink", "warn"), ("mark-ink", "mark")]
EDGE_PAIRS = [("edge", "ground"), ("edge", "surface"), ("accent", "ground"), ("accent", "surface")]


@pytest.mark.parametrize("theme", ["light", "dark"])
async def test_colours_keep_their_contrast(page: Page, theme: str) -> None:
    await page.evaluate("(theme) => { document.documentElement.dataset.theme = theme; }", theme)
    pairs = TEXT_PAIRS + EDGE_PAIRS
    ratios = await page.evaluate(CONTRAST, pairs)
    least = [4.5] * len(TEXT_PAIRS) + [3.0] * len(EDGE_PAIRS)
    weak = {pair: r for pair, r, low in zip(pairs, ratios, least, strict=True) if r < low}
    assert weak == {}
