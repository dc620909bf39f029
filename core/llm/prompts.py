"""Versions of prompts: files of ours (`<id>.v<n>.md.j2`) and what creators stored.

A version that fails while it renders gives way to the next lower one, and a stored one at last to
the built-in ones, down to v1.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal, Self

import structlog

from core.llm.base import Rendered
from core.llm.prompt_source import compile_body
from shared.errors import PromptRenderError

log = structlog.get_logger(__name__)

BUILT_IN = Path(__file__).parent / "templates"
Origin = Literal["own", "shared", "builtin"]

_ID = re.compile(r"[a-z][a-z0-9_]{0,63}")
_FILE = re.compile(r"(?P<id>[a-z][a-z0-9_]{0,63})\.v(?P<version>[1-9][0-9]{0,5})\.md\.j2")
_LONGEST_REASON = 200


@dataclass(frozen=True, kw_only=True)
class PromptSource:
    """One version as it was written, and whose it is."""

    template_id: str
    version: int
    body: str
    origin: Origin = "own"
    locale: str = ""

    @property
    def name(self) -> str:
        return f"{self.template_id}@{self.version}"

    @property
    def reference(self) -> str:
        """As messages store it, see `Rendered`."""
        locale = f".{self.locale}" if self.locale else ""
        origin = "" if self.origin == "own" else f"{self.origin}/"
        return f"{origin}{self.template_id}{locale}@{self.version}"


class PromptTemplate:
    """A version, with those that stand in for it when it fails."""

    def __init__(self, template_id: str, version: int, *, folder: Path = BUILT_IN) -> None:
        """A built-in one; a version that does not exist is the next lower one that does."""
        if not _ID.fullmatch(template_id) or version < 1:
            raise PromptRenderError(f"no prompt template is called {template_id!r} v{version}")
        self.sources: Sequence[PromptSource] = [
            source for source in built_in(template_id, folder) if source.version <= version
        ]
        if not self.sources:
            raise PromptRenderError(f"there is no prompt template {template_id!r}")

    @classmethod
    def from_source(
        cls,
        template_id: str,
        version: int,
        body: str,
        *,
        locale: str = "",
        origin: Origin = "own",
        lower: Sequence[PromptSource] = (),
    ) -> Self:
        """A stored version; `lower` stand in for it in their order, then the built-in ones."""
        own = PromptSource(
            template_id=template_id, version=version, body=body, origin=origin, locale=locale
        )
        template = cls.__new__(cls)
        template.sources = [own, *lower, *built_in(template_id)]
        return template

    @property
    def template_id(self) -> str:
        return self.sources[0].template_id

    @property
    def version(self) -> int:
        return self.sources[0].version

    @property
    def name(self) -> str:
        """`answer@1`"""
        return self.sources[0].name

    @property
    def reference(self) -> str:
        """`name`, and whose it is."""
        return self.sources[0].reference

    def render(self, context: Mapping[str, Any], *, block: str | None = None) -> str:
        """The whole template, or one block, of the first version that can be rendered.

        Raises PromptRenderError with the reason of each: a variable is missing, it takes too
        long, …
        """
        return self._first(context, [block]).blocks[block or ""]

    def render_blocks(self, context: Mapping[str, Any], *blocks: str) -> Rendered:
        """Several blocks, all of one version. Raises PromptRenderError as `render` does."""
        return self._first(context, blocks)

    def _first(self, context: Mapping[str, Any], blocks: Sequence[str | None]) -> Rendered:
        reasons = []
        for source in self.sources:
            try:
                return _render(source, context, blocks)
            except Exception as error:  # a template is a program: it may raise anything
                log.warning("prompt.failed", prompt=source.reference, error=type(error).__name__)
                reasons.append(f"{source.reference}: {reason(error)}")
        raise PromptRenderError("; ".join(reasons))


def render(template_id: str, version: int, context: Mapping[str, Any]) -> str:
    return PromptTemplate(template_id, version).render(context)


@lru_cache(maxsize=64)
def built_in(template_id: str, folder: Path = BUILT_IN) -> tuple[PromptSource, ...]:
    """The versions that come with Cairn, newest first."""
    found = [_FILE.fullmatch(path.name) for path in folder.glob("*.md.j2")]
    sources = [
        PromptSource(
            template_id=template_id,
            version=int(match["version"]),
            body=(folder / match.string).read_text(encoding="utf-8"),
            origin="builtin",
        )
        for match in found
        if match and match["id"] == template_id
    ]
    return tuple(sorted(sources, key=lambda source: -source.version))


def reason(error: Exception) -> str:
    """In a line, without what a template was given."""
    return " ".join(str(error).split())[:_LONGEST_REASON] or type(error).__name__


def _render(
    source: PromptSource, context: Mapping[str, Any], blocks: Sequence[str | None]
) -> Rendered:
    compiled = compile_body(source.body)
    texts = {block or "": compiled.render(context, block) for block in blocks}
    return Rendered(reference=source.reference, blocks=texts)
