"""Growing Markdown: at every point what is shown is a beginning of what will be shown."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.dialogue.partial import whole, whole_paragraphs, without_citations
from shared.richtext import from_markdown

WORD = st.sampled_from(["walk", "ten", "minutes", "früh", "👋🏾", "don't", "3", "Anna-Lena"])
WORDS = st.lists(WORD, min_size=1, max_size=4).map(" ".join)
INLINE = st.one_of(
    WORDS,
    WORDS.map("**{}**".format),
    WORDS.map("*{}*".format),
    WORDS.map("_{}_".format),
    WORDS.map("***{}***".format),
    WORDS.map("~~{}~~".format),
    WORDS.map("`{}`".format),
    WORDS.map("[{}](https://example.org/a_b*c)".format),
    st.tuples(WORDS, WORDS).map(lambda two: f"**{two[0]} *{two[1]}***"),
    st.just("https://example.org/some_page_here"),
    st.just("snake_case_name"),
    st.just("2 * 3"),
    st.just("~5 km"),
)
SENTENCE = st.lists(INLINE, min_size=1, max_size=4).map(lambda parts: " ".join(parts) + ".")
BLOCK = st.one_of(
    SENTENCE,
    SENTENCE.map("## {}".format),
    SENTENCE.map("> {}".format),
    st.lists(SENTENCE, min_size=1, max_size=3).map(lambda s: "\n".join(f"- {x}" for x in s)),
    st.lists(SENTENCE, min_size=1, max_size=3).map(
        lambda s: "\n".join(f"{n}. {x}" for n, x in enumerate(s, 1))
    ),
    WORDS.map("```py\nx = [1]\n{}\n\n* y_z *\n```".format),
)
ANSWER = st.lists(BLOCK, min_size=1, max_size=3).map("\n\n".join)


def shown(markdown: str) -> str:
    return from_markdown(whole(markdown)).text


@given(ANSWER, st.data())
@settings(max_examples=400, deadline=None)
def test_what_is_shown_only_grows(answer: str, data: st.DataObject) -> None:
    cut = data.draw(st.integers(0, len(answer)))
    final = from_markdown(answer).text

    assert final.startswith(shown(answer[:cut]).rstrip())


@given(ANSWER)
@settings(max_examples=100, deadline=None)
def test_a_complete_answer_is_shown_as_it_is(answer: str) -> None:
    assert from_markdown(whole(answer)) == from_markdown(answer)


@given(st.text(alphabet="ab *_~`[](|)<>\\\n-#1.【】", max_size=80))
@settings(max_examples=400, deadline=None)
def test_any_text_can_be_shown(text: str) -> None:
    whole(without_citations(text))
    whole(whole_paragraphs(text))


@pytest.mark.parametrize(
    ("begun", "closed"),
    [
        ("**bo", "**bo**"),
        ("**bold ", "**bold**"),
        ("**bold*", "**bold**"),
        ("so **", "so"),
        ("so *", "so"),
        ("~~no", "~~no~~"),
        ("run `make", "run `make`"),
        ("run `", "run"),
        ("```py\nx = 1", "```py\nx = 1\n```"),
        ("```py\nx = 1\n``", "```py\nx = 1\n```"),
        ("see\n```p", "see"),
        ("see [the pa", "see"),
        ("see [the page](https://exa", "see"),
        ("see ![a", "see"),
        ("see <https://exa", "see"),
        ("- one\n-", "- one"),
        ("- one\n- **", "- one"),
        ("text\n\n##", "text"),
        ("text\n--", "text"),
        ("text\n\n| a | b", "text"),
        ("| a |\n|---|\n| 1 |\n| 2", "| a |\n|---|\n| 1 |"),
        ("- **open for ever\n- next", "- **open for ever\n- next"),
        ("one \\", "one"),
    ],
)
def test_what_is_open_is_closed_or_left_out(begun: str, closed: str) -> None:
    assert whole(begun) == closed


@pytest.mark.parametrize(
    ("begun", "clean"),
    [
        ("Rest [1], then walk [2][3].", "Rest, then walk."),
        ("Rest 【1】.", "Rest."),
        ("Rest 【1", "Rest"),
        ("See [1](https://a.b)", "See [1](https://a.b)"),
    ],
)
def test_citation_marks_wait_for_the_end(begun: str, clean: str) -> None:
    assert without_citations(begun) == clean


def test_half_a_citation_mark_is_not_seen() -> None:
    assert [shown(without_citations("Rest [12]."[:n])) for n in range(4, 10)] == ["Rest"] * 6


def test_whole_paragraphs_end_at_a_blank_line() -> None:
    assert whole_paragraphs("one\n\ntwo\n\nthr") == "one\n\ntwo"
    assert whole_paragraphs("one\ntwo") == ""
