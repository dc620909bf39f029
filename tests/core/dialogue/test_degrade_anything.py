"""Fitting anything to any channel: nothing lost, nothing broken, nothing too long."""

import re
from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.channels import Capabilities, OutboundPart
from core.dialogue.degrade import degrade, reduce_marks
from core.loader import load_channels
from shared.messages import Attachment, Choice, Message
from shared.richtext import RichText, TextUnit, from_markdown, length
from shared.utils.text import is_blank, is_grapheme_boundary
from tests.core.dialogue.test_degrade import ALL_MARKS, CHOICES, MESSAGE_ID, citation, texts

# --- long answers, on every channel there is

CODE = "    def f(x):\n        return x\n"
CHANNELS = {name: adapter.capabilities for name, adapter in sorted(load_channels([]).items())}


def paragraphs(letters: int) -> str:
    calm = "Breathe slowly, and count on while the others wait. " * 4
    return "\n\n".join(f"**Step {n}.** {calm}👋" for n in range(letters // 220))


@pytest.mark.parametrize("letters", [6_000, 40_000])
@pytest.mark.parametrize("capabilities", CHANNELS.values(), ids=CHANNELS)
def test_a_long_answer_arrives_whole_and_in_order(capabilities: Capabilities, letters: int) -> None:
    message = Message(text=paragraphs(letters), choices=CHOICES)
    parts = degrade(message, capabilities, MESSAGE_ID)

    check(message, capabilities, parts)
    for part in parts:
        assert part.text.text.startswith("Step")  # cut between paragraphs
    words = "".join(texts(parts)).replace("\n", " ").split("Step ")[1:]
    assert [int(word.split(".")[0]) for word in words] == list(range(len(words)))


@pytest.mark.parametrize("capabilities", CHANNELS.values(), ids=CHANNELS)
def test_code_cut_over_parts_stays_code_with_its_indentation(capabilities: Capabilities) -> None:
    code = "\n".join(f"def f{n}(x):\n    if x:\n        return {n}" for n in range(400))
    message = Message(text=f"Try this:\n\n```python\n{code}\n```\n\nDone.")
    limited = replace(capabilities, max_text=min(capabilities.max_text, 1600))
    parts = degrade(message, limited, MESSAGE_ID)

    check(message, limited, parts)
    lines = "\n".join(texts(parts)).split("\n")
    assert [line for line in lines if "return" in line] == [
        f"        return {n}" for n in range(400)
    ]
    if "pre" in capabilities.marks:
        for part in parts:
            covered = [m for m in part.text.marks if m.kind == "pre"]
            assert [m.value for m in covered] == ["python"]


@pytest.mark.parametrize("capabilities", CHANNELS.values(), ids=CHANNELS)
def test_a_long_table_keeps_every_cell(capabilities: Capabilities) -> None:
    rows = "\n".join(f"| day {n} | run {n} km | https://a.b/{n} |" for n in range(120))
    message = Message(text=f"| When | What | Where |\n| --- | --- | --- |\n{rows}")
    parts = degrade(message, capabilities, MESSAGE_ID)

    check(message, capabilities, parts)
    whole = " ".join(texts(parts))
    assert all(f"run {n} km" in whole and f"https://a.b/{n}" in whole for n in range(120))


def test_an_address_is_not_cut_in_halves() -> None:
    text = f"See https://example.org/{'x' * 30} now"
    capabilities = Capabilities(max_text=60)
    for lead in range(60):
        parts = texts(degrade(Message(text="w" * lead + " " + text), capabilities, MESSAGE_ID))
        assert sum(f"https://example.org/{'x' * 30}" in part for part in parts) == 1


# --- whatever a bot says, whatever a channel can

TOKENS = [
    *("a", "bcd", " ", "  ", ". ", "\n", "\n\n", "- ", "1. ", "> ", "# ", "\t"),
    *(
        "👋",
        "👨‍👩‍👧",
        "👍🏽",
        "🇳🇬",
        "🇳🇬🇩🇪",
        "e\u0301",
        "\u0301",
        "각",
        "각",
        "한",
        "\ufe0f",
        "\u200d",
    ),
    *("{", "€", "’", "国。", "ß", "[", "]", "~", "^"),
    *("**", "_", "~~", "`", "```\n", "\n```\n", CODE),
    *("[x](https://a.b/c)", "<https://d.e>", "![p](https://f.g/h.png)", "[m](mailto:a@b.c)"),
    *("| a | b |\n| --- | --- |\n", "| c | d |\n"),
]
labels = st.text("abc 1é\n👋", min_size=1, max_size=20).filter(lambda text: not is_blank(text))
addresses = st.text("abc/%", max_size=20).map(lambda tail: f"https://a.b/{tail}")
marks_of_channels = st.frozensets(st.sampled_from(sorted(ALL_MARKS)))
capabilities_of_channels = st.one_of(
    st.sampled_from(list(CHANNELS.values())),
    st.builds(
        Capabilities,
        max_text=st.integers(12, 60),
        text_unit=st.sampled_from(["codepoint", "utf16", "gsm7_or_ucs2"]),
        marks=marks_of_channels,
        buttons=st.integers(0, 3),
        citations=st.booleans(),
        attachments=st.frozensets(st.sampled_from(["image", "file"])),
        caption_max=st.integers(0, 20),
    ),
)
messages = st.builds(
    Message,
    text=st.lists(st.sampled_from(TOKENS), max_size=120).map("".join),
    choices=st.lists(st.builds(Choice, label=labels, value=st.just("v")), max_size=5).map(tuple),
    citations=st.lists(st.builds(citation, st.integers(1, 9), labels), max_size=3).map(tuple),
    attachments=st.lists(
        st.builds(
            Attachment,
            kind=st.sampled_from(["image", "file"]),
            url=addresses,
            name=st.one_of(st.just(""), labels),
            description=st.one_of(st.just(""), labels),
        ),
        max_size=3,
    ).map(tuple),
)


def without_space(text: str) -> str:
    return re.sub(r"\s+", "", text)


def covered(rich: RichText) -> list[tuple[str, str, str]]:
    """Each visible character under each mark, in order."""
    spread = [
        (mark.kind, mark.value, char)
        for mark in rich.marks
        for char in rich.text[mark.start : mark.end]
        if not char.isspace()
    ]
    return sorted(spread)


def check(message: Message, capabilities: Capabilities, parts: tuple[OutboundPart, ...]) -> None:
    """What must hold of every message on every channel."""
    # The same channel without a limit tells what there is to say; nothing of it may be missing.
    endless = replace(capabilities, max_text=10**9, caption_max=10**9)
    whole = next((p.text for p in degrade(message, endless, MESSAGE_ID)), RichText(text=""))
    assert without_space("".join(texts(parts))) == without_space(whole.text)
    assert sorted(c for p in parts for c in covered(p.text)) == covered(whole)
    assert [(part.index, part.count) for part in parts] == [
        (index, len(parts)) for index in range(len(parts))
    ]
    for part in parts:
        check_part(part, capabilities)
    check_nothing_lost(message, capabilities, parts)


def check_part(part: OutboundPart, capabilities: Capabilities) -> None:
    text, unit = part.text.text, capabilities.text_unit
    assert part.attachments or not is_blank(text)
    assert text == text.rstrip()
    limit = capabilities.caption_max if part.attachments else capabilities.max_text
    assert length(text, unit) <= limit
    text.encode()  # no lone surrogate
    for mark in part.text.marks:
        assert 0 <= mark.start < mark.end <= len(text)
        assert mark.kind in capabilities.marks
    assert len(part.choices) <= capabilities.buttons
    assert {a.kind for a in part.attachments} <= capabilities.attachments


def check_nothing_lost(
    message: Message, capabilities: Capabilities, parts: tuple[OutboundPart, ...]
) -> None:
    text = without_space("".join(texts(parts)))
    addresses = {mark.value for part in parts for mark in part.text.marks}
    for mark in from_markdown(message.text).marks:
        if mark.kind == "link":
            bare = re.sub("^(mailto:|tel:)", "", mark.value)
            assert mark.value in addresses or bare in text
    check_attachments(message, capabilities, parts, text, addresses)
    check_choices(message, parts, text)
    check_citations(message, capabilities, parts, text)


def check_attachments(
    message: Message,
    capabilities: Capabilities,
    parts: tuple[OutboundPart, ...],
    text: str,
    addresses: set[str],
) -> None:
    shown = [a for part in parts for a in part.attachments]
    assert shown == [a for a in message.attachments if a.kind in capabilities.attachments]
    for attachment in message.attachments:
        assert attachment in shown or attachment.url in addresses or attachment.url in text
        assert attachment in shown or without_space(attachment.description) in text


def check_choices(message: Message, parts: tuple[OutboundPart, ...], text: str) -> None:
    offered = [choice for part in parts for choice in part.choices]
    if offered:
        assert offered == list(message.choices)
    else:
        listed = "".join(f"{n}.{c.label}" for n, c in enumerate(message.choices, start=1))
        assert text.endswith(without_space(listed))


def check_citations(
    message: Message, capabilities: Capabilities, parts: tuple[OutboundPart, ...], text: str
) -> None:
    cited = [c for part in parts for c in part.citations]
    if capabilities.citations and any(part.text.text for part in parts):
        assert cited == list(message.citations)
    elif not capabilities.citations:
        for given in message.citations:
            assert without_space(f"[{given.number}]{given.title}") in text


@given(messages, capabilities_of_channels)
@settings(max_examples=400, deadline=None)
def test_every_part_fits_and_nothing_is_lost(message: Message, capabilities: Capabilities) -> None:
    check(message, capabilities, degrade(message, capabilities, MESSAGE_ID))


@given(
    st.lists(st.sampled_from(TOKENS[:36]), max_size=80).map("".join),
    st.sampled_from(["codepoint", "utf16", "gsm7_or_ucs2"]),
)
@settings(max_examples=300, deadline=None)
def test_cuts_keep_readers_characters_whole(text: str, unit: TextUnit) -> None:
    whole = reduce_marks(from_markdown(text), frozenset()).text
    capabilities = Capabilities(max_text=40, text_unit=unit)
    position = 0
    for part in texts(degrade(Message(text=text), capabilities, MESSAGE_ID)):
        start = whole.index(part, position)
        position = start + len(part)
        clusters = longest_cluster(whole)
        if clusters <= 20:  # a longer one can't be kept whole
            assert is_grapheme_boundary(whole, start)
            assert is_grapheme_boundary(whole, position)


def longest_cluster(text: str) -> int:
    ends = [n for n in range(len(text) + 1) if is_grapheme_boundary(text, n)]
    return max((later - earlier for earlier, later in pairwise(ends)), default=0)


visible = st.characters(exclude_categories=["Cc", "Cf", "Cs"])


@given(st.text(visible, max_size=300), st.integers(2, 10))
@settings(max_examples=200, deadline=None)
def test_any_text_on_any_limit_ends(text: str, limit: int) -> None:
    parts = texts(degrade(Message(text=text), Capabilities(max_text=limit), MESSAGE_ID))

    assert all(0 < len(part) <= limit for part in parts)
    whole = reduce_marks(from_markdown(text), frozenset()).text
    assert seen("".join(parts)) == seen(whole)


def seen(text: str) -> str:
    return "".join(char for char in text if not is_blank(char))
