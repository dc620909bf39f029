"""Fitting a message to a channel: nothing lost, every part within the limit, marks in range."""

import re
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.channels import Capabilities, OutboundPart
from core.dialogue.degrade import degrade, reduce_marks
from shared.messages import Choice, Citation, Message
from shared.richtext import MarkKind, TextUnit, from_markdown, length
from shared.utils.text import is_blank, is_grapheme_boundary

MESSAGE_ID = UUID(int=7)
ALL_MARKS = frozenset({"bold", "italic", "strike", "code", "pre", "link", "quote"})
SMS = Capabilities(max_text=160, text_unit="gsm7_or_ucs2")
RICH = Capabilities(max_text=4096, text_unit="utf16", marks=ALL_MARKS, buttons=8)
CHOICES = (Choice(label="Yes", value="y"), Choice(label="No", value="n"))


def citation(number: int, heading: str = "") -> Citation:
    return Citation(
        number=number,
        document_id=UUID(int=1),
        chunk_id=UUID(int=2),
        title=f"Handbook {number}",
        heading=heading,
        quote="…",
    )


def texts(parts: tuple[OutboundPart, ...]) -> list[str]:
    return [part.text.text for part in parts]


def test_a_short_message_is_one_part_with_its_buttons() -> None:
    (part,) = degrade(Message(text="**Ready?**", choices=CHOICES), RICH, MESSAGE_ID)

    assert (part.message_id, part.index, part.count) == (MESSAGE_ID, 0, 1)
    assert part.text == from_markdown("**Ready?**")
    assert part.choices == CHOICES


@pytest.mark.parametrize("buttons", [0, 1])
def test_choices_beyond_the_buttons_become_a_numbered_list(buttons: int) -> None:
    capabilities = Capabilities(max_text=160, buttons=buttons)
    (part,) = degrade(Message(text="Ready?", choices=CHOICES), capabilities, MESSAGE_ID)

    assert part.text.text == "Ready?\n\n1. Yes\n2. No"
    assert part.choices == ()


def test_citations_become_footnotes_before_the_choices() -> None:
    message = Message(
        text="Start small [1].", choices=CHOICES, citations=(citation(1, "Tiny steps"), citation(2))
    )
    (part,) = degrade(message, SMS, MESSAGE_ID)

    assert part.text.text == (
        "Start small [1].\n\n[1] Handbook 1 – Tiny steps\n[2] Handbook 2\n\n1. Yes\n2. No"
    )
    assert part.citations == ()


def test_a_channel_that_shows_citations_gets_them_on_the_last_part() -> None:
    capabilities = Capabilities(max_text=20, citations=True, buttons=3)
    message = Message(text="One sentence. And another.", choices=CHOICES, citations=(citation(1),))
    first, last = degrade(message, capabilities, MESSAGE_ID)

    assert (first.choices, first.citations) == ((), ())
    assert (last.choices, last.citations) == (CHOICES, (citation(1),))


@pytest.mark.parametrize(
    ("markdown", "lacking", "text"),
    [
        ("see [here](https://a.b).", "link", "see here (https://a.b)."),
        ("<https://a.b>", "link", "https://a.b"),
        ("[a@b.c](mailto:a@b.c)", "link", "a@b.c"),
        ("**[x](https://a.b)**!", "link", "x (https://a.b)!"),
        ("> a\n> b", "quote", "> a\n> b"),
        ("~~4~~ 3", "strike", "~4~ 3"),
        ("**b** `c`", "bold", "b c"),
    ],
)
def test_a_lacking_mark_becomes_text(markdown: str, lacking: MarkKind, text: str) -> None:
    rich = reduce_marks(from_markdown(markdown), ALL_MARKS - {lacking})

    assert rich.text == text
    assert lacking not in {mark.kind for mark in rich.marks}


def test_marks_still_cover_their_words_after_insertions() -> None:
    rich = reduce_marks(
        from_markdown("**a** [b](https://u.v) *c*\n> **d** [e](https://w.x)\n> *f*"),
        frozenset({"bold", "italic"}),
    )

    covered = [(mark.kind, rich.text[mark.start : mark.end]) for mark in rich.marks]
    assert covered == [("bold", "a"), ("italic", "c"), ("bold", "d"), ("italic", "f")]
    assert rich.text == "a b (https://u.v) c\n\n> d e (https://w.x)\n> f"


def test_a_code_block_becomes_code_where_only_that_is_known() -> None:
    rich = reduce_marks(from_markdown("```\nx\n```"), frozenset({"code"}))

    assert [mark.kind for mark in rich.marks] == ["code"]


@pytest.mark.parametrize(
    ("text", "limit", "parts"),
    [
        ("First paragraph.\n\nSecond one.", 20, ["First paragraph.", "Second one."]),
        ("One two. Three four. Five", 15, ["One two.", "Three four.", "Five"]),
        ("He said “go.” Then he left", 15, ["He said “go.”", "Then he left"]),
        ("words without an end", 14, ["words without", "an end"]),
        ("exactly ten", 7, ["exactly", "ten"]),
        ("你好。再见。", 4, ["你好。", "再见。"]),
        ("👨‍👩‍👧" * 3, 6, ["👨‍👩‍👧"] * 3),
        ("abcdefgh", 3, ["abc", "def", "gh"]),
    ],
)
def test_long_text_is_cut_at_the_nicest_place(text: str, limit: int, parts: list[str]) -> None:
    capabilities = Capabilities(max_text=limit)

    assert texts(degrade(Message(text=text), capabilities, MESSAGE_ID)) == parts


def test_a_mark_over_a_cut_is_closed_and_opened_again() -> None:
    capabilities = Capabilities(max_text=12, marks=ALL_MARKS)
    parts = degrade(Message(text="**First one. Second one.**"), capabilities, MESSAGE_ID)

    assert texts(parts) == ["First one.", "Second one."]
    assert [[(m.kind, m.start, m.end) for m in part.text.marks] for part in parts] == [
        [("bold", 0, 10)],
        [("bold", 0, 11)],
    ]


@pytest.mark.parametrize("text", ["", "  \n", "\u200b"])
def test_nothing_to_see_is_no_part(text: str) -> None:
    assert degrade(Message(text=text), RICH, MESSAGE_ID) == ()


def test_choices_without_text_are_still_seen() -> None:
    assert texts(degrade(Message(text=" ", choices=CHOICES), RICH, MESSAGE_ID)) == ["1. Yes\n2. No"]


def test_an_endless_character_is_cut_rather_than_sent_too_long() -> None:
    parts = degrade(Message(text="e" + "\u0301" * 50), Capabilities(max_text=20), MESSAGE_ID)

    assert all(len(part.text.text) <= 20 for part in parts)


TOKENS = [
    "a",
    "bcd",
    " ",
    ". ",
    "\n",
    "\n\n",
    "- ",
    "👋",
    "👨‍👩‍👧",
    "e\u0301",
    "{",
    "€",
    "’",
    "国。",
    "**",
]
texts_of_bots = st.lists(st.sampled_from(TOKENS), max_size=120).map("".join)
capabilities_of_channels = st.builds(
    Capabilities,
    max_text=st.integers(4, 60),
    text_unit=st.sampled_from(["codepoint", "utf16", "gsm7_or_ucs2"]),
    marks=st.frozensets(st.sampled_from(sorted(ALL_MARKS))),
    buttons=st.integers(0, 3),
    citations=st.booleans(),
)


def without_space(text: str) -> str:
    return re.sub(r"\s+", "", text)


@given(texts_of_bots, capabilities_of_channels)
@settings(max_examples=300, deadline=None)
def test_every_part_fits_and_nothing_is_lost(text: str, capabilities: Capabilities) -> None:
    parts = degrade(Message(text=text, choices=CHOICES), capabilities, MESSAGE_ID)

    whole = reduce_marks(from_markdown(text), capabilities.marks).text
    if not (parts and parts[-1].choices):
        whole += "1. Yes 2. No"
    assert without_space("".join(texts(parts))) == without_space(whole)
    assert [part.index for part in parts] == list(range(len(parts)))
    for part in parts:
        assert not is_blank(part.text.text)
        assert part.text.text == part.text.text.strip()
        assert length(part.text.text, capabilities.text_unit) <= capabilities.max_text
        assert all(0 <= m.start < m.end <= len(part.text.text) for m in part.text.marks)
        assert part.choices == () or part is parts[-1]


@given(st.text(alphabet="ab 👋é\u0301🇳🇬", min_size=1, max_size=200))
@settings(max_examples=200)
def test_cuts_keep_readers_characters_whole(text: str) -> None:
    whole = from_markdown(text).text
    position = 0
    for part in texts(degrade(Message(text=text), Capabilities(max_text=40), MESSAGE_ID)):
        position = whole.index(part, position) + len(part)
        assert is_grapheme_boundary(whole, position)


def test_units_differ() -> None:
    text = "👋" * 30
    sizes: dict[TextUnit, int] = {}
    for unit in ("codepoint", "utf16"):
        capabilities = Capabilities(max_text=20, text_unit=unit)
        sizes[unit] = len(degrade(Message(text=text), capabilities, MESSAGE_ID))

    assert sizes == {"codepoint": 2, "utf16": 3}


def test_a_mark_does_not_grow_over_the_address_put_after_it() -> None:
    rich = reduce_marks(from_markdown("**[x](https://a.b)**!"), frozenset({"bold"}))

    assert [rich.text[mark.start : mark.end] for mark in rich.marks] == ["x"]
