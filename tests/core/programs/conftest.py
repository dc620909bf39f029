"""A coach to write programs with."""

from uuid import UUID

import pytest

from shared.database import DatabaseManager
from tests.core.programs.coaching import Coach


@pytest.fixture
def coach(database: DatabaseManager, creator: UUID) -> Coach:
    return Coach(database=database, id=creator)
