"""Render a prompt template to look at it, with a sample where nothing else is given."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from jinja2 import TemplateSyntaxError

from core.llm.prompt_catalog import TemplateSpec
from core.llm.prompt_checks import render_sample, syntax_error
from core.llm.prompt_source import compile_body

MAX_PASSAGES = 20


@dataclass(frozen=True, kw_only=True)
class Preview:
    """The blocks one after the other, and by their names."""

    text: str
    blocks: Mapping[str, str]


def preview(spec: TemplateSpec, body: str, given: Mapping[str, Any]) -> Preview:
    """Raises InvalidInput. Calculates for up to a fraction of a second: not on the loop."""
    try:
        compiled = compile_body(body)
    except TemplateSyntaxError as error:
        raise syntax_error(error) from error
    blocks = render_sample(compiled, spec, {**spec.samples[0], **given})
    return Preview(text="\n\n".join(blocks.values()), blocks=blocks)
