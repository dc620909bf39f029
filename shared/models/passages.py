"""Passages as a search reads them: the text of chunks with what stands right beside them."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from shared.database import PgConnection
from shared.models.chunks import ChunkText


@dataclass(frozen=True, kw_only=True)
class PassageText:
    """`before` and `after` are what the document's section says around the chunk, "" at its ends.

    Neighbouring chunks overlap; what stands in the chunk itself is not repeated.
    """

    chunk: ChunkText
    before: str = ""
    after: str = ""


# A gap between two chunks was white space, which no chunk begins or ends with.
_READ = """
SELECT c.id, c.document_id, d.title, c.heading, c.text, c.ordinal, c.page,
       right(left(p.text, length(p.text) - greatest(p.end_char - c.start_char, 0))
             || CASE WHEN p.end_char < c.start_char THEN ' ' ELSE '' END, $3) AS before,
       left(CASE WHEN c.end_char < n.start_char THEN ' ' ELSE '' END
            || substr(n.text, greatest(c.end_char - n.start_char, 0) + 1), $3) AS after
FROM app.knowledge_chunks c
JOIN app.knowledge_documents d ON d.creator_id = $1 AND d.id = c.document_id
LEFT JOIN app.knowledge_chunks p
  ON p.creator_id = $1 AND p.document_id = c.document_id AND p.ordinal = c.ordinal - 1
     AND p.heading = c.heading
LEFT JOIN app.knowledge_chunks n
  ON n.creator_id = $1 AND n.document_id = c.document_id AND n.ordinal = c.ordinal + 1
     AND n.heading = c.heading
WHERE c.creator_id = $1 AND c.id = ANY($2::uuid[])
"""


async def read(
    db: PgConnection, creator_id: UUID, ids: Sequence[UUID], *, around: int
) -> dict[UUID, PassageText]:
    """The texts of those ids that are this creator's; any other id yields nothing.

    `around` bounds the characters before and after.
    """
    found: dict[UUID, PassageText] = {}
    if not ids:
        return found
    for row in await db.fetch(_READ, creator_id, ids, around):
        fields = dict(row)
        before, after = fields.pop("before") or "", fields.pop("after") or ""
        found[row["id"]] = PassageText(chunk=ChunkText(**fields), before=before, after=after)
    return found
