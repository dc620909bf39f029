"""A creator's knowledge on the real engines, and the golden set of these tests."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from core.evaluation import golden
from core.evaluation.candidates import OneEmbedder
from core.evaluation.golden import GoldenSet
from core.knowledge import Knowledge
from core.llm.embedded import WordLlama
from core.rag.calibration import StoredCalibrations
from core.rag.vectors import ChromaVectors
from shared.database import DatabaseManager
from shared.settings import Settings

DATA = Path(__file__).parent / "data"


@pytest.fixture(scope="session")
def golden_set() -> GoldenSet:
    return golden.load(DATA)


@pytest.fixture(scope="session")
def wordllama() -> WordLlama:
    return WordLlama()


@pytest.fixture
def embedders(wordllama: WordLlama) -> OneEmbedder:
    return OneEmbedder(embedder=wordllama)


@pytest.fixture
async def vectors(settings: Settings) -> AsyncIterator[ChromaVectors]:
    store = ChromaVectors(settings.chroma)
    yield store
    await store.close()


@pytest.fixture
def calibrations(database: DatabaseManager) -> StoredCalibrations:
    return StoredCalibrations(database)


@pytest.fixture
def knowledge(
    database: DatabaseManager,
    vectors: ChromaVectors,
    embedders: OneEmbedder,
    calibrations: StoredCalibrations,
) -> Knowledge:
    return Knowledge(database, vectors, embedders, calibrations=calibrations)
