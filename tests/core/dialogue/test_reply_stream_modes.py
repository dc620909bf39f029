"""Where and how an answer grows, what is shown of it, when it is worth beginning. Pure."""

from typing import Any

import pytest

from core.channels import Address, Capabilities
from core.dialogue.reply_stream import check_streaming, is_enough, mode_of, shown_of
from core.llm.budget import UNKNOWN
from shared.errors import InvalidInput


@pytest.mark.parametrize("settings", [{}, {"streaming": "auto"}, {"streaming": "off"}], ids=str)
def test_a_setting_that_is_known_is_taken(settings: dict[str, Any]) -> None:
    check_streaming(settings)


@pytest.mark.parametrize("value", ["on", "", None, True, ["off"], {}], ids=str)
def test_a_setting_that_is_not_known_is_refused(value: Any) -> None:
    with pytest.raises(InvalidInput):
        check_streaming({"streaming": value})


@pytest.mark.parametrize(
    ("streaming", "to", "setting", "mode"),
    [
        ("native", Address(chat="C1", person="U1"), "auto", "native"),
        ("edit", Address(chat="7", person="7"), "auto", "edit"),
        ("edit", Address(chat="D7", person="7", direct=True), "auto", "edit"),
        ("edit", Address(chat="-7", person="7"), "auto", "paragraphs"),
        ("edit", Address(chat="-7"), "auto", "paragraphs"),
        ("none", Address(chat="7", person="7"), "auto", "buffer"),
        ("edit", Address(chat="7", person="7"), "off", "buffer"),
        ("native", Address(chat="7", person="7"), "off", "buffer"),
    ],
)
def test_the_mode_follows_the_channel_the_place_and_the_setting(
    streaming: Any, to: Address, setting: str, mode: str
) -> None:
    assert mode_of(Capabilities(max_text=10, streaming=streaming), to, setting) == mode


def test_what_is_pulled_is_not_pushed() -> None:
    capabilities = Capabilities(max_text=10, streaming="native", delivery="pull")
    assert mode_of(capabilities, Address(chat="7", person="7")) == "buffer"


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        ("", ""),
        ("I don't kn", ""),
        (UNKNOWN, ""),
        ("I don't know everything, but **ha", "I don't know everything, but **ha**"),
        ("Rest. [1", "Rest."),
    ],
)
def test_what_is_shown_of_an_unfinished_answer(written: str, shown: str) -> None:
    assert shown_of(written, "edit") == shown


@pytest.mark.parametrize(
    ("shown", "enough"), [("Yes", False), ("Yes.", True), ("v1.2 or", False), ("a" * 40, True)]
)
def test_a_sentence_or_some_words_are_enough_to_begin(shown: str, enough: bool) -> None:
    assert is_enough(shown) is enough
