"""Entities in UTF-16 units, buttons within 64 bytes."""

import json
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from aiogram.utils.text_decorations import html_decoration
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.telegram import buttons, render
from adapters.telegram.buttons import choice_value
from adapters.telegram.emulator_rules import check_entities, check_keyboard
from core.channels import OutboundPart
from shared.messages import Choice
from shared.richtext import Mark, RichText, from_markdown

FIXTURES = Path(__file__).parents[3].parent / "shared" / "fixtures"


def entities_of(markdown: str) -> list[dict[str, Any]]:
    return as_json(from_markdown(markdown))


def as_json(rich: RichText) -> list[dict[str, Any]]:
    return [entity.model_dump(exclude_none=True) for entity in render.entities(rich)]


@pytest.mark.parametrize(
    ("markdown", "expected"),
    [
        ("**b**", [{"type": "bold", "offset": 0, "length": 1}]),
        ("👋🏾 *hi*", [{"type": "italic", "offset": 5, "length": 2}]),
        ("~~👋~~", [{"type": "strikethrough", "offset": 0, "length": 2}]),
        ("`c`", [{"type": "code", "offset": 0, "length": 1}]),
        ("```py\nc\n```", [{"type": "pre", "offset": 0, "length": 1, "language": "py"}]),
        ("```\nc\n```", [{"type": "pre", "offset": 0, "length": 1}]),
        ("> q", [{"type": "blockquote", "offset": 0, "length": 1}]),
        (
            "[👋 l](https://a.b)",
            [{"type": "text_link", "offset": 0, "length": 4, "url": "https://a.b"}],
        ),
    ],
)
def test_marks_become_entities(markdown: str, expected: list[dict[str, Any]]) -> None:
    assert entities_of(markdown) == expected


def test_code_is_cut_out_of_other_marks() -> None:
    assert entities_of("**a `b` c**") == [
        {"type": "bold", "offset": 0, "length": 2},
        {"type": "code", "offset": 2, "length": 1},
        {"type": "bold", "offset": 3, "length": 2},
    ]


def test_a_link_wins_over_code_inside_it() -> None:
    assert [entity["type"] for entity in entities_of("[`code` link](https://a.b)")] == ["text_link"]


def test_recorded_entities_render_as_they_were_recorded() -> None:
    """aiogram's renderer reads our entities as its own tests expect."""
    path = FIXTURES / "telegram_entities_to_html_markdownv2.json"
    if not path.exists():
        pytest.skip("no recorded entities beside this checkout")
    kinds = {telegram: kind for kind, telegram in render._TYPES.items()}
    checked = 0
    for case in json.loads(path.read_text())["single_entity"]:
        entity = case["entity"]
        if case["mode"] != "html" or entity["type"] not in kinds:
            continue
        value = entity.get("url") or entity.get("language") or ""
        mark = Mark(kind=kinds[entity["type"]], start=0, end=len(case["text"]), value=value)
        rich = RichText(text=case["text"], marks=(mark,))
        assert html_decoration.unparse(rich.text, render.entities(rich)) == case["expect"]
        checked += 1
    assert checked >= 5


@given(st.text(alphabet="ab👋 *_`~[](https://x.y)>\n-", max_size=200))
@settings(max_examples=300, deadline=None)
def test_entities_pass_telegrams_checks(markdown: str) -> None:
    rich = from_markdown(markdown)
    found = as_json(rich)

    check_entities(rich.text, found)
    code = [entity for entity in found if entity["type"] in ("code", "pre")]
    for entity in found:
        if entity["type"] != "blockquote":
            assert not any(overlap(entity, other) for other in code if other is not entity)


def overlap(one: dict[str, Any], other: dict[str, Any]) -> bool:
    ends = one["offset"] + one["length"], other["offset"] + other["length"]
    return bool(one["offset"] < ends[1] and other["offset"] < ends[0])


def part_with(*choices: Choice, message_id: UUID | None = None) -> OutboundPart:
    return OutboundPart(
        message_id=message_id or uuid4(),
        index=0,
        count=1,
        text=RichText(text="?"),
        choices=choices,
    )


def test_no_choices_no_keyboard() -> None:
    assert buttons.keyboard(part_with()) is None


@pytest.mark.parametrize(
    ("labels", "rows"),
    [
        (["Yes", "No"], [["Yes", "No"]]),
        (["1", "2", "3", "4"], [["1", "2", "3"], ["4"]]),
        (["A rather long label here", "No"], [["A rather long label here"], ["No"]]),
        (["Twelve chars", "Twelve chars", "x"], [["Twelve chars", "Twelve chars"], ["x"]]),
    ],
)
def test_short_labels_share_a_row(labels: list[str], rows: list[list[str]]) -> None:
    markup = buttons.keyboard(part_with(*(Choice(label=label, value=label) for label in labels)))

    assert markup is not None
    assert [[button.text for button in row] for row in markup.inline_keyboard] == rows


@given(
    st.lists(st.text(min_size=1, max_size=120), min_size=1, max_size=20),
    st.uuids(),
)
def test_every_value_fits_a_button_and_comes_back(values: list[str], message_id: UUID) -> None:
    choices = [Choice(label="x", value=value) for value in values]
    part = part_with(*choices, message_id=message_id)

    for index, choice in enumerate(choices):
        data = buttons.callback_data(part, index, choice)
        assert len(data.encode()) <= 64
        assert choice_value(data) in (choice.value, f"choice:{message_id}:{index}")
    markup = buttons.keyboard(part)
    assert markup is not None
    check_keyboard(markup.model_dump())


def test_a_value_that_is_too_long_travels_as_a_reference() -> None:
    part = part_with(Choice(label="x", value="é" * 32), message_id=UUID(int=9))

    data = buttons.callback_data(part, 0, part.choices[0])
    assert data.startswith("i:")
    assert choice_value(data) == f"choice:{UUID(int=9)}:0"


def test_a_value_that_looks_like_a_reference_stays_a_value() -> None:
    choice = Choice(label="x", value="i:AZfVnJMKcACAAAAAAAAAAQ:2")

    assert choice_value(buttons.callback_data(part_with(choice), 0, choice)) == choice.value
