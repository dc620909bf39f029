"""Programs as creators keep them: versions that never change, one of them live."""

import difflib
import hashlib
from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass
from uuid import UUID

import orjson
import yaml

from core.programs.definition import Program
from shared.database import PgConnection
from shared.errors import NotFound
from shared.models import programs as rows
from shared.models.programs import ProgramRow

MAX_CACHED = 500  # definitions of all creators; a version never changes, so none grows stale

_cache: OrderedDict[tuple[UUID, UUID, int], Program] = OrderedDict()


@dataclass(frozen=True, kw_only=True)
class LiveProgram:
    """A program as contacts are in it: the row, and the definition of the live version."""

    row: ProgramRow
    definition: Program

    @property
    def generation(self) -> int:
        return self.row.generation


async def load(db: PgConnection, creator_id: UUID, program_id: UUID, version: int) -> Program:
    """The definition of a version; it is read once. Raises NotFound."""
    key = (creator_id, program_id, version)
    cached = _cache.get(key)
    if cached is not None:
        _cache.move_to_end(key)
        return cached
    found = await rows.definition(db, creator_id, program_id, version)
    if found is None:
        raise NotFound("no such version of this program")
    program = _cache[key] = Program.model_validate(found)
    if len(_cache) > MAX_CACHED:
        _cache.popitem(last=False)
    return program


async def load_live(
    db: PgConnection, creator_id: UUID, program_ids: Iterable[UUID]
) -> dict[UUID, LiveProgram]:
    """Programs that were published, by id. Until the transaction ends none is edited."""
    held = await rows.hold(db, creator_id, set(program_ids))
    return {
        id_: LiveProgram(row=row, definition=await load(db, creator_id, id_, row.live_version))
        for id_, row in held.items()
        if row.live_version is not None
    }


def dump(program: Program) -> dict[str, object]:
    """A definition as it is stored and shown: without what is left at its default."""
    return program.model_dump(mode="json", exclude_defaults=True)


def digest(program: Program) -> bytes:
    """The same for the same content, however it was written."""
    return hashlib.sha256(orjson.dumps(dump(program), option=orjson.OPT_SORT_KEYS)).digest()


def to_yaml(program: Program) -> str:
    """A definition as a person writes it."""
    return yaml.safe_dump(dump(program), sort_keys=False, allow_unicode=True, width=100)


def compare(first: Program, last: Program, *, names: tuple[str, str]) -> str:
    """A unified diff of two definitions; empty when both are the same."""
    before, after = to_yaml(first).splitlines(), to_yaml(last).splitlines()
    return "\n".join(difflib.unified_diff(before, after, *names, lineterm=""))
