"""mrkdwn both ways: readable text from what people write, inert text in what we send."""

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.slack import mrkdwn
from shared.richtext import RichText, from_markdown

BOT = "U07COACHBOT"


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("plain", "plain"),
        ("a &amp; b &lt;c&gt;", "a & b <c>"),
        ("&amp;lt;", "&lt;"),
        ("<https://cairn.example/a|the plan>", "the plan (https://cairn.example/a)"),
        ("<https://cairn.example/a>", "https://cairn.example/a"),
        ("<http://cairn.example|cairn.example>", "http://cairn.example"),
        ("<https://cairn.example/?a=1&amp;b=2>", "https://cairn.example/?a=1&b=2"),
        ("<mailto:ada@cairn.example|ada@cairn.example>", "ada@cairn.example"),
        ("<tel:+31201234567|+31 20 123 4567>", "+31 20 123 4567 (tel:+31201234567)"),
        ("<#C07GENERAL1|general>", "#general"),
        ("<#C07GENERAL1|>", "#C07GENERAL1"),
        ("<@U07BENLEE02>", "@U07BENLEE02"),
        ("<@U07BENLEE02|ben>", "@ben"),
        ("<!here>", "@here"),
        ("<!channel|@channel>", "@channel"),
        ("<!subteam^S07TEAM0001|@coaches>", "@coaches"),
        ("<!subteam^S07TEAM0001>", "@subteam"),
        ("<!date^1392734382^{date}|Feb 18, 2014>", "Feb 18, 2014"),
        (f"<@{BOT}> hello", "hello"),
        (f"<@{BOT}>: hello", "hello"),
        (f"<@{BOT}|coach>, hello", "hello"),
        (f"hi <@{BOT}> there", "hi there"),
        (f"<@{BOT}>\n*bold* _it_", "*bold* _it_"),
        (f"&lt;@{BOT}&gt; hi", f"<@{BOT}> hi"),
        ("3 < 5 and 7 > 6", "3 < 5 and 7 > 6"),
        ("<>", "<>"),
        ("line\n\nline", "line\n\nline"),
        ("👋🏾 :wave:", "👋🏾 :wave:"),
    ],
)
def test_what_people_write_is_read(written: str, read: str) -> None:
    assert mrkdwn.readable(written, [BOT]) == read


@given(st.text(alphabet="<>@#!|^&;aU1:/. \n", max_size=60))
def test_any_text_is_readable(written: str) -> None:
    mrkdwn.readable(written, [BOT])
    mrkdwn.mentions(written, [BOT])


@given(st.text(max_size=200))
def test_what_is_escaped_comes_back(text: str) -> None:
    assert mrkdwn.unescape(mrkdwn.escape(text)) == text


@pytest.mark.parametrize(
    ("markdown", "shown"),
    [
        ("**b** *i* ~~s~~ `c`", "*b* _i_ ~s~ `c`"),
        ("**bold *both***", "*bold _both_*"),
        ("[plan](https://cairn.example/?a=1&b=2)", "<https://cairn.example/?a=1&amp;b=2|plan>"),
        ("**[plan](https://cairn.example)**", "*<https://cairn.example|plan>*"),
        ("```py\nx < 1\n```", "```\nx &lt; 1\n```"),
        ("- one\n- two", "• one\n• two"),
        ("> wise\n> words", "&gt; wise\n&gt; words"),
        ("in**side**", "inside"),
        ("**two\nlines**", "two\nlines"),
        ("`` a`b ``", "a`b"),
        ("5 < 6 & 7 > 6", "5 &lt; 6 &amp; 7 &gt; 6"),
        ("<!channel> <@U1> <#C1>", "&lt;!channel&gt; &lt;@U1&gt; &lt;#C1&gt;"),
        ("[<!here>](https://cairn.example)", "<https://cairn.example|&lt;!here&gt;>"),
        ("[a|b](https://cairn.example)", "a|b"),
        ("👋🏾 **ok**", "👋🏾 *ok*"),
    ],
)
def test_the_fallback_reads_as_the_blocks_do(markdown: str, shown: str) -> None:
    assert mrkdwn.fallback(from_markdown(markdown)) == shown


def sequences(text: str) -> list[str]:
    return re.findall(r"<[^>]*>?", text)


@given(st.text(alphabet="<>!@#|&;ab *_~`[]()>-\n:/.hU1👋", max_size=120))
@settings(max_examples=400, deadline=None)
def test_nothing_anybody_writes_calls_somebody(text: str) -> None:
    for rich in (from_markdown(text), RichText(text=text)):
        shown = mrkdwn.fallback(rich)
        for sequence in sequences(shown):
            assert re.fullmatch(r"<(?:https?://|mailto:|tel:)[^<>|]*\|[^<>|\n]*>", sequence)
        assert not re.search(r"&(?!amp;|lt;|gt;)", shown)


@given(st.text(max_size=300))
@settings(max_examples=200, deadline=None)
def test_plain_text_loses_nothing(text: str) -> None:
    assert mrkdwn.unescape(mrkdwn.fallback(RichText(text=text))) == text
