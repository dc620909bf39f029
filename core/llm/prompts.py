"""Prompt templates as versioned files: `<id>.v<n>.md.j2`, rendered in a sandbox."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jinja2 import FileSystemLoader, StrictUndefined, Template, TemplateError, TemplateNotFound
from jinja2.sandbox import ImmutableSandboxedEnvironment

from shared.errors import PromptRenderError

BUILT_IN = Path(__file__).parent / "templates"
_ID = re.compile(r"[a-z][a-z0-9_]{0,63}")


class PromptTemplate:
    """A version that does not exist falls back through lower ones to v1."""

    def __init__(self, template_id: str, version: int, *, folder: Path = BUILT_IN) -> None:
        if not _ID.fullmatch(template_id) or version < 1:
            raise PromptRenderError(f"no prompt template is called {template_id!r} v{version}")
        self.template_id = template_id
        self._environment = ImmutableSandboxedEnvironment(
            loader=FileSystemLoader(folder),
            undefined=StrictUndefined,
            autoescape=False,  # a prompt is plain text, not HTML
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self.version, self._template = self._newest(version)

    @property
    def name(self) -> str:
        """As every message stores it: `answer@1`."""
        return f"{self.template_id}@{self.version}"

    def render(self, context: Mapping[str, Any], *, block: str | None = None) -> str:
        """The whole template, or one block. Raises PromptRenderError: a variable is missing, …"""
        try:
            if block is None:
                return self._template.render(context)
            return "".join(self._template.blocks[block](self._template.new_context(dict(context))))
        except KeyError as error:
            raise PromptRenderError(f"{self.name} has no block {block!r}") from error
        except Exception as error:  # a template is a program: it may raise anything
            raise PromptRenderError(f"{self.name}: {error}") from error

    def _newest(self, version: int) -> tuple[int, Template]:
        for candidate in range(version, 0, -1):
            try:
                name = f"{self.template_id}.v{candidate}.md.j2"
                return candidate, self._environment.get_template(name)
            except TemplateNotFound:
                continue
            except TemplateError as error:
                raise PromptRenderError(f"{self.template_id}@{candidate}: {error}") from error
        raise PromptRenderError(f"there is no prompt template {self.template_id!r}")


def render(template_id: str, version: int, context: Mapping[str, Any]) -> str:
    return PromptTemplate(template_id, version).render(context)
