"""Retrieval in the table: the median search beside the bare Chroma query of the same run."""

from pathlib import Path

from benchmarks import golden, retrieval
from benchmarks.golden import GoldenSet
from benchmarks.report import Figure

_THINGS = ("habit", "goal", "plan", "walk", "meal", "talk", "budget", "song", "garden", "lesson")
_WAYS = ("slowly", "daily", "together", "outdoors", "in the morning", "before sleep", "on Sundays")
_ENDS = ("energy", "calm", "focus", "strength", "trust", "patience", "joy", "order")


async def run(data: Path | None, *, quick: bool) -> list[Figure]:
    found = golden.load(data) if data else synthetic(80 if quick else 500)
    figures = await retrieval.measure(found)
    latency = figures["latency_ms"]
    return [
        Figure(
            name=f"{cut} of a search, {figures['chunks']:,} passages",
            value=latency["search"][cut],
            unit="ms",
            bound=latency["bare vector query"][cut],
            bound_name="bare Chroma query with the same filter",
        )
        for cut in ("p50", "p95")
    ]


def synthetic(count: int) -> GoldenSet:
    """Documents that differ in a few words, and a question for some of them."""
    documents, questions = {}, []
    for number in range(count):
        thing = _THINGS[number % len(_THINGS)]
        way = _WAYS[number // len(_THINGS) % len(_WAYS)]
        end = _ENDS[number // (len(_THINGS) * len(_WAYS)) % len(_ENDS)]
        text = (
            f"Note {number}. A {thing} done {way} brings {end}. Begin with one small step, write it"
            f" down, and look back at your {thing} after a week. What helped with {end} stays."
        )
        documents[f"d{number}"] = (f"{thing} {way} {number}", text)
        if number % max(1, count // 50) == 0:
            asked = f"How does a {thing} done {way} bring {end}?"
            questions.append(
                golden.Question(text=asked, headline=asked, relevant=frozenset({f"d{number}"}))
            )
    return GoldenSet(documents=documents, answerable=questions, unanswerable=["Who won in 1954?"])
