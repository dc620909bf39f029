"""Figures are the same however they are written, and another figure is another."""

import pytest

from core.llm.figures import unfounded

SAME = [
    ("1,000 people", "1000 people"),
    ("1.000 Leute", "1,000"),
    ("10 000", "10,000"),
    ("three weeks", "3 weeks"),
    ("3 Wochen", "three weeks"),
    ("twenty-one days", "21 days"),
    ("einundzwanzig Tage", "21 days"),
    ("vingt et un jours", "21 jours"),
    ("treinta y dos", "32"),
    ("two hundred", "200"),
    ("five thousand", "5,000"),
    ("1.5 million", "1,500,000"),
    ("a dozen", "12"),
    ("the 3rd", "3"),
    ("3,5 Stunden", "3.5 hours"),
    ("8-hour sleep", "8 hours"),
    ("sieben bis neun Stunden", "seven to nine hours"),
    ("50 %", "50 percent"),
    ("50%", "50 per cent"),
    ("50 Prozent", "50%"),
    ("20–30 %", "between 20 and 30 percent"),
    ("$50", "50 dollars"),
    ("50 €", "EUR 50"),
    ("at 3 pm", "at 15:00"),
    ("15 Uhr", "3 p.m."),
    ("um 15:30 Uhr", "3.30 pm"),
    ("at 3", "at 3 pm"),
    ("at 10 p.m. and at 6 a.m.", "22:00 to 6:00"),
    ("12 March 2024", "2024-03-12"),
    ("on 12.03.2024", "March 12, 2024"),
    ("March 12", "12 March 2024"),
    ("12 de marzo", "12 March"),
    ("in March", "12 March 2024"),
    ("in 2024", "12 March 2024"),
    ("on Monday", "Mondays"),
    ("montags", "Every Monday"),
    ("one step", "steps"),
    ("You may march", "go"),
]
OTHER = [
    ("1,000", "100"),
    ("2.5", "25"),
    ("1.5", "15"),
    ("32", "twenty-three"),
    ("2 million", "2 thousand"),
    ("three steps", "four steps"),
    ("66 weeks", "66 days"),
    ("thirty minutes", "20 minutes"),
    ("acht Sekunden", "sechs Sekunden"),
    ("50 %", "50 people"),
    ("$50", "50 minutes"),
    ("50 euros", "50 dollars"),
    ("3 am", "3 pm"),
    ("at 16:00", "at 3 pm"),
    ("13 March", "12 March"),
    ("12 March 2023", "12 March 2024"),
    ("in April", "in March"),
    ("on Tuesday", "on Monday"),
]


@pytest.mark.parametrize(("claim", "source"), SAME, ids=[f"{c}={s}" for c, s in SAME])
def test_one_figure_in_two_writings(claim: str, source: str) -> None:
    assert unfounded(claim, source) == []


@pytest.mark.parametrize(("claim", "source"), OTHER, ids=[f"{c}≠{s}" for c, s in OTHER])
def test_another_figure(claim: str, source: str) -> None:
    assert unfounded(claim, source)
