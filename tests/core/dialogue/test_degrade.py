"""Fitting a message to a channel: nothing lost, every part within the limit, marks in range."""

from dataclasses import replace
from uuid import UUID

import pytest

from core.channels import Capabilities, OutboundPart
from core.dialogue.degrade import degrade, reduce_marks
from shared.messages import Attachment, Choice, Citation, Message
from shared.richtext import MarkKind, TextUnit, from_markdown

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


# --- attachments

PICTURE = Attachment(kind="image", url="https://a.b/cat.png", description="A cat")
PLAN = Attachment(kind="file", url="https://a.b/plan.pdf", name="Plan.pdf")
PICTURES = Capabilities(max_text=40, attachments=frozenset({"image"}), caption_max=20, buttons=3)


def shape(parts: tuple[OutboundPart, ...]) -> list[tuple[str, int, int]]:
    return [(part.text.text, len(part.attachments), len(part.choices)) for part in parts]


def test_a_short_text_rides_with_the_first_attachment() -> None:
    message = Message(text="Look!", attachments=(PICTURE, PICTURE), choices=CHOICES)

    assert shape(degrade(message, PICTURES, MESSAGE_ID)) == [("Look!", 1, 2), ("", 1, 0)]


def test_a_text_too_long_for_a_caption_follows_the_attachments() -> None:
    text = "Look what a fine day this is."
    message = Message(text=text, attachments=(PICTURE, PICTURE), choices=CHOICES)

    assert shape(degrade(message, PICTURES, MESSAGE_ID)) == [("", 1, 0), ("", 1, 0), (text, 0, 2)]


@pytest.mark.parametrize("text", ["", "\u200b"])
def test_an_attachment_alone_is_a_message(text: str) -> None:
    message = Message(text=text, attachments=(PICTURE,))

    assert shape(degrade(message, PICTURES, MESSAGE_ID)) == [("", 1, 0)]


def test_a_kind_the_channel_lacks_becomes_a_link() -> None:
    message = Message(text="Read this.", attachments=(PLAN, PICTURE))
    plain = Capabilities(max_text=100)
    (part,) = degrade(message, plain, MESSAGE_ID)
    assert part.attachments == ()
    assert part.text.text == (
        "Read this.\n\nPlan.pdf (https://a.b/plan.pdf)\n\nA cat (https://a.b/cat.png)"
    )
    (linked,) = degrade(message, replace(plain, marks=ALL_MARKS), MESSAGE_ID)
    assert [(mark.kind, mark.value) for mark in linked.text.marks] == [
        ("link", PLAN.url),
        ("link", PICTURE.url),
    ]
    nameless = Attachment(kind="file", url="https://a.b/x")
    (bare,) = degrade(Message(text="", attachments=(nameless,)), plain, MESSAGE_ID)
    assert bare.text.text == "https://a.b/x"


def test_how_long_it_is_worth_delivering_stands_on_every_part() -> None:
    message = Message(text="One sentence. And another.")
    parts = degrade(message, Capabilities(max_text=20), MESSAGE_ID, valid_seconds=60.0)

    assert [part.valid_seconds for part in parts] == [60.0, 60.0]


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
