"""Terms: one spelling for what means the same, in any script."""

import sys
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest

from core.rag.tokenize import HEADING_WEIGHT, TITLE_WEIGHT, terms, weighted_terms


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Running habits", ["run", "habit"]),
        ("What's the don’t of it", []),
        ("CAFÉ cafe Café", ["cafe", "cafe", "cafe"]),
        ("Straße", ["strass"]),
        ("x_y 42", ["x", "y", "42"]),
        ("我喜歡你", ["我喜", "喜歡", "歡你"]),
        ("ok東京abc", ["ok", "東京", "abc"]),
        ("한국어", ["한국어"]),
        ("नमस्ते", ["नमस्ते"]),
        ("שָׁלוֹם", ["שָׁלוֹם"]),
        ("🙂 — …", []),
    ],
)
def test_terms(text: str, expected: list[str]) -> None:
    assert terms(text) == expected


def test_a_word_has_at_most_64_letters() -> None:
    assert max(map(len, terms("ж" * 5000))) == 64


def test_words_of_the_heading_count_more() -> None:
    frequencies, length = weighted_terms("sleep and sleep", heading="Sleep well", title="Night")
    assert frequencies == {
        "sleep": 2 + HEADING_WEIGHT,
        "well": HEADING_WEIGHT,
        "night": TITLE_WEIGHT,
    }
    assert length == 5


def test_threads_do_not_disturb_each_other() -> None:
    # Words no other test has seen: what is cached is not stemmed again.
    texts = [" ".join(f"threadings{n}x{m}ing" for m in range(200)) for n in range(40)]
    everybody = Barrier(8)
    with ThreadPoolExecutor(8) as threads:
        # All run before they are made to switch: a measuring tool may not bear that in a start.
        list(threads.map(lambda _: everybody.wait(10), range(8)))
        interval = sys.getswitchinterval()
        sys.setswitchinterval(1e-6)
        try:
            found = list(threads.map(terms, texts))
        finally:
            sys.setswitchinterval(interval)
    assert found == [[f"threadings{n}x{m}" for m in range(200)] for n in range(40)]
