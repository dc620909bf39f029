"""What no spreadsheet runs, and what comes back."""

import pytest

from shared.utils.spreadsheets import defused, restored

FORMULAS = ["=1", "+1", "-1", "@SUM(1)", "\t=1", "\r=1", "\n=1", "＝1", "＋1", "－1", "＠1", "'=1"]
OTHERS = ["", "'", "Ada", "'Ada", "O'Hara", "a=1", " =1", "1-2", "''"]


@pytest.mark.parametrize("text", FORMULAS)
def test_a_formula_is_marked_as_text(text: str) -> None:
    assert defused(text) == "'" + text
    assert defused(defused(text)) == "''" + text


@pytest.mark.parametrize("text", OTHERS)
def test_other_text_stays(text: str) -> None:
    assert (defused(text), restored(text)) == (text, text)


@pytest.mark.parametrize("text", [*FORMULAS, *OTHERS])
def test_what_was_marked_comes_back(text: str) -> None:
    assert restored(defused(text)) == text


def test_a_number_that_a_hand_marked_is_that_number() -> None:
    assert restored("'+14155550100") == "+14155550100"
