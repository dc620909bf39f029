"""Parts as Slack's blocks: exact text, marks, buttons, citations, pictures."""

import json
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.slack import blocks, render
from adapters.slack.emulator_blocks import check_blocks
from adapters.slack.emulator_rules import check_text
from core.channels import OutboundPart
from shared.messages import Attachment, Choice, Citation
from shared.richtext import RichText, from_markdown
from tests.adapters.slack.accounts import part_of

MARKDOWN = "ab👋 *_~`[](https://x.y)<!@#&>\n-1."


def elements_of(markdown: str) -> list[dict[str, Any]]:
    block = blocks.rich_text(from_markdown(markdown))
    assert block is not None
    return list(block["elements"])


def section(*runs: dict[str, Any]) -> dict[str, Any]:
    return {"type": "rich_text_section", "elements": list(runs)}


def run(text: str, *styles: str) -> dict[str, Any]:
    style = {"style": dict.fromkeys(styles, True)} if styles else {}
    return {"type": "text", "text": text} | style


def cited(number: int, title: str = "Rest days", heading: str = "") -> Citation:
    return Citation(
        number=number,
        document_id=UUID(int=1),
        chunk_id=UUID(int=2),
        title=title,
        heading=heading,
        quote="Rest.",
    )


@pytest.mark.parametrize(
    ("markdown", "expected"),
    [
        ("plain", [section(run("plain"))]),
        ("**b**", [section(run("b", "bold"))]),
        ("a *i* b", [section(run("a "), run("i", "italic"), run(" b"))]),
        ("~~s~~", [section(run("s", "strike"))]),
        ("`c`", [section(run("c", "code"))]),
        ("**b *bi***", [section(run("b ", "bold"), run("bi", "bold", "italic"))]),
        ("in**side**", [section(run("in"), run("side", "bold"))]),
        (
            "[l](https://x.y)",
            [section({"type": "link", "url": "https://x.y", "text": "l"})],
        ),
        (
            "**[l](https://x.y)**",
            [section({"type": "link", "url": "https://x.y", "text": "l", "style": {"bold": True}})],
        ),
        ("👋🏾 <!channel>", [section(run("👋🏾 <!channel>"))]),
        (
            "a\n\n```py\nx < 1\n```\n\nb",
            [
                section(run("a")),
                {"type": "rich_text_preformatted", "elements": [run("x < 1")]},
                section(run("b")),
            ],
        ),
        (
            "> q **b**\n\nafter",
            [
                {"type": "rich_text_quote", "elements": [run("q "), run("b", "bold")]},
                section(run("after")),
            ],
        ),
        ("- one\n- two", [section(run("• one\n• two"))]),
    ],
)
def test_marks_become_elements(markdown: str, expected: list[dict[str, Any]]) -> None:
    assert elements_of(markdown) == expected


def test_a_table_keeps_its_columns() -> None:
    (table,) = elements_of("| a | b |\n|---|---|\n| 1 | 22 |")

    assert table["type"] == "rich_text_preformatted"
    assert "22" in table["elements"][0]["text"]


def text_in(body: dict[str, Any]) -> str:
    written = [block for block in body["blocks"] if block["type"] == "rich_text"]
    elements = [element for block in written for element in block["elements"]]
    return "".join(run["text"] for element in elements for run in element["elements"])


@given(st.text(alphabet=MARKDOWN, max_size=200))
@settings(max_examples=300, deadline=None)
def test_slack_takes_whatever_is_written_and_nothing_is_lost(markdown: str) -> None:
    part = part_of(markdown, Choice(label="ok", value="ok"))
    body = render.message(part)

    check_blocks(body["blocks"])
    check_text(body)
    whole = part.text.text
    assert "".join(text_in(body).split()) == "".join(whole.split())


@given(st.text(alphabet=MARKDOWN, max_size=200))
@settings(max_examples=300, deadline=None)
def test_no_element_is_a_call_or_empty(markdown: str) -> None:
    body = render.message(part_of(markdown))

    for block in body["blocks"]:
        for element in block["elements"]:
            for each in element["elements"]:
                assert each["type"] in ("text", "link")
                assert each["text"]
    assert "mrkdwn" not in json.dumps(body["blocks"])


def test_the_longest_part_fits() -> None:
    body = render.message(part_of("&" * 3000))

    check_blocks(body["blocks"])
    check_text(body)
    assert len(body["text"]) == 15_000


# --- choices


def test_choices_are_buttons_with_names_of_their_own() -> None:
    choices = [Choice(label=f"Choice {n}", value=f"v{n}") for n in range(25)]
    body = render.message(part_of("?", *choices))

    check_blocks(body["blocks"])
    (actions,) = [block for block in body["blocks"] if block["type"] == "actions"]
    assert [button["value"] for button in actions["elements"]] == [f"v{n}" for n in range(25)]
    assert len({button["action_id"] for button in actions["elements"]}) == 25
    assert all(button["text"]["type"] == "plain_text" for button in actions["elements"])


def test_a_label_too_long_for_a_button_is_shown_whole() -> None:
    long = "A rather long choice, " * 9
    body = render.message(part_of("?", Choice(label=long, value="1"), Choice(label="b", value="2")))

    check_blocks(body["blocks"])
    sections = [block for block in body["blocks"] if block["type"] == "section"]
    assert [block["text"]["text"] for block in sections] == [long, "b"]
    assert [block["accessory"]["value"] for block in sections] == ["1", "2"]


@given(st.lists(st.text(min_size=1, max_size=200), min_size=1, max_size=25))
@settings(max_examples=50, deadline=None)
def test_any_labels_and_values_fit(labels: list[str]) -> None:
    choices = [Choice(label=label, value="é" * 2000) for label in labels]

    check_blocks(render.message(part_of("?", *choices))["blocks"])


# --- citations, pictures, marker


def test_citations_are_small_print() -> None:
    body = render.message(part_of("x [1]", citations=(cited(1, heading="Sleep"), cited(2))))

    check_blocks(body["blocks"])
    (context,) = [block for block in body["blocks"] if block["type"] == "context"]
    texts = [element["text"] for element in context["elements"]]
    assert texts == ["[1] Rest days – Sleep", "[2] Rest days"]
    assert all(element["type"] == "plain_text" for element in context["elements"])


def test_many_long_citations_fit() -> None:
    citations = tuple(cited(n, title="<!here> " + "t" * 5000) for n in range(1, 25))
    body = render.message(part_of("x", citations=citations))

    check_blocks(body["blocks"])
    context = [block for block in body["blocks"] if block["type"] == "context"]
    assert [len(block["elements"]) for block in context] == [10, 10, 4]


def with_attachments(*attachments: Attachment, markdown: str = "Look") -> OutboundPart:
    return part_of(markdown, attachments=attachments)


def test_pictures_are_described() -> None:
    picture = Attachment(kind="image", url="https://x.y/a.png", description="A lake")
    body = render.message(with_attachments(picture, Attachment(kind="image", url="https://x.y/b")))

    check_blocks(body["blocks"])
    images = [block for block in body["blocks"] if block["type"] == "image"]
    assert [(i["image_url"], i["alt_text"]) for i in images] == [
        ("https://x.y/a.png", "A lake"),
        ("https://x.y/b", "image"),
    ]


def test_a_picture_alone_has_a_fallback() -> None:
    picture = Attachment(kind="image", url="https://x.y/a.png", description="A <lake>")
    body = render.message(with_attachments(picture, markdown=""))

    check_text(body)
    assert body["text"] == "A &lt;lake&gt;"


def test_files_and_refused_pictures_are_links() -> None:
    attachments = (
        Attachment(kind="image", url="https://x.y/a.png", description="A lake"),
        Attachment(kind="file", url="https://x.y/plan.pdf", name="plan.pdf"),
    )
    body = render.message(with_attachments(*attachments), images_as_links=True)

    check_blocks(body["blocks"])
    assert not [block for block in body["blocks"] if block["type"] == "image"]
    links = [run for run in body["blocks"][1]["elements"][0]["elements"] if run["type"] == "link"]
    assert [(link["url"], link["text"]) for link in links] == [
        ("https://x.y/a.png", "A lake"),
        ("https://x.y/plan.pdf", "plan.pdf"),
    ]


def test_a_part_finds_itself_by_its_marker() -> None:
    part = part_of("x")
    other = OutboundPart(message_id=part.message_id, index=1, count=2, text=RichText(text="y"))

    assert render.is_marked({"metadata": render.marker(part)}, part)
    assert not render.is_marked({"metadata": render.marker(other)}, part)
    assert not render.is_marked({"metadata": render.marker(part_of("x"))}, part)
    strangers: list[Any] = [None, [], {}, {"event_type": "x"}]
    strangers += [{"event_type": "cairn_message", "event_payload": None}]
    for metadata in strangers:
        assert not render.is_marked({"metadata": metadata}, part)


def test_nothing_is_expanded_or_called() -> None:
    assert render.message(part_of("@here #general https://x.y"))["parse"] == "none"
