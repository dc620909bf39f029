"""The calibration in use for a space: the creator's, else the house's, else the built-in one."""

import asyncio
import time
from collections import OrderedDict
from uuid import UUID

import structlog

from core.house import HOUSE
from core.rag.gate import Calibration, calibration_for
from shared.database import DatabaseManager
from shared.errors import AppError
from shared.models import evaluations

log = structlog.get_logger(__name__)

FRESH_SECONDS = 60.0
LOOK_UP_SECONDS = 1.0
REMEMBERED = 10_000
# How the search by words alone is called where the calibrations are stored.
WORDS_ALONE = "words"


class StoredCalibrations:
    """Calibrations from Postgres, remembered for a minute. Never raises: a search goes on."""

    def __init__(self, database: DatabaseManager, *, fresh_seconds: float = FRESH_SECONDS) -> None:
        self._database = database
        self._fresh_seconds = fresh_seconds
        self._known: OrderedDict[tuple[UUID, str | None], tuple[float, Calibration | None]] = (
            OrderedDict()
        )

    async def of(self, creator_id: UUID, space: str | None) -> Calibration:
        """What to rank and judge by; `space` None is the search by words alone."""
        for owner in dict.fromkeys((creator_id, HOUSE)):
            if found := await self._owned(owner, space):
                return found
        return calibration_for(space)

    def forget(self) -> None:
        """Look everything up again."""
        self._known.clear()

    async def _owned(self, owner: UUID, space: str | None) -> Calibration | None:
        now = time.monotonic()
        known = self._known.get((owner, space))
        if known is not None and now - known[0] < self._fresh_seconds:
            return known[1]
        try:
            async with asyncio.timeout(LOOK_UP_SECONDS):
                found = await self._read(owner, space)
        except (AppError, TimeoutError) as error:
            log.warning("calibration.unknown", space=space, error=type(error).__name__)
            return known[1] if known else None
        self._known[owner, space] = (now, found)
        self._known.move_to_end((owner, space))
        if len(self._known) > REMEMBERED:
            self._known.popitem(last=False)
        return found

    async def _read(self, owner: UUID, space: str | None) -> Calibration | None:
        async with self._database.transaction(owner) as db:
            stored = await evaluations.calibration(db, owner, space or WORDS_ALONE)
        if stored is None:
            return None
        try:
            return Calibration.from_json(stored)
        except (KeyError, TypeError, ValueError):
            # One that no version of ours wrote must not end every search.
            log.exception("calibration.unreadable", creator_id=str(owner), space=space)
            return None
