"""The facade end to end: a document goes in, its passages come out."""

from uuid import UUID

from core.knowledge import Knowledge
from tests.core.rag.conftest import add

HABITS = """# Habits

## How do I start a habit that sticks?

Choose one small action and tie it to a cue that already happens every day.

## What if I miss a day?

Missing a single day does not ruin a habit. Return at the very next cue.
"""


async def test_a_document_is_searchable_after_ingestion(
    knowledge: Knowledge, creator: UUID
) -> None:
    document_id = await add(knowledge, creator, "Habits", HABITS)
    assert (await knowledge.get_document(creator, document_id)).status == "ready"
    result = await knowledge.search(creator, "How do I start a habit that sticks?")
    best = result.passages[0]
    assert best.document_id == document_id
    assert best.heading == "Habits › How do I start a habit that sticks?"
    assert not result.degraded
