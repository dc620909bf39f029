"""Whether the promise was kept: the fake servers' own logs joined with the database.

Never the application's counters: what Telegram took is in the emulator's log, what a page shows is
what the gateway hands out, and only states that are listed for a person to act on may excuse a gap.
"""

from collections import Counter
from collections.abc import Iterable

from core.dialogue.guard import APOLOGY
from tests.chaos.people import Person
from tests.chaos.stage import Stage

_UNCERTAIN = "SELECT text FROM app.messages WHERE status = 'uncertain'"
_DEAD = "SELECT text FROM app.messages WHERE status = 'dead'"


def reply_to(text: str) -> str:
    return f"echo {text}"


async def check(stage: Stage, people: Iterable[Person]) -> int:
    """Every accepted message answered once and in order; how many sends are listed as uncertain.

    Texts must be unique. A message that killed two workers may have been answered by an apology.
    """
    uncertain = {row["text"] for row in await stage.fetch(_UNCERTAIN)}
    dead = {row["text"] for row in await stage.fetch(_DEAD)}
    for person in people:
        expected = [APOLOGY if text in dead else reply_to(text) for text in person.said]
        compare(person.key, expected, await person.heard(), uncertain)
    return len(uncertain)


def compare(key: str, expected: list[str], heard: list[str], uncertain: set[str]) -> None:
    """Nothing twice, nothing lost, nothing out of its place."""
    twice = [text for text, times in Counter(heard).items() if times > 1 and text != APOLOGY]
    assert not twice, f"sent twice to {key}: {twice}"
    # An uncertain send may have arrived; then it did so in its place.
    due = [text for text in expected if text in heard or text not in uncertain]
    lost = set(due).difference(heard)
    assert not lost, f"lost for {key}: {lost}"
    assert heard == due, f"out of order for {key}"


async def stored_once(stage: Stage, people: Iterable[Person]) -> None:
    """Each acknowledged message has one row, whatever was delivered how often."""
    rows = await stage.fetch("SELECT text FROM app.messages WHERE direction = 'in'")
    stored = Counter(row["text"] for row in rows if row["text"] != "/start")
    said = Counter(text for person in people for text in person.said if text != "/start")
    assert stored == said
