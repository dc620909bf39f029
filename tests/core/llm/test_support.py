"""What a passage supports: the limits hold on pairs written by hand, and on others unseen."""

import pytest

from core.llm import support
from core.llm.figures import unfounded
from core.llm.support import has_facts, is_supported
from tests.core.llm.pairs import PAIRS, UNSEEN, Pair
from tests.core.llm.passages import DAYS, HABIT

# Sentences whose every word is another one than the passage's; the extractive answer covers them.
PARAPHRASED = {
    "Lally and colleagues found a median of sixty-six days.",
    "You can pay in twelve payments of 110 €.",
}


def judged(pairs: list[Pair]) -> tuple[list[str], list[str]]:
    """Unsupported sentences that would be kept, supported ones that would be dropped."""
    kept = [p.claim for p in pairs if not p.supported and is_supported(p.claim, [p.note])]
    dropped = [p.claim for p in pairs if p.supported and not is_supported(p.claim, [p.note])]
    return kept, dropped


def test_nothing_unsupported_is_kept_and_little_else_dropped() -> None:
    kept, dropped = judged(PAIRS)
    assert len(PAIRS) >= 90
    assert kept == []
    assert set(dropped) == PARAPHRASED


def test_the_limits_hold_for_pairs_they_were_not_chosen_on() -> None:
    kept, dropped = judged(UNSEEN)
    assert len(UNSEEN) >= 30
    assert len(kept) <= 1
    assert len(dropped) <= len(UNSEEN) // 8


@pytest.mark.parametrize(("covered", "worse"), [(0.4, "kept"), (0.9, "dropped")])
def test_other_limits_are_worse(
    monkeypatch: pytest.MonkeyPatch, covered: float, worse: str
) -> None:
    before = judged(PAIRS)
    monkeypatch.setattr(support, "LEAST_COVERED", covered)
    monkeypatch.setattr(support, "LEAST_TOGETHER", covered)
    index = ("kept", "dropped").index(worse)
    assert len(judged(PAIRS)[index]) > len(before[index])


@pytest.mark.parametrize(
    "text",
    [
        *("Here is what helps:", "I hope this helps!", "Great question.", "Good luck!"),
        *("In short:", "Hier sind ein paar Tipps:", "Voici quelques conseils :", "**", "---"),
        "What would you like to know next?",
    ],
)
def test_what_only_connects_carries_no_facts(text: str) -> None:
    assert not has_facts(text)


@pytest.mark.parametrize(
    "text",
    [
        *("Drink coffee.", "It takes 3 weeks.", "Visit https://example.org", "<b>Hi</b>"),
        *("Hello @everyone", "![](x)", "Did you know that sleeping pills heal 50 % of people?"),
    ],
)
def test_what_could_be_wrong_carries_facts(text: str) -> None:
    assert has_facts(text)


@pytest.mark.parametrize(
    "addition",
    [
        *("https://evil.example", "[cue](https://evil.example)", "![](https://evil.example/p.png)"),
        *("<script>alert(1)</script>", "@everyone", "<!channel>", "javascript:alert(1)", "&lt;"),
    ],
)
def test_links_markup_and_mentions_are_never_the_models_own(addition: str) -> None:
    claim = "Choose one small action and tie it to a daily cue"
    assert is_supported(f"{claim}.", [HABIT])
    assert not is_supported(f"{claim} {addition}.", [HABIT])


def test_a_translation_needs_a_quote_and_the_same_figures() -> None:
    claim = "Im Durchschnitt dauerte es 66 Tage, bis die Gewohnheit da war."
    assert not is_supported(claim, [DAYS])
    assert is_supported(claim, [DAYS], is_quoted=True)
    wrong = "Im Durchschnitt dauerte es 60 Tage, bis die Gewohnheit da war."
    assert not is_supported(wrong, [DAYS], is_quoted=True)


def test_passages_may_support_a_sentence_together() -> None:
    claim = "Repetition in a stable setting makes a habit, which took people 66 days on average."
    assert not is_supported(claim, [HABIT])
    assert unfounded(claim, HABIT.text)
    assert not unfounded(claim, f"{HABIT.text} {DAYS.text}")
